import type { Plan } from '../../src/core/plan.ts'
import type { StepKind } from '../../src/core/step.ts'

/** What takes something away. A check finds it wanting as long as the thing is there, whether it has to go or not. */
const REMOVALS: ReadonlySet<StepKind> = new Set(['drain-node', 'remove-node', 'destroy-vm'])

/**
 * The reviewed plan without the removals that a plan from fresh facts no longer asks for: a node whose VM seemed to be
 * gone, say, and is back. All other steps find out by themselves that they are done.
 */
export function stillNeeded(reviewed: Plan, now: Plan): Plan {
  const wanted = new Set(now.steps.map(({ id }) => id))
  const gone = new Map(
    reviewed.steps
      .filter(({ id, step }) => REMOVALS.has(step.kind) && !wanted.has(id))
      .map(({ id, after }) => [id, after]),
  )
  if (gone.size === 0) return reviewed
  // Who waited for a step that is left out waits for what that one waited for.
  const waits = (ids: readonly string[]): readonly string[] =>
    ids.flatMap((id) => (gone.has(id) ? waits(gone.get(id) ?? []) : [id]))
  return {
    ...reviewed,
    steps: reviewed.steps
      .filter(({ id }) => !gone.has(id))
      .map((step) => ({ ...step, after: [...new Set(waits(step.after))] })),
  }
}
