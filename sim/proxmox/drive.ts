import { badParameters, failed } from './answer.ts'
import { DISK_KEY } from './config-keys.ts'
import type { Values } from './config-keys.ts'
import { LOCK_WAIT_MS, storageLock } from './locks.ts'
import { parseProperties, printProperties, printSize } from './property.ts'
import type { Volume } from './storage.ts'
import type { Vm } from './vm.ts'
import type { World } from './world.ts'

const GIB = 2 ** 30
const MIB = 2 ** 20
/** OVMF_VARS_4M and the TPM state, as QEMU rounds them. */
const FIRMWARE_BYTES = 4 * MIB
const CLOUD_INIT_BYTES = 4 * MIB

/** What the value of a drive key asks for. */
type Wanted =
  | { readonly kind: 'empty' }
  | { readonly kind: 'cdrom'; readonly volid: string }
  | { readonly kind: 'cloud-init'; readonly storage: string }
  | { readonly kind: 'new'; readonly storage: string; readonly gib: number; readonly source: string | undefined }
  | { readonly kind: 'existing'; readonly volid: string }

function wanted(value: string): Wanted {
  const { first, named } = parseProperties(value)
  const file = named.get('file') ?? first
  if (file === 'none' || file === 'cdrom') return { kind: 'empty' }
  const fresh = /^([^:]+):(\d+(?:\.\d+)?)$/.exec(file)
  if (fresh !== null) {
    return { kind: 'new', storage: fresh[1] ?? '', gib: Number(fresh[2]), source: named.get('import-from') }
  }
  const cloudInit = /^([^:]+):cloudinit$/.exec(file)
  if (cloudInit !== null) return { kind: 'cloud-init', storage: cloudInit[1] ?? '' }
  return named.get('media') === 'cdrom' ? { kind: 'cdrom', volid: file } : { kind: 'existing', volid: file }
}

/** Storages that a drive value would allocate on. */
export function storagesUsed(values: Values): readonly string[] {
  return [...values].flatMap(([key, value]) => {
    if (!DISK_KEY.test(key)) return []
    const want = wanted(String(value))
    return want.kind === 'new' || want.kind === 'cloud-init' ? [want.storage] : []
  })
}

/** The checks that Proxmox VE makes before it starts the task. */
export function checkDrives(world: World, values: Values): void {
  for (const [key, value] of values) {
    if (!DISK_KEY.test(key)) continue
    const want = wanted(String(value))
    if (want.kind !== 'new' && want.kind !== 'cloud-init') continue
    const spec = world.storages.spec(want.storage)
    if (!spec.content.includes('images')) {
      throw badParameters({ storage: `storage '${want.storage}' does not support vm images` })
    }
    if (want.kind !== 'new' || want.source === undefined) continue
    if (want.gib !== 0)
      throw badParameters({ [key]: `'import-from' requires special syntax - use <storage ID>:0,import-from=<source>` })
    const type = /^[^:]+:(iso|vztmpl|backup|snippets)\//.exec(want.source)?.[1]
    if (type !== undefined) {
      throw badParameters({ [key]: `${want.source} has wrong type '${type}' - needs to be 'images' or 'import'` })
    }
  }
}

/**
 * Makes the volume that a drive value asks for.
 * @returns the value for the config, e.g. `local-lvm:vm-101-disk-0,discard=on,size=3G`, and the volume made, if any
 */
export async function makeDrive(
  world: World,
  vm: Vm,
  key: string,
  value: string,
  log: (line: string) => void,
): Promise<{ readonly value: string; readonly made?: Volume }> {
  const want = wanted(value)
  const named = new Map(parseProperties(value).named)
  named.delete('import-from')
  named.delete('file')
  const { storages } = world
  switch (want.kind) {
    case 'empty':
      return { value }
    case 'cdrom': {
      const volume = storages.find(vm.node, want.volid)
      if (volume === undefined) throw new Error(`volume '${want.volid}' does not exist`)
      return { value: printProperties(want.volid, named.set('size', printSize(volume.sizeBytes))) }
    }
    case 'existing': {
      const volume = storages.find(vm.node, want.volid)
      if (volume === undefined) throw new Error(`volume '${want.volid}' does not exist`)
      return { value: printProperties(want.volid, named.set('size', printSize(volume.sizeBytes))) }
    }
    case 'cloud-init': {
      const volid = storages.nameCloudInit(want.storage, vm.vmid)
      if (storages.find(vm.node, volid) !== undefined) throw new Error(`disk image '${volid}' already exists`)
      const made = await allocate(world, vm, want.storage, () => volid, CLOUD_INIT_BYTES)
      log(`${key}: successfully created disk '${volid},media=cdrom'`)
      return { value: printProperties(volid, named.set('media', 'cdrom')), made }
    }
    case 'new': {
      const name = () => storages.nameDisk(vm.node, want.storage, vm.vmid, 'vm')
      if (want.source === undefined) {
        const firmware = key === 'efidisk0' || key === 'tpmstate0'
        const made = await allocate(world, vm, want.storage, name, firmware ? FIRMWARE_BYTES : want.gib * GIB)
        const printed = printProperties(made.volid, named.set('size', printSize(made.sizeBytes)))
        log(`${key}: successfully created disk '${printed}'`)
        return { value: printed, made }
      }
      const source = storages.find(vm.node, want.source)
      if (source === undefined) throw new Error(`cannot import from '${want.source}' - volume does not exist`)
      if (source.content !== 'import' && source.content !== 'images') {
        throw new Error(`${want.source} has wrong type '${source.content}' - needs to be 'images' or 'import'`)
      }
      const made = await allocate(world, vm, want.storage, name, source.sizeBytes, source.image)
      log(`importing '${want.source}' to ${made.volid}`)
      await world.clock.sleep(world.durations.importDisk)
      const printed = printProperties(made.volid, named.set('size', printSize(made.sizeBytes)))
      log(`${key}: successfully created disk '${printed}'`)
      return { value: printed, made }
    }
    default:
      return want satisfies never
  }
}

/** Allocates under the storage's lock. */
export async function allocate(
  world: World,
  vm: Vm,
  storage: string,
  name: () => string,
  sizeBytes: number,
  image?: string,
  parent?: Volume,
): Promise<Volume> {
  const { storages, locks, clock, durations } = world
  return locks.hold(storageLock(storage), LOCK_WAIT_MS, async () => {
    await clock.sleep(parent === undefined ? durations.allocate : durations.linkedClone)
    const { sizeGiB } = storages.spec(storage)
    if (storages.usedBytes(vm.node, storage) > sizeGiB * GIB)
      throw failed(`storage '${storage}': no space left on device`)
    const volid = name()
    return storages.add({
      volid,
      storage,
      node: vm.node,
      content: 'images',
      format: volid.endsWith('.qcow2') ? 'qcow2' : 'raw',
      sizeBytes,
      ctime: world.seconds(),
      vmid: vm.vmid,
      generation: world.generation(),
      ...(image !== undefined && { image }),
      ...(parent !== undefined && { parent: parent.volid }),
    })
  })
}
