import type { Instant } from '../core/facts.ts'
import type { Plan } from '../core/plan.ts'
import { type Policy, whyMergeWaits } from '../core/policy.ts'
import type { ProblemFields } from '../core/problem.ts'
import { addedRisk } from '../core/risk.ts'
import type { Wanted } from './documents.ts'
import type { PolicyNow } from './policy.ts'

/** Whether a merged plan may run now; if not, why, and since when it may if only time is missing. */
export type Judgement = { readonly run: true } | { readonly run: false; readonly why: ProblemFields }

/** Code of a wait that ends by itself. */
export const COOLING_OFF = 'policy.cooling-off'

/** Most risks named in one sentence; the plan comment lists them all. */
const RISKS_NAMED = 5

/**
 * Decides about a plan that was derived again from the merged commit: the same as reviewed, or nothing worse, runs
 * under the policy; anything else waits for people who may.
 */
export function judge(rules: PolicyNow, wanted: Wanted, plan: Plan, now: Instant): Judgement {
  const { policy } = rules
  if (!policy) {
    return wait('policy.unreadable', 'the policy on the default branch cannot be read, so nothing is allowed', {
      ...(rules.problems[0] && { where: `${rules.problems[0].file}:${rules.problems[0].line}` }),
      remedy: 'Merge a pull that corrects the policy.',
    })
  }
  const destructive = plan.destroys.length > 0
  if (destructive && !policy.destroy.allowed) {
    return wait('policy.destroy', `${lost(plan)}, and the policy allows no destruction`, {
      remedy: 'Take the change back, or allow it in the policy.',
    })
  }
  const people = approvers(wanted, plan)
  if (destructive) return judgeDestruction(policy, people, plan, now)
  if (people.length > 0) return { run: true }

  const { review } = wanted
  if (review === undefined) {
    const what =
      wanted.pull === undefined
        ? 'this came to the default branch without a pull that was planned'
        : 'the pull was planned from its text alone, or its last commit was not planned before the merge'
    return wait('plan.not-reviewed', `nobody has seen this plan: ${what}`, apply)
  }
  if (review.digest !== plan.digest) {
    const risks = addedRisk({ ...plan, ...review }, plan)
    if (risks.length > 0) {
      const more = risks.length > RISKS_NAMED ? ` and ${risks.length - RISKS_NAMED} more` : ''
      const moved = `${risks.slice(0, RISKS_NAMED).join('; ')}${more}`
      return wait('plan.moved', `the plan is not the one that was reviewed: ${moved}`, apply)
    }
  }
  const why = whyMergeWaits(policy, plan)
  return why === undefined ? { run: true } : wait('policy.merge', `merging alone does not run this plan: ${why}`, apply)
}

const apply = { remedy: 'Comment "/slipway apply" to run the plan as it is now.' }

function judgeDestruction(policy: Policy, people: readonly Approved[], plan: Plan, now: Instant): Judgement {
  const { approvals, coolingOff } = policy.destroy
  const missing = approvals - people.length
  if (missing > 0) {
    const who = people.length === 0 ? '' : `, ${people.map(({ login }) => login).join(', ')} did`
    return wait(
      'policy.approvals',
      `${lost(plan)}; ${approvals} ${approvals === 1 ? 'person has' : 'people have'} to ask for that${who}`,
      { remedy: `${missing} more: comment "/slipway apply".` },
    )
  }
  const last =
    people
      .map(({ at }) => at)
      .sort((a, b) => (a < b ? -1 : 1))
      .at(-1) ?? now
  const start = new Date(Date.parse(last) + durationMs(coolingOff)).toISOString()
  if (start > now) {
    return wait(COOLING_OFF, `${lost(plan)}; it starts at ${start}`, {
      remedy: 'Comment "/slipway cancel" to stop it.',
    })
  }
  return { run: true }
}

type Approved = NonNullable<Wanted['approval']>['people'][number]

/** Who asked for this plan, or for one that was no better. */
function approvers({ approval }: Wanted, plan: Plan): readonly Approved[] {
  if (!approval) return []
  const same = approval.plan.digest === plan.digest || addedRisk({ ...plan, ...approval.plan }, plan).length === 0
  return same ? approval.people : []
}

function lost(plan: Plan): string {
  const names = plan.destroys.slice(0, RISKS_NAMED).map(({ kind, name }) => `${kind} ${name}`)
  const more = plan.destroys.length > RISKS_NAMED ? ` and ${plan.destroys.length - RISKS_NAMED} more` : ''
  return `the plan destroys ${names.join(', ')}${more}`
}

/** `1h30m` in milliseconds. */
function durationMs(text: string): number {
  const [, hours = '0', minutes = '0', seconds = '0'] = /^(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?$/.exec(text) ?? []
  return ((Number(hours) * 60 + Number(minutes)) * 60 + Number(seconds)) * 1_000
}

function wait(code: string, what: string, rest: Pick<ProblemFields, 'where' | 'remedy'>): Judgement {
  return { run: false, why: { code, what, ...rest, retry: 'later' } }
}
