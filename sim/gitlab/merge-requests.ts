import { Hono, type Context } from 'hono'
import * as z from 'zod'
import { atLeast, fullName, type Repository } from '../git/hosted-repository.ts'
import type { Pull } from '../git/pull.ts'
import { bodyOf, Flag } from './body.ts'
import { actorOf, callerOf, projectFor, projectNamed } from './caller.ts'
import { commitsJson, diffJson } from './commits.ts'
import { pageOf } from './page.ts'
import { forbidden, notFound, Refusal } from './refusal.ts'
import { userJson } from './users.ts'
import { instant, type GitlabWorld } from './world.ts'

const NewMergeRequest = z.object({
  source_branch: z.string(),
  target_branch: z.string(),
  title: z.string().min(1).max(255),
  description: z.string().nullish(),
  target_project_id: z.coerce.number().int().optional(),
  remove_source_branch: Flag.optional(),
})
const ChangedMergeRequest = z.object({
  title: z.string().min(1).max(255).optional(),
  description: z.string().nullish(),
  state_event: z.enum(['close', 'reopen']).optional(),
  target_branch: z.string().optional(),
})
const Merge = z.object({
  sha: z.string().optional(),
  squash: Flag.default(false),
  merge_commit_message: z.string().optional(),
  should_remove_source_branch: Flag.optional(),
})

/** GitLab's word for a pull's state. */
export function stateWord(pull: Pull): 'opened' | 'closed' | 'merged' {
  return pull.state === 'open' ? 'opened' : pull.state
}

export function mergeRequestUrl(world: Pick<GitlabWorld, 'url'>, pull: Pull): string {
  return `${world.url}/${fullName(pull.repository)}/-/merge_requests/${pull.number}`
}

export function mergeMessage(pull: Pull): string {
  const reference = `${fullName(pull.repository)}!${pull.number}`
  return `Merge branch '${pull.headBranch}' into '${pull.baseBranch}'\n\n${pull.title}\n\nSee merge request ${reference}\n`
}

/** A merge request as lists carry it. */
async function listedJson(world: GitlabWorld, pull: Pull) {
  const { repository } = pull
  const mergeable = pull.state === 'open' && (await world.hosting.mergeable(pull)) !== undefined
  const merger = pull.merge === undefined ? null : userJson(world, pull.merge.by)
  const closed = pull.state === 'closed'
  return {
    id: pull.id,
    iid: pull.number,
    project_id: repository.id,
    title: pull.title,
    description: pull.body ?? '',
    state: stateWord(pull),
    created_at: instant(pull.createdAt),
    updated_at: instant(pull.updatedAt),
    merged_by: merger,
    merge_user: merger,
    merged_at: pull.merge === undefined ? null : instant(pull.merge.at),
    closed_by: closed && pull.closedBy !== undefined ? userJson(world, pull.closedBy) : null,
    closed_at: closed && pull.closedAt !== undefined ? instant(pull.closedAt) : null,
    target_branch: pull.baseBranch,
    source_branch: pull.headBranch,
    user_notes_count: pull.comments.length,
    upvotes: 0,
    downvotes: 0,
    author: userJson(world, pull.author),
    assignees: [],
    assignee: null,
    reviewers: [],
    source_project_id: pull.headRepository?.id ?? null,
    target_project_id: repository.id,
    labels: [],
    draft: false,
    imported: false,
    imported_from: 'none',
    work_in_progress: false,
    milestone: null,
    merge_when_pipeline_succeeds: false,
    merge_status: mergeable ? 'can_be_merged' : 'cannot_be_merged',
    detailed_merge_status: pull.state === 'open' ? (mergeable ? 'mergeable' : 'conflict') : 'not_open',
    merge_after: null,
    sha: pull.headSha,
    merge_commit_sha: pull.merge?.sha ?? null,
    squash_commit_sha: null,
    discussion_locked: null,
    should_remove_source_branch: null,
    force_remove_source_branch: null,
    prepared_at: instant(pull.createdAt),
    reference: `!${pull.number}`,
    references: {
      short: `!${pull.number}`,
      relative: `!${pull.number}`,
      full: `${fullName(repository)}!${pull.number}`,
    },
    web_url: mergeRequestUrl(world, pull),
    time_stats: { time_estimate: 0, total_time_spent: 0, human_time_estimate: null, human_total_time_spent: null },
    squash: false,
    squash_on_merge: false,
    task_completion_status: { count: 0, completed_count: 0 },
    has_conflicts: pull.state === 'open' && !mergeable,
    blocking_discussions_resolved: true,
    approvals_before_merge: null,
  }
}

/** A merge request's own page. */
async function mergeRequestJson(world: GitlabWorld, pull: Pull, context: Context) {
  const version = pull.versions.at(-1)
  const files = await filesOf(pull)
  const account = callerOf(context, world)
  return {
    ...(await listedJson(world, pull)),
    subscribed: false,
    changes_count: `${files.length}`,
    latest_build_started_at: null,
    latest_build_finished_at: null,
    first_deployed_to_production_at: null,
    pipeline: null,
    head_pipeline: null,
    diff_refs: { base_sha: version?.base, head_sha: version?.head, start_sha: version?.start },
    merge_error: null,
    first_contribution: false,
    user: { can_merge: atLeast(world.hosting.role(pull.repository, account), 'write') },
  }
}

function filesOf(pull: Pull) {
  const version = pull.versions.at(-1)
  return pull.repository.git.diff(version?.base ?? pull.baseSha, pull.headSha)
}

export function mergeRequestOf(context: Context, repository: Repository): Pull {
  const pull = repository.pulls.find(({ number }) => `${number}` === context.req.param('iid'))
  if (pull === undefined) throw notFound()
  return pull
}

export function mergeRequestRoutes(world: GitlabWorld): Hono {
  const { hosting } = world
  const versionJson = (pull: Pull, version: Pull['versions'][number]) => ({
    id: version.id,
    head_commit_sha: version.head,
    base_commit_sha: version.base,
    start_commit_sha: version.start,
    created_at: instant(version.at),
    merge_request_id: pull.id,
    state: 'collected',
    real_size: '1',
    patch_id_sha: null,
  })
  const approvalsJson = (pull: Pull) => ({
    user_has_approved: false,
    user_can_approve: true,
    approved: true,
    approvals_required: 0,
    approvals_left: 0,
    approved_by: pull.reviews
      .filter(({ state }) => state === 'APPROVED')
      .map(({ author, at }) => ({ user: userJson(world, author), approved_at: instant(at) })),
  })
  return new Hono()
    .get('/projects/:id/merge_requests', async (context) => {
      const repository = projectFor(context, world, 'read')
      const { state = 'all', source_branch, target_branch, sort = 'desc', updated_after } = context.req.query()
      const iids = context.req.queries('iids[]')
      const matching = repository.pulls.filter(
        (pull) =>
          (state === 'all' || state === stateWord(pull)) &&
          (source_branch === undefined || source_branch === pull.headBranch) &&
          (target_branch === undefined || target_branch === pull.baseBranch) &&
          (updated_after === undefined || Date.parse(pull.updatedAt) >= Date.parse(updated_after)) &&
          (iids === undefined || iids.includes(`${pull.number}`)),
      )
      const shown = pageOf(context, sort === 'asc' ? matching : matching.reverse())
      return context.json(await Promise.all(shown.map((pull) => listedJson(world, pull))))
    })
    .post('/projects/:id/merge_requests', async (context) => {
      const source = projectFor(context, world, 'read')
      const request = await bodyOf(context, NewMergeRequest)
      const target =
        request.target_project_id === undefined ? source : projectNamed(world, `${request.target_project_id}`)
      if (target === undefined) throw notFound('Project')
      const author = actorOf(context, world)
      if (!atLeast(hosting.role(source, author), 'write')) throw forbidden()
      const opened = await hosting.openPull(target, {
        headRepository: source,
        headBranch: request.source_branch,
        baseBranch: request.target_branch,
        title: request.title,
        body: request.description ?? null,
        author,
      })
      switch (opened) {
        case 'exists': {
          const open = target.pulls.find((pull) => pull.state === 'open' && pull.headBranch === request.source_branch)
          throw new Refusal(409, [
            `Another open merge request already exists for this source branch: !${open?.number ?? 0}`,
          ])
        }
        case 'no-head':
          throw new Refusal(400, { source_branch: ["doesn't exist"] })
        case 'no-base':
          throw new Refusal(400, { target_branch: ["doesn't exist"] })
        case 'no-commits':
          throw new Refusal(422, { base: ['There are no commits between the branches'] })
        default:
          return context.json(await mergeRequestJson(world, opened, context), 201)
      }
    })
    .get('/projects/:id/merge_requests/:iid', async (context) =>
      context.json(await mergeRequestJson(world, mergeRequestOf(context, projectFor(context, world, 'read')), context)),
    )
    .put('/projects/:id/merge_requests/:iid', async (context) => {
      const pull = mergeRequestOf(context, projectFor(context, world, 'read'))
      const actor = actorOf(context, world)
      if (pull.author !== actor && !atLeast(hosting.role(pull.repository, actor), 'write')) throw forbidden()
      const { title, description, state_event, target_branch } = await bodyOf(context, ChangedMergeRequest)
      if (target_branch !== undefined) pull.baseBranch = target_branch
      const change = {
        ...(title === undefined ? {} : { title }),
        ...(description === undefined ? {} : { body: description }),
      }
      hosting.editPull(pull, change, actor)
      if (state_event === 'close') hosting.closePull(pull, actor)
      if (state_event === 'reopen') hosting.reopenPull(pull, actor)
      return context.json(await mergeRequestJson(world, pull, context))
    })
    .put('/projects/:id/merge_requests/:iid/merge', async (context) => {
      const pull = mergeRequestOf(context, projectFor(context, world, 'read'))
      const actor = actorOf(context, world)
      if (!atLeast(hosting.role(pull.repository, actor), 'write')) throw new Refusal(401, '401 Unauthorized')
      const { sha, squash, merge_commit_message } = await bodyOf(context, Merge)
      const merged = await hosting.mergePull(pull, actor, {
        method: squash ? 'squash' : 'merge',
        message: merge_commit_message ?? mergeMessage(pull),
        ...(sha === undefined ? {} : { expectedHead: sha }),
      })
      if ('sha' in merged) return context.json(await mergeRequestJson(world, pull, context))
      switch (merged.refused) {
        case 'head-moved':
          throw new Refusal(409, 'SHA does not match HEAD of source branch')
        case 'not-open':
          throw new Refusal(405, '405 Method Not Allowed')
        case 'conflict':
        case 'base-moved':
          throw new Refusal(422, 'Branch cannot be merged')
        default:
          return merged.refused satisfies never
      }
    })
    .get('/projects/:id/merge_requests/:iid/changes', async (context) => {
      const pull = mergeRequestOf(context, projectFor(context, world, 'read'))
      const changes = (await filesOf(pull)).map(diffJson)
      return context.json({ ...(await mergeRequestJson(world, pull, context)), changes, overflow: false })
    })
    .get('/projects/:id/merge_requests/:iid/diffs', async (context) => {
      const pull = mergeRequestOf(context, projectFor(context, world, 'read'))
      return context.json(pageOf(context, await filesOf(pull)).map(diffJson))
    })
    .get('/projects/:id/merge_requests/:iid/commits', async (context) => {
      const pull = mergeRequestOf(context, projectFor(context, world, 'read'))
      const base = pull.versions.at(-1)?.base ?? pull.baseSha
      const shas = pageOf(context, await pull.repository.git.log(`${base}..${pull.headSha}`))
      return context.json(await commitsJson(world, pull.repository, shas))
    })
    .get('/projects/:id/repository/commits/:sha/merge_requests', async (context) => {
      const repository = projectFor(context, world, 'read')
      const sha = await repository.git.resolve(context.req.param('sha'))
      if (sha === undefined) throw notFound('Commit')
      const found: Pull[] = []
      for (const pull of repository.pulls) {
        const base = pull.versions.at(-1)?.base ?? pull.baseSha
        const within =
          (await repository.git.isAncestor(sha, pull.headSha)) && !(await repository.git.isAncestor(sha, base))
        if (within || pull.merge?.sha === sha) found.push(pull)
      }
      return context.json(await Promise.all(pageOf(context, found).map((pull) => listedJson(world, pull))))
    })
    .get('/projects/:id/merge_requests/:iid/versions', (context) => {
      const pull = mergeRequestOf(context, projectFor(context, world, 'read'))
      const newestFirst = pageOf(context, [...pull.versions].reverse())
      return context.json(newestFirst.map((version) => versionJson(pull, version)))
    })
    .get('/projects/:id/merge_requests/:iid/versions/:version', async (context) => {
      const pull = mergeRequestOf(context, projectFor(context, world, 'read'))
      const version = pull.versions.find(({ id }) => `${id}` === context.req.param('version'))
      if (version === undefined) throw notFound()
      const { git } = pull.repository
      const diffs = (await git.diff(version.base, version.head)).map(diffJson)
      const commits = await commitsJson(world, pull.repository, await git.log(`${version.base}..${version.head}`))
      return context.json({ ...versionJson(pull, version), commits, diffs })
    })
    .get('/projects/:id/merge_requests/:iid/approvals', (context) =>
      context.json(approvalsJson(mergeRequestOf(context, projectFor(context, world, 'read')))),
    )
    .post('/projects/:id/merge_requests/:iid/approve', async (context) => {
      const pull = mergeRequestOf(context, projectFor(context, world, 'write'))
      const { sha } = await bodyOf(context, z.object({ sha: z.string().optional() }))
      if (sha !== undefined && sha !== pull.headSha) throw new Refusal(409, 'SHA does not match HEAD of source branch')
      hosting.addReview(pull, actorOf(context, world), 'APPROVED', '')
      return context.json(approvalsJson(pull), 201)
    })
}
