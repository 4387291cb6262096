import type { Faults } from '../faults.ts'
import type { Value } from './config-keys.ts'
import type { Task } from './task.ts'
import type { Vm } from './vm.ts'
import type { Download, NodeSpec, ProxmoxFault, World } from './world.ts'

interface VmFacts {
  readonly vmid: number
  readonly node: string
  readonly running: boolean
  readonly pool?: string
  readonly config: Readonly<Record<string, Value>>
  readonly pending: Readonly<Record<string, Value | undefined>>
}

/** Looks at the cluster and changes it from outside, as its owner would at the console. */
export interface Control {
  vms(): readonly VmFacts[]
  vm(vmid: number): VmFacts | undefined
  /** A VM of someone else, as it would stand in the way. */
  addVm(vm: { vmid: number; node: string; running?: boolean; pool?: string; config?: Record<string, Value> }): void
  /** Sets or, with undefined, takes away config keys, e.g. `{ lock: 'backup' }`, without a task. */
  setConfig(vmid: number, values: Readonly<Record<string, Value | undefined>>): void
  /** Power as the guest or the host changes it; the machines behind are not told. */
  setRunning(vmid: number, running: boolean): void
  removeVm(vmid: number): void
  setNode(node: string, facts: Partial<Omit<NodeSpec, 'node'>>): void
  images(node: string): readonly string[]
  addImage(node: string, storage: string, filename: string, facts?: Partial<Download>): void
  removeImage(node: string, volid: string): void
  /** Volumes with VM ids, images left out. */
  disks(node: string): readonly { readonly volid: string; readonly vmid: number; readonly sizeBytes: number }[]
  tasks(): readonly Task[]
  setFaults(faults: Faults<ProxmoxFault>): void
  /** Resolves when no task is under way. */
  settle(): Promise<void>
}

export function control(world: World): Control {
  const known = (vmid: number): Vm => {
    const vm = world.vms.get(vmid)
    if (vm === undefined) throw new Error(`the simulated cluster has no VM ${vmid}`)
    return vm
  }
  return {
    vms: () => [...world.vms.values()].map(factsOf),
    vm: (vmid) => {
      const vm = world.vms.get(vmid)
      return vm === undefined ? undefined : factsOf(vm)
    },
    addVm: ({ vmid, node, running = false, pool, config = {} }) => {
      world.node(node)
      const vm: Vm = { vmid, node, running, config: new Map(Object.entries(config)), pending: new Map() }
      if (running) vm.startedAt = world.clock.now()
      if (pool !== undefined) vm.pool = pool
      world.vms.set(vmid, vm)
    },
    setConfig: (vmid, values) => {
      const { config } = known(vmid)
      for (const [key, value] of Object.entries(values)) {
        if (value === undefined) config.delete(key)
        else config.set(key, value)
      }
    },
    setRunning: (vmid, running) => {
      const vm = known(vmid)
      vm.running = running
      if (running) vm.startedAt = world.clock.now()
      else delete vm.startedAt
    },
    removeVm: (vmid) => {
      const { node } = known(vmid)
      for (const volume of world.storages.volumes(node).filter((one) => one.vmid === vmid))
        world.storages.remove(volume)
      world.vms.delete(vmid)
    },
    setNode: (node, facts) => void world.nodes.set(node, { ...world.node(node), ...facts }),
    images: (node) =>
      world.storages
        .volumes(node)
        .filter(({ content }) => content !== 'images')
        .map(({ volid }) => volid),
    addImage: (node, storage, filename, facts) => void world.addImage(node, storage, filename, facts),
    removeImage: (node, volid) => {
      const volume = world.storages.find(node, volid)
      if (volume !== undefined) world.storages.remove(volume)
    },
    disks: (node) =>
      world.storages
        .volumes(node)
        .flatMap(({ volid, vmid, sizeBytes }) => (vmid === undefined ? [] : [{ volid, vmid, sizeBytes }])),
    tasks: () => world.tasks.all(),
    setFaults: (faults) => world.faults.set(faults),
    settle: () => world.tasks.settle(),
  }
}

function factsOf({ vmid, node, running, pool, config, pending }: Vm): VmFacts {
  const facts = { vmid, node, running, config: Object.fromEntries(config), pending: Object.fromEntries(pending) }
  return pool === undefined ? facts : { ...facts, pool }
}
