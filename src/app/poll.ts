import type { PollAnswer, PollRequest, SignedJob } from '../core/wire.ts'
import type { RepoRef } from '../seams/forge.ts'
import { after, type App } from './app.ts'
import { changeDocument, listAll } from './change-document.ts'
import { claimJob } from './claim-job.ts'
import {
  type ClusterDocument,
  type FactsDocument,
  type JobDocument,
  keys,
  type PullDocument,
  type RunnerDocument,
} from './documents.ts'

/** How soon a runner asks again: at once while something goes on, seldom otherwise; each costs a few reads. */
const PACE_BUSY_MS = 1_000
const PACE_IDLE_MS = 5_000

/** Facts older than this are asked for again. */
const FACTS_AGE_MS = 600_000

/** Facts of a cluster in a pull are asked for once more when they are older than this. */
const FACTS_FOR_PULL_AGE_MS = 120_000

/** Most clusters asked about in one answer, as the wire allows. */
const FACTS_WANTED = 50

/** How exactly the time of a runner's last sign of life is kept: a write for every poll would be wasted. */
const SEEN_PRECISION_MS = 10_000

/** Answers a runner that asks what to do. */
export async function poll(app: App, runner: RunnerDocument, request: PollRequest): Promise<PollAnswer> {
  await noteSeen(app, runner, request)
  const now = await app.store.now()
  const wanted: { repository: string; cluster: string; commit: string }[] = []
  const notes: string[] = []
  let job: SignedJob | undefined
  let busy = !request.idle

  for (const repo of runner.repositories) {
    const clusters = await listAll<ClusterDocument>(app.store, keys.clusters(repo))
    for (const { value: cluster } of clusters) {
      const current = cluster.job && (await app.store.get<JobDocument>(keys.job(cluster.job)))?.value.job
      const state = current ? current.state : undefined
      if (state === 'queued' || state === 'running') busy = true
      let factsWanted = false
      if (request.idle && !job) {
        const claim = await claimJob(app, cluster, runner, request)
        if (claim.outcome === 'given') job = claim.job
        if (claim.outcome === 'not-yet') {
          notes.push(claim.why)
          factsWanted = claim.factsWanted
        }
      }
      if (cluster.wanted === undefined || cluster.orphaned || state === 'running' || job) continue
      const facts = (await app.store.get<FactsDocument>(keys.facts(repo, cluster.cluster)))?.value
      if (factsWanted || stale(facts, now, FACTS_AGE_MS)) {
        wanted.push({ repository: repo.id, cluster: cluster.cluster, commit: cluster.wanted.commit })
      }
    }
    for (const ask of await wantedByPulls(app, repo, now)) {
      busy = true
      if (!wanted.some((known) => known.repository === ask.repository && known.cluster === ask.cluster))
        wanted.push(ask)
    }
  }
  return {
    ...(job === undefined ? {} : { job }),
    // A runner with a job to do looks at the cluster anyway.
    factsWanted: job ? [] : wanted.slice(0, FACTS_WANTED),
    paceMs: busy || wanted.length > 0 ? PACE_BUSY_MS : PACE_IDLE_MS,
    ...(notes.length === 0 ? {} : { note: notes.join('; ').slice(0, 4_000) }),
  }
}

/**
 * Clusters in open pulls whose facts are missing or old. A pull from a fork never causes a look at the machines: its
 * text is anybody's.
 */
async function wantedByPulls(
  app: App,
  repo: RepoRef,
  now: string,
): Promise<readonly { repository: string; cluster: string; commit: string }[]> {
  const asks = []
  for (const { value: pull } of await listAll<PullDocument>(app.store, keys.pulls(repo))) {
    if (pull.state !== 'open' || pull.fork) continue
    for (const cluster of Object.keys(pull.reviews)) {
      const document = (await app.store.get<ClusterDocument>(keys.cluster(repo, cluster)))?.value
      if (document?.lease && document.lease.until > now) continue
      const facts = (await app.store.get<FactsDocument>(keys.facts(repo, cluster)))?.value
      const seenForThis = facts !== undefined && facts.receivedAt > pull.plannedAt
      if (!seenForThis && stale(facts, now, FACTS_FOR_PULL_AGE_MS)) {
        asks.push({ repository: repo.id, cluster, commit: pull.head })
      }
    }
  }
  return asks
}

function stale(facts: FactsDocument | undefined, now: string, ageMs: number): boolean {
  return facts === undefined || after(facts.receivedAt, ageMs) < now
}

async function noteSeen(app: App, runner: RunnerDocument, request: PollRequest): Promise<void> {
  const now = await app.store.now()
  await changeDocument<RunnerDocument>(app.store, keys.runner(runner.id), (known) => {
    if (!known) return undefined
    const recent = known.lastSeen !== undefined && after(known.lastSeen, SEEN_PRECISION_MS) > now
    const same = known.version === request.version && String(known.planners) === String(request.planners)
    if (recent && same) return undefined
    return { ...known, lastSeen: now, version: request.version, planners: request.planners }
  })
}
