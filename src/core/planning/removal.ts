import { ownerMark } from '../owner-mark.ts'
import type { Destruction } from '../plan.ts'
import type { PlanDraft } from './draft.ts'
import type { Leaving, Situation } from './situation.ts'

/** Longest that a drain may take; pods with a long goodbye get theirs, a stuck one stops the plan. */
const DRAIN_TIMEOUT_S = 600

/** Nodes whose VM is gone have to leave the cluster before the machine is made anew. */
export function planRebuilds({ spec, machines }: Situation, draft: PlanDraft): void {
  for (const { machine, rebuilt } of machines) {
    if (!rebuilt) continue
    draft.add({
      id: `remove-node/${machine.name}`,
      step: { kind: 'remove-node', cluster: spec.name, node: machine.name, role: machine.role },
      machine: machine.name,
      impact: 'replace',
      summary: 'its VM is gone: the old node is taken out',
    })
  }
}

/**
 * Machines that the spec no longer has: drained, out of the cluster, and destroyed when they are VMs of ours. They go
 * one at a time, after new ones have come, so that pods have somewhere to go.
 * @param which - `first`: those whose address a new machine takes; `last`: the rest.
 */
export function planRemovals(situation: Situation, draft: PlanDraft, which: 'first' | 'last'): void {
  for (const leaving of situation.leaving) {
    if (reusesAddress(situation, leaving) === (which === 'first')) remove(situation, draft, leaving)
  }
}

/** What is lost for good with the machines that leave. */
export function destructions({ leaving }: Situation): readonly Destruction[] {
  return leaving.flatMap(({ name, stray }) => {
    if (stray === undefined) return []
    const count = stray.disks.length
    const detail = `VM ${stray.vmid} on ${stray.node}${
      count === 0 ? '' : ` with ${count === 1 ? 'its disk' : 'its disks'} ${disks(stray.disks)}`
    }`
    return [{ kind: 'machine' as const, name, detail }]
  })
}

function reusesAddress({ machines }: Situation, { node }: Leaving): boolean {
  return node !== undefined && machines.some((view) => view.node === undefined && view.machine.address === node.address)
}

function remove({ spec }: Situation, draft: PlanDraft, { name, node, stray }: Leaving): void {
  const joins = draft.ids('join-node')
  const earlier = draft.ids('drain-node', 'remove-node', 'destroy-vm').slice(-1)
  if (node !== undefined) {
    draft.add({
      id: `drain-node/${name}`,
      step: { kind: 'drain-node', cluster: spec.name, node: name, timeoutSeconds: DRAIN_TIMEOUT_S },
      after: [...joins, ...earlier],
      machine: name,
      impact: 'drain',
      summary: 'its pods move elsewhere',
    })
    draft.add({
      id: `remove-node/${name}`,
      step: { kind: 'remove-node', cluster: spec.name, node: name, role: node.role },
      machine: name,
      impact: 'drain',
      summary: stray === undefined ? 'leaves the cluster; the machine itself stays as it is' : 'leaves the cluster',
    })
  }
  if (stray === undefined) return
  const id = draft.has(`destroy-vm/${name}`) ? `destroy-vm/${name}:${stray.vmid}` : `destroy-vm/${name}`
  draft.add({
    id,
    step: {
      kind: 'destroy-vm',
      connection: stray.connection,
      machine: name,
      vmid: stray.vmid,
      mark: ownerMark(spec, name),
    },
    after: earlier,
    machine: name,
    impact: 'data-loss',
    summary: `VM ${stray.vmid} on ${stray.node} destroyed with ${disks(stray.disks)}`,
  })
}

function disks(list: readonly { readonly volume: string; readonly sizeGiB: number }[]): string {
  if (list.length === 0) return 'its disks'
  // A detached disk is listed without its size.
  return list.map(({ volume, sizeGiB }) => (sizeGiB === 0 ? volume : `${volume} (${sizeGiB} GiB)`)).join(', ')
}
