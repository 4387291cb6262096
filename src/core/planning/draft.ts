import type { PlannedStep, StepId, StepKind } from '../step.ts'

/**
 * A plan while it is being made. Families add their steps in an order in which they could run one by one; a step waits
 * for the one before it on the same machine, and for whatever else it names, as far as that is part of the plan.
 */
export class PlanDraft {
  readonly #steps = new Map<StepId, PlannedStep>()
  readonly #last = new Map<string, StepId>()

  /** Adds a step once; naming one that is there already adds nothing. `after` may name steps that are not planned. */
  add(step: Omit<PlannedStep, 'after' | 'uses'> & { after?: readonly StepId[]; uses?: readonly string[] }): void {
    if (this.#steps.has(step.id)) return
    const before = step.machine === undefined ? undefined : this.#last.get(step.machine)
    const after = [...(before === undefined ? [] : [before]), ...(step.after ?? [])]
    this.#steps.set(step.id, {
      ...step,
      after: [...new Set(after)].filter((id) => this.#steps.has(id)).sort(byCodeUnit),
      uses: [...(step.uses ?? [])].sort(byCodeUnit),
    })
    if (step.machine !== undefined) this.#last.set(step.machine, step.id)
  }

  has(id: StepId): boolean {
    return this.#steps.has(id)
  }

  /** Ids of the steps of some kinds, in plan order. */
  ids(...kinds: readonly StepKind[]): readonly StepId[] {
    return this.steps.filter(({ step }) => kinds.includes(step.kind)).map(({ id }) => id)
  }

  /** Steps that nothing waits for yet. */
  get ends(): readonly StepId[] {
    const waitedFor = new Set(this.steps.flatMap(({ after }) => after))
    return this.steps.map(({ id }) => id).filter((id) => !waitedFor.has(id))
  }

  get steps(): readonly PlannedStep[] {
    return [...this.#steps.values()]
  }
}

/** Order by UTF-16 code unit: the same in every locale. */
export function byCodeUnit(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
