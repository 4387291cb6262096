import type { Blueprint } from '../blueprint.ts'
import type { Facts, HostFacts, NodeFacts, VmFacts } from '../facts.ts'
import { ownerMark } from '../owner-mark.ts'
import type { ClusterSpec, Machine, ProxmoxProvider } from '../spec/cluster-spec.ts'
import type { SshTarget } from '../steps/host.ts'

/** What planning compares: the wanted cluster, what its templates say, and what was seen of it. */
export interface Situation {
  readonly spec: ClusterSpec
  readonly blueprint: Blueprint
  readonly facts: Facts
  /** In the order of the spec. */
  readonly machines: readonly MachineView[]
  /** The machine that `kubeadm init` runs on when there is no cluster. */
  readonly first: MachineView | undefined
  /** Nodes of the cluster and marked VMs that the spec does not have, by name. */
  readonly leaving: readonly Leaving[]
}

/** One machine of the spec beside what was seen of it. */
export interface MachineView {
  readonly machine: Machine
  /** Set for virtual machines. */
  readonly provider?: ProxmoxProvider
  readonly mark: string
  readonly target: SshTarget
  /** `to-make` when there is none; `unseen` when the provider was not asked, but the machine is known to run. */
  readonly vm: 'none' | 'to-make' | 'unseen' | 'there'
  readonly vmFacts?: VmFacts
  readonly host?: HostFacts
  readonly node?: NodeFacts
  /** A member of the cluster whose VM is gone: it is taken out of the cluster and made anew. */
  readonly rebuilt: boolean
  /** An optional machine that is not reachable now; it is left for another time. */
  readonly skipped: boolean
}

export interface Leaving {
  readonly name: string
  readonly node?: NodeFacts
  readonly stray?: Facts['strays'][number]
}

export function situation(spec: ClusterSpec, blueprint: Blueprint, facts: Facts): Situation {
  const machines = spec.machines.map((machine) => view(spec, facts, machine))
  return {
    spec,
    blueprint,
    facts,
    machines,
    first: machines.find(({ machine }) => machine.role === 'control-plane'),
    leaving: leaving(spec, facts),
  }
}

/** Whether it is a node of the cluster now and stays one. */
export function isMember(view: MachineView): boolean {
  return view.node !== undefined && !view.rebuilt
}

function view(spec: ClusterSpec, facts: Facts, machine: Machine): MachineView {
  const seen = own(facts.machines, machine.name)
  const node = facts.kubernetes === undefined ? undefined : own(facts.kubernetes.nodes, machine.name)
  const vm = vmState(machine, seen, node)
  const rebuilt = vm === 'to-make' && node !== undefined
  const host = vm === 'to-make' ? undefined : seen?.host
  return {
    machine,
    ...(machine.kind === 'vm' ? optional('provider', own(spec.providers, machine.provider)) : {}),
    mark: ownerMark(spec, machine.name),
    target: sshTarget(spec, machine),
    vm,
    ...optional('vmFacts', seen?.vm),
    ...optional('host', host),
    ...optional('node', node),
    rebuilt,
    skipped: machine.optional && host?.reachable === false,
  }
}

/**
 * A VM that was looked for and not found has to be made. When nobody looked, or the provider did not answer, a node in
 * the cluster or our own preparation on a host that answers are proof enough that it is there.
 */
function vmState(
  machine: Machine,
  seen: Facts['machines'][string] | undefined,
  node: NodeFacts | undefined,
): MachineView['vm'] {
  if (machine.kind === 'host') return 'none'
  if (seen?.vm !== undefined) return 'there'
  if (seen?.host?.reachable === true && (seen.host.kubeadm === 'this-cluster' || seen.host.recipeDigest !== undefined))
    return 'unseen'
  return seen === undefined && node !== undefined ? 'unseen' : 'to-make'
}

function sshTarget(spec: ClusterSpec, machine: Machine): SshTarget {
  if (machine.kind === 'host') {
    const { name, address, port, user, hostKey } = machine
    return { machine: name, address, port, user, hostKey: { from: 'spec', key: hostKey } }
  }
  return {
    machine: machine.name,
    address: machine.address,
    port: 22,
    user: own(spec.providers, machine.provider)?.user ?? 'root',
    hostKey: { from: 'recorded' },
  }
}

function leaving(spec: ClusterSpec, facts: Facts): readonly Leaving[] {
  const wanted = new Set(spec.machines.map(({ name }) => name))
  const nodes = facts.kubernetes?.nodes ?? {}
  const strays = [...facts.strays, ...strandedBy(wanted, facts)].filter(({ name }) => !wanted.has(name))
  const names = new Set([...Object.keys(nodes), ...strays.map(({ name }) => name)])
  return [...names]
    .filter((name) => !wanted.has(name))
    .sort((a, b) => (a < b ? -1 : 1))
    .flatMap((name) => {
      const ofName = strays.filter((stray) => stray.name === name).sort((a, b) => a.vmid - b.vmid)
      const [stray, ...others] = ofName
      return [
        { name, ...optional('node', own(nodes, name)), ...optional('stray', stray) },
        ...others.map((other) => ({ name, stray: other })),
      ]
    })
}

/** Our VMs that no machine of the spec stands for any more; when they were seen, another spec still had them. */
function strandedBy(wanted: ReadonlySet<string>, facts: Facts): Facts['strays'] {
  return Object.entries(facts.machines).flatMap(([name, { vm }]) => {
    if (wanted.has(name) || vm?.owner !== 'this-cluster' || vm.connection === undefined) return []
    const { connection, node, vmid, disks } = vm
    const known = facts.strays.some((stray) => stray.connection === connection && stray.vmid === vmid)
    return known ? [] : [{ connection, node, vmid, name, disks }]
  })
}

/** A member of a record that is really its own: names come from files and hosts, `constructor` is a valid one. */
export function own<T>(record: Readonly<Record<string, T>>, key: string): T | undefined {
  return Object.hasOwn(record, key) ? record[key] : undefined
}

function optional<K extends string, V>(key: K, value: V | undefined): { readonly [P in K]?: V } {
  return value === undefined ? {} : ({ [key]: value } as { readonly [P in K]?: V })
}
