import { digest } from './canonical.ts'
import type { Impact, PlannedStep } from './step.ts'

/** Version of the planning rules. A runner performs plans of this version and the one before. */
export const PLANNER = 1

/** Something that is lost for good when the plan runs, by name. */
export interface Destruction {
  /** `machine`, `disk`, `cluster`, `volume` */
  readonly kind: 'machine' | 'disk' | 'volume' | 'cluster'
  readonly name: string
  /** What a reader must know: size, what is on it, whether another copy is known. */
  readonly detail: string
}

export interface MachineImpact {
  readonly machine: string
  readonly impact: Impact
  /** `joins`, `changes`, `leaves`, `untouched` */
  readonly change: 'joins' | 'changes' | 'leaves' | 'untouched'
  readonly summary: string
}

/** What has to be done to a cluster, as a value. Carries no time: the same inputs give the same bytes. */
export interface Plan {
  readonly planner: number
  readonly cluster: string
  /** In an order in which they could run one by one; `after` says what may run side by side. */
  readonly steps: readonly PlannedStep[]
  readonly machines: readonly MachineImpact[]
  readonly destroys: readonly Destruction[]
  /** 64 hexadecimal digits over spec, resolved versions and steps. */
  readonly digest: string
}

/** Puts the parts of a plan together and seals them with their digest. */
export function sealPlan(parts: Omit<Plan, 'planner' | 'digest'> & { readonly specDigest: string }): Plan {
  const { specDigest, ...plan } = parts
  return {
    planner: PLANNER,
    ...plan,
    digest: digest({
      planner: PLANNER,
      cluster: plan.cluster,
      spec: specDigest,
      steps: plan.steps,
      destroys: plan.destroys,
    }),
  }
}
