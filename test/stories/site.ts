import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { actions } from '../../runner/actions/index.ts'
import { appClient } from '../../runner/app-client.ts'
import { readRunnerConfig, type RunnerConfig } from '../../runner/config.ts'
import type { Journal, JournalEntry } from '../../runner/engine/journal.ts'
import { enroll } from '../../runner/enroll.ts'
import { factsArchive } from '../../runner/facts-archive.ts'
import { repositoryOf, SIGNING_KEY_FILE, type RunnerIdentity } from '../../runner/identity.ts'
import { gatherFacts } from '../../runner/facts/gather.ts'
import { fileKeystore, type Keystore } from '../../runner/keystore.ts'
import { openLan } from '../../runner/lan/open-lan.ts'
import { runnerLoop } from '../../runner/loop.ts'
import { journalOf, resultNotes } from '../../runner/start.ts'
import { systemClock } from '../../runner/system-clock.ts'
import { scaledClock } from '../../sim/clock.ts'
import type { SimComment, SimForge, SimPull } from '../../sim/forge.ts'
import { simGithub } from '../../sim/github/server.ts'
import { simGitlab } from '../../sim/gitlab/server.ts'
import { simWorld, type SimWorld, type SimWorldOptions } from '../../sim/lan-world/world.ts'
import type { Exchange } from '../../sim/proxmox/proxmox.ts'
import { createToken } from '../../src/app/enroll-runner.ts'
import { blueprint } from '../../src/blueprint/blueprint.ts'
import type { Facts } from '../../src/core/facts.ts'
import { planCluster } from '../../src/core/plan-cluster.ts'
import { parseClusterSpec } from '../../src/core/spec/parse.ts'
import { yamlDocument } from '../../src/core/manifest.ts'
import type { ClusterSpec, EngineName } from '../../src/core/spec/cluster-spec.ts'
import { readConfig } from '../../src/entry/config.ts'
import { serve, type Serving } from '../../src/entry/node.ts'
import type { Clock } from '../../src/seams/clock.ts'
import type { RepoInfo } from '../../src/seams/forge.ts'
import type { Log } from '../../src/seams/log.ts'
import { newSigningKey } from '../../src/secrets/signing.ts'
import { starterPolicy } from '../../templates/starters/repository.ts'
import { starterCluster, STARTER } from '../../templates/starters/cluster.ts'

export const REPOSITORY = 'house/homelab'
export const FILE = 'clusters/home/cluster.yaml'
/** A story's waits end within seconds; this is for machines that do ten things at once, and less than a test may take. */
const PATIENCE_MS = 45_000
/** How often a story looks. */
const LOOK_MS = 50
/** Simulated seconds for each real one. */
const SPEED = 200
/** Waits of runner and app are this much shorter; their clocks show the real time, which requests are signed with. */
const HASTE = 10

const hastyClock: Clock = { now: () => systemClock.now(), sleep: (ms, signal) => systemClock.sleep(ms / HASTE, signal) }
/** As the app's own: being asked to stop ends a wait without an error. */
const hastyAppClock: Clock = {
  now: () => systemClock.now(),
  sleep: (ms, signal) => hastyClock.sleep(ms, signal).catch(() => undefined),
}

/** Called before the runner's journal keeps an entry; what it throws is a journal that cannot be written. */
type OnEntry = (entry: JournalEntry) => void

function told(journal: Journal, onEntry: OnEntry): Journal {
  return {
    entries: (job) => journal.entries(job),
    async record(entry) {
      onEntry(entry)
      await journal.record(entry)
    },
  }
}

/** A runner in this process. */
export interface StoryRunner {
  /** Ends it as a signal would: nothing new starts, and what goes on is told to stop. */
  stop(): Promise<void>
}

export interface StorySite extends AsyncDisposable {
  readonly forge: SimForge
  readonly world: SimWorld
  readonly serving: Serving
  readonly folder: string
  readonly keys: Keystore
  readonly logs: string[]
  /** Requests to Proxmox with their answers, in order. */
  readonly proxmox: readonly Exchange[]
  readonly repo: RepoInfo
  readonly enrolmentToken: string
  /** The starter that `slipway init` writes, with the mirrors of this site, which has no Internet. */
  readonly spec: string
  /** Starts the enrolled runner with `runner.yaml` as it is now. */
  startRunner(onEntry?: OnEntry): StoryRunner
  /** Changes the `allow` section of `runner.yaml`; a runner reads it when it starts. */
  allow(changes: Readonly<Record<string, unknown>>): void
  /** Everything about the cluster of this spec as the runner sees it now. */
  facts(spec?: string): Promise<Facts>
  /** Ids of the steps that the spec still needs, planned from what the runner sees now. */
  stepsLeft(spec?: string): Promise<readonly string[]>
  /** Output of `kubectl` with an administrator's rights; empty when it fails. */
  kubectl(...argv: readonly string[]): Promise<string>
  /** How often has happened what must happen once. */
  effects(): { readonly inits: number; readonly joins: number; readonly vmsMade: number }
  mergedPull(files: Readonly<Record<string, string | null>>): Promise<SimPull>
  openPull(
    files: Readonly<Record<string, string | null>>,
    more?: { readonly author?: string; readonly from?: string; readonly title?: string },
  ): Promise<SimPull>
  /** The plan comment, once the check of the pull's newest commit has ended. */
  plan(pull: SimPull): Promise<string>
  /** The run comment once it says that the run has ended, or whatever `enough` waits for. */
  run(pull: SimPull, enough?: (body: string) => boolean): Promise<string>
  until<T>(what: string, look: () => Promise<T | undefined> | T | undefined): Promise<T>
}

export interface StoryOptions {
  readonly forge?: 'github' | 'gitlab'
  readonly engine?: EngineName
  readonly world?: SimWorldOptions
  readonly allow?: Readonly<Record<string, unknown>>
}

/** A whole Slipway in this process, over real sockets: forge, Proxmox, LAN, app with its SQLite file, enrolled runner. */
export async function storySite({
  forge: kind = 'github',
  engine = 'flux',
  world: worldOptions = {},
  allow: allowed = {},
}: StoryOptions = {}): Promise<StorySite> {
  const folder = mkdtempSync(join(tmpdir(), 'slipway-story-'))
  const clock = scaledClock(SPEED)
  const proxmox: Exchange[] = []
  const forge: SimForge = kind === 'github' ? await simGithub({ seed: 7, clock }) : await simGitlab({ seed: 7, clock })
  const world = await simWorld({
    speed: SPEED,
    seed: 7,
    ...worldOptions,
    proxmox: { ...worldOptions.proxmox, observe: (exchange) => void proxmox.push(exchange) },
  })
  const logs: string[] = []
  const say = (level: string) => (message: string, fields?: object) =>
    void logs.push(
      JSON.stringify({ level, message, ...fields }, (_, value: unknown) =>
        value instanceof Error ? (value.stack ?? value.message) : value,
      ),
    )
  const log: Log = { info: say('info'), warn: say('warn'), error: say('error') }
  await forge.createUser('ada')
  await forge.createUser('mallory')
  await forge.createRepo(REPOSITORY, { 'README.md': '# lab\n', 'slipway.policy.yaml': starterPolicy() })
  await forge.grant(REPOSITORY, 'ada', 'write')

  const credentials = await forge.credentials()
  const appConfig = readConfig({
    SLIPWAY_SIGNING_KEY: await newSigningKey(),
    SLIPWAY_DATABASE: join(folder, 'app.sqlite'),
    SLIPWAY_PUBLIC_URL: 'http://127.0.0.1:1',
    SLIPWAY_LISTEN: '127.0.0.1:0',
    ...(credentials.kind === 'github'
      ? {
          SLIPWAY_GITHUB_APP_ID: String(credentials.appId),
          SLIPWAY_GITHUB_API_URL: credentials.apiUrl,
          SLIPWAY_GITHUB_PRIVATE_KEY: credentials.privateKeyPem,
          SLIPWAY_GITHUB_WEBHOOK_SECRET: credentials.webhookSecret,
        }
      : {
          SLIPWAY_GITLAB_URL: credentials.url,
          SLIPWAY_GITLAB_TOKEN: credentials.token,
          SLIPWAY_GITLAB_WEBHOOK_SECRET: credentials.webhookSecret,
          SLIPWAY_GITLAB_KNOWN_HOSTS: forge.knownHosts.trim(),
        }),
  })
  const serving = await serve(appConfig, log, hastyAppClock)
  const appUrl = `http://127.0.0.1:${serving.address.port}`
  await forge.setWebhook(`${appUrl}/webhooks/${kind}`, credentials.webhookSecret)

  writeFileSync(join(folder, 'proxmox-token'), world.proxmox.authorization.replace(/^PVEAPIToken=/, ''), {
    mode: 0o600,
  })
  const runnerYaml = join(folder, 'runner.yaml')
  const allow = (changes: Readonly<Record<string, unknown>>): void =>
    writeFileSync(
      runnerYaml,
      yamlDocument({
        app: appUrl,
        proxy: world.lan.socksUrl,
        repositories: [REPOSITORY],
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
          vmids: ['400-449'],
          nodes: ['pve1', 'pve2'],
          storages: ['local', 'local-lvm'],
          bridges: ['vmbr0'],
          hosts: ['10.4.0.0/24'],
          steps: 'all',
          ...changes,
        },
        tools: { helm: join(import.meta.dirname, '../../sim/helm/helm.js') },
      }),
      { mode: 0o600 },
    )
  allow(allowed)
  const config: RunnerConfig = readRunnerConfig(runnerYaml)
  const keys = fileKeystore(config.state)
  const repo = (await serving.app.forges.get(kind)!.repositories()).find(({ fullName }) => fullName === REPOSITORY)!
  const { token } = await createToken(serving.app, [repo])
  const identity: RunnerIdentity = await enroll({ app: appUrl, token, name: 'closet', config, keys })
  const offer = identity.repositories.find(({ repository }) => repository === repo.id)!
  const running = new Set<StoryRunner>()

  const until = async <T>(what: string, look: () => Promise<T | undefined> | T | undefined): Promise<T> => {
    const end = Date.now() + PATIENCE_MS
    for (;;) {
      const found = await look()
      if (found !== undefined) return found
      if (Date.now() > end) throw new Error(`waited for ${what}\n${logs.slice(-40).join('\n')}`)
      await sleep(LOOK_MS)
    }
  }
  const ours = async (pull: SimPull, topic: string): Promise<SimComment | undefined> =>
    (await forge.comments(REPOSITORY, pull.number)).find(
      ({ byApp, body }) => byApp && body.includes(`slipway:${topic}`),
    )
  const specOf = (text: string): ClusterSpec => {
    const { spec, problems } = parseClusterSpec(text, FILE, { repository: repositoryOf(offer) })
    if (spec === undefined) throw new Error(problems.map(({ line, what }) => `${line}: ${what}`).join('\n'))
    return spec
  }
  /** For looking only: the lowest fence, and no key is registered. */
  const lanFor = (spec: ClusterSpec) => ({
    repository: repo.id,
    spec,
    fence: 0,
    registerDeployKey: async () => {
      throw new Error('a look registers no deploy key')
    },
  })
  let pulls = 0
  const mirror = 'http://10.4.0.5'

  const site: StorySite = {
    forge,
    world,
    serving,
    folder,
    keys,
    logs,
    proxmox,
    repo,
    enrolmentToken: token,
    allow,
    spec: `${starterCluster({ ...STARTER, engine })}  mirrors:
    manifests:
      https://github.com: ${mirror}/github.com
      https://raw.githubusercontent.com: ${mirror}/raw.githubusercontent.com
    charts:
      https://rancher.github.io: ${mirror}/rancher.github.io
      https://helm.cilium.io: ${mirror}/helm.cilium.io
`,
    async facts(text = site.spec) {
      const spec = specOf(text)
      await using lan = await openLan(readRunnerConfig(runnerYaml), keys, lanFor(spec), hastyClock)
      return await gatherFacts(spec, lan)
    },
    async stepsLeft(text = site.spec) {
      const spec = specOf(text)
      const { plan, problems } = planCluster(spec, blueprint(spec), await site.facts(text))
      if (plan === undefined) throw new Error(problems.map(({ what }) => what).join('\n'))
      return plan.steps.map(({ id }) => id)
    },
    async kubectl(...argv) {
      const { stdout, exit } = (await world.kube.clusterAt('10.4.0.11:6443')?.kubectl(argv, '')) ?? {
        stdout: '',
        exit: 1,
      }
      return exit === 0 ? stdout.trimEnd() : ''
    },
    effects() {
      const done = world.hosts.names().flatMap((name) => world.hosts.mutations(name))
      return {
        inits: done.filter((what) => what.startsWith('kubeadm init')).length,
        joins: done.filter((what) => what.startsWith('kubeadm join')).length,
        vmsMade: proxmox.filter(
          ({ method, route, status }) =>
            method === 'POST' && /\/qemu(\/\{vmid\}\/clone)?$/.test(route ?? '') && status === 200,
        ).length,
      }
    },
    async mergedPull(files) {
      const pull = await site.openPull(files)
      await site.plan(pull)
      return forge.merge(REPOSITORY, pull.number, 'ada')
    },
    startRunner(onEntry = () => undefined) {
      const stop = new AbortController()
      const ended = (async () => {
        const config = readRunnerConfig(runnerYaml)
        const client = await appClient(identity, keys.read(SIGNING_KEY_FILE)!, systemClock)
        await runnerLoop(
          {
            identity,
            config,
            keys,
            archive: factsArchive(keys),
            client,
            journal: told(journalOf(keys), onEntry),
            actions,
            lan: { open: (input) => openLan(config, keys, input, hastyClock), gather: gatherFacts, notes: resultNotes },
            clock: hastyClock,
            log,
            version: '0.1.0',
          },
          stop.signal,
        )
      })()
      const handle = {
        async stop() {
          stop.abort()
          await ended.catch(() => undefined)
          running.delete(handle)
        },
      }
      running.add(handle)
      return handle
    },
    openPull: (files, { author = 'ada', from, title = 'change' } = {}) =>
      forge.openPull(REPOSITORY, {
        branch: `change-${++pulls}`,
        files,
        title,
        author,
        ...(from === undefined ? {} : { from }),
      }),
    plan: (pull) =>
      until(`the plan of #${pull.number}`, async () => {
        const { headSha } = await forge.pull(REPOSITORY, pull.number)
        const checks = await forge.checks(REPOSITORY, headSha)
        if (!checks.some(({ name, state }) => name.startsWith('slipway') && state !== 'queued' && state !== 'running'))
          return undefined
        return (await ours(pull, 'plan'))?.body
      }),
    run: (pull, enough = (body) => /### .*: (done|stopped|cancelled|refused)/.test(body)) =>
      until(`the run of #${pull.number}`, async () => {
        const body = (await ours(pull, 'run'))?.body
        return body !== undefined && enough(body) ? body : undefined
      }),
    until,
    async [Symbol.asyncDispose]() {
      await Promise.all([...running].map((one) => one.stop()))
      await serving.stop()
      await forge[Symbol.asyncDispose]()
      await world.close()
      rmSync(folder, { recursive: true, force: true })
    },
  }
  return site
}
