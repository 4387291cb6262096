import type { Plan } from '../core/plan.ts'
import type { ProblemFields } from '../core/problem.ts'
import { addedRisk } from '../core/risk.ts'
import type { Review, Wanted } from './documents.ts'
import type { Policy } from './policy.ts'

export type Judgement = { readonly run: true } | { readonly run: false; readonly why: ProblemFields }

/** Whether a merged plan may run now, or what has moved since it was reviewed. */
export function judge(_policy: Policy, wanted: Wanted, plan: Plan): Judgement {
  if (wanted.approved?.digest === plan.digest) return { run: true }
  if (wanted.review === undefined) return wait('plan.not-reviewed', 'this change was not reviewed on a pull')
  if (wanted.review.digest === plan.digest) return { run: true }
  const risks = addedRisk(asPlan(plan, wanted.review), plan)
  return risks.length === 0 ? { run: true } : wait('plan.moved', `the plan moved: ${risks.join('; ')}`)
}

function asPlan(plan: Plan, { digest, machines, destroys }: Review): Plan {
  return { ...plan, digest, machines, destroys }
}

function wait(code: string, what: string): Judgement {
  return { run: false, why: { code, what, remedy: 'comment "/slipway apply"', retry: 'later' } }
}
