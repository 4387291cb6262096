import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { Encrypter, armor, generateIdentity, identityToRecipient } from 'age-encryption'
import { createCipheriv, randomBytes } from 'node:crypto'
import ssh2 from 'ssh2'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { stringify } from 'yaml'
import type { Faults } from '../../sim/faults.ts'
import { GitRepository } from '../../sim/git/repository.ts'
import type { GitSshServer } from '../../sim/git/ssh-server.ts'
import { gitSshServer } from '../../sim/git/ssh-server.ts'
import type { SimulatedCluster } from '../../sim/kube/control-plane.ts'
import type { KubeFault } from '../../sim/kube/server.ts'
import { conditionOf } from '../../sim/kube/conditions.ts'
import type { KubeObject } from '../../sim/kube/object.ts'
import { list, text } from '../../sim/kube/object.ts'
import { content } from '../../sim/mirror/content.ts'
import { flannel, node, startedCluster, until } from './kube-fixture.ts'

const RECORDED = new URL('../../../shared/vectors/gitops/', import.meta.url)
const recorded = (name: string, kind: string): KubeObject | undefined => {
  const file = new URL(`${name}.json`, RECORDED)
  if (!existsSync(file)) return undefined
  return (JSON.parse(readFileSync(file, 'utf8')) as { items: KubeObject[] }).items.find((item) => item.kind === kind)
}

/** A repository with a deploy key, behind a real Git SSH server. */
class Forge {
  readonly folder = mkdtempSync(join(tmpdir(), 'kube-gitops-'))
  readonly key = ssh2.utils.generateKeyPairSync('ed25519')
  readonly stranger = ssh2.utils.generateKeyPairSync('ed25519')
  #server: GitSshServer | undefined

  async start(): Promise<void> {
    const repository = await GitRepository.create(join(this.folder, 'demo.git'), 'main', 'refs/pull')
    const blob = Buffer.from(this.key.public.split(' ')[1] ?? '', 'base64')
    this.#server = await gitSshServer({
      identify: (offered) => (offered.equals(blob) ? { name: 'deploy' } : undefined),
      open: () => ({ repository }),
      greeting: () => '',
      pushed: () => Promise.resolve(),
    })
    this.#git('init', '--quiet', '--initial-branch=main', join(this.folder, 'work'))
  }

  get server(): GitSshServer {
    if (this.#server === undefined) throw new Error('the forge has not been started')
    return this.#server
  }

  get url(): string {
    return `ssh://git@127.0.0.1:${this.server.port}/lab/demo.git`
  }

  #git(...argv: readonly string[]): string {
    const env = {
      PATH: process.env['PATH'] ?? '',
      HOME: this.folder,
      GIT_CONFIG_NOSYSTEM: '1',
      GIT_AUTHOR_NAME: 'a',
      GIT_AUTHOR_EMAIL: 'a@lab',
      GIT_COMMITTER_NAME: 'a',
      GIT_COMMITTER_EMAIL: 'a@lab',
    }
    return execFileSync('git', [...argv], { env, encoding: 'utf8' }).trim()
  }

  /** Commits exactly these files. */
  async push(files: Readonly<Record<string, string>>): Promise<string> {
    const work = join(this.folder, 'work')
    this.#git('-C', work, 'rm', '-r', '-q', '--ignore-unmatch', '.')
    for (const [path, body] of Object.entries(files)) {
      await mkdir(dirname(join(work, path)), { recursive: true })
      await writeFile(join(work, path), body)
    }
    this.#git('-C', work, 'add', '-A')
    this.#git('-C', work, 'commit', '--quiet', '--allow-empty', '-m', 'change')
    this.#git('-C', work, 'push', '--quiet', '--force', join(this.folder, 'demo.git'), 'HEAD:refs/heads/main')
    return this.#git('-C', work, 'rev-parse', 'HEAD')
  }

  async stop(): Promise<void> {
    await this.#server?.close()
    rmSync(this.folder, { recursive: true, force: true })
  }
}

const forge = new Forge()
beforeAll(() => forge.start())
afterAll(() => forge.stop())

async function withNetwork(faults: Faults<KubeFault> = {}) {
  const started = await startedCluster({ faults }, { node: node('cp-1', '10.4.0.11') })
  await apply(started.cluster, [{ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'kube-flannel' } }, flannel()])
  return started
}

async function apply(cluster: SimulatedCluster, objects: readonly unknown[]): Promise<void> {
  const answer = await cluster.kubectl(
    ['apply', '--server-side', '-f', '-'],
    objects.map((object) => stringify(object)).join('---\n'),
  )
  expect(answer.stderr).toBe('')
}

function upstream(ending: string): string {
  const [, bytes] = [...content()].find(([path]) => path.endsWith(ending)) ?? []
  if (bytes === undefined) throw new Error(`the mirror has no ${ending}`)
  return Buffer.from(bytes).toString()
}

const secret = (
  name: string,
  namespace: string,
  stringData: Record<string, string>,
  labels: Record<string, string> = {},
) => ({
  apiVersion: 'v1',
  kind: 'Secret',
  metadata: { name, namespace, labels },
  stringData,
})

/** Applies an upstream manifest: definitions first, the rest once they are served. */
async function install(cluster: SimulatedCluster, manifest: string, namespace: string): Promise<void> {
  await cluster.kubectl(['create', 'namespace', namespace], '')
  await until(async () =>
    (await cluster.kubectl(['-n', namespace, 'apply', '--server-side', '-f', '-'], manifest)).exit === 0
      ? true
      : undefined,
  )
  expect(
    (await cluster.kubectl(['wait', '--for=condition=Established', 'crd', '--all', '--timeout=60s'], '')).exit,
  ).toBe(0)
}

const messageOf = (object: KubeObject | undefined, type: string) => text(conditionOf(object, type), 'message') ?? ''
/** Addresses, commits and durations differ from run to run. */
const normal = (message: string) =>
  message
    .replace(/ssh:\/\/[^']*/g, 'URL')
    .replace(/[0-9a-f]{40}/g, 'SHA')
    .replace(/age1[a-z0-9]+/g, 'AGE')
    .replace(/passed in [\d.]+ms/, 'passed in TIME')
const conditions = (object: KubeObject | undefined) =>
  Object.fromEntries(
    list(object, 'status', 'conditions').map((item) => [
      text(item, 'type'),
      [text(item, 'status'), text(item, 'reason'), normal(text(item, 'message') ?? '')],
    ]),
  )

/** Holds conditions against the recording; without `../shared`, which CI has, they are only looked for. */
function expectAsRecorded(object: KubeObject | undefined, name: string, ...types: readonly string[]): void {
  const absent = process.env['CI'] === undefined ? object : undefined
  const theirs = recorded(name, object?.kind ?? '') ?? absent
  for (const type of types) {
    expect(conditions(object)[type]).toBeDefined()
    expect(conditions(object)[type]).toEqual(conditions(theirs)[type])
  }
}

const app = (rev: unknown) =>
  [
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'demo' } },
    { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'app', namespace: 'demo' }, data: { rev } },
  ]
    .map((object) => stringify(object))
    .join('---\n')

describe('Flux', () => {
  async function withFlux(
    identity = forge.key.private,
    knownHosts = `${forge.server.knownHosts}\n`,
    faults: Faults<KubeFault> = {},
  ) {
    const started = await withNetwork(faults)
    const { cluster } = started
    await install(cluster, upstream('flux2/releases/download/v2.9.4/install.yaml'), 'flux-system')
    await apply(cluster, [
      secret('deploy', 'flux-system', { identity, known_hosts: knownHosts }),
      {
        apiVersion: 'source.toolkit.fluxcd.io/v1',
        kind: 'GitRepository',
        metadata: { name: 'demo', namespace: 'flux-system' },
        spec: {
          interval: '10m',
          ref: { branch: 'main' },
          secretRef: { name: 'deploy' },
          timeout: '20s',
          url: forge.url,
        },
      },
      {
        apiVersion: 'kustomize.toolkit.fluxcd.io/v1',
        kind: 'Kustomization',
        metadata: { name: 'demo', namespace: 'flux-system' },
        spec: {
          interval: '10m',
          path: './apps',
          prune: true,
          wait: true,
          retryInterval: '10s',
          timeout: '30s',
          sourceRef: { kind: 'GitRepository', name: 'demo' },
          decryption: { provider: 'sops', secretRef: { name: 'sops-age' } },
        },
      },
    ])
    const get = (kind: string, name = 'demo') =>
      cluster.api.store.get(
        cluster.api.kind(
          kind === 'GitRepository' ? 'source.toolkit.fluxcd.io/v1' : 'kustomize.toolkit.fluxcd.io/v1',
          kind,
        ),
        'flux-system',
        name,
      )
    const reconcile = async () => {
      for (const kind of ['gitrepository', 'kustomization'])
        await cluster.kubectl(
          [
            '-n',
            'flux-system',
            'annotate',
            kind,
            'demo',
            `reconcile.fluxcd.io/requestedAt=${randomBytes(4).toString('hex')}`,
            '--overwrite',
          ],
          '',
        )
    }
    return { ...started, cluster, get, reconcile }
  }

  test('what is pushed is applied, and what is taken away is pruned', async () => {
    const first = await forge.push({
      'apps/app.yaml': app('1'),
      'apps/more/extra.yaml': stringify({
        apiVersion: 'v1',
        kind: 'ConfigMap',
        metadata: { name: 'extra', namespace: 'demo' },
      }),
    })
    await using flux = await withFlux()
    const { cluster, get, reconcile } = flux
    const applied = (commit: string) =>
      until(() =>
        text(get('Kustomization'), 'status', 'lastAppliedRevision') === `main@sha1:${commit}`
          ? get('Kustomization')
          : undefined,
      )
    const ready = await applied(first)
    expectAsRecorded(ready, 'flux-ready', 'Ready')
    expectAsRecorded(get('GitRepository'), 'flux-ready', 'Ready', 'ArtifactInStorage')
    expect(list(ready, 'status', 'inventory', 'entries')).toEqual([
      { id: '_demo__Namespace', v: 'v1' },
      { id: 'demo_app__ConfigMap', v: 'v1' },
      { id: 'demo_extra__ConfigMap', v: 'v1' },
    ])
    const second = await forge.push({ 'apps/app.yaml': app('2') })
    await reconcile()
    await applied(second)
    const maps = await cluster.kubectl(
      ['-n', 'demo', 'get', 'cm', '-o', 'jsonpath={range .items[*]}{.metadata.name}={.data.rev} {end}'],
      '',
    )
    expect(maps.stdout).toBe('app=2 kube-root-ca.crt= ')
  })

  test.each([
    ['flux-wrong-deploy-key', () => [forge.stranger.private, `${forge.server.knownHosts}\n`]],
    [
      'flux-changed-host-key',
      () => [forge.key.private, `[127.0.0.1]:${forge.server.port} ${forge.stranger.public.trim()}\n`],
    ],
  ] as const)('%s', async (name, credentials) => {
    await forge.push({ 'apps/app.yaml': app('1') })
    const [identity = '', hosts = ''] = credentials()
    await using flux = await withFlux(identity, hosts)
    const failed = await until(() =>
      conditionOf(flux.get('GitRepository'), 'FetchFailed') === undefined ? undefined : flux.get('GitRepository'),
    )
    expect(messageOf(failed, 'Ready')).toContain('handshake failed')
    expectAsRecorded(failed, name, 'Ready', 'Reconciling', 'FetchFailed')
  })

  test('a Git server out of reach is said to be, and tried again', async () => {
    const commit = await forge.push({ 'apps/app.yaml': app('1') })
    await using flux = await withFlux(forge.key.private, `${forge.server.knownHosts}\n`, {
      gitUnreachable: { calls: [1] },
    })
    await until(() => (messageOf(flux.get('GitRepository'), 'Ready').includes('connection refused') ? true : undefined))
    const fetched = await until(() =>
      conditionOf(flux.get('GitRepository'), 'Ready')?.['status'] === 'True' ? flux.get('GitRepository') : undefined,
    )
    expect(text(fetched, 'status', 'artifact', 'revision')).toBe(`main@sha1:${commit}`)
    expect(conditionOf(fetched, 'FetchFailed')).toBeUndefined()
  })

  test('an object that the API refuses is named', async () => {
    await forge.push({ 'apps/app.yaml': app(5) })
    await using flux = await withFlux()
    const failed = await until(() =>
      conditionOf(flux.get('Kustomization'), 'Ready')?.['reason'] === 'ReconciliationFailed'
        ? flux.get('Kustomization')
        : undefined,
    )
    expect(messageOf(failed, 'Ready')).toBe(
      'ConfigMap/demo/app dry-run failed: failed to create typed patch object (demo/app; /v1, Kind=ConfigMap): .data.rev: expected string, got &value.valueUnstructured{Value:5}\n',
    )
    expectAsRecorded(failed, 'flux-invalid-object', 'Ready')
  })

  test('a SOPS Secret needs the right age key', async () => {
    const identity = await generateIdentity()
    const recipient = await identityToRecipient(identity)
    const encrypter = new Encrypter()
    encrypter.addRecipient(recipient)
    const dataKey = randomBytes(32)
    const iv = randomBytes(32)
    const cipher = createCipheriv('aes-256-gcm', dataKey, iv)
    cipher.setAAD(Buffer.from('stringData:password:'))
    const data = Buffer.concat([cipher.update('correct horse'), cipher.final()])
    const encrypted = {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: 'app', namespace: 'demo' },
      stringData: {
        password: `ENC[AES256_GCM,data:${data.toString('base64')},iv:${iv.toString('base64')},tag:${cipher.getAuthTag().toString('base64')},type:str]`,
      },
      sops: {
        age: [{ recipient, enc: armor.encode(await encrypter.encrypt(dataKey)) }],
        lastmodified: '2026-11-21T10:00:00Z',
        encrypted_regex: '^(data|stringData)$',
        version: '3.11.0',
      },
    }
    await forge.push({ 'apps/app.yaml': app('1'), 'apps/secret.yaml': stringify(encrypted) })
    await using flux = await withFlux()
    const { cluster, get } = flux
    await apply(cluster, [secret('sops-age', 'flux-system', { 'age.agekey': await generateIdentity() })])
    const failed = await until(() =>
      conditionOf(get('Kustomization'), 'Ready')?.['reason'] === 'BuildFailed' ? get('Kustomization') : undefined,
    )
    expectAsRecorded(failed, 'flux-wrong-age-key', 'Ready')
    expect(messageOf(failed, 'Ready')).not.toContain(identity)
    await apply(cluster, [secret('sops-age', 'flux-system', { 'age.agekey': identity })])
    await until(() => (conditionOf(get('Kustomization'), 'Ready')?.['status'] === 'True' ? true : undefined))
    const stored = await cluster.kubectl(['-n', 'demo', 'get', 'secret', 'app', '-o', 'jsonpath={.data.password}'], '')
    expect(Buffer.from(stored.stdout, 'base64').toString()).toBe('correct horse')
  })
})

describe('Argo CD', () => {
  test('an Application is synced, and a broken one says what it cannot compare', async () => {
    const commit = await forge.push({
      'apps/kustomization.yaml': 'resources: [cm.yaml]\n',
      'apps/cm.yaml': stringify({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'app' }, data: { rev: '1' } }),
    })
    await using started = await withNetwork()
    const { cluster } = started
    await install(cluster, upstream('argo-cd/v3.4.4/manifests/install.yaml'), 'argocd')
    const hosts = {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'argocd-ssh-known-hosts-cm', namespace: 'argocd' },
      data: { ssh_known_hosts: `${forge.server.knownHosts}\n` },
    }
    await cluster.kubectl(['apply', '--server-side', '--force-conflicts', '-f', '-'], stringify(hosts))
    await apply(cluster, [
      secret(
        'repo',
        'argocd',
        { type: 'git', url: forge.url, sshPrivateKey: forge.key.private },
        { 'argocd.argoproj.io/secret-type': 'repository' },
      ),
      {
        apiVersion: 'argoproj.io/v1alpha1',
        kind: 'Application',
        metadata: { name: 'demo', namespace: 'argocd' },
        spec: {
          destination: { server: 'https://kubernetes.default.svc', namespace: 'ademo' },
          project: 'default',
          source: { path: 'apps', repoURL: forge.url, targetRevision: 'main' },
          syncPolicy: { automated: { prune: true, selfHeal: true }, syncOptions: ['CreateNamespace=true'] },
        },
      },
    ])
    const get = () => cluster.api.store.get(cluster.api.kind('argoproj.io/v1alpha1', 'Application'), 'argocd', 'demo')
    const synced = await until(() =>
      text(get(), 'status', 'sync', 'status') === 'Synced' && text(get(), 'status', 'health', 'status') === 'Healthy'
        ? get()
        : undefined,
    )
    expect(text(synced, 'status', 'sync', 'revision')).toBe(commit)
    expect(text(synced, 'status', 'operationState', 'message')).toBe('successfully synced (all tasks run)')
    expect((await cluster.kubectl(['-n', 'ademo', 'get', 'cm', 'app', '-o', 'jsonpath={.data.rev}'], '')).stdout).toBe(
      '1',
    )
    await forge.push({ 'apps/kustomization.yaml': 'resources: [nope.yaml]\n' })
    await cluster.kubectl(['-n', 'argocd', 'annotate', 'application', 'demo', 'argocd.argoproj.io/refresh=normal'], '')
    const broken = await until(() => (conditionOf(get(), 'ComparisonError') === undefined ? undefined : get()))
    expect(text(broken, 'status', 'sync', 'status')).toBe('Unknown')
    expect(messageOf(broken, 'ComparisonError')).toContain("accumulating resources from 'nope.yaml'")
    expectAsRecorded(broken, 'argocd-broken-kustomization', 'ComparisonError')
  })
})

describe('Fleet', () => {
  const CHARTS = new URL('../../sim/mirror/content/charts/', import.meta.url)
  const templates = (chart: string) =>
    readdirSync(new URL(`${chart}/templates/`, CHARTS))
      .map((file) => readFileSync(new URL(`${chart}/templates/${file}`, CHARTS), 'utf8'))
      .join('\n---\n')
      .replaceAll('{{ .Release.Namespace }}', 'cattle-fleet-system')
      .replaceAll('{{ .Chart.Version }}', '0.15.0')
      .replace(/\{\{ [^}]* \}\}/g, 'x')

  test('a GitRepo becomes a Bundle that is deployed', async () => {
    const commit = await forge.push({
      'apps/fleet.yaml': 'defaultNamespace: fdemo\n',
      'apps/cm.yaml': stringify({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'app' }, data: { rev: '3' } }),
    })
    await using started = await withNetwork()
    const { cluster } = started
    await install(cluster, templates('fleet-crd'), 'cattle-fleet-system')
    await install(cluster, templates('fleet'), 'cattle-fleet-system')
    await cluster.kubectl(['create', 'namespace', 'fleet-local'], '')
    await apply(cluster, [
      secret('deploy', 'fleet-local', {
        'ssh-privatekey': forge.key.private,
        known_hosts: `${forge.server.knownHosts}\n`,
      }),
      {
        apiVersion: 'fleet.cattle.io/v1alpha1',
        kind: 'GitRepo',
        metadata: { name: 'viagit', namespace: 'fleet-local' },
        spec: { branch: 'main', clientSecretName: 'deploy', paths: ['apps'], pollingInterval: '5s', repo: forge.url },
      },
    ])
    const kind = (name: string) => cluster.api.kind('fleet.cattle.io/v1alpha1', name)
    const repo = await until(() => {
      const found = cluster.api.store.get(kind('GitRepo'), 'fleet-local', 'viagit')
      return text(found, 'status', 'display', 'readyBundleDeployments') === '1/1' ? found : undefined
    })
    expect(text(repo, 'status', 'commit')).toBe(commit)
    const conditionsOf = (object: KubeObject | undefined) =>
      list(object, 'status', 'conditions').map((item) => [text(item, 'type'), text(item, 'status')])
    expect(conditionsOf(repo)).toEqual(conditionsOf(recorded('fleet-applied', 'GitRepo') ?? repo))
    const bundle = cluster.api.get(kind('Bundle'), 'fleet-local', 'viagit-apps')
    expect(conditionsOf(bundle)).toEqual([['Ready', 'True']])
    expect(text(bundle, 'status', 'display', 'readyClusters')).toBe('1/1')
    const applied = await cluster.kubectl(['-n', 'fdemo', 'get', 'cm', 'app', '-o', 'jsonpath={.data.rev}'], '')
    expect(applied.stdout).toBe('3')
  })
})
