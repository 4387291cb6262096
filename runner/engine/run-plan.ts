import type { Plan } from '../../src/core/plan.ts'
import { Problem } from '../../src/core/problem.ts'
import type { RunEventBody } from '../../src/core/run-event.ts'
import type { PlannedStep, Step, StepId, StepKind } from '../../src/core/step.ts'
import { redact } from '../../src/secrets/redact.ts'
import type { Clock } from '../../src/seams/clock.ts'
import type { Action, ActionContext, Actions } from './action.ts'
import type { Journal } from './journal.ts'

/** Most steps at once, whatever the plan: each holds a connection and a little memory. */
const MAX_PARALLEL = 8
/** Attempts of one step in one run. What still fails then waits for a person or the next run. */
const MAX_ATTEMPTS = 4
/** Waits between attempts; storage locks of a hypervisor clear within about ten seconds. */
const BACKOFF_MS = [1_000, 5_000, 15_000] as const
/** How many steps may use a resource at once, by the name before its colon; others: no bound of their own. */
const RESOURCE_LIMITS: Readonly<Record<string, number>> = {
  storage: 2,
  template: 1,
  image: 1,
  etcd: 1,
  'control-plane': 1,
}

export interface RunInput<Lan> {
  readonly job: string
  readonly plan: Plan
  readonly actions: Actions<Lan>
  readonly lan: Lan
  readonly journal: Journal
  readonly clock: Clock
  readonly emit: (event: RunEventBody) => void
  /** Aborted on cancel, on a lost lease and on the emergency stop: nothing new starts, waits end. */
  readonly signal: AbortSignal
}

export type RunOutcome =
  | { readonly outcome: 'succeeded' }
  | { readonly outcome: 'cancelled' }
  | { readonly outcome: 'stopped'; readonly failed: readonly { readonly step: StepId; readonly problem: Problem }[] }

/**
 * Performs a plan: each step as soon as what it waits for is done, side by side within the limits of the resources it
 * uses. After a problem nothing new starts; what runs is let finish, because a half-done step is worse than a late one.
 */
export async function runPlan<Lan>(input: RunInput<Lan>): Promise<RunOutcome> {
  const waiting = new Map<StepId, PlannedStep>(input.plan.steps.map((planned) => [planned.id, planned]))
  const running = new Map<StepId, Promise<void>>()
  const done = new Set<StepId>()
  const inUse = new Map<string, number>()
  const failed: { readonly step: StepId; readonly problem: Problem }[] = []
  /** A defect or a failing journal: nothing can be promised any more, so it ends the run as it is. */
  let broken: { readonly error: unknown } | undefined

  const start = (planned: PlannedStep): void => {
    waiting.delete(planned.id)
    for (const resource of planned.uses) inUse.set(resource, (inUse.get(resource) ?? 0) + 1)
    const work = performStep(planned, input)
      .then((problem) => {
        if (problem === undefined) done.add(planned.id)
        else failed.push({ step: planned.id, problem })
      })
      .catch((error: unknown) => {
        broken ??= { error }
      })
      .finally(() => {
        for (const resource of planned.uses) inUse.set(resource, (inUse.get(resource) ?? 1) - 1)
        running.delete(planned.id)
      })
    running.set(planned.id, work)
  }

  for (;;) {
    if (failed.length === 0 && broken === undefined && !input.signal.aborted) {
      for (const planned of waiting.values()) {
        if (running.size >= MAX_PARALLEL) break
        if (
          planned.after.every((id) => done.has(id)) &&
          planned.uses.every((name) => (inUse.get(name) ?? 0) < limitOf(name))
        )
          start(planned)
      }
    }
    if (running.size === 0) break
    await Promise.race(running.values())
  }
  if (broken !== undefined) throw broken.error
  if (failed.length > 0) return { outcome: 'stopped', failed }
  if (input.signal.aborted && waiting.size > 0) return { outcome: 'cancelled' }
  if (waiting.size > 0) throw new Error(`the plan's order has a gap: ${[...waiting.keys()].join(', ')} can never start`)
  return { outcome: 'succeeded' }
}

function limitOf(resource: string): number {
  return RESOURCE_LIMITS[resource.split(':', 1)[0] ?? ''] ?? Number.POSITIVE_INFINITY
}

/** Check, apply, check again; returns the problem that stopped it, `undefined` when it is done. */
async function performStep<Lan>(planned: PlannedStep, input: RunInput<Lan>): Promise<Problem | undefined> {
  const { clock, emit, journal, job } = input
  const started = clock.now()
  const took = (): number => clock.now() - started
  const record = (kind: 'intent' | 'done' | 'failed'): Promise<void> =>
    journal.record({ at: new Date(clock.now()).toISOString(), job, step: planned.id, kind })
  emit({ kind: 'step-started', step: planned.id })
  let applied = false
  let problem: Problem | undefined
  for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt++) {
    const outcome = await attemptStep(planned, input, async () => {
      applied = true
      await record('intent')
    })
    if (outcome === 'done') {
      await record('done')
      emit({ kind: 'step-done', step: planned.id, outcome: applied ? 'applied' : 'already', tookMs: took() })
      return undefined
    }
    problem = outcome
    if (problem.retry !== 'now' || attempt === MAX_ATTEMPTS || input.signal.aborted) break
    emit({ kind: 'step-progress', step: planned.id, text: `trying again: ${problem.what}`.slice(0, 500) })
    await clock.sleep(BACKOFF_MS[attempt - 1] ?? 15_000, input.signal).catch(() => undefined)
  }
  const final =
    problem ??
    new Problem({ code: 'engine.stopped', what: `${planned.id} was stopped before it began`, retry: 'later' })
  await record('failed')
  emit({ kind: 'step-failed', step: planned.id, problem: final.toJSON(), tookMs: took() })
  return final
}

/**
 * One attempt. An error that is no Problem (a connection lost in the middle, say) leaves the result unknown: the next
 * attempt begins with a check, so nothing is repeated blindly.
 */
async function attemptStep<Lan>(
  planned: PlannedStep,
  input: RunInput<Lan>,
  beforeApply: () => Promise<void>,
): Promise<'done' | Problem> {
  const action = actionFor(planned.step, input.actions)
  const timeout = new AbortController()
  const timer = setTimeout(() => timeout.abort(), action.timeoutMs)
  const context: ActionContext = {
    signal: AbortSignal.any([input.signal, timeout.signal]),
    deadline: input.clock.now() + action.timeoutMs,
    progress: (text) => input.emit({ kind: 'step-progress', step: planned.id, text: redact(text).slice(0, 500) }),
  }
  // A failing journal is not the step's problem: it must end the run, so it is kept apart.
  let journalError: { readonly error: unknown } | undefined
  try {
    if ((await action.check(planned.step, input.lan, context)) === 'done') return 'done'
    if (input.signal.aborted) return stopped(planned)
    await beforeApply().catch((error: unknown) => {
      journalError = { error }
      throw error
    })
    await action.apply(planned.step, input.lan, context)
    if ((await action.check(planned.step, input.lan, context)) === 'done') return 'done'
    return new Problem({
      code: 'engine.not-done',
      what: `${planned.id} ran without an error, but a check does not find its result`,
      remedy: 'Look at the run output, mend what differs, and comment `/slipway apply`.',
      retry: 'later',
    })
  } catch (error) {
    if (journalError !== undefined) throw journalError.error
    if (timeout.signal.aborted && !input.signal.aborted) {
      return new Problem(
        {
          code: 'engine.timeout',
          what: `${planned.id} took longer than ${Math.round(action.timeoutMs / 1000)} s`,
          remedy: 'See how far it got in the run output, then comment `/slipway apply` to go on from there.',
          retry: 'later',
        },
        { cause: error },
      )
    }
    if (input.signal.aborted) return stopped(planned, error)
    if (error instanceof Problem) return error
    return new Problem(
      {
        code: 'engine.unexpected',
        what: `${planned.id}: ${redact(error instanceof Error ? error.message : String(error))}`,
        retry: 'now',
      },
      { cause: error },
    )
  } finally {
    clearTimeout(timer)
  }
}

function stopped(planned: PlannedStep, cause?: unknown): Problem {
  return new Problem(
    {
      code: 'engine.stopped',
      what: `${planned.id} was stopped`,
      remedy: 'Comment `/slipway apply` to go on; what it reached is checked first.',
      retry: 'later',
    },
    { cause },
  )
}

/** The table's type says each kind has the action of its own kind; the lookup loses that, so it is said once here. */
function actionFor<Lan>(step: Step, actions: Actions<Lan>): Action<StepKind, Lan> {
  return actions[step.kind]
}
