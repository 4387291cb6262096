import { generateKeyPair } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { HttpBindings } from '@hono/node-server'
import { Hono } from 'hono'
import { scaledClock, type SimClock } from '../clock.ts'
import { FaultPlan } from '../faults.ts'
import type { ForgeFault, ForgeFaults, SimForge } from '../forge.ts'
import { Deliveries } from '../git/deliveries.ts'
import { forgeAccess, type RefusalWords } from '../git/forge-access.ts'
import { forgeCalls, repositoryNamed, showRepository, type ForgeParts } from '../git/forge-calls.ts'
import { fullName } from '../git/hosted-repository.ts'
import { Hosting } from '../git/hosting.ts'
import type { HostingEvent } from '../git/hosting-event.ts'
import { gitSshServer } from '../git/ssh-server.ts'
import { faulty, observing, webServer, type Observe } from '../git/web-server.ts'
import { hex, seeded } from '../random.ts'
import { accountRoutes } from './accounts.ts'
import { appRoutes, install } from './apps.ts'
import { actorOf } from './caller.ts'
import { checkRoutes } from './checks.ts'
import { commentRoutes } from './comments.ts'
import { commitRoutes } from './commits.ts'
import { contentsRoutes } from './contents.ts'
import { deploymentRoutes } from './deployments.ts'
import { gitDataRoutes } from './git-data.ts'
import { hookRoutes } from './hooks.ts'
import { keyRoutes } from './keys.ts'
import { limited, Limits } from './limits.ts'
import { metaRoutes } from './meta.ts'
import { mergeMessage, pullRoutes, pullUrl } from './pulls.ts'
import { Refusal, notFound, refuse } from './refusal.ts'
import { repositoryRoutes } from './repositories.ts'
import { statusRoutes } from './statuses.ts'
import { deliver, deliverInstallation, deliverPing, deliverRerequested } from './webhooks.ts'
import type { CheckRun, GithubApp, GithubWorld, Permissions } from './world.ts'

export interface SimGithubOptions {
  readonly clock?: SimClock
  readonly seed?: number
  readonly faults?: ForgeFaults
  readonly observe?: Observe
  /** Where bare repositories are kept; a new folder in the system's temporary one by default, removed at the end. */
  readonly directory?: string
  /** 0 takes a free one. */
  readonly port?: number
  /** Rights of the app; all that Slipway can ask for by default. */
  readonly permissions?: Permissions
}

export interface SimGithub extends SimForge {
  readonly kind: 'github'
  /** Takes the app's installation away from an account, suspends it, or gives it back. */
  installation(login: string, change: 'install' | 'suspend' | 'unsuspend' | 'uninstall'): Promise<void>
  /** Every installation token stops working now, as after a long pause: 401 until a new one is asked for. */
  expireTokens(): Promise<void>
  /** As a person who clicks "Re-run" on a check. */
  rerequest(fullName: string, checkName: string, sha: string, login: string): Promise<void>
}

const PERMISSIONS: Permissions = {
  administration: 'write',
  checks: 'write',
  contents: 'write',
  deployments: 'write',
  environments: 'write',
  issues: 'write',
  metadata: 'read',
  pull_requests: 'write',
  statuses: 'write',
}
const EVENTS = ['check_run', 'issue_comment', 'pull_request', 'push']

/** As github.com answers Git over SSH. */
const WORDS: RefusalWords = {
  notFound: 'ERROR: Repository not found.',
  readOnlyKey: 'ERROR: The key you are authenticating with has been marked as read only.',
  denied: (repository, login) => `ERROR: Permission to ${repository}.git denied to ${login}.`,
  archived: 'ERROR: This repository was archived so it is read-only.',
  greeting: (name) => `Hi ${name}! You've successfully authenticated, but GitHub does not provide shell access.`,
}

async function createApp(hosting: Hosting): Promise<GithubApp> {
  const keys = await promisify(generateKeyPair)('rsa', { modulusLength: 2048 })
  const slug = 'slipway-sim'
  return {
    id: 4_711,
    slug,
    clientId: `Iv23li${hex(hosting.random, 14)}`,
    publicKey: keys.publicKey,
    privateKeyPem: keys.privateKey.export({ type: 'pkcs1', format: 'pem' }).toString(),
    owner: hosting.createAccount('slipway-makers', 'organization', 'ghp_'),
    bot: hosting.createAccount(`${slug}[bot]`, 'bot', 'ghp_'),
    permissions: PERMISSIONS,
    events: EVENTS,
    createdAt: hosting.now(),
    webhook: { url: '', secret: hex(hosting.random, 40) },
  }
}

/** A GitHub on loopback: REST API, webhooks of one app, and Git over SSH. */
export async function simGithub(options: SimGithubOptions = {}): Promise<SimGithub> {
  const clock = options.clock ?? scaledClock()
  const random = seeded(options.seed ?? 1)
  const faults = new FaultPlan<ForgeFault>(options.faults ?? {}, seeded((options.seed ?? 1) + 1))
  const directory = options.directory ?? (await mkdtemp(join(tmpdir(), 'sim-github-')))
  const deliveries = new Deliveries(clock, faults)
  const happened = (event: HostingEvent) => deliver(world, event)
  const hosting = new Hosting({ clock, random, directory, pullRefs: 'refs/pull', onEvent: happened })
  const ssh = await gitSshServer(forgeAccess(hosting, WORDS))
  const root = new Hono<{ Bindings: HttpBindings }>()
  const web = await webServer((request, env) => root.fetch(request, env), options.port ?? 0)
  const url = `http://127.0.0.1:${web.port}`
  const app = await createApp(hosting)
  const world: GithubWorld = {
    url,
    hosting,
    deliveries,
    app: options.permissions === undefined ? app : { ...app, permissions: options.permissions },
    installations: [],
    tokens: [],
    checks: [],
    statuses: [],
    deployments: [],
    environments: [],
    ssh,
  }
  const limits = new Limits(clock)
  if (options.observe !== undefined) root.use(observing(options.observe))
  root.use(faulty(faults, (context) => limited(context, random() < 0.5 ? 403 : 429)))
  root.use(limits.middleware())
  root.onError((error, context) => {
    if (error instanceof Refusal) return refuse(context, error)
    throw error
  })
  root.notFound((context) => refuse(context, notFound()))
  const routes = [
    metaRoutes(world, limits),
    accountRoutes(world),
    appRoutes(world),
    hookRoutes(world),
    // Before commits, whose last route takes any ref, slashes included.
    checkRoutes(world, (run, context) => deliverRerequested(world, run, actorOf(context, world))),
    statusRoutes(world),
    pullRoutes(world),
    commitRoutes(world),
    gitDataRoutes(world),
    contentsRoutes(world),
    commentRoutes(world),
    deploymentRoutes(world),
    keyRoutes(world),
    repositoryRoutes(world),
  ]
  for (const route of routes) {
    root.route('/', route)
    root.route('/api/v3', route)
  }
  const parts: ForgeParts = {
    hosting,
    deliveries,
    faults,
    tokenPrefix: 'ghp_',
    sshPort: ssh.port,
    bot: world.app.bot,
    pullUrl: (pull) => pullUrl(world, pull),
    repoUrl: (repository) => `${url}/${fullName(repository)}`,
    mergeMessage,
  }
  const stop = async () => {
    await deliveries.close()
    await web.close()
    await ssh.close()
    if (options.directory === undefined) await rm(directory, { recursive: true, force: true })
  }
  return {
    kind: 'github',
    apiUrl: url,
    knownHosts: ssh.knownHosts,
    ...forgeCalls(parts),
    ...appCalls(world, parts),
    stop,
    [Symbol.asyncDispose]: stop,
  }
}

/** The calls that differ from GitLab's. */
function appCalls(
  world: GithubWorld,
  parts: ForgeParts,
): Pick<
  SimGithub,
  | 'credentials'
  | 'createRepo'
  | 'checks'
  | 'annotations'
  | 'deployments'
  | 'setWebhook'
  | 'installation'
  | 'expireTokens'
  | 'rerequest'
> {
  const { hosting } = world
  const newestRuns = (name: string, sha: string): readonly CheckRun[] => {
    const repository = repositoryNamed(hosting, name)
    const at = world.checks.filter((run) => run.repository === repository && run.headSha === sha)
    return at.filter((run) => at.findLast((other) => other.name === run.name) === run)
  }
  return {
    credentials: async () => ({
      kind: 'github',
      apiUrl: world.url,
      appId: world.app.id,
      slug: world.app.slug,
      clientId: world.app.clientId,
      privateKeyPem: world.app.privateKeyPem,
      webhookSecret: world.app.webhook.secret,
    }),
    async createRepo(name, files, { private: isPrivate = true } = {}) {
      const [ownerName = '', repositoryName = ''] = name.split('/')
      const owner = hosting.createAccount(ownerName, 'organization', 'ghp_')
      const repository = await hosting.createRepository(owner, repositoryName, files, isPrivate)
      const isNew = !world.installations.some(({ account }) => account === owner)
      const installation = install(world, owner)
      if (isNew) deliverInstallation(world, 'created', installation)
      return showRepository(parts, repository)
    },
    checks: async (name, sha) =>
      newestRuns(name, sha).map((run) => ({
        name: run.name,
        sha: run.headSha,
        state: runState(run),
        title: run.title ?? '',
        summary: run.summary ?? '',
        detailsUrl: run.detailsUrl,
      })),
    annotations: async (name, sha) =>
      newestRuns(name, sha).flatMap((run) =>
        run.annotations.map((annotation) => ({
          path: annotation.path,
          line: annotation.start_line,
          column: annotation.start_column,
          level: annotation.annotation_level,
          message: annotation.message,
        })),
      ),
    deployments: async (name) =>
      world.deployments
        .filter(({ repository }) => repository === repositoryNamed(hosting, name))
        .map((deployment) => ({
          id: deployment.id,
          environment: deployment.environment,
          sha: deployment.sha,
          state: deployment.statuses.at(-1)?.state ?? 'pending',
          description: deployment.statuses.at(-1)?.description ?? '',
        })),
    async setWebhook(url, secret) {
      world.app.webhook = { url, secret }
      deliverPing(world)
    },
    async installation(login, change) {
      const account = hosting.account(login)
      if (account === undefined) throw new Error(`the simulated forge has no account ${login}`)
      const installation = install(world, account)
      switch (change) {
        case 'install':
          return deliverInstallation(world, 'created', installation)
        case 'suspend':
          installation.suspendedAt = hosting.now()
          return deliverInstallation(world, 'suspend', installation)
        case 'unsuspend':
          installation.suspendedAt = undefined
          return deliverInstallation(world, 'unsuspend', installation)
        case 'uninstall':
          world.installations.splice(world.installations.indexOf(installation), 1)
          for (const token of world.tokens.filter((held) => held.installation === installation)) {
            world.tokens.splice(world.tokens.indexOf(token), 1)
          }
          return deliverInstallation(world, 'deleted', installation)
        default:
          return change satisfies never
      }
    },
    async expireTokens() {
      world.tokens.length = 0
    },
    async rerequest(name, checkName, sha, login) {
      const run = newestRuns(name, sha).find((candidate) => candidate.name === checkName)
      const person = hosting.account(login)
      if (run === undefined || person === undefined)
        throw new Error(`no check ${checkName} at ${sha} or no user ${login}`)
      deliverRerequested(world, run, person)
    },
  }
}

function runState({
  status,
  conclusion,
}: CheckRun): 'queued' | 'running' | 'success' | 'failure' | 'neutral' | 'cancelled' {
  if (status !== 'completed') return status === 'queued' ? 'queued' : 'running'
  switch (conclusion ?? 'failure') {
    case 'success':
      return 'success'
    case 'cancelled':
      return 'cancelled'
    case 'neutral':
    case 'skipped':
    case 'stale':
      return 'neutral'
    default:
      return 'failure'
  }
}
