import { badParameters, failed } from './answer.ts'
import { DISK_KEY, isConfigKey } from './config-keys.ts'
import type { Value } from './config-keys.ts'
import { normalize } from './create.ts'
import { checkDrives, makeDrive } from './drive.ts'
import { configLock, LOCK_WAIT_MS } from './locks.ts'
import { parseProperties, parseSize, printProperties, printSize } from './property.ts'
import { digestOf, disksOf, refuseLocked } from './vm.ts'
import type { Vm } from './vm.ts'
import type { World } from './world.ts'

/** Keys that take effect on a running VM at once; drives and interfaces are plugged in. The rest waits for the next start. */
const FAST_KEYS = /^(name|description|tags|onboot|protection|startup|shares|net\d+|(scsi|virtio|unused)\d+)$/
const MAX_UNUSED = 256

export interface ConfigChange {
  readonly values: ReadonlyMap<string, Value>
  readonly remove: readonly string[]
  readonly revert: readonly string[]
  readonly digest: string | undefined
}

/** Checks made before a task starts. */
export function checkChange(world: World, vm: Vm, change: ConfigChange): void {
  const { values, remove, revert, digest } = change
  if (values.size === 0 && remove.length === 0 && revert.length === 0) throw badParameters({})
  for (const key of [...remove, ...revert]) {
    if (!isConfigKey(key)) throw badParameters({ delete: `unable to delete '${key}' - invalid option` })
    if (values.has(key)) throw badParameters({ delete: `you can't use '-${key}' and -delete ${key}' at the same time` })
  }
  if (digest !== undefined && digest !== digestOf(vm)) {
    throw failed('detected modified configuration - file changed by other user? Try again.')
  }
  checkDrives(world, values)
  refuseLocked(vm)
}

/** Applies a checked change under the config lock, at once or as pending. */
export function applyChange(world: World, vm: Vm, change: ConfigChange, log: (line: string) => void): Promise<void> {
  return world.locks.hold(configLock(vm.vmid), LOCK_WAIT_MS, async () => {
    checkChange(world, vm, change)
    await world.clock.sleep(world.durations.config)
    for (const key of change.revert) vm.pending.delete(key)
    for (const key of change.remove) removeKey(world, vm, key)
    for (const [key, value] of change.values) {
      let stored: Value | undefined
      if (DISK_KEY.test(key)) {
        releaseDrive(world, vm, key)
        stored = (await makeDrive(world, vm, key, String(value), log)).value
      } else stored = normalize(world, key, value)
      log(`update VM ${vm.vmid}: -${key}`)
      if (vm.running && !FAST_KEYS.test(key)) vm.pending.set(key, stored)
      else if (stored === undefined) vm.config.delete(key)
      else vm.config.set(key, stored)
    }
  })
}

function removeKey(world: World, vm: Vm, key: string): void {
  if (!vm.config.has(key) && !vm.pending.has(key)) return
  if (DISK_KEY.test(key)) {
    const removed = vm.config.get(key)
    if (/^unused\d+$/.test(key)) {
      const volume = world.storages.find(vm.node, parseProperties(String(removed)).first)
      if (volume !== undefined) world.storages.remove(volume)
    } else releaseDrive(world, vm, key)
    vm.config.delete(key)
  } else if (vm.running && !FAST_KEYS.test(key)) vm.pending.set(key, undefined)
  else vm.config.delete(key)
}

/** A disk that leaves its slot becomes `unusedN`; a cloud-init drive goes away. */
function releaseDrive(world: World, vm: Vm, key: string): void {
  const value = vm.config.get(key)
  if (value === undefined) return
  const { first } = parseProperties(String(value))
  const volume = world.storages.find(vm.node, first)
  if (volume === undefined) return
  if (first.includes('cloudinit')) return world.storages.remove(volume)
  if (!disksOf(vm).some((disk) => disk.key === key)) return
  for (let n = 0; n < MAX_UNUSED; n++) {
    if (vm.config.has(`unused${n}`)) continue
    vm.config.set(`unused${n}`, first)
    return
  }
}

/** `PUT …/resize`: `40G` or `+8G`; grows only. */
export function resizeDisk(world: World, vm: Vm, disk: string, size: string, user: string): string {
  const load = () => {
    refuseLocked(vm)
    const value = vm.config.get(disk)
    if (value === undefined) throw failed(`disk '${disk}' does not exist`)
    const { first, named } = parseProperties(String(value))
    const volume = world.storages.find(vm.node, first)
    if (volume === undefined) throw failed(`volume '${first}' does not exist`)
    const asked = parseSize(size.replace('+', '')) ?? 0
    const bytes = size.startsWith('+') ? volume.sizeBytes + asked : asked
    if (bytes < volume.sizeBytes) throw failed('shrinking disks is not supported')
    return { first, named, volume, bytes }
  }
  load()
  return world.tasks.start(vm.node, 'resize', String(vm.vmid), user, () =>
    world.locks.hold(configLock(vm.vmid), LOCK_WAIT_MS, async () => {
      const { first, named, volume, bytes } = load()
      await world.clock.sleep(world.durations.resize)
      volume.sizeBytes = bytes
      vm.config.set(disk, printProperties(first, new Map(named).set('size', printSize(bytes))))
    }),
  )
}

/** `DELETE /nodes/{node}/qemu/{vmid}` */
export function destroyVm(world: World, vm: Vm, user: string): string {
  const check = () => {
    refuseLocked(vm)
    if (vm.config.get('protection') === 1) throw failed(`can't remove VM ${vm.vmid} - protection mode enabled`)
    if (vm.running) throw failed(`VM ${vm.vmid} is running - destroy failed`)
    const base = world.storages
      .volumes(vm.node)
      .find((volume) => volume.vmid === vm.vmid && world.storages.children(volume).length > 0)
    if (base !== undefined) throw failed(`base volume '${base.volid}' is still in use by linked cloned`)
  }
  check()
  return world.tasks.start(vm.node, 'qmdestroy', String(vm.vmid), user, (log) =>
    world.locks.hold(configLock(vm.vmid), LOCK_WAIT_MS, async () => {
      check()
      await world.clock.sleep(world.durations.destroy)
      for (const volume of world.storages.volumes(vm.node).filter(({ vmid }) => vmid === vm.vmid)) {
        world.storages.remove(volume)
        log(`Logical volume "${volume.volid}" successfully removed.`)
      }
      await world.machines.destroy(world.machineId(vm.vmid))
      world.vms.delete(vm.vmid)
    }),
  )
}
