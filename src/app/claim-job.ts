import { canonical } from '../core/canonical.ts'
import { LEASE_MS, noProgress } from '../core/job.ts'
import type { PollRequest, SignedJob } from '../core/wire.ts'
import { after, type App } from './app.ts'
import { changeDocument } from './change-document.ts'
import {
  type ClusterDocument,
  type FactsDocument,
  type JobDocument,
  keys,
  KEEP_MS,
  type RunnerDocument,
} from './documents.ts'
import { showSoon } from './publish.ts'
import { jobText } from '../secrets/signing.ts'

export type Claim =
  | { readonly outcome: 'given'; readonly job: SignedJob }
  | { readonly outcome: 'nothing' }
  /** Something waits, but not for this runner now. */
  | { readonly outcome: 'not-yet'; readonly why: string; readonly factsWanted: boolean }

/**
 * Gives a cluster's job to a runner: first the lease with the next fence, in one write that only one runner can win,
 * then the job. A crash in between leaves a lease whose job is not running: the next claim gives it again.
 *
 * A runner that asks while it holds the lease itself has been restarted or never got the answer, and gets the job
 * again at once; others wait until the lease has run out.
 */
export async function claimJob(
  app: App,
  cluster: ClusterDocument,
  runner: RunnerDocument,
  request: PollRequest,
): Promise<Claim> {
  const { repo, cluster: name, job: id } = cluster
  const stored = id === undefined ? undefined : (await app.store.get<JobDocument>(keys.job(id)))?.value
  if (id === undefined || !stored) return { outcome: 'nothing' }
  const { job } = stored
  const now = await app.store.now()
  if (job.state !== 'queued' && job.state !== 'running') return { outcome: 'nothing' }
  if (held(cluster, runner.id, now)) return { outcome: 'nothing' }
  if (job.state === 'running' && job.cancelAsked) return { outcome: 'nothing' }
  if (job.state === 'queued' && job.order.expiresAt <= now) return { outcome: 'nothing' }

  if (!request.planners.includes(job.order.planner)) {
    const newest = Math.max(...request.planners)
    const side = newest < job.order.planner ? `runner "${runner.id}"` : 'app'
    return {
      outcome: 'not-yet',
      why: `the plan for ${name} follows planning rules ${job.order.planner}, this runner knows up to ${newest}: upgrade the ${side}`,
      factsWanted: false,
    }
  }
  if (job.state === 'queued' && job.order.factsHash !== undefined) {
    if (request.facts[`${repo.id}/${name}`] !== job.order.factsHash) {
      const facts = (await app.store.get<FactsDocument>(keys.facts(repo, name)))?.value
      const whose = facts && facts.runner !== runner.id ? `runner "${facts.runner}"` : 'this runner earlier'
      return { outcome: 'not-yet', why: `the plan for ${name} was made with facts of ${whose}`, factsWanted: true }
    }
  }

  const until = after(now, LEASE_MS)
  const taken = await changeDocument<ClusterDocument>(app.store, keys.cluster(repo, name), (current) => {
    if (!current || current.job !== id || held(current, runner.id, now)) return undefined
    const fence = current.fence + 1
    return { ...current, fence, lease: { job: id, runner: runner.id, fence, until } }
  })
  const lease = taken.document?.value.lease
  if (!taken.changed || !lease) return { outcome: 'nothing' }

  const started = await changeDocument<JobDocument>(
    app.store,
    keys.job(id),
    (current) => {
      if (!current || current.fence >= lease.fence) return undefined
      if (current.job.state !== 'queued' && current.job.state !== 'running') return undefined
      const progress = current.job.state === 'running' ? current.job.progress : noProgress
      return {
        ...current,
        fence: lease.fence,
        runner: runner.id,
        since: current.job.state === 'running' ? current.since : now,
        job: {
          order: current.job.order,
          state: 'running',
          runner: runner.id,
          fence: lease.fence,
          leaseUntil: until,
          // Numbering starts again with every fence.
          progress: { ...progress, lastSeq: 0, running: [] },
          cancelAsked: current.job.state === 'running' && current.job.cancelAsked,
        },
      }
    },
    { expiresAt: after(now, KEEP_MS) },
  )
  const given = started.document?.value
  if (!started.changed || !given) return { outcome: 'nothing' }
  app.log.info('job given', { job: id, cluster: name, runner: runner.id, fence: lease.fence })
  await showSoon(app, { repo, kind: 'deployment', cluster: name })
  if (given.job.order.pull !== undefined) await showSoon(app, { repo, kind: 'run', number: given.job.order.pull })

  const order = canonical(given.job.order)
  const signature = await app.signer.sign(jobText(lease.fence, order))
  return { outcome: 'given', job: { order, fence: lease.fence, leaseUntil: until, signature } }
}

/** Somebody else's lease counts until it runs out; one's own does not stand in one's way. */
function held(cluster: ClusterDocument, runner: string, now: string): boolean {
  return cluster.lease !== undefined && cluster.lease.runner !== runner && cluster.lease.until > now
}
