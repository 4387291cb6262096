import type { SimClock } from '../clock.ts'
import type { FaultPlan } from '../faults.ts'
import type { Machines } from '../machine.ts'
import { hex } from '../random.ts'
import type { Random } from '../random.ts'
import { badParameters, failed } from './answer.ts'
import { Locks } from './locks.ts'
import { formatOf, Storages } from './storage.ts'
import type { StorageSpec, Volume } from './storage.ts'
import { Tasks } from './task.ts'
import { memoryMiB } from './vm.ts'
import type { Vm } from './vm.ts'

export type ProxmoxFault =
  | 'timeoutAfterEffect'
  | 'stalledTask'
  | 'serverError'
  | 'rateLimited'
  | 'closedConnection'
  | 'lockTimeout'
  | 'taskFails'

export interface NodeSpec {
  readonly node: string
  readonly cores: number
  readonly memoryMiB: number
  readonly bridges: readonly string[]
  readonly pci?: readonly PciDevice[]
}

interface PciDevice {
  /** e.g. `0000:01:00.0` */
  readonly id: string
  /** e.g. `0x030000` for a display controller. */
  readonly class: string
  readonly vendor: string
  readonly device: string
  readonly iommugroup: number
  readonly vendorName?: string
  readonly deviceName?: string
}

export interface PciMapping {
  readonly id: string
  /** e.g. `node=pve1,path=0000:01:00,id=10de:1c03,iommugroup=1` */
  readonly map: readonly string[]
}

/** Simulated milliseconds that the parts of long operations take. */
export const DURATIONS = {
  allocate: 400,
  importDisk: 15_000,
  linkedClone: 1_500,
  fullClone: 60_000,
  cloneLookup: 150,
  start: 2_500,
  shutdown: 6_000,
  stop: 800,
  destroy: 1_500,
  resize: 900,
  template: 1_200,
  download: 20_000,
  upload: 2_000,
  config: 60,
}
export type Durations = typeof DURATIONS

/** What the internet has behind a URL that a node downloads. */
export interface Download {
  readonly sizeBytes: number
  /** Algorithm → lower-case hexadecimal; one that is missing is taken to be what the caller expects. */
  readonly checksums: Readonly<Record<string, string>>
}

/** Virtual size of an image file where nothing else says it, as Debian's generic cloud image. */
export const IMAGE_BYTES = 3 * 2 ** 30

interface WorldParts {
  readonly clock: SimClock
  readonly random: Random
  readonly faults: FaultPlan<ProxmoxFault>
  readonly machines: Machines
  readonly cluster: string
  /** e.g. `9.1.2` */
  readonly version: string
  readonly nodes: readonly NodeSpec[]
  readonly storages: readonly StorageSpec[]
  readonly pools: readonly string[]
  readonly mappings: readonly PciMapping[]
  readonly durations: Durations
  readonly downloads: (url: string) => Download | undefined
}

/** Everything that the simulated cluster knows. */
export class World {
  readonly clock: SimClock
  readonly random: Random
  readonly faults: FaultPlan<ProxmoxFault>
  readonly machines: Machines
  readonly cluster: string
  readonly version: string
  readonly durations: Durations
  readonly downloads: (url: string) => Download | undefined
  readonly nodes: Map<string, NodeSpec>
  readonly storages: Storages
  readonly pools: Set<string>
  readonly mappings: PciMapping[]
  readonly vms = new Map<number, Vm>()
  readonly locks: Locks
  readonly tasks: Tasks
  readonly bootedAt: number

  constructor(parts: WorldParts) {
    this.clock = parts.clock
    this.random = parts.random
    this.faults = parts.faults
    this.machines = parts.machines
    this.cluster = parts.cluster
    this.version = parts.version
    this.durations = parts.durations
    this.downloads = parts.downloads
    this.nodes = new Map(parts.nodes.map((node) => [node.node, node]))
    this.storages = new Storages(parts.storages)
    this.pools = new Set(parts.pools)
    this.mappings = [...parts.mappings]
    this.bootedAt = this.clock.now() - 86_400_000
    this.locks = new Locks(this.clock, (file) => this.faults.strikes('lockTimeout', file))
    this.tasks = new Tasks(this.clock, {
      stalls: (task) => this.faults.strikes('stalledTask', `${task.type}:${task.id}`),
      fails: (task) => this.faults.strikes('taskFails', `${task.type}:${task.id}`),
    })
  }

  node(name: string): NodeSpec {
    const node = this.nodes.get(name)
    if (node === undefined) throw failed(`hostname lookup '${name}' failed - failed to get address info for: ${name}`)
    return node
  }

  /** @throws {@link PveError} 500 when there is no such VM on that node. */
  vm(node: string, vmid: number): Vm {
    const vm = this.vms.get(vmid)
    if (vm === undefined || vm.node !== node) {
      throw failed(`Configuration file 'nodes/${node}/qemu-server/${vmid}.conf' does not exist`)
    }
    return vm
  }

  /** Identifies the machine to the back end. */
  machineId(vmid: number): string {
    return `${this.cluster}/${vmid}`
  }

  generation(): string {
    return hex(this.random, 16)
  }

  uuid(): string {
    const digits = hex(this.random, 32)
    return `${digits.slice(0, 8)}-${digits.slice(8, 12)}-4${digits.slice(13, 16)}-a${digits.slice(17, 20)}-${digits.slice(20)}`
  }

  /** With the prefix of Proxmox Server Solutions, the default of datacenter.cfg. */
  mac(): string {
    const digits = hex(this.random, 6).toUpperCase()
    return `BC:24:11:${digits.slice(0, 2)}:${digits.slice(2, 4)}:${digits.slice(4)}`
  }

  seconds(): number {
    return Math.floor(this.clock.now() / 1_000)
  }

  /** An image or ISO that is there without having been uploaded. */
  addImage(node: string, storage: string, filename: string, facts: Partial<Download> = {}): Volume {
    const content = /\.(iso|img)$/i.test(filename) ? 'iso' : 'import'
    const volid = `${storage}:${content}/${filename}`
    const earlier = this.storages.find(node, volid)
    if (earlier !== undefined) this.storages.remove(earlier)
    return this.storages.add({
      volid,
      storage,
      node,
      content,
      format: formatOf(filename),
      sizeBytes: facts.sizeBytes ?? IMAGE_BYTES,
      ctime: this.seconds(),
      image: filename,
      generation: this.generation(),
      checksums: facts.checksums ?? {},
    })
  }

  freeMemoryMiB(node: string): number {
    const used = [...this.vms.values()].filter((vm) => vm.node === node && vm.running)
    return this.node(node).memoryMiB - used.reduce((sum, vm) => sum + memoryMiB(vm), 0)
  }

  refuseTakenId(vmid: number): void {
    const taken = this.vms.get(vmid)
    if (taken !== undefined) throw failed(`VM ${vmid} already exists on node '${taken.node}'`)
  }

  checkPool(pool: string | number | undefined): string | undefined {
    if (pool === undefined) return undefined
    const name = String(pool)
    if (!this.pools.has(name)) throw badParameters({ pool: `pool '${name}' does not exist` })
    return name
  }
}
