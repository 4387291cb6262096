import { digest } from '../canonical.ts'
import type { PlanDraft } from './draft.ts'
import { awaitHost } from './proxmox.ts'
import { isMember, own, type MachineView, type Situation } from './situation.ts'

/** Reaching machines over SSH, and making them what their recipe says. */
export function planHosts(situation: Situation, draft: PlanDraft): void {
  const views = situation.machines.filter(({ skipped }) => !skipped)
  const unprepared = views.filter((view) => needsPreparation(situation, view))
  for (const view of unprepared) if (view.host?.reachable !== true) awaitHost(draft, view, 'answers SSH')
  for (const view of unprepared) prepare(situation, draft, view)
}

function needsPreparation({ blueprint }: Situation, { host, machine }: MachineView): boolean {
  const recipe = own(blueprint.recipes, machine.name)
  return recipe !== undefined && host?.recipeDigest !== digest(recipe)
}

function prepare({ blueprint, spec }: Situation, draft: PlanDraft, view: MachineView): void {
  const { machine, target, mark } = view
  const recipe = own(blueprint.recipes, machine.name)
  if (recipe === undefined) return
  const member = isMember(view)
  draft.add({
    id: `prepare-host/${machine.name}`,
    step: { kind: 'prepare-host', target, mark, recipe, recipeDigest: digest(recipe) },
    // Members restart their container runtime and kubelet one after another, never all at once.
    after: member
      ? draft.steps
          .filter(({ impact }) => impact === 'restart')
          .map(({ id }) => id)
          .slice(-1)
      : [],
    machine: machine.name,
    impact: member ? 'restart' : machine.kind === 'host' ? 'live' : 'nothing',
    summary: member
      ? `host settings changed: ${recipe.runtime.kind} and kubelet restart`
      : `${recipe.runtime.kind} and Kubernetes ${spec.kubernetes.version} installed`,
    uses: member && machine.role === 'control-plane' ? [`etcd:${spec.name}`] : [],
  })
}
