import { failed, forbidden } from './answer.ts'
import { applyChange, checkChange, destroyVm, resizeDisk } from './change.ts'
import type { ConfigChange } from './change.ts'
import { cloneVm, makeTemplate } from './clone.ts'
import { checkConfig } from './config-keys.ts'
import type { Values } from './config-keys.ts'
import { createVm } from './create.ts'
import { storagesUsed } from './drive.ts'
import { checkKeyPrivileges } from './key-privilege.ts'
import { parseProperties } from './property.ts'
import { rebootVm, shutdownVm, startVm, stopVm } from './power.ts'
import { PARAMETER } from './route.ts'
import type { Call, Route } from './route.ts'
import { digestOf, isTemplate, summary } from './vm.ts'
import type { Vm } from './vm.ts'

const VM = '/nodes/{node}/qemu/{vmid}'
const ON_VM = '/vms/{vmid}'
const DISK = { type: 'string', pattern: /^(ide[0-3]|scsi\d+|virtio\d+|sata[0-5]|efidisk0|tpmstate0)$/ } as const
const CONFIG_PARAMETERS = {
  delete: PARAMETER.optionalText,
  digest: { type: 'string', optional: true, pattern: /^.{0,40}$/ },
  force: PARAMETER.flag,
  revert: PARAMETER.optionalText,
  skiplock: PARAMETER.flag,
} as const

const vmOf = ({ world, params }: Call): Vm => world.vm(world.node(String(params['node'])).node, Number(params['vmid']))

export const qemuRoutes: readonly Route[] = [
  {
    method: 'GET',
    path: '/nodes/{node}/qemu',
    parameters: { full: PARAMETER.flag },
    run: ({ world, access, params }) =>
      [...world.vms.values()]
        .filter((vm) => vm.node === world.node(String(params['node'])).node)
        .filter((vm) => access.may(`/vms/${vm.vmid}`, ['VM.Audit'], vm.pool))
        .map((vm) => summary(vm, world.clock.now())),
  },
  {
    method: 'POST',
    path: '/nodes/{node}/qemu',
    takesConfig: true,
    parameters: {
      vmid: PARAMETER.vmid,
      archive: PARAMETER.optionalText,
      bwlimit: PARAMETER.count,
      force: PARAMETER.flag,
      'ha-managed': PARAMETER.flag,
      'live-restore': PARAMETER.flag,
      pool: PARAMETER.optionalText,
      start: PARAMETER.flag,
      storage: PARAMETER.optionalText,
      unique: PARAMETER.flag,
    },
    run: create,
  },
  {
    method: 'GET',
    path: `${VM}/config`,
    needs: [ON_VM, 'VM.Audit'],
    parameters: { current: PARAMETER.flag, snapshot: PARAMETER.optionalText },
    run: config,
  },
  {
    method: 'POST',
    path: `${VM}/config`,
    takesConfig: true,
    parameters: { ...CONFIG_PARAMETERS, background_delay: { type: 'integer', min: 1, max: 30, optional: true } },
    run: (call) => {
      const vm = vmOf(call)
      const change = changeOf(call, vm)
      checkChange(call.world, vm, change)
      return call.world.tasks.start(vm.node, 'qmconfig', String(vm.vmid), call.user, (log) =>
        applyChange(call.world, vm, change, log),
      )
    },
  },
  {
    method: 'PUT',
    path: `${VM}/config`,
    takesConfig: true,
    parameters: CONFIG_PARAMETERS,
    run: async (call) => {
      const vm = vmOf(call)
      const change = changeOf(call, vm)
      checkChange(call.world, vm, change)
      await applyChange(call.world, vm, change, () => undefined)
      return null
    },
  },
  { method: 'GET', path: `${VM}/pending`, needs: [ON_VM, 'VM.Audit'], run: pending },
  {
    method: 'PUT',
    path: `${VM}/resize`,
    needs: [ON_VM, 'VM.Config.Disk'],
    parameters: {
      disk: DISK,
      size: { type: 'string', pattern: /^\+?\d+(\.\d+)?[KMGT]?$/ },
      digest: CONFIG_PARAMETERS.digest,
      skiplock: PARAMETER.flag,
    },
    run: (call) => {
      refuseSkipLock(call)
      return resizeDisk(call.world, vmOf(call), String(call.params['disk']), String(call.params['size']), call.user)
    },
  },
  {
    method: 'GET',
    path: `${VM}/status/current`,
    needs: [ON_VM, 'VM.Audit'],
    run: (call) => {
      const vm = vmOf(call)
      const agent = /^(1|enabled=1)/.test(String(vm.config.get('agent') ?? ''))
      const status = summary(vm, call.world.clock.now())
      return { ...status, qmpstatus: status['status'], ha: { managed: 0 }, ...(agent && { agent: 1 }) }
    },
  },
  power('start', startVm, {
    'force-cpu': PARAMETER.optionalText,
    machine: PARAMETER.optionalText,
    timeout: PARAMETER.count,
  }),
  power('shutdown', shutdownVm, { forceStop: PARAMETER.flag, keepActive: PARAMETER.flag, timeout: PARAMETER.count }),
  power('stop', stopVm, { keepActive: PARAMETER.flag, 'overrule-shutdown': PARAMETER.flag, timeout: PARAMETER.count }),
  power('reboot', rebootVm, { timeout: PARAMETER.count }),
  {
    method: 'POST',
    path: `${VM}/clone`,
    needs: [ON_VM, 'VM.Clone'],
    parameters: {
      newid: PARAMETER.vmid,
      bwlimit: PARAMETER.count,
      description: PARAMETER.optionalText,
      format: { type: 'string', optional: true, values: ['raw', 'qcow2', 'vmdk'] },
      full: PARAMETER.flag,
      name: PARAMETER.optionalText,
      pool: PARAMETER.optionalText,
      snapname: PARAMETER.optionalText,
      storage: PARAMETER.optionalText,
      target: PARAMETER.optionalText,
    },
    run: clone,
  },
  {
    method: 'POST',
    path: `${VM}/template`,
    needs: [ON_VM, 'VM.Allocate'],
    parameters: { disk: { ...DISK, optional: true } },
    run: (call) => makeTemplate(call.world, vmOf(call), call.user),
  },
  {
    method: 'DELETE',
    path: VM,
    needs: [ON_VM, 'VM.Allocate'],
    parameters: { purge: PARAMETER.flag, 'destroy-unreferenced-disks': PARAMETER.flag, skiplock: PARAMETER.flag },
    run: (call) => {
      refuseSkipLock(call)
      return destroyVm(call.world, vmOf(call), call.user)
    },
  },
  {
    method: 'PUT',
    path: `${VM}/cloudinit`,
    needs: [ON_VM, 'VM.Config.Cloudinit'],
    run: (call) => {
      vmOf(call)
      return null
    },
  },
  {
    method: 'GET',
    path: `${VM}/agent/network-get-interfaces`,
    needs: [ON_VM, 'VM.GuestAgent.Audit', 'VM.GuestAgent.Unrestricted', 'VM.Monitor'],
    run: interfaces,
  },
]

function power(
  action: string,
  act: (world: Call['world'], vm: Vm, user: string) => string,
  parameters: Route['parameters'],
): Route {
  const locks = action === 'reboot' ? {} : { skiplock: PARAMETER.flag }
  return {
    method: 'POST',
    path: `${VM}/status/${action}`,
    needs: [ON_VM, 'VM.PowerMgmt'],
    parameters: { ...locks, ...parameters },
    run: (call) => {
      refuseSkipLock(call)
      return act(call.world, vmOf(call), call.user)
    },
  }
}

function refuseSkipLock({ params, access }: Call): void {
  if (params['skiplock'] === 1 && access.token !== 'root@pam') throw failed('Only root may use this option.')
}

function create(call: Call): string {
  const { world, access, params, rest, user } = call
  if (params['archive'] !== undefined) throw failed('restoring from an archive is not simulated')
  const vmid = Number(params['vmid'])
  const pool = world.checkPool(params['pool'])
  if (!access.may(`/vms/${vmid}`, ['VM.Allocate'], pool)) throw forbidden(`/vms/${vmid}`, ['VM.Allocate'])
  if (params['start'] === 1 && !access.may(`/vms/${vmid}`, ['VM.PowerMgmt'], pool)) {
    throw forbidden(`/vms/${vmid}`, ['VM.PowerMgmt'])
  }
  const values = checkConfig(rest, false)
  checkKeyPrivileges(access, vmid, pool, values)
  checkUse(call, values)
  return createVm(world, { node: String(params['node']), vmid, user, pool, start: params['start'] === 1, values })
}

/** Storages to allocate on and bridges to plug into. */
function checkUse({ access }: Call, values: Values): void {
  for (const storage of storagesUsed(values)) {
    if (!access.may(`/storage/${storage}`, ['Datastore.AllocateSpace'])) {
      throw forbidden(`/storage/${storage}`, ['Datastore.AllocateSpace'])
    }
  }
  for (const [key, value] of values) {
    const { named } = parseProperties(String(value))
    const bridge = named.get('bridge')
    if (/^net\d+$/.test(key) && bridge !== undefined) {
      const path = `/sdn/zones/localnetwork/${bridge}`
      if (!access.may(path, ['SDN.Use'])) throw forbidden(path, ['SDN.Use'])
    }
    const mapping = named.get('mapping')
    if (/^hostpci\d+$/.test(key) && mapping !== undefined && !access.may(`/mapping/pci/${mapping}`, ['Mapping.Use'])) {
      throw forbidden(`/mapping/pci/${mapping}`, ['Mapping.Use'])
    }
  }
}

function changeOf(call: Call, vm: Vm): ConfigChange {
  refuseSkipLock(call)
  const values = checkConfig(call.rest, false)
  const names = (key: string) =>
    String(call.params[key] ?? '')
      .split(/[,;\s]+/)
      .filter((name) => name !== '')
  const digest = call.params['digest']
  const [remove, revert] = [names('delete'), names('revert')]
  const touched = [...remove, ...revert].map((key) => [key, vm.config.get(key) ?? ''] as const)
  checkKeyPrivileges(call.access, vm.vmid, vm.pool, new Map([...touched, ...values]))
  checkUse(call, values)
  return {
    values,
    remove,
    revert,
    digest: digest === undefined ? undefined : String(digest),
  }
}

/** The running config with what is pending on top, or without that when `current` is asked for. */
function config(call: Call): Record<string, unknown> {
  const vm = vmOf(call)
  const entries = new Map(vm.config)
  if (call.params['current'] !== 1) {
    for (const [key, value] of vm.pending) {
      if (value === undefined) entries.delete(key)
      else entries.set(key, value)
    }
  }
  if (entries.has('cipassword')) entries.set('cipassword', '**********')
  return { ...Object.fromEntries(entries), digest: digestOf(vm) }
}

function pending(call: Call): readonly Record<string, unknown>[] {
  const vm = vmOf(call)
  const keys = new Set([...vm.config.keys(), ...vm.pending.keys()])
  return [...keys].map((key) => {
    const [value, next] = [vm.config.get(key), vm.pending.get(key)]
    return {
      key,
      ...(value !== undefined && { value: String(value) }),
      ...(next !== undefined && { pending: String(next) }),
      ...(vm.pending.has(key) && next === undefined && { delete: 1 }),
    }
  })
}

function clone(call: Call): Promise<string> {
  const { world, access, params, user } = call
  const source = vmOf(call)
  const newid = Number(params['newid'])
  const pool = world.checkPool(params['pool'])
  if (!access.may(`/vms/${newid}`, ['VM.Allocate'], pool)) throw forbidden(`/vms/${newid}`, ['VM.Allocate'])
  if (params['snapname'] !== undefined) throw failed(`snapshot '${params['snapname']}' does not exist`)
  const full = params['full'] === undefined ? undefined : params['full'] === 1
  return cloneVm(world, source, {
    newid,
    user,
    pool,
    full: full === undefined && !isTemplate(source) ? true : full,
    ...(params['name'] !== undefined && { name: String(params['name']) }),
    ...(params['description'] !== undefined && { description: String(params['description']) }),
    ...(params['storage'] !== undefined && { storage: String(params['storage']) }),
    ...(params['target'] !== undefined && { target: String(params['target']) }),
  })
}

async function interfaces(call: Call): Promise<Record<string, unknown>> {
  const vm = vmOf(call)
  if (!/^(1|enabled=1)/.test(String(vm.config.get('agent') ?? ''))) throw failed('No QEMU guest agent configured')
  if (!vm.running) throw failed(`VM ${vm.vmid} is not running`)
  const found = await call.world.machines.interfaces(call.world.machineId(vm.vmid))
  if (found === undefined) throw failed('QEMU guest agent is not running')
  return {
    result: found.map(({ name, mac, addresses }) => ({
      name,
      'hardware-address': mac,
      'ip-addresses': addresses.map(({ address, prefix, family }) => ({
        'ip-address': address,
        'ip-address-type': family,
        prefix,
      })),
    })),
  }
}
