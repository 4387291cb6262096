import { createHmac } from 'node:crypto'
import type { Webhook } from '../git/deliveries.ts'
import type { Account } from '../git/account.ts'
import { fullName, type Repository } from '../git/hosted-repository.ts'
import type { HostingEvent } from '../git/hosting-event.ts'
import type { Pull } from '../git/pull.ts'
import type { CommitObject } from '../git/git-objects.ts'
import { NO_COMMIT } from '../git/repository.ts'
import type { RefUpdate } from '../git/ssh-server.ts'
import { hex } from '../random.ts'
import { accountJson } from './accounts.ts'
import { installationFor, installationJson } from './apps.ts'
import { checkRunJson } from './checks.ts'
import { commentJson, reactionsJson } from './comments.ts'
import { authorAssociation, pullJson, pullUrl } from './pulls.ts'
import { repositoryJson } from './repositories.ts'
import { nodeId, type CheckRun, type GithubWorld, type Installation } from './world.ts'

/** Commits listed in a push; GitHub's own bound. */
const MAX_PUSHED_COMMITS = 2_048
/** Id of the app's one hook, in `X-GitHub-Hook-ID`. */
const HOOK_ID = 55_501

/** Sends what happened to the app, when it is installed there and has a URL. */
export function deliver(world: GithubWorld, event: HostingEvent): void {
  if (world.app.webhook.url === '') return
  world.deliveries.prepare(async () => {
    switch (event.kind) {
      case 'push':
        return repositoryWebhook(world, 'push', undefined, event.repository, event.actor, await pushJson(world, event))
      case 'pull':
        return pullWebhook(world, event)
      case 'comment':
        return commentWebhook(world, event)
      default:
        return event satisfies never
    }
  })
}

export function deliverRerequested(world: GithubWorld, run: CheckRun, sender: Account): void {
  world.deliveries.prepare(async () => {
    const suite = {
      id: run.suiteId,
      node_id: nodeId('CS', run.suiteId),
      head_branch: run.repository.defaultBranch,
      head_sha: run.headSha,
      status: run.status,
      conclusion: run.conclusion,
      before: NO_COMMIT,
      after: run.headSha,
      url: `${world.url}/repos/${fullName(run.repository)}/check-suites/${run.suiteId}`,
      app: checkRunJson(world, run).app,
      pull_requests: [],
      repository: repositoryJson(world, run.repository),
      created_at: run.startedAt,
      updated_at: run.startedAt,
    }
    const payload = { check_run: { ...checkRunJson(world, run), check_suite: suite } }
    return repositoryWebhook(world, 'check_run', 'rerequested', run.repository, sender, payload)
  })
}

export function deliverInstallation(
  world: GithubWorld,
  action: 'created' | 'suspend' | 'unsuspend' | 'deleted',
  installation: Installation,
): void {
  world.deliveries.prepare(async () => {
    const repositories = world.hosting.repositories
      .filter(({ owner }) => owner === installation.account)
      .map((repository) => ({
        id: repository.id,
        node_id: nodeId('R', repository.id),
        name: repository.name,
        full_name: fullName(repository),
        private: repository.private,
      }))
    const payload = {
      action,
      installation: installationJson(world, installation),
      repositories,
      sender: accountJson(world, world.app.owner),
    }
    return webhook(world, 'installation', action, payload, { installationId: installation.id })
  })
}

/** What GitHub sends once when an app's hook is set. */
export function deliverPing(world: GithubWorld): void {
  world.deliveries.prepare(async () => {
    const { app } = world
    const payload = {
      zen: 'Keep it logically awesome.',
      hook_id: HOOK_ID,
      hook: {
        type: 'App',
        id: HOOK_ID,
        name: 'web',
        active: true,
        events: app.events,
        config: { content_type: 'json', insecure_ssl: '0', secret: '********', url: app.webhook.url },
        updated_at: app.createdAt,
        created_at: app.createdAt,
        app_id: app.id,
        deliveries_url: `${world.url}/app/hook/deliveries`,
      },
    }
    return webhook(world, 'ping', undefined, payload, {})
  })
}

async function pullWebhook(
  world: GithubWorld,
  event: Extract<HostingEvent, { kind: 'pull' }>,
): Promise<Webhook | undefined> {
  const { pull, actor } = event
  if (event.action === 'approved') return undefined
  const action = event.action === 'merged' ? 'closed' : event.action
  const changes = {
    ...(event.before?.title === undefined ? {} : { title: { from: event.before.title } }),
    ...(event.before?.body === undefined ? {} : { body: { from: event.before.body ?? '' } }),
  }
  const payload = {
    action,
    number: pull.number,
    ...(action === 'edited' ? { changes } : {}),
    ...(action === 'synchronize' ? { before: event.before?.headSha, after: pull.headSha } : {}),
    pull_request: await pullJson(world, pull),
  }
  return repositoryWebhook(world, 'pull_request', action, pull.repository, actor, payload)
}

function commentWebhook(world: GithubWorld, event: Extract<HostingEvent, { kind: 'comment' }>): Webhook | undefined {
  const { action, pull, comment, actor, before } = event
  const payload = {
    action,
    ...(action === 'edited' ? { changes: { body: { from: before ?? '' } } } : {}),
    issue: issueJson(world, pull),
    comment: commentJson(world, pull, comment),
  }
  return repositoryWebhook(world, 'issue_comment', action, pull.repository, actor, payload)
}

/** The issue face of a pull; `pull_request` tells it from an issue proper. */
function issueJson(world: GithubWorld, pull: Pull) {
  const { repository } = pull
  const self = `${world.url}/repos/${fullName(repository)}/issues/${pull.number}`
  const html = pullUrl(world, pull)
  return {
    url: self,
    repository_url: `${world.url}/repos/${fullName(repository)}`,
    labels_url: `${self}/labels{/name}`,
    comments_url: `${self}/comments`,
    events_url: `${self}/events`,
    html_url: html,
    id: pull.id,
    node_id: nodeId('PR', pull.id),
    number: pull.number,
    title: pull.title,
    user: accountJson(world, pull.author),
    labels: [],
    state: pull.state === 'open' ? 'open' : 'closed',
    locked: false,
    assignee: null,
    assignees: [],
    milestone: null,
    comments: pull.comments.length,
    created_at: pull.createdAt,
    updated_at: pull.updatedAt,
    closed_at: pull.closedAt ?? null,
    author_association: authorAssociation(world, repository, pull.author),
    active_lock_reason: null,
    draft: false,
    pull_request: {
      url: `${world.url}/repos/${fullName(repository)}/pulls/${pull.number}`,
      html_url: html,
      diff_url: `${html}.diff`,
      patch_url: `${html}.patch`,
      merged_at: pull.merge?.at ?? null,
    },
    body: pull.body,
    reactions: reactionsJson(self),
    timeline_url: `${self}/timeline`,
    performed_via_github_app: null,
    state_reason: null,
  }
}

async function pushJson(world: GithubWorld, event: Extract<HostingEvent, { kind: 'push' }>) {
  const { repository, actor, update, forced } = event
  const created = update.before === NO_COMMIT
  const deleted = update.after === NO_COMMIT
  const objects = [...(await repository.git.commits(await pushedShas(repository, update)))].reverse()
  const commits = await Promise.all(objects.map((commit) => pushedCommitJson(world, repository, commit)))
  const html = `${world.url}/${fullName(repository)}`
  return {
    ref: update.ref,
    before: update.before,
    after: update.after,
    base_ref: null,
    created,
    deleted,
    forced,
    compare: `${html}/compare/${update.before.slice(0, 12)}...${update.after.slice(0, 12)}`,
    commits,
    head_commit: commits.at(-1) ?? null,
    pusher: { name: actor.login, email: actor.email },
  }
}

/** Newest first; of a new branch only its head, which is all that a receiver of this simulator's pushes needs. */
async function pushedShas({ git }: Repository, { before, after }: RefUpdate): Promise<readonly string[]> {
  if (after === NO_COMMIT) return []
  return before === NO_COMMIT ? [after] : git.log(`${before}..${after}`, { limit: MAX_PUSHED_COMMITS })
}

async function pushedCommitJson(world: GithubWorld, repository: Repository, commit: CommitObject) {
  const parent = commit.parents[0]
  const files = parent === undefined ? [] : await repository.git.diff(parent, commit.sha)
  const paths = (...statuses: readonly string[]) =>
    files.filter(({ status }) => statuses.includes(status)).map(({ path }) => path)
  const person = ({ name, email }: CommitObject['author']) => ({ name, email, username: name })
  return {
    id: commit.sha,
    tree_id: commit.tree,
    distinct: true,
    message: commit.message.trimEnd(),
    timestamp: commit.committer.date,
    url: `${world.url}/${fullName(repository)}/commit/${commit.sha}`,
    author: person(commit.author),
    committer: person(commit.committer),
    added: paths('added', 'renamed'),
    removed: paths('removed'),
    modified: paths('modified', 'changed'),
  }
}

function repositoryWebhook(
  world: GithubWorld,
  event: string,
  action: string | undefined,
  repository: Repository,
  sender: Account,
  payload: object,
): Webhook | undefined {
  const installation = installationFor(world, repository.owner)
  if (installation === undefined || installation.suspendedAt !== undefined) return undefined
  const { owner } = repository
  const organization = {
    login: owner.login,
    id: owner.id,
    node_id: nodeId('O', owner.id),
    url: `${world.url}/orgs/${owner.login}`,
    repos_url: `${world.url}/orgs/${owner.login}/repos`,
    events_url: `${world.url}/orgs/${owner.login}/events`,
    hooks_url: `${world.url}/orgs/${owner.login}/hooks`,
    issues_url: `${world.url}/orgs/${owner.login}/issues`,
    members_url: `${world.url}/orgs/${owner.login}/members{/member}`,
    public_members_url: `${world.url}/orgs/${owner.login}/public_members{/member}`,
    avatar_url: `${world.url}/avatars/u/${owner.id}`,
    description: null,
  }
  const whole = {
    ...(action === undefined ? {} : { action }),
    ...payload,
    repository: repositoryOf(world, repository, event),
    ...(owner.kind === 'organization' ? { organization } : {}),
    sender: accountJson(world, sender),
    installation: { id: installation.id, node_id: nodeId('MDI', installation.id) },
  }
  return webhook(world, event, action, whole, { installationId: installation.id, repositoryId: repository.id })
}

/** Pushes tell some of the repository's times in seconds since the epoch. */
function repositoryOf(world: GithubWorld, repository: Repository, event: string) {
  const json = repositoryJson(world, repository)
  if (event !== 'push') return json
  const seconds = (time: string) => Math.floor(Date.parse(time) / 1000)
  return {
    ...json,
    created_at: seconds(repository.createdAt),
    pushed_at: seconds(repository.pushedAt),
    owner: { ...json.owner, name: repository.owner.login, email: repository.owner.email },
    stargazers: 0,
    master_branch: repository.defaultBranch,
  }
}

/** @see https://docs.github.com/webhooks/webhook-events-and-payloads#delivery-headers */
function webhook(
  { app, hosting }: GithubWorld,
  event: string,
  action: string | undefined,
  payload: object,
  about: Pick<Webhook, 'installationId' | 'repositoryId'>,
): Webhook | undefined {
  if (app.webhook.url === '' || (event !== 'ping' && event !== 'installation' && !app.events.includes(event)))
    return undefined
  const body = JSON.stringify(payload)
  const guid = `${hex(hosting.random, 8)}-${hex(hosting.random, 4)}-11f0-${hex(hosting.random, 4)}-${hex(hosting.random, 12)}`
  const signed = (algorithm: string) => createHmac(algorithm, app.webhook.secret).update(body).digest('hex')
  return {
    ...about,
    url: app.webhook.url,
    event,
    action,
    guid,
    body,
    hookId: HOOK_ID,
    headers: {
      accept: '*/*',
      'user-agent': 'GitHub-Hookshot/5d41402',
      'x-github-delivery': guid,
      'x-github-event': event,
      'x-github-hook-id': `${HOOK_ID}`,
      'x-github-hook-installation-target-id': `${app.id}`,
      'x-github-hook-installation-target-type': 'integration',
      ...(app.webhook.secret === ''
        ? {}
        : { 'x-hub-signature': `sha1=${signed('sha1')}`, 'x-hub-signature-256': `sha256=${signed('sha256')}` }),
    },
  }
}
