import { Hono } from 'hono'
import * as z from 'zod'
import type { Repository } from '../git/hosted-repository.ts'
import { bodyOf } from './body.ts'
import { actorOf, projectFor } from './caller.ts'
import { pageOf } from './page.ts'
import { notFound, Refusal } from './refusal.ts'
import { userJson } from './users.ts'
import { instant, type CommitStatus, type GitlabWorld } from './world.ts'

const NewStatus = z.object({
  state: z.enum(['pending', 'running', 'success', 'failed', 'canceled', 'skipped']),
  ref: z.string().optional(),
  name: z.string().optional(),
  context: z.string().optional(),
  target_url: z.string().max(255).nullish(),
  description: z.string().nullish(),
  coverage: z.coerce.number().optional(),
  pipeline_id: z.coerce.number().int().optional(),
})
const MAX_DESCRIPTION = 255
/** What GitLab calls the step to a state in its refusals. */
const TRANSITION = {
  pending: 'enqueue',
  running: 'run',
  success: 'success',
  failed: 'drop',
  canceled: 'cancel',
  skipped: 'skip',
} as const

function isFinished(state: CommitStatus['state']): boolean {
  return state !== 'pending' && state !== 'running'
}

function statusJson(world: GitlabWorld, status: CommitStatus) {
  return {
    id: status.id,
    sha: status.sha,
    ref: status.ref,
    status: status.state,
    name: status.name,
    target_url: status.targetUrl,
    description: status.description,
    created_at: instant(status.createdAt),
    started_at: status.startedAt === null ? null : instant(status.startedAt),
    finished_at: status.finishedAt === null ? null : instant(status.finishedAt),
    allow_failure: false,
    coverage: null,
    pipeline_id: status.pipelineId,
    author: userJson(world, status.author),
  }
}

/** A branch that has the commit; heads of merge requests from forks are on none. */
async function branchWith({ git }: Repository, sha: string): Promise<string | undefined> {
  for (const [ref, head] of await git.refs('refs/heads/')) {
    if (await git.isAncestor(sha, head)) return ref.slice('refs/heads/'.length)
  }
  return undefined
}

export function statusRoutes(world: GitlabWorld): Hono {
  const { hosting } = world
  return new Hono()
    .post('/projects/:id/statuses/:sha', async (context) => {
      const repository = projectFor(context, world, 'write')
      const request = await bodyOf(context, NewStatus)
      const sha = await repository.git.resolve(context.req.param('sha'))
      if (sha === undefined) throw notFound('Commit')
      const ref = request.ref ?? (await branchWith(repository, sha))
      if (ref === undefined) throw notFound('References for commit')
      const name = request.name ?? request.context ?? 'default'
      const { description } = request
      if (description !== undefined && description !== null && description.length > MAX_DESCRIPTION) {
        throw new Refusal(400, { description: ['is too long (maximum is 255 characters)'] })
      }
      const now = hosting.now()
      const at = world.statuses.filter((status) => status.repository === repository && status.sha === sha)
      const open = at.findLast((status) => status.name === name && status.ref === ref && !isFinished(status.state))
      if (open?.state === request.state || (open?.state === 'running' && request.state === 'pending')) {
        const step = TRANSITION[request.state]
        throw new Refusal(
          400,
          `Cannot transition status via :${step} from :${open.state} (Reason(s): Status cannot transition via "${step}")`,
        )
      }
      const status: CommitStatus = open ?? {
        id: hosting.nextId(),
        repository,
        sha,
        ref,
        name,
        pipelineId: at[0]?.pipelineId ?? hosting.nextId(),
        state: request.state,
        description: null,
        targetUrl: null,
        author: actorOf(context, world),
        createdAt: now,
        startedAt: null,
        finishedAt: null,
      }
      if (open === undefined) world.statuses.push(status)
      status.state = request.state
      status.description = description === undefined ? status.description : description
      status.targetUrl = request.target_url === undefined ? status.targetUrl : request.target_url
      if (request.state === 'running') status.startedAt = now
      if (isFinished(request.state)) status.finishedAt = now
      return context.json(statusJson(world, status), 201)
    })
    .get('/projects/:id/repository/commits/:sha/statuses', async (context) => {
      const repository = projectFor(context, world, 'read')
      const sha = await repository.git.resolve(context.req.param('sha'))
      if (sha === undefined) throw notFound('Commit')
      const { all = 'false', name, ref } = context.req.query()
      const at = world.statuses.filter(
        (status) =>
          status.repository === repository &&
          status.sha === sha &&
          (name === undefined || status.name === name) &&
          (ref === undefined || status.ref === ref),
      )
      const newest = at.filter((status) => at.findLast((other) => other.name === status.name) === status)
      return context.json(pageOf(context, all === 'true' ? at : newest).map((status) => statusJson(world, status)))
    })
}
