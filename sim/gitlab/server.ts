import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { HttpBindings } from '@hono/node-server'
import { Hono } from 'hono'
import { scaledClock, type SimClock } from '../clock.ts'
import { FaultPlan } from '../faults.ts'
import type { ForgeFault, ForgeFaults, SimCheck, SimForge } from '../forge.ts'
import { Deliveries } from '../git/deliveries.ts'
import { forgeAccess, type RefusalWords } from '../git/forge-access.ts'
import { forgeCalls, repositoryNamed, showRepository, type ForgeParts } from '../git/forge-calls.ts'
import { fullName } from '../git/hosted-repository.ts'
import { Hosting } from '../git/hosting.ts'
import type { HostingEvent } from '../git/hosting-event.ts'
import { gitSshServer } from '../git/ssh-server.ts'
import { faulty, observing, webServer, type Observe } from '../git/web-server.ts'
import { hex, seeded } from '../random.ts'
import { commitRoutes } from './commits.ts'
import { deployKeyRoutes } from './deploy-keys.ts'
import { deploymentRoutes } from './deployments.ts'
import { fileRoutes } from './files.ts'
import { hookRoutes, makeHook } from './hooks.ts'
import { mergeMessage, mergeRequestRoutes, mergeRequestUrl } from './merge-requests.ts'
import { noteRoutes } from './notes.ts'
import { projectRoutes } from './projects.ts'
import { Refusal, refuse, WrongParameter } from './refusal.ts'
import { statusRoutes } from './statuses.ts'
import { userRoutes } from './users.ts'
import { deliver } from './webhooks.ts'
import type { CommitStatus, GitlabWorld } from './world.ts'

export interface SimGitlabOptions {
  readonly clock?: SimClock
  readonly seed?: number
  readonly faults?: ForgeFaults
  readonly observe?: Observe
  /** Where bare repositories are kept; a new folder in the system's temporary one by default, removed at the end. */
  readonly directory?: string
  /** 0 takes a free one. */
  readonly port?: number
  /** Sign webhooks as newer instances do, in addition to the secret token. */
  readonly signed?: boolean
}

export interface SimGitlab extends SimForge {
  readonly kind: 'gitlab'
}

/** As gitlab.com answers Git over SSH. */
const framed = (text: string) =>
  [
    '',
    '========================================================================',
    '',
    `ERROR: ${text}`,
    '',
    '========================================================================',
    '',
  ]
    .map((line) => `remote: ${line}`.trimEnd())
    .join('\n')
const WORDS: RefusalWords = {
  notFound: framed("The project you were looking for could not be found or you don't have permission to view it."),
  readOnlyKey: framed('This deploy key does not have write access to this project.'),
  denied: () => framed('You are not allowed to push code to this project.'),
  archived: framed("You can't push code to this project because it is archived."),
  greeting: (name) => `Welcome to GitLab, @${name}!`,
}

/** A GitLab on loopback: REST API v4, webhooks, and Git over SSH. */
export async function simGitlab(options: SimGitlabOptions = {}): Promise<SimGitlab> {
  const clock = options.clock ?? scaledClock()
  const random = seeded(options.seed ?? 1)
  const faults = new FaultPlan<ForgeFault>(options.faults ?? {}, seeded((options.seed ?? 1) + 1))
  const directory = options.directory ?? (await mkdtemp(join(tmpdir(), 'sim-gitlab-')))
  const deliveries = new Deliveries(clock, faults)
  const happened = (event: HostingEvent) => deliver(world, event)
  const hosting = new Hosting({ clock, random, directory, pullRefs: 'refs/merge-requests', onEvent: happened })
  const ssh = await gitSshServer(forgeAccess(hosting, WORDS))
  const root = new Hono<{ Bindings: HttpBindings }>()
  const web = await webServer((request, env) => root.fetch(request, env), options.port ?? 0)
  const world: GitlabWorld = {
    url: `http://127.0.0.1:${web.port}`,
    hosting,
    deliveries,
    bot: hosting.createAccount('group_1_bot_slipway', 'bot', 'glpat-'),
    threads: new Map(),
    statuses: [],
    environments: [],
    deployments: [],
    hooks: [],
    ssh,
  }
  if (options.observe !== undefined) root.use(observing(options.observe))
  root.use(
    faulty(faults, (context) =>
      context.text('Retry later\n', 429, { 'retry-after': '1', 'ratelimit-remaining': '0', 'ratelimit-limit': '2000' }),
    ),
  )
  root.onError((error, context) => {
    if (error instanceof Refusal) return refuse(context, error)
    if (error instanceof WrongParameter) return context.json({ error: error.message }, 400)
    throw error
  })
  root.notFound((context) => context.json({ error: '404 Not Found' }, 404))
  const routes = [
    userRoutes(world),
    projectRoutes(world),
    fileRoutes(world),
    statusRoutes(world),
    commitRoutes(world),
    mergeRequestRoutes(world),
    noteRoutes(world),
    deploymentRoutes(world),
    deployKeyRoutes(world),
    hookRoutes(world),
  ]
  for (const route of routes) root.route('/api/v4', route)
  const parts: ForgeParts = {
    hosting,
    deliveries,
    faults,
    tokenPrefix: 'glpat-',
    sshPort: ssh.port,
    bot: world.bot,
    pullUrl: (pull) => mergeRequestUrl(world, pull),
    repoUrl: (repository) => `${world.url}/${fullName(repository)}`,
    mergeMessage,
  }
  const stop = async () => {
    await deliveries.close()
    await web.close()
    await ssh.close()
    if (options.directory === undefined) await rm(directory, { recursive: true, force: true })
  }
  const signingToken = options.signed === true ? `whsec_${Buffer.from(hex(random, 32)).toString('base64')}` : undefined
  return {
    kind: 'gitlab',
    apiUrl: world.url,
    knownHosts: ssh.knownHosts,
    ...forgeCalls(parts),
    ...tokenCalls(world, parts, signingToken),
    stop,
    [Symbol.asyncDispose]: stop,
  }
}

/** The calls that differ from GitHub's. */
function tokenCalls(
  world: GitlabWorld,
  parts: ForgeParts,
  signingToken: string | undefined,
): Pick<SimForge, 'credentials' | 'createRepo' | 'checks' | 'annotations' | 'deployments' | 'setWebhook'> {
  const { hosting } = world
  const groupHook = makeHook(world, undefined, {
    url: '',
    token: hex(hosting.random, 40),
    signingToken,
    events: { push: true, mergeRequests: true, notes: true },
  })
  return {
    credentials: async () => ({
      kind: 'gitlab',
      url: world.url,
      token: world.bot.token,
      username: world.bot.login,
      webhookSecret: groupHook.token,
      signingToken,
    }),
    async createRepo(name, files, { private: isPrivate = true } = {}) {
      const [ownerName = '', repositoryName = ''] = name.split('/')
      const owner = hosting.createAccount(ownerName, 'organization', 'glpat-')
      const repository = await hosting.createRepository(owner, repositoryName, files, isPrivate)
      // The group's access token is a member of each of its projects.
      repository.roles.set(world.bot.id, 'maintain')
      return showRepository(parts, repository)
    },
    async checks(name, sha) {
      const repository = repositoryNamed(hosting, name)
      const at = world.statuses.filter((status) => status.repository === repository && status.sha === sha)
      return at
        .filter((status) => at.findLast((other) => other.name === status.name) === status)
        .map((status) => ({
          name: status.name,
          sha,
          state: CHECK_STATE[status.state],
          title: status.description ?? '',
          summary: '',
          detailsUrl: status.targetUrl ?? undefined,
        }))
    },
    async annotations(name, sha) {
      const repository = repositoryNamed(hosting, name)
      return repository.pulls.flatMap((pull) =>
        pull.comments.flatMap((comment) => {
          const thread = world.threads.get(comment.id)
          const place = thread?.position
          if (place?.head_sha !== sha || thread?.resolved !== undefined || thread?.notes[0] !== comment.id) return []
          const line = place.new_line ?? place.old_line ?? 1
          return [{ path: place.new_path, line, column: undefined, level: 'failure' as const, message: comment.body }]
        }),
      )
    },
    deployments: async (name) =>
      world.deployments
        .filter(({ repository }) => repository === repositoryNamed(hosting, name))
        .map(({ id, environment, sha, status: state }) => ({
          id,
          environment: environment.name,
          sha,
          state,
          description: '',
        })),
    async setWebhook(url, secret) {
      groupHook.url = url
      groupHook.token = secret
      if (!world.hooks.includes(groupHook)) world.hooks.push(groupHook)
    },
  }
}

const CHECK_STATE: Readonly<Record<CommitStatus['state'], SimCheck['state']>> = {
  pending: 'queued',
  running: 'running',
  success: 'success',
  failed: 'failure',
  canceled: 'cancelled',
  skipped: 'neutral',
}
