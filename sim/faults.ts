import type { Random } from './random.ts'

/**
 * When a named fault strikes: with a probability per call, or at exactly these calls (1 is the first call that could
 * suffer it). `match` narrows it to requests or commands whose text contains the string.
 */
export interface FaultRule {
  readonly probability?: number
  readonly calls?: readonly number[]
  readonly match?: string
}

export type Faults<Name extends string> = { readonly [N in Name]?: FaultRule }

/** Counts calls per fault and says whether this one strikes; faults can be changed while the server runs. */
export class FaultPlan<Name extends string> {
  readonly #counts = new Map<Name, number>()
  #faults: Faults<Name>
  readonly #random: Random

  constructor(faults: Faults<Name>, random: Random) {
    this.#faults = faults
    this.#random = random
  }

  set(faults: Faults<Name>): void {
    this.#faults = faults
    this.#counts.clear()
  }

  strikes(name: Name, call = ''): boolean {
    const rule = this.#faults[name]
    if (rule === undefined || (rule.match !== undefined && !call.includes(rule.match))) return false
    const count = (this.#counts.get(name) ?? 0) + 1
    this.#counts.set(name, count)
    return rule.calls?.includes(count) === true || this.#random() < (rule.probability ?? 0)
  }
}
