import type { ProblemFields } from '../problem.ts'
import { own, type MachineView, type Situation } from './situation.ts'

/** Everything that stands in the way of a plan, all at once. */
export function refusals(situation: Situation): readonly ProblemFields[] {
  return [
    ...situation.machines.flatMap((view) => machineRefusals(situation, view)),
    ...leavingRefusals(situation),
    ...clusterRefusals(situation),
  ]
}

function machineRefusals({ facts }: Situation, view: MachineView): readonly ProblemFields[] {
  const { machine, vmFacts, host } = view
  const problems: ProblemFields[] = []
  if (machine.kind === 'vm' && view.provider === undefined)
    problems.push({
      code: 'plan.unknown-provider',
      what: `machine "${machine.name}" names provider "${machine.provider}", which the spec does not have`,
      retry: 'never',
    })
  if (machine.kind === 'vm' && vmFacts !== undefined) {
    if (vmFacts.owner !== 'this-cluster')
      problems.push({
        code: 'plan.vm-not-ours',
        what: `id ${machine.vmid}, meant for "${machine.name}", is taken on ${vmFacts.node} by "${vmFacts.name}", which ${
          vmFacts.owner === 'nobody' ? 'does not carry our mark' : 'belongs to another cluster'
        }`,
        where: machine.name,
        remedy: `Give "${machine.name}" an id that is free, or remove that VM yourself.`,
        retry: 'later',
      })
    else if (vmFacts.name !== machine.name)
      problems.push({
        code: 'plan.machine-renamed',
        what: `id ${machine.vmid}, meant for "${machine.name}", is this cluster's machine "${vmFacts.name}"`,
        where: machine.name,
        remedy: `A machine keeps its name for life: give "${machine.name}" another id, or call it "${vmFacts.name}" again.`,
        retry: 'never',
      })
    else if ((vmFacts.disks[0]?.sizeGiB ?? 0) > machine.diskGiB)
      problems.push({
        code: 'plan.disk-cannot-shrink',
        what: `the disk of "${machine.name}" is ${vmFacts.disks[0]?.sizeGiB} GiB and the spec asks for ${machine.diskGiB} GiB; disks only grow`,
        where: machine.name,
        remedy: `Write ${vmFacts.disks[0]?.sizeGiB}GiB or more.`,
        retry: 'never',
      })
  }
  const stray = facts.strays.find(({ name }) => name === machine.name)
  if (stray !== undefined)
    problems.push({
      code: 'plan.id-changed',
      what:
        machine.kind === 'vm'
          ? `"${machine.name}" exists as VM ${stray.vmid} on ${stray.node}, and the spec gives it id ${machine.vmid}`
          : `"${machine.name}" exists as VM ${stray.vmid} on ${stray.node}, and the spec makes it a machine of its own`,
      where: machine.name,
      remedy: `Keep id ${stray.vmid}, or add the new machine under another name and take "${machine.name}" out later.`,
      retry: 'never',
    })
  if (view.host?.kubeadm === 'another')
    problems.push({
      code: 'plan.host-not-ours',
      what: `"${machine.name}" (${machine.address}) is a node of another Kubernetes cluster`,
      where: machine.name,
      remedy: 'Take it out of that cluster and run `kubeadm reset` on it, or choose another machine.',
      retry: 'later',
    })
  const seenHost = own(facts.machines, machine.name)?.host
  if (view.vm === 'to-make' && seenHost?.reachable === true)
    problems.push({
      code: 'plan.address-in-use',
      what: `something answers SSH at ${machine.address}, the address that "${machine.name}" is to get`,
      where: machine.name,
      remedy: 'Give the machine a free address, or switch the other one off.',
      retry: 'later',
    })
  if (view.rebuilt && machine.role === 'control-plane')
    problems.push({
      code: 'plan.control-plane-lost',
      what: `the VM of control plane "${machine.name}" is gone while its node and etcd member are still in the cluster`,
      where: machine.name,
      remedy: 'Replacing a control plane is not supported yet. Bring the VM back from a backup.',
      retry: 'later',
    })
  if (host !== undefined && view.node !== undefined && view.node.role !== machine.role)
    problems.push({
      code: 'plan.role-changed',
      what: `"${machine.name}" is a ${words(view.node.role)} and the spec makes it a ${words(machine.role)}`,
      where: machine.name,
      remedy: 'Add a machine with the new role under another name, then take this one out.',
      retry: 'never',
    })
  return problems
}

function leavingRefusals({ leaving }: Situation): readonly ProblemFields[] {
  return leaving
    .filter(({ node }) => node?.role === 'control-plane')
    .map(({ name }) => ({
      code: 'plan.control-plane-removal-not-yet-supported',
      what: `control plane "${name}" is in the cluster and not in the spec; taking one out could cost etcd its quorum`,
      where: name,
      remedy: `Put "${name}" back into the spec. Removing control planes is not supported yet.`,
      retry: 'never',
    }))
}

function clusterRefusals({ spec, blueprint, facts, machines, first }: Situation): readonly ProblemFields[] {
  const problems: ProblemFields[] = []
  const { kubernetes, gitops } = facts
  if (spec.kubernetes.distribution !== 'kubeadm')
    problems.push(notYet(`distribution "${spec.kubernetes.distribution}"`, 'Use "kubeadm".'))
  if (spec.lifecycle === 'destroy') problems.push(notYet('lifecycle "destroy"', 'Set it to "keep".'))
  if (first === undefined)
    problems.push({ code: 'plan.no-control-plane', what: 'the spec has no control plane', retry: 'never' })
  if (kubernetes === undefined) {
    const other = machines.find(
      (view) => view !== first && view.machine.role === 'control-plane' && view.host?.kubeadm === 'this-cluster',
    )
    if (other !== undefined && first?.host?.kubeadm !== 'this-cluster')
      problems.push({
        code: 'plan.cluster-not-seen',
        what: `"${other.machine.name}" is a control plane of this cluster, but its API did not answer`,
        where: other.machine.name,
        remedy: 'Get the Kubernetes API to answer again; a new cluster is not made over one that exists.',
        retry: 'later',
      })
  } else {
    const running = [
      ['the cluster', kubernetes.version] as const,
      ...machines.flatMap(({ node, machine }) =>
        node === undefined ? [] : [[`"${machine.name}"`, node.kubeletVersion] as const],
      ),
    ]
    const different = running.find(([, version]) => bare(version) !== spec.kubernetes.version)
    if (different !== undefined)
      problems.push({
        code: 'plan.upgrade-not-yet-supported',
        what: `${different[0]} runs Kubernetes ${bare(different[1])} and the spec asks for ${spec.kubernetes.version}`,
        where: 'spec.kubernetes.version',
        remedy: `Upgrades are not supported yet: keep ${bare(different[1])}.`,
        retry: 'never',
      })
    const wanted = new Set(blueprint.components.map(({ name }) => name))
    const otherCni = ['calico', 'cilium', 'flannel'].find((name) => name in kubernetes.components && !wanted.has(name))
    if (otherCni !== undefined)
      problems.push(
        notYet(`changing the network from "${otherCni}" to "${spec.network.cni.kind}"`, `Keep "${otherCni}".`),
      )
  }
  if (gitops?.installedDigest !== undefined && gitops.engine !== spec.gitops.engine)
    problems.push(
      notYet(`changing the engine from "${gitops.engine}" to "${spec.gitops.engine}"`, `Keep "${gitops.engine}".`),
    )
  return problems
}

function notYet(what: string, remedy: string): ProblemFields {
  return { code: 'plan.not-yet-supported', what: `${what} is not supported yet`, remedy, retry: 'never' }
}

/** `v1.36.3` → `1.36.3` */
function bare(version: string): string {
  return version.startsWith('v') ? version.slice(1) : version
}

function words(role: string): string {
  return role === 'control-plane' ? 'control plane' : role
}
