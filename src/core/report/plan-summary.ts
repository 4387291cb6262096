import type { Plan } from '../plan.ts'
import { IMPACTS, type Impact, type PlannedStep, worse } from '../step.ts'

/** A plan as reports read it: the contents of its steps may be left out. */
export type PlanView = Omit<Plan, 'steps'> & { readonly steps: readonly Omit<PlannedStep, 'step'>[] }

/** `2 machines join, 1 reboots, nothing is destroyed`: the one line that has to be read. */
export function headline(plan: PlanView): string {
  if (plan.steps.length === 0) return 'nothing to change'
  const joining = plan.machines.filter(({ change }) => change === 'joins').length
  const parts = plan.steps.some(({ id }) => id.startsWith('init-control-plane/'))
    ? [`a new cluster of ${count(joining, 'machine')}`]
    : [joining === 0 ? '' : `${count(joining, 'machine')} ${joining === 1 ? 'joins' : 'join'}`]
  for (const [impact, one, many] of CHANGES) {
    const changed = plan.machines.filter((m) => m.change === 'changes' && m.impact === impact).length
    if (changed > 0) parts.push(`${changed} ${changed === 1 ? one : many}`)
  }
  const replaced = plan.machines.filter(({ impact }) => impact === 'replace').length
  if (replaced > 0) parts.push(`${replaced} of them made anew`)
  const leaving = plan.machines.filter(({ change }) => change === 'leaves').length
  if (leaving > 0) parts.push(`${leaving} ${leaving === 1 ? 'leaves' : 'leave'}`)
  const said = parts.filter((part) => part !== '')
  if (said.length === 0) said.push('changes on the cluster only')
  const lost = plan.destroys.length
  said.push(lost === 0 ? 'nothing is destroyed' : `${lost} ${lost === 1 ? 'is' : 'are'} destroyed`)
  return said.join(', ')
}

const CHANGES: readonly (readonly [Impact, one: string, many: string])[] = [
  ['nothing', 'is started', 'are started'],
  ['live', 'changes live', 'change live'],
  ['restart', 'restarts its kubelet', 'restart their kubelets'],
  ['drain', 'drains', 'drain'],
  ['reboot', 'reboots', 'reboot'],
]

/** What a person reads in the impact column. */
export function impactWord(change: Plan['machines'][number]['change'], impact: Impact): string {
  if (change === 'untouched') return 'untouched'
  if (impact === 'nothing') return change === 'joins' ? 'join' : 'none'
  const word = { live: 'live', restart: 'restart', drain: 'drain', reboot: 'reboot', replace: 'replace' }
  return impact === 'data-loss' ? 'data loss' : word[impact]
}

/** Whether pods on the machine notice. */
export function isDisruptive(impact: Impact): boolean {
  return IMPACTS.indexOf(impact) >= IMPACTS.indexOf('restart')
}

export function count(n: number, noun: string): string {
  return `${n} ${noun}${n === 1 ? '' : 's'}`
}

/** What happens to the cluster as a whole: the summaries of its steps, and the gravest impact. */
export function clusterChange(plan: PlanView): { readonly summary: string; readonly impact: Impact } | undefined {
  const shared = plan.steps.filter(({ id, machine }) => machine === undefined && !PREPARATIONS.test(id))
  if (shared.length === 0) return undefined
  return {
    summary: shared.map(({ summary }) => summary).join('; '),
    impact: shared.reduce<Impact>((gravest, step) => worse(gravest, step.impact), 'nothing'),
  }
}

/** Steps without a machine that say nothing about the cluster itself. */
const PREPARATIONS = /^(?:fetch-image|await-cluster)\//
