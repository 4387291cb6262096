import { createHash } from 'node:crypto'
import type { MachineSpec } from '../machine.ts'
import { failed } from './answer.ts'
import { cloudInitOf } from './cloud-init.ts'
import { DISK_KEY } from './config-keys.ts'
import type { Value } from './config-keys.ts'
import { parseProperties, parseSize } from './property.ts'
import type { Storages, Volume } from './storage.ts'

const MIB = 2 ** 20
const GIB = 2 ** 30
/** Values of `POST /nodes/{node}/qemu` where the caller says nothing. */
const DEFAULT_MEMORY_MIB = 512

export interface Vm {
  readonly vmid: number
  node: string
  config: Map<string, Value>
  /** Changes that wait for the next start; `undefined` takes the key away. */
  pending: Map<string, Value | undefined>
  running: boolean
  /** Milliseconds since the epoch. */
  startedAt?: number
  pool?: string
}

export const memoryMiB = (vm: Vm): number =>
  Number(String(vm.config.get('memory') ?? DEFAULT_MEMORY_MIB).replace('current=', ''))

const cores = (vm: Vm): number => Number(vm.config.get('cores') ?? 1) * Number(vm.config.get('sockets') ?? 1)

export const isTemplate = (vm: Vm): boolean => vm.config.get('template') === 1

export function digestOf(vm: Vm): string {
  const lines = [...vm.config, ...[...vm.pending].map(([key, value]) => [`pending:${key}`, value])]
  return createHash('sha1').update(JSON.stringify(lines)).digest('hex')
}

/** @throws {@link PveError} 500 `VM is locked (backup)`, as every change of a locked VM. */
export function refuseLocked(vm: Vm): void {
  const lock = vm.config.get('lock')
  if (lock !== undefined) throw failed(`VM is locked (${lock})`)
}

/** Disks of the VM in the order of the config, drives and cloud-init drives left out. */
export function disksOf(vm: Vm): readonly { readonly key: string; readonly volid: string; readonly value: string }[] {
  return [...vm.config].flatMap(([key, value]) => {
    if (!DISK_KEY.test(key)) return []
    const { first, named } = parseProperties(String(value))
    return named.get('media') === 'cdrom' ? [] : [{ key, volid: named.get('file') ?? first, value: String(value) }]
  })
}

/** The disk to boot from: the first of `boot: order=…`, else the first disk that is not firmware state. */
function bootDisk(vm: Vm, storages: Storages): Volume | undefined {
  const disks = disksOf(vm).filter(({ key }) => /^(scsi|virtio|sata|ide)/.test(key))
  const order = /order=([^,]*)/.exec(String(vm.config.get('boot') ?? ''))?.[1]?.split(';') ?? []
  const chosen =
    order.map((key) => disks.find((disk) => disk.key === key)).find((disk) => disk !== undefined) ?? disks[0]
  return chosen === undefined ? undefined : storages.find(vm.node, chosen.volid)
}

function maxDiskBytes(vm: Vm): number {
  const first = disksOf(vm).find(({ key }) => /^(scsi|virtio|sata|ide)/.test(key))
  return first === undefined ? 0 : (parseSize(parseProperties(first.value).named.get('size') ?? '') ?? 0)
}

function macOf(vm: Vm): string {
  const { named } = parseProperties(String(vm.config.get('net0') ?? ''))
  return [...named.values()].find((value) => /^([0-9A-F]{2}:){5}[0-9A-F]{2}$/i.test(value)) ?? ''
}

export function machineSpec(vm: Vm, id: string, storages: Storages): MachineSpec {
  const disk = bootDisk(vm, storages)
  return {
    id,
    generation: disk?.generation ?? 'diskless',
    name: String(vm.config.get('name') ?? `VM${vm.vmid}`),
    cores: cores(vm),
    memoryMiB: memoryMiB(vm),
    diskGiB: (disk?.sizeBytes ?? 0) / GIB,
    mac: macOf(vm),
    image: disk?.image ?? '',
    cloudInit: cloudInitOf(vm.config),
  }
}

/** The fields that `GET …/qemu` and `GET …/status/current` share. */
export function summary(vm: Vm, now: number): Record<string, unknown> {
  const { config, vmid, running, startedAt } = vm
  const uptime = running && startedAt !== undefined ? Math.floor((now - startedAt) / 1_000) : 0
  const maxmem = memoryMiB(vm) * MIB
  return {
    vmid,
    name: config.get('name') ?? `VM ${vmid}`,
    status: running ? 'running' : 'stopped',
    cpus: cores(vm),
    cpu: 0,
    maxmem,
    mem: running ? Math.round(maxmem / 4) : 0,
    maxdisk: maxDiskBytes(vm),
    disk: 0,
    uptime,
    netin: 0,
    netout: 0,
    diskread: 0,
    diskwrite: 0,
    ...(running && { pid: 40_000 + vmid }),
    ...(isTemplate(vm) && { template: 1 }),
    ...(config.has('lock') && { lock: config.get('lock') }),
    ...(config.has('tags') && { tags: config.get('tags') }),
    ...(config.has('serial0') && { serial: 1 }),
  }
}
