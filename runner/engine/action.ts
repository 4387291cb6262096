import type { Step, StepKind } from '../../src/core/step.ts'

/**
 * What `check` found, changing nothing: `done` needs no work; `needed` is absent or ours and unfinished. Something that
 * is there and not ours is a Problem.
 */
export type CheckResult = 'needed' | 'done'

/** What an action may do beside its work: tell how it goes, and learn that it must stop. */
export interface ActionContext {
  /** One line for people; never a secret. */
  progress(text: string): void
  /** Aborted on emergency stop, cancel or a lost lease; waits end at once, no new effect starts. */
  readonly signal: AbortSignal
  /** Epoch milliseconds after which the engine gives up on this step. */
  readonly deadline: number
}

/**
 * How one kind of step is checked and applied. Order, journal, deadlines and retries belong to the engine, which calls
 * `check`, then `apply` when needed, then `check` again. `apply` must accept a half-applied state and be safe to call
 * again after its result was lost. `Lan` is what reaches the machines.
 */
export interface Action<K extends StepKind, Lan> {
  check(step: Step<K>, lan: Lan, context: ActionContext): Promise<CheckResult>
  apply(step: Step<K>, lan: Lan, context: ActionContext): Promise<void>
  /** Longest that one attempt may take. */
  readonly timeoutMs: number
}

/** A new step kind does not compile until it has an action. */
export type Actions<Lan> = { readonly [K in StepKind]: Action<K, Lan> }
