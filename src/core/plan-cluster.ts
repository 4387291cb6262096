import type { Blueprint } from './blueprint.ts'
import { digest } from './canonical.ts'
import type { Facts } from './facts.ts'
import { sealPlan, type MachineImpact, type Plan } from './plan.ts'
import { planComponents } from './planning/component.ts'
import { PlanDraft } from './planning/draft.ts'
import { planGitops } from './planning/gitops.ts'
import { planHosts } from './planning/host.ts'
import { planAwait, planInit, planJoins, planLabels } from './planning/kubeadm.ts'
import { planProxmox, size } from './planning/proxmox.ts'
import { refusals } from './planning/refusal.ts'
import { destructions, planRebuilds, planRemovals } from './planning/removal.ts'
import { isMember, situation, type MachineView, type Situation } from './planning/situation.ts'
import type { ProblemFields } from './problem.ts'
import type { ClusterSpec } from './spec/cluster-spec.ts'
import { worse, type Impact, type PlannedStep } from './step.ts'

/**
 * Compares what is wanted with what was seen and says what has to be done. Facts of a cluster that nobody has seen
 * ({@link noFacts}) give the plan of a new one.
 * @returns either a plan, or every reason why there is none.
 */
export function planCluster(
  spec: ClusterSpec,
  blueprint: Blueprint,
  facts: Facts,
): { readonly plan?: Plan; readonly problems: readonly ProblemFields[] } {
  const now = situation(spec, blueprint, facts)
  const problems = refusals(now)
  if (problems.length > 0) return { problems }

  const draft = new PlanDraft()
  planRebuilds(now, draft)
  planRemovals(now, draft, 'first')
  planProxmox(now, draft)
  planHosts(now, draft)
  planInit(now, draft)
  planComponents(now, draft)
  planJoins(now, draft)
  planLabels(now, draft)
  planGitops(now, draft)
  planRemovals(now, draft, 'last')
  planAwait(now, draft)
  return {
    plan: sealPlan({
      cluster: spec.name,
      specDigest: digest(spec),
      steps: draft.steps,
      machines: impacts(now, draft.steps),
      destroys: destructions(now),
    }),
    problems: [],
  }
}

/** One line per machine: those of the spec in its order, then those that leave. */
function impacts({ machines, leaving }: Situation, steps: readonly PlannedStep[]): readonly MachineImpact[] {
  const stepsOf = (name: string) => steps.filter(({ machine }) => machine === name)
  const names = [...new Set(leaving.map(({ name }) => name))]
  return [
    ...machines.map((view) => impactOf(view, stepsOf(view.machine.name))),
    ...names.map((name) => ({
      machine: name,
      change: 'leaves' as const,
      impact: gravest(stepsOf(name)),
      summary: stepsOf(name).at(-1)?.summary ?? '',
    })),
  ]
}

function impactOf(view: MachineView, steps: readonly PlannedStep[]): MachineImpact {
  const { machine } = view
  const impact = gravest(steps)
  if (steps.length === 0) {
    const summary = view.skipped ? 'not reachable; optional, so left for another time' : ''
    return { machine: machine.name, change: 'untouched', impact, summary }
  }
  if (isMember(view)) {
    const telling = steps.filter(({ step }) => step.kind !== 'await-host' && step.kind !== 'start-vm')
    const summary = (telling.length === 0 ? steps : telling).map((step) => step.summary).join('; ')
    return { machine: machine.name, change: 'changes', impact, summary }
  }
  const where = machine.kind === 'vm' ? `on ${machine.node}: ${size(machine)}` : `at ${machine.address}, as it stands`
  const what = view.vm === 'there' || view.vm === 'unseen' ? 'exists' : view.rebuilt ? 'made anew' : 'new'
  const summary = machine.kind === 'host' ? `existing machine ${where}` : `${what} ${where}`
  return { machine: machine.name, change: 'joins', impact, summary }
}

function gravest(steps: readonly PlannedStep[]): Impact {
  return steps.reduce<Impact>((impact, step) => worse(impact, step.impact), 'nothing')
}
