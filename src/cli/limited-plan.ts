import { digest } from '../core/canonical.ts'
import { type Plan, sealPlan } from '../core/plan.ts'
import { Problem } from '../core/problem.ts'
import type { StepId } from '../core/step.ts'

/**
 * The part of a plan that concerns some machines: their steps, and all that these wait for.
 * @throws Problem `cli.machine` for a machine that the plan does not have.
 */
export function limitedPlan(plan: Plan, machines: readonly string[]): Plan {
  const unknown = machines.filter((name) => !plan.machines.some(({ machine }) => machine === name))
  if (unknown.length > 0)
    throw new Problem({
      code: 'cli.machine',
      what: `${plan.cluster} has no machine ${unknown.map((name) => `"${name}"`).join(' or ')}`,
      remedy: `Its machines are ${plan.machines.map(({ machine }) => machine).join(', ')}.`,
      retry: 'never',
    })
  const wanted = new Set<StepId>()
  // What a step waits for is always earlier in the list, so one pass from the end finds everything.
  for (const { id, machine, after } of plan.steps.toReversed()) {
    if (!wanted.has(id) && (machine === undefined || !machines.includes(machine))) continue
    for (const needed of [id, ...after]) wanted.add(needed)
  }
  const steps = plan.steps.filter(({ id }) => wanted.has(id))
  const touched = new Set(steps.map(({ machine }) => machine))
  const left = new Set(plan.machines.map(({ machine }) => machine).filter((name) => !touched.has(name)))
  return sealPlan({
    cluster: plan.cluster,
    // The whole plan's digest stands for the spec: a part of a plan is made of that plan.
    specDigest: digest({ whole: plan.digest, machines }),
    steps,
    machines: plan.machines.map((entry) =>
      left.has(entry.machine) && entry.change !== 'untouched'
        ? { machine: entry.machine, change: 'untouched', impact: 'nothing', summary: 'left out this time' }
        : entry,
    ),
    destroys: plan.destroys.filter(({ name }) => !left.has(name)),
  })
}
