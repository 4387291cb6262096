import type { NodeFacts } from '../facts.ts'
import type { Taint } from '../spec/cluster-spec.ts'
import { byCodeUnit, type PlanDraft } from './draft.ts'
import { isMember, own, type MachineView, type Situation } from './situation.ts'

/** The first control plane, when there is no cluster yet. */
export function planInit(situation: Situation, draft: PlanDraft): void {
  const { spec, blueprint, facts, first } = situation
  if (facts.kubernetes !== undefined || first === undefined) return
  const documents = own(blueprint.kubeadm, first.machine.name)
  draft.add({
    id: initId(situation),
    step: {
      kind: 'init-control-plane',
      target: first.target,
      mark: first.mark,
      cluster: spec.name,
      kubernetesVersion: spec.kubernetes.version,
      endpoint: { host: spec.endpoint.host, port: spec.endpoint.port },
      config: documents?.config ?? [],
      files: documents?.files ?? [],
    },
    machine: first.machine.name,
    impact: 'nothing',
    summary: `starts the cluster: Kubernetes ${spec.kubernetes.version}`,
    uses: [`etcd:${spec.name}`],
  })
}

export function initId({ first }: Situation): string {
  return `init-control-plane/${first?.machine.name ?? ''}`
}

/**
 * Machines that are not in the cluster yet. Workers join side by side as soon as the API answers; control planes one
 * after another, because etcd takes one learner at a time.
 */
export function planJoins(situation: Situation, draft: PlanDraft): void {
  const { spec, blueprint } = situation
  let previous: string | undefined
  for (const view of situation.machines) {
    const { machine, target, mark } = view
    if (isMember(view) || view.skipped || draft.has(`init-control-plane/${machine.name}`)) continue
    const controlPlane = machine.role === 'control-plane'
    const id = `join-node/${machine.name}`
    const documents = own(blueprint.kubeadm, machine.name)
    draft.add({
      id,
      step: {
        kind: 'join-node',
        target,
        mark,
        cluster: spec.name,
        role: machine.role,
        kubernetesVersion: spec.kubernetes.version,
        endpoint: { host: spec.endpoint.host, port: spec.endpoint.port },
        config: documents?.config ?? [],
        files: documents?.files ?? [],
      },
      after: [initId(situation), ...(controlPlane && previous !== undefined ? [previous] : [])],
      machine: machine.name,
      impact: 'nothing',
      summary: controlPlane ? 'joins as control plane' : 'joins as worker',
      uses: controlPlane ? [`etcd:${spec.name}`] : [],
    })
    if (controlPlane) previous = id
  }
}

/** Labels and taints that differ. What others have put on a node stays. */
export function planLabels(situation: Situation, draft: PlanDraft): void {
  for (const view of situation.machines) {
    if (view.skipped && !isMember(view)) continue
    const { machine } = view
    const node = isMember(view) ? view.node : undefined
    const { removeLabels, removeTaints } = superfluous(view, node)
    const { labels, taints } = machine
    if (upToDate(view, node) && removeLabels.length === 0 && removeTaints.length === 0) continue
    draft.add({
      id: `label-node/${machine.name}`,
      step: {
        kind: 'label-node',
        cluster: situation.spec.name,
        node: machine.name,
        labels,
        removeLabels,
        taints,
        removeTaints,
      },
      machine: machine.name,
      impact: node === undefined ? 'nothing' : evicts(taints, node) ? 'drain' : 'live',
      summary: labelSummary(view, node, removeLabels, removeTaints),
    })
  }
}

/** Names that belong to Kubernetes itself or to a vendor's operator: never taken away, whatever a list on the node says. */
const PROTECTED_LABELS = /(^|\.)(kubernetes\.io|k8s\.io|nvidia\.com)\//
const PROTECTED_TAINTS = /(^|\.)(kubernetes\.io|k8s\.io)\//

function superfluous({ machine }: MachineView, node: NodeFacts | undefined) {
  if (node === undefined) return { removeLabels: [], removeTaints: [] }
  return {
    removeLabels: node.managedLabels
      .filter((key) => !Object.hasOwn(machine.labels, key) && Object.hasOwn(node.labels, key))
      .filter((key) => !PROTECTED_LABELS.test(key))
      .sort(byCodeUnit),
    removeTaints: node.taints
      .filter(({ key }) => node.managedTaints.includes(key) && !PROTECTED_TAINTS.test(key))
      .filter((taint) => !machine.taints.some((wanted) => wanted.key === taint.key && wanted.effect === taint.effect))
      .map(({ key, effect }) => ({ key, effect }))
      .sort((a, b) => byCodeUnit(`${a.key}:${a.effect}`, `${b.key}:${b.effect}`)),
  }
}

function upToDate({ machine }: MachineView, node: NodeFacts | undefined): boolean {
  const labels = Object.entries(machine.labels)
  if (node === undefined) return labels.length === 0 && machine.taints.length === 0
  return (
    labels.every(([key, value]) => own(node.labels, key) === value && node.managedLabels.includes(key)) &&
    machine.taints.every((taint) => hasTaint(node, taint) && node.managedTaints.includes(taint.key))
  )
}

function hasTaint(node: NodeFacts, { key, value, effect }: Taint): boolean {
  return node.taints.some((t) => t.key === key && (t.value ?? '') === (value ?? '') && t.effect === effect)
}

/** A new `NoExecute` taint sends away the pods that do not tolerate it. */
function evicts(taints: readonly Taint[], node: NodeFacts): boolean {
  return taints.some((taint) => taint.effect === 'NoExecute' && !hasTaint(node, taint))
}

function labelSummary(
  { machine }: MachineView,
  node: NodeFacts | undefined,
  removeLabels: readonly string[],
  removeTaints: readonly { readonly key: string; readonly effect: string }[],
): string {
  const labels = Object.entries(machine.labels)
    .filter(([key, value]) => node === undefined || own(node.labels, key) !== value)
    .sort(([a], [b]) => byCodeUnit(a, b))
  const taints = machine.taints.filter((taint) => node === undefined || !hasTaint(node, taint))
  const parts = [
    ...labels.map(([key, value]) => `label ${key}=${value}`),
    ...removeLabels.map((key) => `label ${key} removed`),
    ...taints.map(({ key, value, effect }) => `taint ${key}${value === undefined ? '' : `=${value}`}:${effect}`),
    ...removeTaints.map(({ key, effect }) => `taint ${key}:${effect} removed`),
  ]
  return parts.length === 0 ? 'labels and taints taken into care' : parts.join(', ')
}

/** Last of all, and only after something was done: everything is Ready. */
export function planAwait(situation: Situation, draft: PlanDraft): void {
  const { spec, machines } = situation
  if (draft.steps.length === 0) return
  draft.add({
    id: `await-cluster/${spec.name}`,
    step: {
      kind: 'await-cluster',
      cluster: spec.name,
      nodes: machines.filter(({ skipped }) => !skipped).map(({ machine }) => machine.name),
    },
    after: draft.ends,
    impact: 'nothing',
    summary: 'every node is Ready and the cluster answers',
  })
}
