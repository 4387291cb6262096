import type { ProblemFields } from '../src/core/problem.ts'
import { LEASE_MS } from '../src/core/job.ts'
import { Problem } from '../src/core/problem.ts'
import type { RunEvent, RunEventBody } from '../src/core/run-event.ts'
import { redact } from '../src/secrets/redact.ts'
import type { Clock } from '../src/seams/clock.ts'
import type { Log } from '../src/seams/log.ts'
import { REQUEST_TIMEOUT_MS, type AppClient } from './app-client.ts'
import { wireEvent } from './wire-event.ts'

/** Events are sent together this often, so that a busy plan does not mean a request per line. */
const FLUSH_MS = 1_000
/** A sign of life at least this often keeps the lease, which lasts 90 s. */
const RENEW_MS = 15_000
/** Events in one upload; the app takes 200. */
const BATCH = 100
/** Log text in one upload; the app takes 200,000 characters. */
const LOG_CHARACTERS = 100_000
/**
 * How long a lease counts here, from before the request that it was granted by: on this machine's own clock, which may
 * be minutes away from the app's, and shorter by what one more request may take before anybody looks.
 */
const LEASE_HERE_MS = LEASE_MS - REQUEST_TIMEOUT_MS - 2 * FLUSH_MS
/** How long the last events are offered to an app that does not answer. */
const FINAL_FLUSH_MS = 60_000

/** Between two offers of the last events. */
const FINAL_RETRY_MS = 2_000

/** Sends a job's events in order, keeps its lease, and says when the job must stop. */
export interface Reporter {
  emit(event: RunEventBody): void
  log(line: string): void
  /** Aborted when the lease is lost or has run out, or when a cancel was asked for. */
  readonly signal: AbortSignal
  /** Sends what is left and ends. */
  close(): Promise<void>
}

export function reporter(input: {
  readonly client: AppClient
  readonly job: string
  readonly fence: number
  readonly clock: Clock
  readonly log: Log
}): Reporter {
  const { client, job, fence, clock } = input
  const abort = new AbortController()
  const stopTimer = new AbortController()
  let queue: RunEvent[] = []
  let logText = ''
  let seq = 0
  // The job came with an answer that took at most one request's time.
  let leaseUntil = clock.now() + LEASE_HERE_MS - REQUEST_TIMEOUT_MS
  let lastSent = clock.now()

  async function flush(): Promise<void> {
    const events = queue.slice(0, BATCH)
    const sentLog = logText.slice(0, LOG_CHARACTERS)
    const asked = clock.now()
    const answer = await client.events(job, {
      fence,
      events: events as never,
      ...(sentLog === '' ? {} : { log: sentLog }),
    })
    lastSent = clock.now()
    queue = queue.filter((event) => event.seq > answer.acknowledged)
    logText = logText.slice(sentLog.length)
    if (answer.lease === 'held') leaseUntil = asked + LEASE_HERE_MS
    if (answer.lease === 'lost') {
      queue = []
      abort.abort(
        new Problem({
          code: 'runner.lease-lost',
          what: 'the lease on this cluster is with somebody else now',
          retry: 'later',
        }),
      )
    }
    if (answer.cancel)
      abort.abort(new Problem({ code: 'runner.cancelled', what: 'the run was cancelled', retry: 'later' }))
  }

  const loop = (async () => {
    for (;;) {
      await clock.sleep(FLUSH_MS, stopTimer.signal).catch(() => undefined)
      if (stopTimer.signal.aborted) break
      if (queue.length === 0 && logText === '' && clock.now() - lastSent < RENEW_MS) continue
      try {
        await flush()
      } catch (error) {
        input.log.warn('reporting to the app', { error: redact(String(error)) })
      }
      if (clock.now() > leaseUntil)
        abort.abort(
          new Problem({
            code: 'runner.lease-expired',
            what: 'the app was out of reach for longer than the lease lasts',
            retry: 'later',
          }),
        )
    }
  })()

  return {
    signal: abort.signal,
    emit(event) {
      queue.push({ ...wireEvent(event), seq: ++seq, at: new Date(clock.now()).toISOString() })
      const line = eventLine(event)
      if (line !== undefined)
        logText = `${logText}${new Date(clock.now()).toISOString()} ${line}\n`.slice(-4 * LOG_CHARACTERS)
    },
    log(line) {
      logText = `${logText}${new Date(clock.now()).toISOString()} ${redact(line)}\n`.slice(-4 * LOG_CHARACTERS)
    },
    async close() {
      stopTimer.abort()
      await loop
      const until = clock.now() + FINAL_FLUSH_MS
      while (queue.length > 0 || logText !== '') {
        const left = queue.length + logText.length
        const refused = await flush().then(
          () => false,
          (error: unknown) => error instanceof Problem && error.retry === 'never',
        )
        if (refused || clock.now() > until) {
          input.log.warn('the end of a run was not taken in by the app', { job, events: queue.length })
          break
        }
        // Nothing was taken in: the app is out of reach, or does not acknowledge what it gets.
        if (queue.length + logText.length >= left) await clock.sleep(FINAL_RETRY_MS)
      }
    },
  }
}

/** One plain line for the kept output and the runner's own log. */
export function eventLine(event: RunEventBody): string | undefined {
  const said = (problem: ProblemFields): string =>
    `${problem.what} (${problem.code})${problem.remedy === undefined ? '' : ` → ${problem.remedy}`}`
  switch (event.kind) {
    case 'started':
      return `started: ${event.steps} steps`
    case 'step-started':
      return `${event.step}: started`
    case 'step-progress':
      return `${event.step}: ${redact(event.text)}`
    case 'step-done':
      return `${event.step}: ${event.outcome === 'already' ? 'already done' : 'done'} in ${(event.tookMs / 1000).toFixed(1)} s`
    case 'step-failed':
      return `${event.step}: failed: ${redact(said(event.problem))}`
    case 'refused':
      return `refused: ${redact(said(event.problem))}`
    case 'finished':
      return `finished: ${event.outcome}`
    default:
      return event satisfies never
  }
}
