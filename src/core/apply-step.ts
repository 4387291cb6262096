import type { Facts, GitopsFacts, KubernetesFacts, MachineFacts, NodeFacts, VmFacts } from './facts.ts'
import { imageKey } from './planning/proxmox.ts'
import { own } from './planning/situation.ts'
import type { Step } from './step.ts'
import type { KubeadmDocument } from './steps/kubeadm.ts'

/**
 * What would be seen after a step: the meaning of each kind, as planning understands it. It carries the law that a plan
 * which was applied leaves nothing to plan, and lets a simulator or a dry run go on without machines.
 */
export function factsAfter(step: Step, facts: Facts): Facts {
  switch (step.kind) {
    case 'fetch-image': {
      const key = imageKey(step.connection, step.node, step.storage)
      const files = own(facts.images, key) ?? []
      return files.includes(step.file) ? facts : { ...facts, images: { ...facts.images, [key]: [...files, step.file] } }
    }
    case 'create-vm':
      return withMachine(facts, step.machine, () => ({
        vm: {
          node: step.node,
          vmid: step.vmid,
          owner: 'this-cluster',
          name: step.machine,
          cores: step.cores,
          memoryMiB: step.memoryMiB,
          disks: [{ volume: `${step.storage}:vm-${step.vmid}-disk-0`, sizeGiB: step.diskGiB }],
          running: false,
        },
      }))
    case 'resize-vm':
      return withVm(facts, step.machine, (vm) => ({
        ...vm,
        cores: step.cores,
        memoryMiB: step.memoryMiB,
        disks: vm.disks.map((disk, at) =>
          at === 0 ? { ...disk, sizeGiB: Math.max(disk.sizeGiB, step.diskGiB) } : disk,
        ),
      }))
    case 'start-vm':
      return withVm(facts, step.machine, (vm) => ({ ...vm, running: true }))
    case 'destroy-vm':
      return {
        ...facts,
        machines: withoutVm(facts, step.connection, step.vmid),
        strays: facts.strays.filter(({ connection, vmid }) => connection !== step.connection || vmid !== step.vmid),
      }
    case 'await-host':
      return withHost(facts, step.target.machine, (host) => ({ kubeadm: 'none', ...host, reachable: true }))
    case 'prepare-host':
      return withHost(facts, step.target.machine, (host) => ({
        kubeadm: 'none',
        ...host,
        reachable: true,
        recipeDigest: step.recipeDigest,
      }))
    case 'init-control-plane':
      return joined(
        { ...facts, kubernetes: facts.kubernetes ?? { version: step.kubernetesVersion, nodes: {}, components: {} } },
        step.target,
        'control-plane',
        step,
      )
    case 'join-node':
      return joined(facts, step.target, step.role, step)
    case 'drain-node':
      return withNode(facts, step.node, (node) => ({ ...node, unschedulable: true }))
    case 'remove-node':
      return withKubernetes(facts, (kubernetes) => ({
        ...kubernetes,
        nodes: Object.fromEntries(Object.entries(kubernetes.nodes).filter(([name]) => name !== step.node)),
      }))
    case 'label-node':
      return withNode(facts, step.node, (node) => labelled(node, step))
    case 'await-cluster':
      return withKubernetes(facts, (kubernetes) => ({
        ...kubernetes,
        nodes: Object.fromEntries(
          Object.entries(kubernetes.nodes).map(([name, node]) => [
            name,
            step.nodes.includes(name) ? { ...node, ready: true } : node,
          ]),
        ),
      }))
    case 'apply-component':
      return withKubernetes(facts, (kubernetes) => ({
        ...kubernetes,
        components: { ...kubernetes.components, [step.component.name]: step.componentDigest },
      }))
    case 'register-deploy-key':
      return withGitops(facts, (gitops) => ({
        ...gitops,
        deployKey: { fingerprint: gitops.deployKey?.fingerprint ?? '', registered: true },
      }))
    case 'install-engine':
      return withGitops(facts, ({ deployKey, recipient, status }) => ({
        engine: step.engine,
        version: step.version,
        installedDigest: step.componentsDigest,
        ...(deployKey === undefined ? {} : { deployKey }),
        ...(recipient === undefined ? {} : { recipient }),
        ...(status === undefined ? {} : { status }),
      }))
    case 'point-engine':
      return withGitops(facts, (gitops) => ({ ...gitops, engine: step.engine, pointedDigest: step.objectsDigest }))
    default:
      return step satisfies never
  }
}

function joined(
  facts: Facts,
  target: { readonly machine: string; readonly address: string },
  role: NodeFacts['role'],
  step: { readonly kubernetesVersion: string; readonly config: readonly KubeadmDocument[] },
): Facts {
  const prepared = withHost(facts, target.machine, (host) => ({
    reachable: true,
    ...host,
    kubeadm: 'this-cluster' as const,
    kubeletVersion: `v${step.kubernetesVersion}`,
  }))
  const node: NodeFacts = {
    ready: false,
    role,
    kubeletVersion: `v${step.kubernetesVersion}`,
    address: target.address,
    labels: {},
    taints: registeredTaints(step.config),
    unschedulable: false,
    managedLabels: [],
    managedTaints: [],
  }
  return withKubernetes(prepared, (kubernetes) => ({
    ...kubernetes,
    nodes: { ...kubernetes.nodes, [target.machine]: own(kubernetes.nodes, target.machine) ?? node },
  }))
}

/** Taints that the kubelet registers itself with, as the kubeadm documents say. */
function registeredTaints(config: readonly KubeadmDocument[]): NodeFacts['taints'] {
  for (const document of config) {
    const registration = document['nodeRegistration']
    if (typeof registration !== 'object' || registration === null || !('taints' in registration)) continue
    if (Array.isArray(registration.taints)) return registration.taints as NodeFacts['taints']
  }
  return []
}

function labelled(node: NodeFacts, step: Step<'label-node'>): NodeFacts {
  const same = (a: { readonly key: string; readonly effect: string }, b: typeof a) =>
    a.key === b.key && a.effect === b.effect
  return {
    ...node,
    labels: {
      ...Object.fromEntries(Object.entries(node.labels).filter(([key]) => !step.removeLabels.includes(key))),
      ...step.labels,
    },
    taints: [
      ...node.taints.filter(
        (taint) => !step.removeTaints.some((gone) => same(gone, taint)) && !step.taints.some((set) => same(set, taint)),
      ),
      ...step.taints,
    ],
    managedLabels: Object.keys(step.labels).sort(),
    managedTaints: [...new Set(step.taints.map(({ key }) => key))].sort(),
  }
}

function withMachine(facts: Facts, name: string, change: (machine: MachineFacts) => MachineFacts): Facts {
  return { ...facts, machines: { ...facts.machines, [name]: change(own(facts.machines, name) ?? {}) } }
}

function withoutVm(facts: Facts, connection: string, vmid: number): Facts['machines'] {
  return Object.fromEntries(
    Object.entries(facts.machines).filter(([, { vm }]) => vm?.connection !== connection || vm.vmid !== vmid),
  )
}

function withVm(facts: Facts, name: string, change: (vm: VmFacts) => VmFacts): Facts {
  return withMachine(facts, name, (machine) =>
    machine.vm === undefined ? machine : { ...machine, vm: change(machine.vm) },
  )
}

function withHost(
  facts: Facts,
  name: string,
  change: (host: MachineFacts['host']) => NonNullable<MachineFacts['host']>,
): Facts {
  return withMachine(facts, name, (machine) => ({ ...machine, host: change(machine.host) }))
}

function withKubernetes(facts: Facts, change: (kubernetes: KubernetesFacts) => KubernetesFacts): Facts {
  return facts.kubernetes === undefined ? facts : { ...facts, kubernetes: change(facts.kubernetes) }
}

function withNode(facts: Facts, name: string, change: (node: NodeFacts) => NodeFacts): Facts {
  return withKubernetes(facts, (kubernetes) => {
    const node = own(kubernetes.nodes, name)
    return node === undefined ? kubernetes : { ...kubernetes, nodes: { ...kubernetes.nodes, [name]: change(node) } }
  })
}

/** A deploy key can come before the engine is known; until something is installed, the engine named means nothing. */
function withGitops(facts: Facts, change: (gitops: GitopsFacts) => GitopsFacts): Facts {
  return { ...facts, gitops: change(facts.gitops ?? { engine: 'flux' }) }
}
