import { failed } from './answer.ts'
import { parseProperties } from './property.ts'
import { configLock, LOCK_WAIT_MS } from './locks.ts'
import { isTemplate, machineSpec, memoryMiB, refuseLocked } from './vm.ts'
import type { Vm } from './vm.ts'
import type { World } from './world.ts'

/** `POST …/status/start` */
export function startVm(world: World, vm: Vm, user: string): string {
  return world.tasks.start(vm.node, 'qmstart', String(vm.vmid), user, (log) =>
    world.locks.hold(configLock(vm.vmid), LOCK_WAIT_MS, async () => {
      refuseLocked(vm)
      if (isTemplate(vm)) throw new Error("you can't start a vm if it's a template")
      if (vm.running) throw new Error(`VM ${vm.vmid} already running`)
      applyPending(vm)
      checkHost(world, vm)
      log(`generating cloud-init ISO`)
      await world.clock.sleep(world.durations.start)
      await switchOn(world, vm)
    }),
  )
}

/** `POST …/status/stop`; nothing happens to a VM that is off. */
export function stopVm(world: World, vm: Vm, user: string): string {
  return world.tasks.start(vm.node, 'qmstop', String(vm.vmid), user, () =>
    world.locks.hold(configLock(vm.vmid), LOCK_WAIT_MS, async () => {
      refuseLocked(vm)
      await world.clock.sleep(world.durations.stop)
      await switchOff(world, vm, 'stop')
    }),
  )
}

/** `POST …/status/shutdown` */
export function shutdownVm(world: World, vm: Vm, user: string): string {
  return world.tasks.start(vm.node, 'qmshutdown', String(vm.vmid), user, () =>
    world.locks.hold(configLock(vm.vmid), LOCK_WAIT_MS, async () => {
      refuseLocked(vm)
      await world.clock.sleep(world.durations.shutdown)
      await switchOff(world, vm, 'shutdown')
    }),
  )
}

/** `POST …/status/reboot`: off and on again, with what was pending. */
export function rebootVm(world: World, vm: Vm, user: string): string {
  if (!vm.running) throw failed(`VM ${vm.vmid} not running`)
  refuseLocked(vm)
  return world.tasks.start(vm.node, 'qmreboot', String(vm.vmid), user, async (log) => {
    log('requesting reboot')
    await world.clock.sleep(world.durations.shutdown)
    await switchOff(world, vm, 'shutdown')
    await world.clock.sleep(world.durations.start)
    await switchOn(world, vm)
  })
}

async function switchOn(world: World, vm: Vm): Promise<void> {
  await world.machines.powerOn(machineSpec(vm, world.machineId(vm.vmid), world.storages))
  vm.running = true
  vm.startedAt = world.clock.now()
}

async function switchOff(world: World, vm: Vm, how: 'shutdown' | 'stop'): Promise<void> {
  if (!vm.running) return
  await world.machines.powerOff(world.machineId(vm.vmid), how)
  vm.running = false
  delete vm.startedAt
  applyPending(vm)
}

function applyPending(vm: Vm): void {
  for (const [key, value] of vm.pending) {
    if (value === undefined) vm.config.delete(key)
    else vm.config.set(key, value)
  }
  vm.pending.clear()
}

/** What the node must have for the VM to start. */
function checkHost(world: World, vm: Vm): void {
  const node = world.node(vm.node)
  for (const [key, value] of vm.config) {
    const { first, named } = parseProperties(String(value))
    const bridge = named.get('bridge')
    if (/^net\d+$/.test(key) && bridge !== undefined && !node.bridges.includes(bridge)) {
      throw new Error(`bridge '${bridge}' does not exist`)
    }
    const mapping = named.get('mapping')
    if (/^hostpci\d+$/.test(key) && mapping !== undefined) {
      const known = world.mappings.find(({ id }) => id === mapping)
      if (known?.map.some((entry) => entry.includes(`node=${vm.node},`)) !== true) {
        throw new Error(`PCI device mapping not found for '${mapping}'`)
      }
    }
    if (named.get('media') === 'cdrom' && first !== 'none' && world.storages.find(vm.node, first) === undefined) {
      throw new Error(`volume '${first}' does not exist`)
    }
  }
  if (memoryMiB(vm) > world.freeMemoryMiB(vm.node)) {
    throw new Error('start failed: QEMU exited with code 1: cannot set up guest memory: Cannot allocate memory')
  }
}
