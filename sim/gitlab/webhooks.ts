import { createHmac } from 'node:crypto'
import type { Webhook } from '../git/deliveries.ts'
import type { Account } from '../git/account.ts'
import { fullName, type Repository } from '../git/hosted-repository.ts'
import type { HostingEvent } from '../git/hosting-event.ts'
import type { Pull } from '../git/pull.ts'
import type { CommitObject } from '../git/git-objects.ts'
import { NO_COMMIT } from '../git/repository.ts'
import { hex } from '../random.ts'
import { mergeRequestUrl, stateWord } from './merge-requests.ts'
import { sshUrlOf } from './projects.ts'
import type { GitlabWorld, Hook } from './world.ts'

/** A push tells its newest commits only. */
const MAX_PUSHED_COMMITS = 20

/** Sends what happened to the hooks of the project and of its group. */
export function deliver(world: GitlabWorld, event: HostingEvent): void {
  const repository = event.kind === 'push' ? event.repository : event.pull.repository
  const wanted = ({ events }: Hook) => {
    switch (event.kind) {
      case 'push':
        return events.push
      case 'pull':
        return events.mergeRequests
      case 'comment':
        return events.notes && event.action !== 'deleted'
      default:
        return event satisfies never
    }
  }
  const inGroup = ({ repository: own }: Hook) =>
    own === repository || (own === undefined && repository.owner.kind === 'organization')
  for (const hook of world.hooks.filter((candidate) => inGroup(candidate) && wanted(candidate))) {
    world.deliveries.prepare(async () => {
      const { name, action, payload } = await describe(world, event)
      return webhook(world, hook, name, action, payload)
    })
  }
}

async function describe(
  world: GitlabWorld,
  event: HostingEvent,
): Promise<{ readonly name: string; readonly action?: string; readonly payload: object }> {
  switch (event.kind) {
    case 'push':
      return { name: 'Push Hook', payload: await pushJson(world, event) }
    case 'pull': {
      const action = ACTIONS[event.action]
      return { name: 'Merge Request Hook', action, payload: await mergeRequestHookJson(world, event, action) }
    }
    case 'comment': {
      const action = event.action === 'created' ? 'create' : 'update'
      return { name: 'Note Hook', action, payload: await noteHookJson(world, event, action) }
    }
    default:
      return event satisfies never
  }
}

const ACTIONS = {
  opened: 'open',
  synchronize: 'update',
  edited: 'update',
  closed: 'close',
  reopened: 'reopen',
  merged: 'merge',
  approved: 'approved',
} as const

function personJson({ url }: GitlabWorld, account: Account) {
  return {
    id: account.id,
    name: account.name,
    username: account.login,
    avatar_url: `${url}/uploads/-/system/user/avatar/${account.id}/avatar.png`,
    email: '[REDACTED]',
  }
}

/** A project as webhooks tell it. */
function hookProjectJson(world: GitlabWorld, repository: Repository) {
  const web = `${world.url}/${fullName(repository)}`
  const ssh = sshUrlOf(world, repository)
  return {
    name: repository.name,
    description: '',
    web_url: web,
    avatar_url: null,
    git_ssh_url: ssh,
    git_http_url: `${web}.git`,
    namespace: repository.owner.name,
    visibility_level: repository.private ? 0 : 20,
    path_with_namespace: fullName(repository),
    default_branch: repository.defaultBranch,
    ci_config_path: '',
    homepage: web,
    url: ssh,
    ssh_url: ssh,
    http_url: `${web}.git`,
  }
}

function hookRepositoryJson(world: GitlabWorld, repository: Repository) {
  const { name, url, description, homepage } = hookProjectJson(world, repository)
  return { name, url, description, homepage }
}

function commitJson(world: GitlabWorld, repository: Repository, commit: CommitObject) {
  return {
    id: commit.sha,
    message: commit.message,
    title: commit.message.split('\n')[0] ?? '',
    timestamp: commit.committer.date.replace('Z', '+00:00'),
    url: `${world.url}/${fullName(repository)}/-/commit/${commit.sha}`,
    author: { name: commit.author.name, email: commit.author.email },
  }
}

/** What merge request and note hooks say of a merge request. */
async function attributesJson(world: GitlabWorld, pull: Pull) {
  const mergeable = pull.state === 'open' && (await world.hosting.mergeable(pull)) !== undefined
  return {
    id: pull.id,
    iid: pull.number,
    target_branch: pull.baseBranch,
    source_branch: pull.headBranch,
    source_project_id: pull.headRepository?.id ?? null,
    author_id: pull.author.id,
    assignee_ids: [],
    assignee_id: null,
    reviewer_ids: [],
    title: pull.title,
    created_at: pull.createdAt.replace('T', ' ').replace('Z', ' UTC'),
    updated_at: pull.updatedAt.replace('T', ' ').replace('Z', ' UTC'),
    last_edited_at: null,
    last_edited_by_id: null,
    milestone_id: null,
    state_id: { open: 1, closed: 2, merged: 3 }[pull.state],
    state: stateWord(pull),
    blocking_discussions_resolved: true,
    work_in_progress: false,
    draft: false,
    first_contribution: false,
    merge_status: mergeable ? 'can_be_merged' : 'unchecked',
    detailed_merge_status: pull.state === 'open' ? (mergeable ? 'mergeable' : 'conflict') : 'not_open',
    target_project_id: pull.repository.id,
    description: pull.body ?? '',
    prepared_at: pull.createdAt.replace('T', ' ').replace('Z', ' UTC'),
    total_time_spent: 0,
    time_change: 0,
    time_estimate: 0,
    human_total_time_spent: null,
    human_time_change: null,
    human_time_estimate: null,
    merge_commit_sha: pull.merge?.sha ?? null,
    labels: [],
    url: mergeRequestUrl(world, pull),
    source: hookProjectJson(world, pull.headRepository ?? pull.repository),
    target: hookProjectJson(world, pull.repository),
    last_commit: commitJson(world, pull.repository, await pull.repository.git.commit(pull.headSha)),
  }
}

async function mergeRequestHookJson(
  world: GitlabWorld,
  event: Extract<HostingEvent, { kind: 'pull' }>,
  action: string,
) {
  const { pull, actor, before } = event
  const changes = {
    ...(before?.title === undefined ? {} : { title: { previous: before.title, current: pull.title } }),
    ...(before?.body === undefined ? {} : { description: { previous: before.body ?? '', current: pull.body ?? '' } }),
  }
  return {
    object_kind: 'merge_request',
    event_type: 'merge_request',
    user: personJson(world, actor),
    project: { id: pull.repository.id, ...hookProjectJson(world, pull.repository) },
    object_attributes: {
      ...(await attributesJson(world, pull)),
      action,
      // Only when code changed: this tells a push from an edit.
      ...(before?.headSha === undefined ? {} : { oldrev: before.headSha }),
    },
    labels: [],
    changes,
    repository: hookRepositoryJson(world, pull.repository),
    assignees: [],
    reviewers: [],
  }
}

async function noteHookJson(world: GitlabWorld, event: Extract<HostingEvent, { kind: 'comment' }>, action: string) {
  const { pull, comment, actor } = event
  const { repository } = pull
  return {
    object_kind: 'note',
    event_type: 'note',
    user: personJson(world, actor),
    project_id: repository.id,
    project: { id: repository.id, ...hookProjectJson(world, repository) },
    repository: hookRepositoryJson(world, repository),
    object_attributes: {
      id: comment.id,
      internal: false,
      note: comment.body,
      description: comment.body,
      noteable_type: 'MergeRequest',
      author_id: comment.author.id,
      created_at: comment.createdAt.replace('T', ' ').replace('Z', ' UTC'),
      updated_at: comment.updatedAt.replace('T', ' ').replace('Z', ' UTC'),
      project_id: repository.id,
      attachment: null,
      line_code: null,
      commit_id: '',
      noteable_id: pull.id,
      system: false,
      st_diff: null,
      type: null,
      action,
      url: `${mergeRequestUrl(world, pull)}#note_${comment.id}`,
    },
    merge_request: { ...(await attributesJson(world, pull)), position: 0, assignee: null },
  }
}

async function pushJson(world: GitlabWorld, event: Extract<HostingEvent, { kind: 'push' }>) {
  const { repository, actor, update } = event
  const { git } = repository
  const deleted = update.after === NO_COMMIT
  const shas = deleted || update.before === NO_COMMIT ? [] : await git.log(`${update.before}..${update.after}`)
  const objects = [...(await git.commits(shas.slice(0, MAX_PUSHED_COMMITS)))].reverse()
  const commits = await Promise.all(
    objects.map(async (commit) => {
      const parent = commit.parents[0]
      const files = parent === undefined ? [] : await git.diff(parent, commit.sha)
      const paths = (...statuses: readonly string[]) =>
        files.filter(({ status }) => statuses.includes(status)).map(({ path }) => path)
      return {
        ...commitJson(world, repository, commit),
        added: paths('added', 'renamed'),
        modified: paths('modified', 'changed'),
        removed: paths('removed'),
      }
    }),
  )
  const project = hookProjectJson(world, repository)
  return {
    object_kind: 'push',
    event_name: 'push',
    before: update.before,
    after: update.after,
    ref: update.ref,
    ref_protected: update.ref === `refs/heads/${repository.defaultBranch}`,
    checkout_sha: deleted ? null : update.after,
    message: null,
    user_id: actor.id,
    user_name: actor.name,
    user_username: actor.login,
    user_email: '',
    user_avatar: personJson(world, actor).avatar_url,
    project_id: repository.id,
    project: { id: repository.id, ...project },
    commits,
    total_commits_count: shas.length,
    push_options: {},
    repository: {
      ...hookRepositoryJson(world, repository),
      git_http_url: project.git_http_url,
      git_ssh_url: project.git_ssh_url,
      visibility_level: project.visibility_level,
    },
  }
}

/**
 * @see https://docs.gitlab.com/user/project/integrations/webhooks/ and, for signing tokens,
 * https://github.com/standard-webhooks/standard-webhooks
 */
function webhook(world: GitlabWorld, hook: Hook, event: string, action: string | undefined, payload: object): Webhook {
  const { random, clock } = world.hosting
  const uuid = () => `${hex(random, 8)}-${hex(random, 4)}-4${hex(random, 3)}-9${hex(random, 3)}-${hex(random, 12)}`
  const guid = uuid()
  const body = JSON.stringify(payload)
  const timestamp = `${Math.floor(clock.now() / 1000)}`
  return {
    url: hook.url,
    event,
    action,
    guid,
    body,
    hookId: hook.id,
    headers: {
      'user-agent': 'GitLab/18.4.0',
      'x-gitlab-event': event,
      'x-gitlab-event-uuid': uuid(),
      'x-gitlab-instance': world.url,
      'x-gitlab-webhook-uuid': hook.uuid,
      'idempotency-key': guid,
      ...(hook.token === '' ? {} : { 'x-gitlab-token': hook.token }),
      ...(hook.signingToken === undefined
        ? {}
        : {
            'webhook-id': guid,
            'webhook-timestamp': timestamp,
            'webhook-signature': signature(hook.signingToken, `${guid}.${timestamp}.${body}`),
          }),
    },
  }
}

function signature(signingToken: string, signed: string): string {
  const key = Buffer.from(signingToken.replace(/^whsec_/, ''), 'base64')
  return `v1,${createHmac('sha256', key).update(signed).digest('base64')}`
}
