import { Hono } from 'hono'
import * as z from 'zod'
import { fullName } from '../git/hosted-repository.ts'
import { accountJson } from './accounts.ts'
import { bodyOf } from './body.ts'
import { actorOf, repositoryFor } from './caller.ts'
import { resolveOr } from './commits.ts'
import { pageOf } from './page.ts'
import { Refusal } from './refusal.ts'
import { repositoryJson } from './repositories.ts'
import { nodeId, type CommitStatus, type GithubWorld } from './world.ts'

/** Characters of a status's description. */
const MAX_DESCRIPTION = 140

const NewStatus = z.object({
  state: z.enum(['error', 'failure', 'pending', 'success']),
  target_url: z.string().nullish(),
  description: z.string().max(MAX_DESCRIPTION).nullish(),
  context: z.string().default('default'),
})

function statusJson(world: GithubWorld, status: CommitStatus) {
  return {
    url: `${world.url}/repos/${fullName(status.repository)}/statuses/${status.sha}`,
    avatar_url: accountJson(world, status.creator).avatar_url,
    id: status.id,
    node_id: nodeId('SC', status.id),
    state: status.state,
    description: status.description,
    target_url: status.targetUrl,
    context: status.context,
    created_at: status.at,
    updated_at: status.at,
  }
}

export function statusRoutes(world: GithubWorld): Hono {
  return new Hono()
    .post('/repos/:owner/:repo/statuses/:sha', async (context) => {
      const repository = repositoryFor(context, world, 'statuses', 'write')
      const { state, target_url, description, context: name } = await bodyOf(context, NewStatus, 'Status')
      const wanted = context.req.param('sha')
      const sha = await resolveOr(repository, wanted, () => new Refusal(422, `No commit found for SHA: ${wanted}`))
      const status: CommitStatus = {
        id: world.hosting.nextId(),
        repository,
        sha,
        state,
        context: name,
        description: description ?? null,
        targetUrl: target_url ?? null,
        creator: actorOf(context, world),
        at: world.hosting.now(),
      }
      world.statuses.push(status)
      return context.json({ ...statusJson(world, status), creator: accountJson(world, status.creator) }, 201)
    })
    .get('/repos/:owner/:repo/commits/:ref/statuses', async (context) => {
      const repository = repositoryFor(context, world, 'statuses', 'read')
      const sha = await resolveOr(repository, context.req.param('ref'))
      const statuses = world.statuses
        .filter((status) => status.repository === repository && status.sha === sha)
        .reverse()
      return context.json(
        pageOf(context, statuses).map((status) => ({
          ...statusJson(world, status),
          creator: accountJson(world, status.creator),
        })),
      )
    })
    .get('/repos/:owner/:repo/commits/:ref/status', async (context) => {
      const repository = repositoryFor(context, world, 'statuses', 'read')
      const sha = await resolveOr(repository, context.req.param('ref'))
      const at = world.statuses.filter((status) => status.repository === repository && status.sha === sha)
      const newest = at.filter((status) => at.findLast((other) => other.context === status.context) === status)
      const commitUrl = `${world.url}/repos/${fullName(repository)}/commits/${sha}`
      return context.json({
        state: combined(newest),
        statuses: pageOf(context, newest).map((status) => statusJson(world, status)),
        sha,
        total_count: newest.length,
        repository: repositoryJson(world, repository),
        commit_url: commitUrl,
        url: `${commitUrl}/status`,
      })
    })
}

function combined(statuses: readonly CommitStatus[]): string {
  if (statuses.some(({ state }) => state === 'error' || state === 'failure')) return 'failure'
  return statuses.length > 0 && statuses.every(({ state }) => state === 'success') ? 'success' : 'pending'
}
