import { digest } from '../core/canonical.ts'
import type { Instant } from '../core/facts.ts'
import { type Job, type JobOrder, noProgress } from '../core/job.ts'
import type { ProblemFields } from '../core/problem.ts'
import type { RepoRef } from '../seams/forge.ts'
import { after, type App, forgeOf } from './app.ts'
import { changeDocument } from './change-document.ts'
import { deriveCluster } from './derive-cluster.ts'
import {
  type ClusterDocument,
  type FactsDocument,
  type JobDocument,
  keys,
  KEEP_MS,
  type KeptPlan,
  type PullDocument,
  type Wanted,
} from './documents.ts'
import { COOLING_OFF, judge } from './judge.ts'
import { readPolicy } from './policy.ts'
import { showSoon } from './publish.ts'
import { freeCluster } from './free-cluster.ts'

/** How long a queued job may wait for a runner: over a long weekend, not over a holiday after which plans are stale. */
export const JOB_EXPIRY_MS = 4 * 24 * 3_600_000

/** Turns until nothing changes; each needs one, and somebody else's writes cost another. */
const TURNS = 10

/**
 * Brings a cluster's job in step with what the default branch asks and with the newest facts: makes it, queues it, lets
 * it wait and says why, or ends it. Repeating it changes nothing.
 * @param options.unlessDecided - Leave a decision alone that was made from the same request and facts. The sweep asks
 *   this way, since deciding reads from the forge; a policy that changed comes with a push, which decides again.
 */
export async function settleCluster(
  app: App,
  repo: RepoRef,
  cluster: string,
  options: { readonly unlessDecided?: boolean } = {},
): Promise<void> {
  const newId = app.random.id()
  for (let turn = 0; turn < TURNS; turn += 1) {
    if ((await settleOnce(app, repo, cluster, newId, options.unlessDecided ?? false)) === 'settled') return
  }
  app.log.warn('a cluster did not settle', { repo: repo.id, cluster })
}

async function settleOnce(
  app: App,
  repo: RepoRef,
  cluster: string,
  newId: string,
  unlessDecided: boolean,
): Promise<'settled' | 'again'> {
  const stored = await app.store.get<ClusterDocument>(keys.cluster(repo, cluster))
  if (!stored) return 'settled'
  const document = stored.value
  const now = await app.store.now()
  const current = document.job === undefined ? undefined : await app.store.get<JobDocument>(keys.job(document.job))
  const job = current?.value.job

  if (current && job?.state === 'running') {
    const silent = document.lease === undefined || document.lease.until <= now
    if (!job.cancelAsked || !silent) return 'settled'
    const over: Job = { order: job.order, state: 'cancelled', by: 'request', progress: job.progress }
    return replaceJob(app, current.value, over, now)
  }
  if (current && document.lease?.job === current.value.job.order.id && document.lease.until <= now) {
    await freeCluster(app, current.value)
  }
  const open = job?.state === 'queued' || job?.state === 'waiting'
  if (document.orphaned || document.wanted === undefined) {
    if (!current || !open) return 'settled'
    return replaceJob(
      app,
      current.value,
      { order: current.value.job.order, state: 'cancelled', by: 'removal of the cluster file', progress: noProgress },
      now,
    )
  }
  const { wanted } = document
  if (current && current.value.asked >= wanted.asked && !open) {
    await linkToPull(app, current.value)
    return 'settled'
  }
  if (wanted.asked === 0) return 'settled'
  // What was done and is so long ago that its job is forgotten was not asked for again.
  if (!current && document.served !== undefined && document.served >= wanted.asked) return 'settled'

  const facts = (await app.store.get<FactsDocument>(keys.facts(repo, cluster)))?.value
  const decidedFrom = digest({ wanted, facts: facts?.hash ?? null })
  const served = current && open && current.value.asked === wanted.asked
  if (served && job.state === 'queued' && job.order.expiresAt <= now) {
    const { order } = job
    return replaceJob(
      app,
      current.value,
      { order, state: 'stopped', problem: expired(order), progress: noProgress },
      now,
    )
  }
  if (served && unlessDecided && current.value.decidedFrom === decidedFrom) {
    // The one decision that time alone changes.
    if (job.state !== 'waiting' || job.why.code !== COOLING_OFF) return 'settled'
  }

  const next = await decide(app, repo, cluster, wanted, facts, now)
  if (served) {
    await linkToPull(app, current.value)
    const { order } = current.value.job
    const same = { ...next.order, id: order.id, createdAt: order.createdAt, expiresAt: order.expiresAt }
    return replaceJob(app, current.value, next.job(same), now, { plan: next.plan, decidedFrom })
  }

  const order = { ...next.order, id: newId }
  const made: JobDocument = {
    repo,
    job: next.job(order),
    asked: wanted.asked,
    fence: 0,
    ...(next.plan === undefined ? {} : { plan: next.plan }),
    decidedFrom,
    log: { chunks: 0, characters: 0, dropped: 0 },
    since: now,
  }
  await changeDocument<JobDocument>(app.store, keys.job(newId), () => made, { expiresAt: after(now, KEEP_MS) })
  if (current && open) {
    const superseded: Job = { order: current.value.job.order, state: 'superseded', byJob: newId }
    if ((await replaceJob(app, current.value, superseded, now)) === 'again') {
      const check = await app.store.get<JobDocument>(keys.job(current.value.job.order.id))
      if (check?.value.job.state !== 'superseded') return 'again'
    }
  }
  const linked = await app.store.put(stored.key, { ...document, job: newId, served: wanted.asked }, stored.version)
  if (linked === undefined) {
    // Somebody else decided meanwhile; what was made here is nobody's job.
    const orphan = await app.store.get<JobDocument>(keys.job(newId))
    if (orphan !== undefined) await app.store.delete(orphan.key, orphan.version)
    return 'again'
  }
  app.log.info('job made', { job: newId, cluster, state: made.job.state, commit: wanted.commit })
  await linkToPull(app, made)
  await showJob(app, made)
  return 'settled'
}

interface Decision {
  readonly order: JobOrder
  /** The job, once its order has its id and times. */
  readonly job: (order: JobOrder) => Job
  readonly plan?: KeptPlan
}

/** What is to be done about a request now: a pure decision over spec, facts, review and policy, all read here. */
async function decide(
  app: App,
  repo: RepoRef,
  cluster: string,
  wanted: Wanted,
  facts: FactsDocument | undefined,
  now: Instant,
): Promise<Decision> {
  const forge = forgeOf(app, repo)
  const info = await forge.repository(repo)
  const derived = await deriveCluster(app, info, wanted.commit, cluster, facts)
  const order: JobOrder = {
    id: '',
    repository: repo.id,
    cluster,
    commit: wanted.commit,
    planner: derived.plan?.planner ?? 1,
    planDigest: derived.plan?.digest ?? '0'.repeat(64),
    ...(facts === undefined ? {} : { factsHash: facts.hash }),
    ...(wanted.pull === undefined ? {} : { pull: wanted.pull }),
    createdAt: now,
    expiresAt: after(now, JOB_EXPIRY_MS),
  }
  const { plan } = derived
  if (!plan) {
    const [first] = derived.problems
    const why: ProblemFields = first ?? { code: 'plan.none', what: `${cluster} has no plan`, retry: 'never' }
    return { order, job: (to) => ({ order: to, state: 'waiting', why }) }
  }
  const kept = keptPlan(plan)
  if (plan.steps.length === 0) {
    const notes = ['nothing had to be changed']
    return { order, plan: kept, job: (to) => ({ order: to, state: 'succeeded', progress: noProgress, notes }) }
  }
  const policy = await readPolicy(app, info)
  const verdict = judge(policy, wanted, plan, now)
  if (verdict.run) return { order, plan: kept, job: (to) => ({ order: to, state: 'queued' }) }
  return { order, plan: kept, job: (to) => ({ order: to, state: 'waiting', why: verdict.why }) }
}

/** Contents of steps stay out: they are large, and the runner derives them itself. */
function keptPlan(plan: NonNullable<Awaited<ReturnType<typeof deriveCluster>>['plan']>): KeptPlan {
  return { ...plan, steps: plan.steps.map(({ step, ...rest }) => ({ ...rest, kind: step.kind })) }
}

/** Writes a job's next state unless somebody changed it meanwhile or it is the same already. */
async function replaceJob(
  app: App,
  before: JobDocument,
  job: Job,
  now: Instant,
  decision?: { readonly plan: KeptPlan | undefined; readonly decidedFrom: string },
): Promise<'settled' | 'again'> {
  const decidedFrom = decision?.decidedFrom ?? before.decidedFrom
  if (JSON.stringify(job) === JSON.stringify(before.job) && decidedFrom === before.decidedFrom) return 'settled'
  let next: JobDocument = before
  const { changed } = await changeDocument<JobDocument>(
    app.store,
    keys.job(job.order.id),
    (current) => {
      if (!current || JSON.stringify(current) !== JSON.stringify(before)) return undefined
      next = {
        ...current,
        job,
        since: job.state === current.job.state ? current.since : now,
        ...(decision?.plan && { plan: decision.plan }),
        ...(decidedFrom !== undefined && { decidedFrom }),
      }
      return next
    },
    { expiresAt: after(now, KEEP_MS) },
  )
  if (changed) await showJob(app, next)
  return 'again'
}

async function showJob(app: App, { repo, job }: JobDocument): Promise<void> {
  await showSoon(app, { repo, kind: 'deployment', cluster: job.order.cluster })
  if (job.order.pull !== undefined) await showSoon(app, { repo, kind: 'run', number: job.order.pull })
}

/** Lets the pull know its job, so that its comment shows it. */
async function linkToPull(app: App, { repo, job }: JobDocument): Promise<void> {
  const { pull, cluster, id } = job.order
  if (pull === undefined) return
  const { changed } = await changeDocument<PullDocument>(
    app.store,
    keys.pull(repo, pull),
    (now) => (now && now.jobs[cluster] !== id ? { ...now, jobs: { ...now.jobs, [cluster]: id } } : undefined),
    { expiresAt: after(await app.store.now(), KEEP_MS) },
  )
  if (changed) await showSoon(app, { repo, kind: 'run', number: pull })
}

function expired(order: JobOrder): ProblemFields {
  return {
    code: 'job.expired',
    what: `no runner took the job for ${order.cluster} before ${order.expiresAt}`,
    remedy: 'Start a runner that is enrolled for this repository, then comment "/slipway apply".',
    retry: 'later',
  }
}
