import { expect, test } from 'vitest'
import { statusOf } from '../../../../src/core/conditions.ts'
import { ownerMark } from '../../../../src/core/owner-mark.ts'
import type { SshTarget } from '../../../../src/core/steps/host.ts'
import { bareSite, CP_1, only, W_1, withoutRepository, type Site } from '../bare-site.ts'

/** Many simulated minutes on a busy machine. */
const PATIENCE = { timeout: 60_000 }

const nodes = async ({ lan }: Site) =>
  (await (await lan.kube()).list('v1', 'Node')).map(({ metadata }) => metadata.name)
const QUICK = { timeoutMs: 30_000 }
const target = (plan: ReturnType<Site['firstPlan']>, name: string): SshTarget => {
  const found = plan.steps.find(({ id }) => id === `prepare-host/${name}`)?.step
  if (found?.kind !== 'prepare-host') throw new Error(`${name} is not prepared`)
  return found.target
}
const failures = ({ outcome }: Awaited<ReturnType<Site['run']>>) =>
  outcome.outcome === 'stopped' ? outcome.failed.map(({ step, problem }) => `${step}: ${problem.code}`) : []

test('two hosts become a cluster, and doing it again changes nothing', PATIENCE, async () => {
  await using site = await bareSite()
  const plan = site.firstPlan()
  const first = await site.run(plan, withoutRepository)
  expect(first.outcome).toEqual({ outcome: 'succeeded' })
  expect(await nodes(site)).toEqual(['cp-1', 'w-1'])
  const dns = await (
    await site.lan.kube()
  ).get({ apiVersion: 'apps/v1', kind: 'Deployment', namespace: 'kube-system', name: 'coredns' })
  expect(statusOf(dns)['availableReplicas']).toBeGreaterThan(0)

  const mutations = () => ['cp-1', 'w-1'].map((name) => site.world.hosts.mutations(name).length)
  const before = mutations()
  const again = await site.run(plan, withoutRepository)
  expect(again.outcome).toEqual({ outcome: 'succeeded' })
  expect(again.done).toHaveLength(first.done.length)
  expect(again.done.filter((line) => !line.endsWith(' already'))).toEqual([])
  expect(mutations()).toEqual(before)
})

test('control planes join one after another, each a member of etcd', PATIENCE, async () => {
  const others = [
    { name: 'cp-2', address: '10.4.0.12', role: 'control-plane' as const },
    { name: 'cp-3', address: '10.4.0.13', role: 'control-plane' as const },
  ]
  await using site = await bareSite({
    machines: [CP_1, ...others],
    endpoint: '{ address: 10.4.0.10, port: 6443, keptBy: external }',
  })
  expect(failures(await site.run(site.firstPlan(), withoutRepository))).toEqual([])
  expect(await nodes(site)).toEqual(['cp-1', 'cp-2', 'cp-3'])
  expect(site.world.kube.clusters.map((cluster) => cluster.etcdMembers().length)).toEqual([3])
})

test('an init whose answer was lost is found done', PATIENCE, async () => {
  await using site = await bareSite()
  const plan = site.firstPlan()
  await site.run(plan, only('await-host', 'prepare-host'))
  site.world.setFaults({ hosts: { connectionResetAfter: { match: 'bash -s', calls: [2] } } })
  const { outcome, events } = await site.run(plan, only('init-control-plane'))
  expect(events).toContainEqual(expect.objectContaining({ text: expect.stringMatching(/^trying again: /) }))
  expect(outcome).toEqual({ outcome: 'succeeded' })
  expect(site.world.kube.clusters).toHaveLength(1)
  expect(site.world.hosts.mutations('cp-1').filter((line) => line === 'kubeadm init')).toHaveLength(1)
})

test('an init that a reboot cut off is reset and made again', PATIENCE, async () => {
  await using site = await bareSite()
  const plan = site.firstPlan()
  await site.run(plan, only('await-host', 'prepare-host'))
  // The mark is written before kubeadm runs.
  site.world.hosts.writeFile('cp-1', '/var/lib/slipway/cluster', `${ownerMark(site.spec, 'cp-1')}\n`)
  site.world.hosts.writeFile('cp-1', '/var/lib/slipway/making', '2026-11-21T12:00:00Z\n')
  site.world.hosts.writeFile('cp-1', '/etc/kubernetes/manifests/kube-apiserver.yaml', 'half done\n')
  site.world.hosts.writeFile('cp-1', '/var/lib/etcd/member/snap/db', '')
  expect(failures(await site.run(plan, only('init-control-plane')))).toEqual([])
  expect(await nodes(site)).toEqual(['cp-1'])
})

test('a whole member is never reset, although the note of its join is gone', PATIENCE, async () => {
  await using site = await bareSite()
  const plan = site.firstPlan()
  const making = only(
    'await-host',
    'prepare-host',
    'init-control-plane',
    'apply-component',
    'join-node',
    'await-cluster',
  )
  expect(failures(await site.run(plan, making))).toEqual([])
  for (const name of ['cp-1', 'w-1'])
    await site.lan.remote.run(target(plan, name), 'rm /var/lib/slipway/joined', {}, QUICK)
  expect(failures(await site.run(plan, only('init-control-plane')))).toEqual(['init-control-plane/cp-1: kubeadm.init'])
  expect(failures(await site.run(plan, only('join-node')))).toEqual([])
  const resets = ['cp-1', 'w-1'].flatMap((name) =>
    site.world.hosts.mutations(name).filter((line) => line.includes('reset')),
  )
  expect(resets).toEqual([])
  expect(site.world.hosts.readFile('w-1', '/var/lib/slipway/joined')).toBeDefined()
})

test('a host that another tool made a node of is left alone', PATIENCE, async () => {
  await using site = await bareSite()
  site.world.hosts.writeFile('cp-1', '/etc/kubernetes/kubelet.conf', 'somebody else\n')
  const before = site.world.hosts.mutations('cp-1').length
  const plan = site.firstPlan()
  const result = await site.run(plan, ({ id }) => id === 'prepare-host/cp-1')
  expect(failures(result)).toEqual(['prepare-host/cp-1: host.another-cluster'])
  expect(failures(await site.run(plan, only('init-control-plane')))).toEqual([
    'init-control-plane/cp-1: host.another-cluster',
  ])
  expect(site.world.hosts.mutations('cp-1')).toHaveLength(before)
})

test("a host with another cluster's mark is left alone", PATIENCE, async () => {
  await using site = await bareSite()
  const other = 'slipway:cluster=other;machine=cp-1;repo=git.example/jane/homelab\n'
  site.world.hosts.writeFile('cp-1', '/var/lib/slipway/cluster', other)
  const plan = site.firstPlan()
  for (const kind of ['prepare-host', 'init-control-plane'] as const)
    expect(failures(await site.run(plan, ({ id }) => id === `${kind}/cp-1`))).toEqual([
      `${kind}/cp-1: host.another-cluster`,
    ])
  expect(site.world.hosts.readFile('cp-1', '/var/lib/slipway/cluster')).toBe(other)
})

test('a run that a newer one has overtaken stops at its next script', PATIENCE, async () => {
  await using site = await bareSite()
  site.world.hosts.writeFile('cp-1', '/var/lib/slipway/fence', '7\n')
  const plan = site.firstPlan()
  const late = await site.run(plan, ({ id }) => id === 'prepare-host/cp-1')
  expect(failures(late)).toEqual(['prepare-host/cp-1: host.fenced'])
  expect(site.world.hosts.readFile('cp-1', '/var/lib/slipway/prepared')).toBeUndefined()
  const newer = await site.run(plan, ({ id }) => id === 'prepare-host/cp-1', { ...site.lan, fence: 8 })
  expect(failures(newer)).toEqual([])
  expect(site.world.hosts.readFile('cp-1', '/var/lib/slipway/fence')?.trim()).toBe('8')
})

test('labels and taints become what the spec says, and those of others stay', PATIENCE, async () => {
  await using site = await bareSite({
    machines: [CP_1, { ...W_1, more: "labels: { shelf: top }\n      taints: ['gpu=yes:NoSchedule']" }],
  })
  const plan = site.firstPlan()
  // No node is left for the engine's pods.
  const joined = only('await-host', 'prepare-host', 'init-control-plane', 'join-node', 'label-node')
  expect(failures(await site.run(plan, joined))).toEqual([])
  const kube = await site.lan.kube()
  const ref = { apiVersion: 'v1', kind: 'Node', name: 'w-1' }
  expect((await kube.get(ref))?.metadata.labels).toMatchObject({ shelf: 'top' })
  await kube.patch(ref, { metadata: { labels: { shelf: 'floor', theirs: 'yes' } } })
  const again = await site.run(plan, only('label-node'))
  expect(again.done).toEqual(['label-node/w-1 applied'])
  const node = await kube.get(ref)
  expect(node?.metadata.labels).toMatchObject({ shelf: 'top', theirs: 'yes' })
  expect(node).toMatchObject({
    spec: { taints: expect.arrayContaining([{ key: 'gpu', value: 'yes', effect: 'NoSchedule' }]) },
  })
  expect(node?.metadata.annotations).toMatchObject({ 'slipway.dev/labels': 'shelf', 'slipway.dev/taints': 'gpu' })
})

test('the token and the kubeconfig stay out of process lists, events and the disk of the hosts', PATIENCE, async () => {
  await using site = await bareSite()
  const { events, outcome } = await site.run(site.firstPlan(), withoutRepository)
  expect(outcome).toEqual({ outcome: 'succeeded' })
  const token = site.keys.bootstrapToken()
  expect(token).toMatch(/^[a-z0-9]{6}\.[a-z0-9]{16}$/)
  const secret = token?.split('.')[1] ?? 'none'
  const seen = JSON.stringify([events, site.world.hosts.commands()])
  expect(seen).not.toContain(secret)
  expect(seen).not.toContain('client-key-data')
  for (const name of ['cp-1', 'w-1'])
    expect(site.world.hosts.readFile(name, '/run/slipway/kubeadm.yaml')).toBeUndefined()
})
