import type { DiskFacts } from '../../../src/core/facts.ts'
import type { ProxmoxVm } from '../../lan/proxmox-api.ts'

const UNITS: Readonly<Record<string, number>> = { '': 1 / 2 ** 30, K: 1 / 2 ** 20, M: 1 / 2 ** 10, G: 1, T: 2 ** 10 }
const DISK_KEY = /^(scsi|virtio|sata|ide)\d+$/
/** Detached, but still the machine's: it goes when the machine goes. */
const UNUSED_KEY = /^unused\d+$/

/** A disk in a VM's configuration. */
export interface VmDisk extends DiskFacts {
  /** Where it is plugged in, e.g. `scsi0`. */
  readonly key: string
}

/** The disks of a VM in the order of their keys: no CD drives and no cloud-init drive. */
export function disksOf(vm: Pick<ProxmoxVm, 'config'>): readonly VmDisk[] {
  return disksAt(vm, DISK_KEY)
}

/** What is lost with a VM: its disks, then those that were detached from it; their size is not told (0). */
export function ownedDisks(vm: Pick<ProxmoxVm, 'config'>): readonly VmDisk[] {
  return [...disksAt(vm, DISK_KEY), ...disksAt(vm, UNUSED_KEY)]
}

function disksAt(vm: Pick<ProxmoxVm, 'config'>, keys: RegExp): readonly VmDisk[] {
  return Object.entries(vm.config)
    .flatMap(([key, value]) => {
      if (!keys.test(key) || typeof value !== 'string') return []
      const [volume = '', ...options] = value.split(',')
      if (options.includes('media=cdrom') || volume === 'none' || volume.includes('cloudinit')) return []
      const size = options.find((option) => option.startsWith('size='))?.slice('size='.length)
      return [{ key, volume, sizeGiB: sizeInGiB(size ?? '0') }]
    })
    .sort((a, b) => a.key.localeCompare(b.key, 'en', { numeric: true }))
}

/** The disk that the VM starts from: the first of its boot order, else the first of all. */
export function bootDisk(vm: Pick<ProxmoxVm, 'config'>): VmDisk | undefined {
  const disks = disksOf(vm)
  const boot = vm.config['boot']
  const order = typeof boot === 'string' ? (/order=([^,]*)/.exec(boot)?.[1]?.split(';') ?? []) : []
  const first = order.map((key) => disks.find((disk) => disk.key === key)).find((disk) => disk !== undefined)
  return first ?? disks[0]
}

/** `40G` → 40, `2252M` → 2.19921875. */
function sizeInGiB(size: string): number {
  const [, number, unit] = /^(\d+(?:\.\d+)?)([KMGT]?)$/.exec(size) ?? []
  return Number(number ?? 0) * (UNITS[unit ?? ''] ?? 0)
}

/** `memory` is a number of MiB, in newer releases also `current=4096`. */
export function memoryMiB(vm: Pick<ProxmoxVm, 'config'>): number {
  const memory = vm.config['memory']
  const text = typeof memory === 'string' || typeof memory === 'number' ? String(memory) : '512'
  return Number(/(?:^|current=)(\d+)/.exec(text)?.[1] ?? 512)
}

/** Cores over all sockets. */
export function coresOf(vm: Pick<ProxmoxVm, 'config'>): number {
  return Number(vm.config['cores'] ?? 1) * Number(vm.config['sockets'] ?? 1)
}
