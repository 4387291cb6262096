import { existsSync, readFileSync } from 'node:fs'
import { beforeAll, afterAll, describe, expect, test } from 'vitest'
import { stringify } from 'yaml'
import type { SimulatedCluster } from '../../sim/kube/control-plane.ts'
import { CONTROL_PLANE_TAINT, TOKEN, flannel, node, startedCluster } from './kube-fixture.ts'

const RECORDED = new URL('../../../shared/vectors/hosts/kubectl.jsonl', import.meta.url)

interface Recording {
  readonly name: string
  readonly command: string
  readonly exit: number
  readonly stdout: string
  readonly stderr: string
}

/** Commands whose output is the state of that lab, compared by what they hold instead. */
const STATE = /-o (json|yaml)|get --raw \/readyz|^get nodes$/

const web = {
  apiVersion: 'apps/v1',
  kind: 'DaemonSet',
  metadata: { name: 'web', namespace: 'default' },
  spec: {
    selector: { matchLabels: { app: 'web' } },
    template: {
      metadata: { labels: { app: 'web' } },
      spec: { containers: [{ name: 'web', image: 'lab.local/busybox:1' }] },
    },
  },
}

/** The lab of the recordings: three nodes, Flannel, a DaemonSet in `default`. */
async function lab() {
  const started = await startedCluster(
    {},
    { node: node('k1', '10.78.0.1', CONTROL_PLANE_TAINT), controlPlaneEndpoint: '10.78.0.254:6443' },
  )
  const { cluster } = started
  for (const [name, address] of [
    ['k2', '10.78.0.2'],
    ['k3', '10.78.0.3'],
  ] as const)
    await cluster.join({ token: TOKEN, caCertHashes: [], node: node(name, address) })
  const files = [{ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'kube-flannel' } }, flannel(), web]
    .map((file) => stringify(file))
    .join('---\n')
  expect((await cluster.kubectl(['apply', '-f', '-'], files)).exit).toBe(0)
  expect((await cluster.kubectl(['wait', '--for=condition=Ready', 'nodes', '--all', '--timeout=300s'], '')).exit).toBe(
    0,
  )
  expect(
    (await cluster.kubectl(['-n', 'kube-system', 'rollout', 'status', 'deployment/coredns', '--timeout=300s'], ''))
      .exit,
  ).toBe(0)
  expect(
    (await cluster.kubectl(['-n', 'default', 'rollout', 'status', 'daemonset/web', '--timeout=300s'], '')).exit,
  ).toBe(0)
  return started
}

/** Names that a controller made up are the same word everywhere, lists have one order, and how many of a kind is left open. */
const normalised = (text: string): string =>
  text
    .replace(/coredns-[a-z0-9]+-[a-z0-9]{5}/g, 'coredns-*')
    .replace(/(web|kube-flannel-ds|kube-proxy)-[a-z0-9]{5}\b/g, '$1-*')
    .split('\n')
    .map((line) => line.split(', ').sort().join(', '))
    .filter((line, index, lines) => line !== lines[index - 1])
    .join('\n')

/** `List` or `Node` where the output is JSON or YAML. */
const kindOf = (output: string): string | undefined => /^ {0,4}"?kind"?: "?(\w+)/m.exec(output)?.[1]

describe.skipIf(!existsSync(RECORDED) && process.env['CI'] === undefined)('recorded kubectl', () => {
  const recordings = existsSync(RECORDED)
    ? readFileSync(RECORDED, 'utf8')
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as Recording)
    : []
  let started: Awaited<ReturnType<typeof lab>>
  let cluster: SimulatedCluster
  beforeAll(async () => {
    started = await lab()
    cluster = started.cluster
  })
  afterAll(() => started[Symbol.asyncDispose]())

  test('the recordings are there', () => expect(recordings.length).toBeGreaterThan(25))

  // One after the other, as they were recorded: later ones see what earlier ones did.
  test.each(recordings.filter(({ command }) => !/\bevents\b/.test(command)))(
    '$name',
    async ({ command, exit, stdout, stderr }) => {
      const argv = command.replace(/^kubectl --kubeconfig \S+ /, '').split(' ')
      const answer = await cluster.kubectl(argv, '')
      const comparable = !STATE.test(argv.join(' ')) && exit === 0
      expect({
        exit: answer.exit,
        stderr: normalised(answer.stderr),
        stdout: comparable ? normalised(answer.stdout).trim() : '',
        kind: kindOf(answer.stdout),
      }).toEqual({
        exit,
        stderr: normalised(stderr),
        stdout: comparable ? normalised(stdout).trim() : '',
        kind: kindOf(stdout),
      })
    },
  )
})

describe('kubectl', () => {
  test.each([
    [['get', 'node', 'none'], 1, '', 'Error from server (NotFound): nodes "none" not found\n'],
    [['get', 'nothing'], 1, '', 'error: the server doesn\'t have a resource type "nothing"\n'],
    [['get', 'node', 'k1', '-o', 'name'], 0, 'node/k1\n', ''],
    [['get', 'nodes', '-o', 'jsonpath={range .items[*]}{.metadata.name}{"\\n"}{end}'], 0, 'k1\nk2\nk3\n', ''],
    [['get', 'node', 'k2', '-o', 'jsonpath={.status.conditions[?(@.type=="Ready")].status}'], 0, 'True', ''],
    [['get', 'cm', 'none', '--ignore-not-found'], 0, '', ''],
    [['delete', 'node', 'none', '--ignore-not-found'], 0, '', ''],
    [['-n', 'default', 'get', 'cm', '-l', 'a=b'], 0, '', 'No resources found in default namespace.\n'],
    [['label', 'node', 'k2', 'slipway.dev/x=1'], 0, 'node/k2 labeled\n', ''],
    [['label', 'node', 'k2', 'slipway.dev/x=2', '--overwrite'], 0, 'node/k2 labeled\n', ''],
    [['taint', 'node', 'k2', 'a=b:NoSchedule', '--overwrite'], 0, 'node/k2 tainted\n', ''],
    [['taint', 'node', 'k2', 'a-'], 1, '', 'error: taint "a" not found\n'],
    [
      ['wait', '--for=condition=Ready=False', 'node/k2', '--timeout=1s'],
      1,
      '',
      'error: timed out waiting for the condition on nodes/k2\n',
    ],
  ] as const)('%j', async (argv, exit, stdout, stderr) => {
    await using started = await lab()
    expect(await started.cluster.kubectl(argv, '')).toEqual({ exit, stdout, stderr })
  })

  test('apply creates, leaves alone, changes, and takes away what is no longer said', async () => {
    await using started = await startedCluster()
    const { cluster } = started
    const file = (data: Record<string, string>) =>
      stringify({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'a' }, data })
    const apply = (data: Record<string, string>, ...more: string[]) =>
      cluster.kubectl(['apply', '-f', '-', ...more], file(data))
    expect((await apply({ x: '1', y: '1' })).stdout).toBe('configmap/a created\n')
    expect((await apply({ x: '1', y: '1' })).stdout).toBe('configmap/a unchanged\n')
    expect((await apply({ x: '2' })).stdout).toBe('configmap/a configured\n')
    expect((await cluster.kubectl(['get', 'cm', 'a', '-o', 'jsonpath={.data}'], '')).stdout).toBe('{"x":"2"}')
    const refused = await apply({ x: '3' }, '--server-side')
    expect(refused.exit).toBe(1)
    expect(refused.stderr).toContain(
      'Apply failed with 1 conflict: conflict with "kubectl-client-side-apply" using v1: .data.x',
    )
    expect((await apply({ x: '3' }, '--server-side', '--force-conflicts')).stdout).toBe(
      'configmap/a serverside-applied\n',
    )
  })

  test('drain waits for a disruption budget and gives up at its timeout', async () => {
    await using started = await lab()
    const { cluster } = started
    const budget = stringify({
      apiVersion: 'policy/v1',
      kind: 'PodDisruptionBudget',
      metadata: { name: 'dns', namespace: 'kube-system' },
      spec: { minAvailable: 2, selector: { matchLabels: { 'k8s-app': 'kube-dns' } } },
    })
    await cluster.kubectl(['apply', '-f', '-'], budget)
    const pods = await cluster.kubectl(
      ['-n', 'kube-system', 'get', 'pods', '-l', 'k8s-app=kube-dns', '-o', 'jsonpath={.items[0].spec.nodeName}'],
      '',
    )
    const drained = await cluster.kubectl(['drain', pods.stdout, '--ignore-daemonsets', '--timeout=10s'], '')
    expect(drained.exit).toBe(1)
    expect(drained.stderr).toContain("Cannot evict pod as it would violate the pod's disruption budget.")
    expect(drained.stderr).toContain('global timeout reached: 10s')
  })
})
