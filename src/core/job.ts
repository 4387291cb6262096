import type { Instant } from './facts.ts'
import type { ProblemFields } from './problem.ts'
import type { RunEvent } from './run-event.ts'
import type { StepId } from './step.ts'

/** What a runner is told to do: everything else it fetches from Git and computes itself. */
export interface JobOrder {
  readonly id: string
  /** Numeric id of the repository at the forge, as text. */
  readonly repository: string
  readonly cluster: string
  /** Commit on the default branch, 40 hexadecimal digits. */
  readonly commit: string
  readonly planner: number
  readonly planDigest: string
  /** Hash of the facts document that the plan was made with; absent when there was none. */
  readonly factsHash?: string
  /** The pull that it came from, for comments. */
  readonly pull?: number
  readonly createdAt: Instant
  /** After this nobody may start it. */
  readonly expiresAt: Instant
}

/** A job's life. Each state carries exactly what is known in it. */
export type Job = { readonly order: JobOrder } & (
  | { readonly state: 'waiting'; readonly why: ProblemFields }
  | { readonly state: 'queued' }
  | {
      readonly state: 'running'
      readonly runner: string
      readonly fence: number
      readonly leaseUntil: Instant
      readonly progress: Progress
      readonly cancelAsked: boolean
    }
  | { readonly state: 'stopped'; readonly problem: ProblemFields; readonly progress: Progress }
  | { readonly state: 'succeeded'; readonly progress: Progress; readonly notes: readonly string[] }
  | { readonly state: 'cancelled'; readonly by: string; readonly progress: Progress }
  | { readonly state: 'superseded'; readonly byJob: string }
)

export interface Progress {
  readonly lastSeq: number
  readonly startedAt?: Instant
  readonly endedAt?: Instant
  readonly total: number
  readonly done: readonly { readonly step: StepId; readonly outcome: 'applied' | 'already'; readonly tookMs: number }[]
  readonly running: readonly { readonly step: StepId; readonly since: Instant; readonly text?: string }[]
  readonly failed: readonly { readonly step: StepId; readonly problem: ProblemFields }[]
}

export const noProgress: Progress = { lastSeq: 0, total: 0, done: [], running: [], failed: [] }

/** How long a claimed job stays with its runner without a sign of life; a runner reports at least every 15 s. */
export const LEASE_MS = 90_000

/** Progress after one more event; an event that was seen before changes nothing. */
export function advance(progress: Progress, event: RunEvent): Progress {
  if (event.seq <= progress.lastSeq) return progress
  const base = { ...progress, lastSeq: event.seq }
  switch (event.kind) {
    case 'started':
      return { ...base, total: event.steps, startedAt: progress.startedAt ?? event.at, running: [], failed: [] }
    case 'step-started':
      return { ...base, running: [...without(progress.running, event.step), { step: event.step, since: event.at }] }
    case 'step-progress':
      return { ...base, running: progress.running.map((r) => (r.step === event.step ? { ...r, text: event.text } : r)) }
    case 'step-done':
      return {
        ...base,
        running: without(progress.running, event.step),
        done: [
          ...without(progress.done, event.step),
          { step: event.step, outcome: event.outcome, tookMs: event.tookMs },
        ],
      }
    case 'step-failed':
      return {
        ...base,
        running: without(progress.running, event.step),
        failed: [...without(progress.failed, event.step), { step: event.step, problem: event.problem }],
      }
    case 'refused':
      return base
    case 'finished':
      return { ...base, running: [], endedAt: event.at }
    default:
      return event satisfies never
  }
}

function without<T extends { readonly step: StepId }>(list: readonly T[], step: StepId): readonly T[] {
  return list.filter((entry) => entry.step !== step)
}
