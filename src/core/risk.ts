import type { Plan } from './plan.ts'
import { IMPACTS, type Impact, worse } from './step.ts'

/**
 * What `now` would do that is worse than what `reviewed` said: further losses, graver impacts, machines that leave.
 * One line each, for people; empty when the later plan asks for nothing worse.
 */
export function addedRisk(reviewed: Plan, now: Plan): readonly string[] {
  const agreed = new Set(reviewed.destroys.map(({ kind, name, detail }) => `${kind}/${name}: ${detail}`))
  const said = new Map(reviewed.machines.map((machine) => [machine.machine, machine]))
  const risks = now.destroys
    .filter(({ kind, name, detail }) => !agreed.has(`${kind}/${name}: ${detail}`))
    .map(({ kind, name, detail }) => `${kind} ${name} would be destroyed: ${detail}`)
  for (const machine of now.machines) {
    const before = said.get(machine.machine)
    if (IMPACTS.indexOf(machine.impact) > IMPACTS.indexOf(agreedImpact(before)))
      risks.push(`${machine.machine}: ${before?.impact ?? 'nothing'} was reviewed, ${machine.impact} is needed now`)
    if (machine.change === 'leaves' && before?.change !== 'leaves')
      risks.push(`${machine.machine} would leave the cluster`)
  }
  return risks
}

/**
 * A plan that was cut off between a machine's join and its labels finds a member where it began with a new machine:
 * what is left for it is what was reviewed, although it now happens to a node.
 */
function agreedImpact(before: Plan['machines'][number] | undefined): Impact {
  if (before === undefined) return 'nothing'
  return before.change === 'joins' ? worse(before.impact, 'drain') : before.impact
}
