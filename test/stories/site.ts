import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { actions } from '../../runner/actions/index.ts'
import { appClient } from '../../runner/app-client.ts'
import { readRunnerConfig, type RunnerConfig } from '../../runner/config.ts'
import type { Journal } from '../../runner/engine/journal.ts'
import { enroll } from '../../runner/enroll.ts'
import { factsArchive } from '../../runner/facts-archive.ts'
import { SIGNING_KEY_FILE, type RunnerIdentity } from '../../runner/identity.ts'
import { fileKeystore, type Keystore } from '../../runner/keystore.ts'
import { runnerLoop } from '../../runner/loop.ts'
import { journalOf, lanAccess } from '../../runner/start.ts'
import { systemClock } from '../../runner/system-clock.ts'
import { scaledClock } from '../../sim/clock.ts'
import type { SimComment, SimForge, SimPull } from '../../sim/forge.ts'
import { simGithub } from '../../sim/github/server.ts'
import { simGitlab } from '../../sim/gitlab/server.ts'
import { simWorld, type SimWorld, type SimWorldOptions } from '../../sim/lan-world/world.ts'
import { createToken } from '../../src/app/enroll-runner.ts'
import { yamlDocument } from '../../src/core/manifest.ts'
import type { EngineName } from '../../src/core/spec/cluster-spec.ts'
import { readConfig } from '../../src/entry/config.ts'
import { serve, type Serving } from '../../src/entry/node.ts'
import type { Log } from '../../src/seams/log.ts'
import { newSigningKey } from '../../src/secrets/signing.ts'
import { starterPolicy } from '../../templates/starters/repository.ts'
import { starterCluster, STARTER } from '../../templates/starters/cluster.ts'

export const REPOSITORY = 'house/homelab'
export const FILE = 'clusters/home/cluster.yaml'
/** A story ends within seconds; this is for machines that do ten things at once. */
const PATIENCE_MS = 90_000

export interface StorySite extends AsyncDisposable {
  readonly forge: SimForge
  readonly world: SimWorld
  readonly serving: Serving
  readonly folder: string
  readonly keys: Keystore
  readonly logs: string[]
  readonly spec: string
  startRunner(journal?: Journal): { stop(): Promise<void> }
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
  allow = {},
}: StoryOptions = {}): Promise<StorySite> {
  const folder = mkdtempSync(join(tmpdir(), 'slipway-story-'))
  const clock = scaledClock(100)
  const forge: SimForge = kind === 'github' ? await simGithub({ seed: 7, clock }) : await simGitlab({ seed: 7, clock })
  const world = await simWorld({ speed: 100, seed: 7, ...worldOptions })
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
  const config = readConfig({
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
  const serving = await serve(config, log)
  const appUrl = `http://127.0.0.1:${serving.address.port}`
  await forge.setWebhook(`${appUrl}/webhooks/${kind}`, credentials.webhookSecret)

  writeFileSync(join(folder, 'proxmox-token'), world.proxmox.authorization.replace(/^PVEAPIToken=/, ''), {
    mode: 0o600,
  })
  const runnerYaml = join(folder, 'runner.yaml')
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
        ...allow,
      },
      tools: { helm: join(import.meta.dirname, '../../sim/helm/helm.js') },
    }),
    { mode: 0o600 },
  )
  const runnerConfig: RunnerConfig = readRunnerConfig(runnerYaml)
  const keys = fileKeystore(runnerConfig.state)
  const repo = (await serving.app.forges.get(kind)!.repositories()).find(({ fullName }) => fullName === REPOSITORY)!
  const { token } = await createToken(serving.app, [repo])
  const identity: RunnerIdentity = await enroll({ app: appUrl, token, name: 'closet', config: runnerConfig, keys })
  const running = new Set<{ stop(): Promise<void> }>()

  const until = async <T>(what: string, look: () => Promise<T | undefined> | T | undefined): Promise<T> => {
    const end = Date.now() + PATIENCE_MS
    for (;;) {
      const found = await look()
      if (found !== undefined) return found
      if (Date.now() > end) throw new Error(`waited for ${what}\n${logs.slice(-40).join('\n')}`)
      await sleep(50)
    }
  }
  const ours = async (pull: SimPull, topic: string): Promise<SimComment | undefined> =>
    (await forge.comments(REPOSITORY, pull.number)).find(
      ({ byApp, body }) => byApp && body.includes(`slipway:${topic}`),
    )
  let pulls = 0
  const mirror = 'http://10.4.0.5'

  const site: StorySite = {
    forge,
    world,
    serving,
    folder,
    keys,
    logs,
    spec: `${starterCluster({ ...STARTER, engine })}  mirrors:
    manifests:
      https://github.com: ${mirror}/github.com
      https://raw.githubusercontent.com: ${mirror}/raw.githubusercontent.com
    charts:
      https://rancher.github.io: ${mirror}/rancher.github.io
      https://helm.cilium.io: ${mirror}/helm.cilium.io
`,
    startRunner(journal) {
      const stop = new AbortController()
      const ended = (async () => {
        const client = await appClient(identity, keys.read(SIGNING_KEY_FILE)!, systemClock)
        await runnerLoop(
          {
            identity,
            config: runnerConfig,
            keys,
            archive: factsArchive(keys),
            client,
            journal: journal ?? journalOf(keys),
            actions,
            lan: lanAccess(runnerConfig, keys),
            clock: systemClock,
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
