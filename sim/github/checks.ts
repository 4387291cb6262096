import { Hono, type Context } from 'hono'
import * as z from 'zod'
import { fullName, type Repository } from '../git/hosted-repository.ts'
import { appJson } from './accounts.ts'
import { bodyOf } from './body.ts'
import { callerOf, repositoryFor } from './caller.ts'
import { resolveOr } from './commits.ts'
import { pageOf } from './page.ts'
import { notFound, Refusal } from './refusal.ts'
import { nodeId, type CheckRun, type GithubWorld } from './world.ts'

/** Annotations of one request; more are added by further updates. */
const MAX_ANNOTATIONS = 50
/** Characters of a check run's summary, and of its text. */
const MAX_OUTPUT_CHARACTERS = 65_535

const AnnotationRequest = z.object({
  path: z.string(),
  start_line: z.int(),
  end_line: z.int(),
  start_column: z.int().optional(),
  end_column: z.int().optional(),
  annotation_level: z.enum(['notice', 'warning', 'failure']),
  message: z.string(),
  title: z.string().max(255).optional(),
  raw_details: z.string().optional(),
})
const Output = z.object({
  title: z.string().optional(),
  summary: z.string().max(MAX_OUTPUT_CHARACTERS),
  text: z.string().max(MAX_OUTPUT_CHARACTERS).optional(),
  annotations: z.array(AnnotationRequest).max(MAX_ANNOTATIONS).optional(),
})
const Changes = z.object({
  details_url: z.string().optional(),
  external_id: z.string().optional(),
  status: z.enum(['queued', 'in_progress', 'completed', 'waiting', 'requested', 'pending']).optional(),
  started_at: z.string().optional(),
  completed_at: z.string().optional(),
  conclusion: z
    .enum(['action_required', 'cancelled', 'failure', 'neutral', 'success', 'skipped', 'stale', 'timed_out'])
    .optional(),
  output: Output.optional(),
})
const NewRun = Changes.extend({ name: z.string(), head_sha: z.string() })
const ChangedRun = Changes.extend({ name: z.string().optional() })

/** A check run (`check-run`). */
export function checkRunJson(world: GithubWorld, run: CheckRun) {
  const { repository } = run
  const self = `${world.url}/repos/${fullName(repository)}/check-runs/${run.id}`
  const html = `${world.url}/${fullName(repository)}/runs/${run.id}`
  return {
    id: run.id,
    node_id: nodeId('CR', run.id),
    head_sha: run.headSha,
    external_id: run.externalId,
    url: self,
    html_url: html,
    details_url: run.detailsUrl ?? html,
    status: run.status,
    conclusion: run.conclusion,
    started_at: run.startedAt,
    completed_at: run.completedAt,
    output: {
      title: run.title,
      summary: run.summary,
      text: run.text,
      annotations_count: run.annotations.length,
      annotations_url: `${self}/annotations`,
    },
    name: run.name,
    check_suite: { id: run.suiteId },
    app: appJson(world, world.app),
    pull_requests: pullsAt(world, repository, run.headSha),
  }
}

function pullsAt(world: GithubWorld, repository: Repository, sha: string) {
  const end = (ref: string, at: string, of: Repository) => ({
    ref,
    sha: at,
    repo: { id: of.id, url: `${world.url}/repos/${fullName(of)}`, name: of.name },
  })
  return repository.pulls
    .filter((pull) => pull.headSha === sha && pull.headRepository === repository)
    .map((pull) => ({
      id: pull.id,
      number: pull.number,
      url: `${world.url}/repos/${fullName(repository)}/pulls/${pull.number}`,
      head: end(pull.headBranch, pull.headSha, repository),
      base: end(pull.baseBranch, pull.baseSha, repository),
    }))
}

function applyChanges(run: CheckRun, changes: z.infer<typeof ChangedRun>, now: string): void {
  run.name = changes.name ?? run.name
  run.externalId = changes.external_id ?? run.externalId
  run.detailsUrl = changes.details_url ?? run.detailsUrl
  run.startedAt = changes.started_at ?? run.startedAt
  if (changes.conclusion !== undefined) {
    run.status = 'completed'
    run.conclusion = changes.conclusion
    run.completedAt = changes.completed_at ?? now
  } else if (changes.status === 'queued' || changes.status === 'in_progress') {
    run.status = changes.status
    run.conclusion = null
    run.completedAt = null
  }
  if (changes.output === undefined) return
  run.title = changes.output.title ?? run.title
  run.summary = changes.output.summary
  run.text = changes.output.text ?? run.text
  run.annotations = [...run.annotations, ...(changes.output.annotations ?? [])]
}

function checkConsistent(changes: z.infer<typeof ChangedRun>): void {
  if (changes.status === 'completed' && changes.conclusion === undefined) {
    throw new Refusal(422, "Invalid request.\n\nFor 'anyOf/0', \"conclusion\" wasn't supplied.")
  }
  if (changes.output !== undefined && changes.output.title === undefined) {
    throw new Refusal(422, 'Invalid request.\n\n"title" wasn\'t supplied.')
  }
}

export function checkRoutes(world: GithubWorld, rerequested: (run: CheckRun, context: Context) => void): Hono {
  const runOf = (context: Context, repository: Repository): CheckRun => {
    const run = world.checks.find((candidate) => `${candidate.id}` === context.req.param('run'))
    if (run === undefined || run.repository !== repository) throw notFound()
    return run
  }
  const forApps = (context: Context) => {
    const repository = repositoryFor(context, world, 'checks', 'write')
    if (callerOf(context, world).kind !== 'installation') {
      throw new Refusal(403, 'You must authenticate via a GitHub App.')
    }
    return repository
  }
  return new Hono()
    .post('/repos/:owner/:repo/check-runs', async (context) => {
      const repository = forApps(context)
      const request = await bodyOf(context, NewRun, 'CheckRun')
      checkConsistent(request)
      const missing = () => new Refusal(422, `No commit found for SHA: ${request.head_sha}`)
      const headSha = await resolveOr(repository, request.head_sha, missing)
      const suite = world.checks.find((run) => run.repository === repository && run.headSha === headSha)
      const now = world.hosting.now()
      const run: CheckRun = {
        id: world.hosting.nextId(),
        suiteId: suite?.suiteId ?? world.hosting.nextId(),
        repository,
        headSha,
        name: request.name,
        externalId: '',
        detailsUrl: undefined,
        status: 'queued',
        conclusion: null,
        startedAt: now,
        completedAt: null,
        title: null,
        summary: null,
        text: null,
        annotations: [],
      }
      applyChanges(run, request, now)
      world.checks.push(run)
      return context.json(checkRunJson(world, run), 201)
    })
    .get('/repos/:owner/:repo/check-runs/:run', (context) =>
      context.json(checkRunJson(world, runOf(context, repositoryFor(context, world, 'checks', 'read')))),
    )
    .patch('/repos/:owner/:repo/check-runs/:run', async (context) => {
      const run = runOf(context, forApps(context))
      const changes = await bodyOf(context, ChangedRun, 'CheckRun')
      checkConsistent(changes)
      applyChanges(run, changes, world.hosting.now())
      return context.json(checkRunJson(world, run))
    })
    .get('/repos/:owner/:repo/check-runs/:run/annotations', (context) => {
      const run = runOf(context, repositoryFor(context, world, 'checks', 'read'))
      const blob = `${world.url}/${fullName(run.repository)}/blob/${run.headSha}`
      return context.json(
        pageOf(context, run.annotations).map((annotation) => ({
          ...annotation,
          start_column: annotation.start_column ?? null,
          end_column: annotation.end_column ?? null,
          title: annotation.title ?? null,
          raw_details: annotation.raw_details ?? null,
          blob_href: `${blob}/${annotation.path}`,
        })),
      )
    })
    .post('/repos/:owner/:repo/check-runs/:run/rerequest', (context) => {
      const run = runOf(context, repositoryFor(context, world, 'checks', 'write'))
      rerequested(run, context)
      return context.json({}, 201)
    })
    .get('/repos/:owner/:repo/commits/:ref/check-runs', async (context) => {
      const repository = repositoryFor(context, world, 'checks', 'read')
      const sha = await resolveOr(repository, context.req.param('ref'))
      const { check_name: name, filter = 'latest' } = context.req.query()
      const at = world.checks.filter(
        (run) => run.repository === repository && run.headSha === sha && (name === undefined || run.name === name),
      )
      const newest = at.filter((run) => at.findLast((other) => other.name === run.name) === run)
      const runs = filter === 'all' ? at : newest
      return context.json({
        total_count: runs.length,
        check_runs: pageOf(context, runs).map((run) => checkRunJson(world, run)),
      })
    })
}
