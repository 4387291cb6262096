import type { Facts, Instant } from './facts.ts'
import type { ProblemFields } from './problem.ts'
import type { StepId } from './step.ts'

/**
 * What a runner reports of one job, in order. `seq` rises by one from 1 within a job and fence, so that a repeated
 * upload has no second effect.
 */
export type RunEvent = { readonly seq: number; readonly at: Instant } & (
  | { readonly kind: 'started'; readonly runner: string; readonly steps: number }
  | { readonly kind: 'step-started'; readonly step: StepId }
  /** A line about a step that is going on: `booted, waiting for cloud-init`. */
  | { readonly kind: 'step-progress'; readonly step: StepId; readonly text: string }
  | {
      readonly kind: 'step-done'
      readonly step: StepId
      readonly outcome: 'applied' | 'already'
      readonly tookMs: number
    }
  | { readonly kind: 'step-failed'; readonly step: StepId; readonly problem: ProblemFields; readonly tookMs: number }
  /** The plan as recomputed by the runner differs, or its own policy refuses. */
  | { readonly kind: 'refused'; readonly problem: ProblemFields }
  | {
      readonly kind: 'finished'
      readonly outcome: 'succeeded' | 'stopped' | 'cancelled'
      readonly facts?: Facts
      readonly notes: readonly string[]
    }
)

/** A run event before the reporter has numbered and dated it. */
export type RunEventBody = RunEvent extends infer E ? (E extends RunEvent ? Omit<E, 'seq' | 'at'> : never) : never
