import { badParameters, failed } from './answer.ts'
import type { Value } from './config-keys.ts'
import { normalize } from './create.ts'
import { allocate } from './drive.ts'
import { CLONE_SOURCE_LOCK_WAIT_MS, configLock } from './locks.ts'
import { parseProperties, printProperties } from './property.ts'
import type { Volume } from './storage.ts'
import { disksOf, isTemplate, refuseLocked } from './vm.ts'
import type { Vm } from './vm.ts'
import type { World } from './world.ts'

export interface CloneInput {
  readonly newid: number
  readonly user: string
  readonly name?: string
  readonly description?: string
  readonly pool: string | undefined
  readonly full: boolean | undefined
  readonly storage?: string
  readonly target?: string
}

/** `POST …/clone`: the source's config lock is waited for, the new id taken, then the task copies the disks. */
export async function cloneVm(world: World, source: Vm, input: CloneInput): Promise<string> {
  const { newid, user } = input
  const linked = !(input.full ?? !isTemplate(source))
  const target = input.target ?? source.node
  world.node(target)
  if (linked && input.storage !== undefined) {
    throw badParameters({ storage: "parameter 'storage' not allowed for linked clones" })
  }
  if (input.storage !== undefined && !world.storages.spec(input.storage).content.includes('images')) {
    throw badParameters({ storage: `storage '${input.storage}' does not support vm images` })
  }
  return world.locks.hold(configLock(source.vmid), CLONE_SOURCE_LOCK_WAIT_MS, async () => {
    await world.clock.sleep(world.durations.cloneLookup)
    refuseLocked(source)
    if (world.vms.has(newid)) throw failed(`unable to create VM ${newid}: config file already exists`)
    const disks = disksOf(source).map((disk) => ({ ...disk, volume: world.storages.find(source.node, disk.volid) }))
    for (const { key, volid, volume } of disks) {
      const spec = world.storages.spec(volid.slice(0, volid.indexOf(':')))
      if (target !== source.node && spec.shared !== true) {
        throw failed(`can't clone VM to node '${target}' (VM uses local storage)`)
      }
      if (linked && (volume === undefined || !isTemplate(source) || spec.type === 'lvm')) {
        throw failed(`Linked clone feature is not supported for drive '${key}'`)
      }
    }
    const vm: Vm = {
      vmid: newid,
      node: target,
      config: clonedConfig(world, source, input),
      pending: new Map(),
      running: false,
    }
    if (input.pool !== undefined) vm.pool = input.pool
    world.vms.set(newid, vm)
    return world.tasks.start(source.node, 'qmclone', String(source.vmid), user, async (log) => {
      const made: Volume[] = []
      try {
        await copyDisks(world, source, vm, linked, input.storage, made, log)
        vm.config.delete('lock')
      } catch (error) {
        for (const volume of made) world.storages.remove(volume)
        world.vms.delete(newid)
        throw new Error(`clone failed: ${(error as Error).message}`, { cause: error })
      }
    })
  })
}

/** New identity, everything else as in the source, tags and cloud-init values too. */
function clonedConfig(world: World, source: Vm, input: CloneInput): Map<string, Value> {
  const config = new Map(source.config)
  config.set('lock', 'clone')
  config.delete('template')
  config.set('name', input.name ?? `Copy-of-VM-${String(source.config.get('name') ?? source.vmid)}`)
  if (input.description !== undefined) config.set('description', input.description.trimEnd())
  config.set('vmgenid', world.uuid())
  for (const [key, value] of source.config) {
    if (/^unused\d+$/.test(key)) config.delete(key)
    if (/^net\d+$/.test(key)) {
      const { named } = parseProperties(String(value))
      const [model] = [...named].find(([, text]) => /^([0-9A-F]{2}:){5}/i.test(text)) ?? ['virtio']
      const rest = new Map(named)
      rest.delete(model)
      config.set(key, normalize(world, key, printProperties(model, rest)) ?? '')
    }
  }
  const { first, named } = parseProperties(String(source.config.get('smbios1') ?? ''))
  config.set('smbios1', printProperties(first, new Map(named).set('uuid', world.uuid())))
  return config
}

async function copyDisks(
  world: World,
  source: Vm,
  vm: Vm,
  linked: boolean,
  storage: string | undefined,
  made: Volume[],
  log: (line: string) => void,
): Promise<void> {
  const { storages } = world
  for (const { key, volid, value } of disksOf(source)) {
    const base = storages.find(source.node, volid)
    if (base === undefined) throw new Error(`volume '${volid}' does not exist`)
    const on = storage ?? base.storage
    const parent = linked ? base : undefined
    const name = () => storages.nameDisk(vm.node, on, vm.vmid, 'vm', parent)
    log(`create ${linked ? 'linked' : 'full'} clone of drive ${key} (${volid})`)
    const copy = await allocate(world, vm, on, name, base.sizeBytes, base.image, parent)
    made.push(copy)
    if (!linked && key !== 'efidisk0') await world.clock.sleep(world.durations.fullClone)
    const { named } = parseProperties(value)
    vm.config.set(key, printProperties(copy.volid, named))
  }
  for (const [key, value] of source.config) {
    const { first, named } = parseProperties(String(value))
    if (named.get('media') !== 'cdrom' || !first.includes('cloudinit')) continue
    const on = storage ?? first.slice(0, first.indexOf(':'))
    const drive = await allocate(world, vm, on, () => storages.nameCloudInit(on, vm.vmid), 4 * 2 ** 20)
    made.push(drive)
    vm.config.set(key, printProperties(drive.volid, named))
  }
}

/** `POST …/template`: disks become base volumes. */
export function makeTemplate(world: World, vm: Vm, user: string): string {
  refuseLocked(vm)
  if (isTemplate(vm)) throw failed("you can't convert a template to a template")
  if (vm.running) throw failed("you can't convert a VM to template if VM is running")
  return world.tasks.start(vm.node, 'qmtemplate', String(vm.vmid), user, async () => {
    await world.clock.sleep(world.durations.template)
    for (const { key, volid, value } of disksOf(vm)) {
      const volume = world.storages.find(vm.node, volid)
      if (volume === undefined) throw new Error(`volume '${volid}' does not exist`)
      if (world.storages.spec(volume.storage).type === 'lvm') {
        throw new Error(`template feature is not available for '${volume.storage}' storage type`)
      }
      const base = world.storages.nameDisk(vm.node, volume.storage, vm.vmid, 'base')
      world.storages.remove(volume)
      world.storages.add({ ...volume, volid: base })
      vm.config.set(key, printProperties(base, parseProperties(value).named))
    }
    vm.config.set('template', 1)
  })
}
