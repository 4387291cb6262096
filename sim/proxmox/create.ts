import { badParameters, failed } from './answer.ts'
import { DISK_KEY } from './config-keys.ts'
import type { Value } from './config-keys.ts'
import { checkDrives, makeDrive } from './drive.ts'
import { configLock, LOCK_WAIT_MS } from './locks.ts'
import { startVm } from './power.ts'
import { parseProperties, printProperties } from './property.ts'
import type { Volume } from './storage.ts'
import type { Vm } from './vm.ts'
import type { World } from './world.ts'

/** What the QEMU of this release writes into `meta`. */
const QEMU_VERSION = '10.1.2'

export interface CreateInput {
  readonly node: string
  readonly vmid: number
  readonly user: string
  readonly pool: string | undefined
  readonly start: boolean
  readonly values: ReadonlyMap<string, Value>
}

/** `POST /nodes/{node}/qemu`: takes the id at once; disks and config come with the task. */
export function createVm(world: World, input: CreateInput): string {
  const { node, vmid, values, user } = input
  world.node(node)
  checkDrives(world, values)
  if (values.has('hugepages') && values.get('numa') !== 1)
    throw badParameters({ hugepages: 'hugepages needs numa enabled' })
  try {
    world.refuseTakenId(vmid)
  } catch (error) {
    throw failed(`unable to create VM ${vmid} - ${(error as Error).message}`)
  }
  const vm: Vm = { vmid, node, config: new Map([['lock', 'create']]), pending: new Map(), running: false }
  if (input.pool !== undefined) vm.pool = input.pool
  world.vms.set(vmid, vm)
  return world.tasks.start(node, 'qmcreate', String(vmid), user, async (log) => {
    const made: Volume[] = []
    try {
      await world.locks.hold(configLock(vmid), LOCK_WAIT_MS, async () => {
        const config = await finishConfig(world, vm, values, made, log)
        vm.config = config
      })
    } catch (error) {
      for (const volume of made) world.storages.remove(volume)
      world.vms.delete(vmid)
      throw new Error(`unable to create VM ${vmid} - ${(error as Error).message}`, { cause: error })
    }
    if (input.start) startVm(world, vm, user)
  })
}

async function finishConfig(
  world: World,
  vm: Vm,
  values: ReadonlyMap<string, Value>,
  made: Volume[],
  log: (line: string) => void,
): Promise<Map<string, Value>> {
  const config = new Map<string, Value>()
  for (const [key, value] of values) {
    if (!DISK_KEY.test(key)) {
      const stored = normalize(world, key, value)
      if (stored !== undefined) config.set(key, stored)
      continue
    }
    const drive = await makeDrive(world, vm, key, String(value), log)
    if (drive.made !== undefined) made.push(drive.made)
    config.set(key, drive.value)
  }
  if (!config.has('smbios1')) config.set('smbios1', `uuid=${world.uuid()}`)
  if (!config.has('vmgenid')) config.set('vmgenid', world.uuid())
  config.set('meta', `creation-qemu=${QEMU_VERSION},ctime=${world.seconds()}`)
  return config
}

/** How a value is kept: tags in order, a MAC address for every interface; an empty text is no value. */
export function normalize(world: World, key: string, value: Value): Value | undefined {
  const text = String(value)
  if (text === '') return undefined
  if (key === 'description') return text.trimEnd()
  if (key === 'tags')
    return [...new Set(text.toLowerCase().split(/[;, ]+/))]
      .filter((tag) => tag !== '')
      .toSorted()
      .join(';')
  if (/^net\d+$/.test(key)) return withMac(world, text)
  return value
}

/** `virtio,bridge=vmbr0` → `virtio=BC:24:11:…,bridge=vmbr0` */
function withMac(world: World, text: string): string {
  const { first, named } = parseProperties(text)
  const rest = new Map(named)
  const givenModel = [...rest].find(([, value]) => /^([0-9a-f]{2}:){5}[0-9a-f]{2}$/i.test(value))
  if (givenModel !== undefined && givenModel[0] !== 'macaddr') {
    rest.delete(givenModel[0])
    return printProperties(`${givenModel[0]}=${givenModel[1].toUpperCase()}`, rest)
  }
  const model = rest.get('model') ?? first
  const mac = rest.get('macaddr')?.toUpperCase() ?? world.mac()
  rest.delete('model')
  rest.delete('macaddr')
  return printProperties(`${model}=${mac}`, rest)
}
