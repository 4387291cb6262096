import { sha256Hex } from '../core/canonical.ts'
import { advance, type Job, LEASE_MS } from '../core/job.ts'
import type { ProblemFields } from '../core/problem.ts'
import type { RunEvent } from '../core/run-event.ts'
import type { EventsAnswer, EventsRequest } from '../core/wire.ts'
import { redact, redactValue } from '../secrets/redact.ts'
import { after, type App } from './app.ts'
import { changeDocument } from './change-document.ts'
import { type ClusterDocument, type JobDocument, keys, KEEP_MS, type LogDocument } from './documents.ts'
import { freeCluster } from './free-cluster.ts'
import { showSoon, type Subject } from './publish.ts'
import { settleCluster } from './settle-cluster.ts'
import { keepFacts } from './upload-facts.ts'

/** Output kept of one job: a cluster's first run prints well under 1 MB, a loop that went wrong prints for ever. */
export const LOG_CHARACTERS = 4_000_000
export const LOG_CHUNKS = 200

type Running = Extract<Job, { state: 'running' }>

/**
 * Takes in what a runner reports. The lease is renewed first, so that nobody else can start meanwhile; then output and
 * events are kept. Events that were seen before change nothing, so a report may be repeated until it is acknowledged.
 * A run that ends gives its facts, frees the cluster, and lets the next request have its turn.
 */
export async function recordEvents(
  app: App,
  runner: string,
  id: string,
  request: EventsRequest,
): Promise<EventsAnswer> {
  const key = keys.job(id)
  const stored = (await app.store.get<JobDocument>(key))?.value
  // A job's id stands in links on pulls, so knowing it proves nothing.
  if (!stored || stored.fence !== request.fence || stored.runner !== runner) return lost(0)
  const { job } = stored
  if (job.state !== 'running') {
    const answer = over(job, request)
    // What was printed last may follow the end.
    const size = await keepOutput(app, stored, request)
    if (size > 0) {
      const expiresAt = after(await app.store.now(), KEEP_MS)
      await changeDocument<JobDocument>(app.store, key, (current) => current && withLog(current, size), { expiresAt })
    }
    // The answer to the end of the run was lost, and with it perhaps what follows from it.
    if (answer.lease === 'held') await finishJob(app, stored, cleanEvents(request))
    return answer
  }
  const { repo } = stored
  const { cluster } = job.order

  const now = await app.store.now()
  const until = after(now, LEASE_MS)
  const lease = await changeDocument<ClusterDocument>(app.store, keys.cluster(repo, cluster), (current) =>
    current?.lease?.job === id && current.lease.fence === request.fence && current.lease.runner === runner
      ? { ...current, lease: { ...current.lease, until } }
      : undefined,
  )
  if (!lease.changed) return lost(job.progress.lastSeq)

  const kept = await keepOutput(app, stored, request)
  const events = cleanEvents(request)
  const fresh = events.filter((event) => event.seq > job.progress.lastSeq)
  const { document } = await changeDocument<JobDocument>(
    app.store,
    key,
    (current) => {
      if (!current || current.fence !== request.fence || current.job.state !== 'running') return undefined
      const running: Running = { ...current.job, leaseUntil: until }
      const next = events.reduce(follow, running as Job)
      const since = next.state === 'running' ? current.since : now
      return { ...withLog(current, kept, request.log), job: next, since }
    },
    { expiresAt: after(now, KEEP_MS) },
  )
  const next = document?.value
  if (!next || next.fence !== request.fence) return lost(job.progress.lastSeq)
  if (next.job.state === 'running') {
    if (fresh.length > 0) for (const subject of subjectsOf(next)) await showSoon(app, subject)
    return {
      lease: 'held',
      leaseUntil: until,
      cancel: next.job.cancelAsked,
      acknowledged: next.job.progress.lastSeq,
    }
  }
  await finishJob(app, next, events)
  return over(next.job, request)
}

/** The effects of an ended run; each is safe to repeat, and the sweep repeats what a crash left out. */
async function finishJob(app: App, document: JobDocument, events: readonly RunEvent[]): Promise<void> {
  const { job, repo, fence } = document
  const { cluster, id } = job.order
  const finished = events.find((event) => event.kind === 'finished')
  if (finished?.kind === 'finished' && finished.facts?.cluster === cluster && document.runner) {
    await keepFacts(app, repo, document.runner, finished.facts)
  }
  await freeCluster(app, document)
  app.log.info('job over', { job: id, cluster, state: job.state, fence })
  for (const subject of subjectsOf(document)) {
    await showSoon(app, subject)
  }
  app.defer('settle', () => settleCluster(app, repo, cluster))
}

function subjectsOf({ job, repo }: JobDocument): readonly Subject[] {
  const { pull, cluster } = job.order
  const deployment: Subject = { repo, kind: 'deployment', cluster }
  return pull === undefined ? [deployment] : [{ repo, kind: 'run', number: pull }, deployment]
}

/** Events in order, free texts redacted; names of steps stay what they are, since progress is kept by them. */
function cleanEvents({ events }: EventsRequest): readonly RunEvent[] {
  // Wire and core say the same; an absent member and an `undefined` one are the same in JSON.
  const clean = (events as readonly RunEvent[]).map((event): RunEvent => {
    switch (event.kind) {
      case 'step-progress':
        return { ...event, text: redact(event.text) }
      case 'step-failed':
      case 'refused':
        return { ...event, problem: redactValue(event.problem) as ProblemFields }
      case 'finished':
        return { ...event, notes: event.notes.map(redact) }
      case 'started':
      case 'step-started':
      case 'step-done':
        return event
      default:
        return event satisfies never
    }
  })
  return clean.sort((a, b) => a.seq - b.seq)
}

/** A job after one more event of its run. */
function follow(job: Job, event: RunEvent): Job {
  if (job.state === 'stopped' && event.kind === 'finished' && event.seq > job.progress.lastSeq) {
    // A refusal says why and is followed by the end.
    return { ...job, progress: { ...job.progress, lastSeq: event.seq } }
  }
  if (job.state !== 'running' || event.seq <= job.progress.lastSeq) return job
  const progress = advance(job.progress, event)
  const { order } = job
  if (event.kind === 'refused') {
    return { order, state: 'stopped', problem: event.problem, progress: { ...progress, endedAt: event.at } }
  }
  if (event.kind !== 'finished') return { ...job, progress }
  switch (event.outcome) {
    case 'succeeded':
      return { order, state: 'succeeded', progress, notes: event.notes }
    case 'cancelled':
      return { order, state: 'cancelled', by: 'request', progress }
    case 'stopped':
      return { order, state: 'stopped', problem: progress.failed[0]?.problem ?? stoppedWithoutWord, progress }
    default:
      return event satisfies never
  }
}

const stoppedWithoutWord: ProblemFields = {
  code: 'run.stopped',
  what: 'the run stopped before all steps were done',
  remedy: 'Read its output, then comment "/slipway apply" to go on.',
  retry: 'later',
}

/** Keeps a piece of output once, however often it is sent. Returns its characters, 0 when nothing was added. */
async function keepOutput(app: App, { job, log }: JobDocument, request: EventsRequest): Promise<number> {
  if (!request.log) return 0
  if (log.chunks >= LOG_CHUNKS || log.characters + request.log.length > LOG_CHARACTERS) return 0
  const text = redact(request.log)
  const first = request.events[0]?.seq ?? 0
  const order = [request.fence, log.chunks, first].map((number) => String(number).padStart(8, '0')).join('-')
  const key = `${keys.logs(job.order.id)}${order}-${sha256Hex(text).slice(0, 12)}`
  const document: LogDocument = { text }
  const version = await app.store.put(key, document, undefined, {
    expiresAt: after(await app.store.now(), KEEP_MS),
  })
  return version === undefined ? 0 : text.length
}

function withLog(document: JobDocument, kept: number, sent = ''): JobDocument {
  const { log } = document
  if (kept > 0) return { ...document, log: { ...log, chunks: log.chunks + 1, characters: log.characters + kept } }
  return sent === '' ? document : { ...document, log: { ...log, dropped: log.dropped + sent.length } }
}

function lost(acknowledged: number): EventsAnswer {
  return { lease: 'lost', cancel: false, acknowledged }
}

/** The report that ended a job may be repeated when its answer was lost; anything newer comes too late. */
function over(job: Job, request: EventsRequest): EventsAnswer {
  const lastSeq = 'progress' in job ? job.progress.lastSeq : 0
  const repeated = request.events.length > 0 && request.events.every((event) => event.seq <= lastSeq)
  return { lease: repeated ? 'held' : 'lost', cancel: job.state === 'cancelled', acknowledged: lastSeq }
}
