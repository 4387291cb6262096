import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { scaledClock } from '../../sim/clock.ts'
import type { SimForge } from '../../sim/forge.ts'
import { simGithub } from '../../sim/github/server.ts'
import { type SimWorld, simWorld } from '../../sim/lan-world/world.ts'
import { yamlDocument } from '../../src/core/manifest.ts'
import { githubForge } from '../../src/forge/github/index.ts'
import type { Forge } from '../../src/seams/forge.ts'
import { slipway, temporaryRepository } from './console.ts'

const REPOSITORY = 'ada/homelab'
const MIRROR = 'http://10.4.0.5'

/** A person's own machine: a clone, a runner.yaml, a forge and a network, and no app anywhere. */
describe('slipway apply on one’s own machine', () => {
  let forge: SimForge
  let api: Forge
  let world: SimWorld
  let repository: ReturnType<typeof temporaryRepository>
  let token: string

  beforeAll(async () => {
    forge = await simGithub({ seed: 7, clock: scaledClock(100) })
    await forge.createUser('ada')
    await forge.createRepo(REPOSITORY, { 'README.md': '# lab\n' })
    const credentials = await forge.credentials()
    if (credentials.kind !== 'github') throw new Error('not GitHub')
    api = githubForge({
      appId: String(credentials.appId),
      privateKey: credentials.privateKeyPem,
      webhookSecrets: [credentials.webhookSecret],
      apiUrl: credentials.apiUrl,
    })
    world = await simWorld({ speed: 100, seed: 7 })
    repository = temporaryRepository(await forge.sshUrl(REPOSITORY))
    token = world.proxmox.authorization.replace(/^PVEAPIToken=/, '')
    const { folder } = repository
    writeFileSync(join(folder, 'known_hosts'), forge.knownHosts)
    await slipway(folder, ['init', 'home'])
    const file = join(folder, 'clusters/home/cluster.yaml')
    writeFileSync(
      file,
      `${readFileSync(file, 'utf8')}  mirrors:
    manifests:
      https://github.com: ${MIRROR}/github.com
      https://raw.githubusercontent.com: ${MIRROR}/raw.githubusercontent.com
`,
    )
    writeFileSync(join(folder, 'proxmox-token'), token, { mode: 0o600 })
    writeFileSync(join(folder, 'runner.yaml'), runnerYaml({}), { mode: 0o600 })
    await slipway(folder, ['render'])
    const files = [...walk(join(folder, 'clusters'))].map((path) => path.slice(folder.length + 1))
    await forge.commit(REPOSITORY, {
      branch: 'main',
      author: 'ada',
      files: Object.fromEntries(files.map((path) => [path, readFileSync(join(folder, path), 'utf8')])),
    })
  })
  afterAll(async () => {
    repository[Symbol.dispose]()
    await world.close()
    await forge[Symbol.asyncDispose]()
  })

  const runnerYaml = (allow: Readonly<Record<string, unknown>>): string =>
    yamlDocument({
      state: '.slipway',
      proxy: world.lan.socksUrl,
      clusters: ['home'],
      connections: {
        lab: {
          kind: 'proxmox',
          url: world.proxmox.url,
          tokenFile: 'proxmox-token',
          tls: { check: 'fingerprint', sha256: world.proxmox.fingerprint },
        },
      },
      allow: {
        vmids: ['401-403'],
        nodes: ['pve1'],
        storages: ['local', 'local-lvm'],
        bridges: ['vmbr0'],
        hosts: ['10.4.0.0/24'],
        steps: 'all',
        ...allow,
      },
    })
  const run = (argv: readonly string[], options: Parameters<typeof slipway>[2] = {}) =>
    slipway(repository.folder, [...argv, '--known-hosts', 'known_hosts'], options)
  const machines = () => world.hosts.names()
  /** Everything that was said and kept, for canaries. */
  const said: string[] = []

  test('looks first: the doctor finds nothing in the way', async () => {
    const { status, out } = await run(['doctor'])
    expect(out).toContain('✔ proxmox lab: the token has every privilege that this cluster needs')
    expect(out).toContain('✔ cluster home: its file has no problems')
    expect(status).toBe(0)
    said.push(out)
  })

  test('a dry run shows the plan and touches nothing', async () => {
    const { status, out } = await run(['apply', 'home', '--dry-run'])
    expect(out).toContain('home: a new cluster of 3 machines, nothing is destroyed')
    expect(status).toBe(2)
    expect(machines()).toEqual([])
  })

  test('runner.yaml denies what it does not allow, all at once', async () => {
    writeFileSync(join(repository.folder, 'denying.yaml'), runnerYaml({ vmids: ['401'], bridges: [] }), { mode: 0o600 })
    const { status, out } = await run(['apply', 'home', '--yes', '--config', 'denying.yaml'])
    expect(status).toBe(1)
    expect(out).toContain('VM id 402 is not in `allow.vmids`')
    expect(out).toContain('vmbr0 is not in `allow.bridges`')
    expect(machines()).toEqual([])
  })

  test('asks before it acts, and a no is a no', async () => {
    const { status, out } = await run(['apply', 'home'], { answers: ['n'] })
    expect(out).toContain('Go on? [y/N]')
    expect(out).toContain('Nothing was changed.')
    expect(status).toBe(1)
    expect(machines()).toEqual([])
    const unasked = await run(['apply', 'home'])
    expect(unasked).toMatchObject({ status: 1 })
    expect(unasked.err).toContain('apply.not-confirmed')
  })

  test('--limit does one machine and what it needs', async () => {
    const { status, out } = await run(['apply', 'home', '--limit', 'nobody'])
    expect(status).toBe(1)
    expect(out).toBe('')
    const dry = await run(['apply', 'home', '--dry-run', '--json', '--limit', 'cp-1'])
    const plan = dry.json.find(({ kind }) => kind === 'plan')?.['plan'] as {
      readonly steps: readonly { readonly id: string }[]
    }
    const ids = plan.steps.map(({ id }) => id)
    expect(ids).toContain('create-vm/cp-1')
    expect(ids).not.toContain('create-vm/w-1')
  })

  test('stops between two steps at Ctrl-C', async () => {
    const interrupt = new AbortController()
    const { status, out } = await run(['apply', 'home', '--yes', '--limit', 'cp-1'], {
      interrupted: interrupt.signal,
      onOut: (text) => (/cp-1 +created/.test(text) ? interrupt.abort() : undefined),
    })
    expect(status).toBe(130)
    expect(out).toContain('slipway apply home goes on from here')
    expect(out).not.toContain('joined')
    expect((await run(['logs'])).out).toMatch(/finished: (cancelled|stopped)\n$/)
  })

  test('a part that is done does not pass for the whole', async () => {
    const { status, out } = await run(['apply', 'home', '--yes', '--limit', 'cp-1'])
    expect(out).toContain('✔ This part is done.')
    expect(out).toMatch(/cp-1 +control-plane +not ready/)
    expect(out).toContain('Next: slipway apply home, for the rest')
    expect(status).toBe(0)
  })

  test('makes the cluster from there, showing the deploy key to register on the way', async () => {
    let registered: Promise<unknown> | undefined
    const { status, out, err } = await run(['apply', 'home', '--yes'], {
      onOut: (text) => {
        const key = /key {4}(ssh-ed25519 \S+)/.exec(text)?.[1]
        if (key === undefined) return
        registered = api.repositories().then((all) =>
          api.registerDeployKey(
            all.find(({ fullName }) => fullName === REPOSITORY)!,
            'slipway home',
            key,
          ),
        )
      },
    })
    await registered
    said.push(out, err)
    expect(out).toContain('Write access stays off.')
    expect(out).toMatch(/✔ +\d+\/\d+ {2}w-2 +joined +\d/)
    expect(out).toContain('✔ home is as its file says.')
    expect(out).toMatch(/w-2 +worker +Ready/)
    expect(out).toMatch(/Flux [\d.]+: ready at [0-9a-f]{7}\n {2}deploy key SHA256:\S+, registered read-only/)
    expect(out).toContain('Next: slipway kubeconfig home')
    expect(status).toBe(0)
    expect(machines()).toHaveLength(3)
    expect((await forge.deployKeys(REPOSITORY)).map(({ readOnly }) => readOnly)).toEqual([true])
  })

  test('a second run finds nothing to do, and so do plan and status', async () => {
    expect(await run(['apply', 'home', '--yes'])).toMatchObject({ status: 0 })
    const plan = await run(['plan'])
    expect(plan.out).toContain('home: nothing to change')
    expect(plan.status).toBe(0)
    const status = await run(['status'])
    expect(status.out).toContain('✔ as the file says, nothing to change')
    expect(status.out).toMatch(/w-1 +worker +Ready/)
    expect(status.status).toBe(0)
    said.push(status.out)
  })

  test('the facts of one plan are what another plan can be made from', async () => {
    const { json } = await run(['plan', '--json'])
    const [cluster] = json[0]!['clusters'] as {
      readonly facts: { readonly from: string; readonly document: unknown }
    }[]
    expect(cluster?.facts.from).toBe('live')
    writeFileSync(join(repository.folder, 'facts.json'), JSON.stringify(cluster?.facts.document))
    const again = await run(['plan', '--facts', 'facts.json'])
    expect(again.out).toContain('home: nothing to change')
    expect(again.status).toBe(0)
  })

  test('the run can be read again, and kubeconfig leads in', async () => {
    const listed = await run(['logs', '--list'])
    expect(listed.out).toMatch(/\d{8}T\d{6}Z-home +home +\d+ +succeeded/)
    const log = await run(['logs'])
    expect(log.out).toContain('join-node/w-2: done in')
    expect(log.out.trim().split('\n').at(-1)).toContain('finished: succeeded')
    const printed = await run(['kubeconfig', 'home'])
    expect(printed.out).toContain('kind: Config')
    const written = await run(['kubeconfig', 'home', '-o', 'home.kubeconfig'])
    expect(written.status).toBe(0)
    const file = join(repository.folder, 'home.kubeconfig')
    expect(readFileSync(file, 'utf8')).toBe(printed.out)
    expect(statSync(file).mode & 0o777).toBe(0o600)
    const again = await run(['kubeconfig', 'home', '-o', 'home.kubeconfig'])
    expect(again).toMatchObject({ status: 1 })
    expect(again.err).toContain('is there already')
    expect((await run(['kubeconfig', 'elsewhere'])).err).toContain('kube.no-credentials')
    said.push(log.out, listed.out)
  })

  test('no secret was said or kept in a log', () => {
    const state = join(repository.folder, '.slipway')
    const kept = [...walk(state)]
      .filter((path) => path.includes('/runs/') || path.endsWith('.jsonl') || path.includes('/facts/'))
      .map((path) => readFileSync(path, 'utf8'))
    expect(kept.length).toBeGreaterThan(2)
    const all = [...said, ...kept].join('\n')
    const secret = token.split('=')[1]!
    expect(secret.length).toBeGreaterThan(10)
    expect(all).not.toContain(secret)
    expect(all).not.toMatch(/PRIVATE KEY|AGE-SECRET-KEY|client-key-data/)
    expect([...walk(state)].filter((path) => (statSync(path).mode & 0o077) !== 0)).toEqual([])
  })
})

function* walk(folder: string): Generator<string> {
  mkdirSync(folder, { recursive: true })
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) yield* walk(path)
    else yield path
  }
}
