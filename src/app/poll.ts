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
  type OpenPullDocument,
  type RunnerDocument,
} from './documents.ts'

/** How soon a runner asks again: at once while something goes on, seldom otherwise; each costs a few reads. */
const PACE_BUSY_MS = 1_000
const PACE_IDLE_MS = 5_000

/** Somebody is at work on a pull that was planned this recently, and will soon merge it. */
const PULL_ATTENTION_MS = 300_000

/** Facts older than this are asked for again. */
const FACTS_AGE_MS = 600_000

/**
 * The same while an open pull changes the cluster, so that reviewers see it as it is. Pulls from forks do not count: a
 * text that is anybody's never causes a look at the machines.
 */
const FACTS_FOR_PULL_AGE_MS = 120_000

/** Between two requests for facts of one cluster: gathering them takes seconds to a minute. */
const FACTS_RETRY_MS = 30_000

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
    const pulls = (await listAll<OpenPullDocument>(app.store, keys.openPulls(repo))).map(({ value }) => value)
    const changed = new Set(pulls.flatMap((pull) => pull.clusters))
    if (pulls.some(({ plannedAt }) => after(plannedAt, PULL_ATTENTION_MS) > now)) busy = true
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
      const ageMs = changed.has(cluster.cluster) ? FACTS_FOR_PULL_AGE_MS : FACTS_AGE_MS
      if ((factsWanted || stale(facts, now, ageMs)) && (await mayAsk(app, repo, cluster.cluster, now))) {
        wanted.push({ repository: repo.id, cluster: cluster.cluster, commit: cluster.wanted.commit })
      }
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

/** Whether to ask for facts now: a site that cannot be looked at must not be asked with every poll. */
async function mayAsk(app: App, repo: RepoRef, cluster: string, now: string): Promise<boolean> {
  const key = keys.factsAsked(repo, cluster)
  return (await app.store.put(key, { at: now }, undefined, { expiresAt: after(now, FACTS_RETRY_MS) })) !== undefined
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
