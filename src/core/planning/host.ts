import { digest } from '../canonical.ts'
import type { HostRecipe } from '../steps/host.ts'
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

function prepare(situation: Situation, draft: PlanDraft, view: MachineView): void {
  const { blueprint, spec } = situation
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
    summary: preparationSummary(situation, view, recipe),
    uses: member && machine.role === 'control-plane' ? [`etcd:${spec.name}`] : [],
  })
}

function preparationSummary({ spec: { kubernetes } }: Situation, view: MachineView, recipe: HostRecipe): string {
  const { kind } = recipe.runtime
  if (!isMember(view)) return `${kind} and Kubernetes ${kubernetes.version} installed`
  return view.host?.reachable === true
    ? `host settings changed: ${kind} and kubelet restart`
    : `did not answer when last asked: host settings are checked, and ${kind} and kubelet restart if they differ`
}
