import type { Plan } from './plan.ts'
import { IMPACTS } from './step.ts'

/**
 * What `now` would do that is worse than what `reviewed` said: further losses, graver impacts, machines that leave.
 * One line each, for people; empty when the later plan asks for nothing worse.
 */
export function addedRisk(reviewed: Plan, now: Plan): readonly string[] {
  const lost = new Set(reviewed.destroys.map(({ kind, name }) => `${kind}/${name}`))
  const said = new Map(reviewed.machines.map((machine) => [machine.machine, machine]))
  const risks = now.destroys
    .filter(({ kind, name }) => !lost.has(`${kind}/${name}`))
    .map(({ kind, name, detail }) => `${kind} ${name} would be destroyed: ${detail}`)
  for (const machine of now.machines) {
    const before = said.get(machine.machine)
    if (IMPACTS.indexOf(machine.impact) > IMPACTS.indexOf(before?.impact ?? 'nothing'))
      risks.push(`${machine.machine}: ${before?.impact ?? 'nothing'} was reviewed, ${machine.impact} is needed now`)
    if (machine.change === 'leaves' && before?.change !== 'leaves')
      risks.push(`${machine.machine} would leave the cluster`)
  }
  return risks
}
