import { Problem } from '../../../src/core/problem.ts'
import type { Step } from '../../../src/core/step.ts'
import { sameSshKey } from '../../../src/secrets/ssh-key.ts'
import type { Action, ActionContext } from '../../engine/action.ts'
import type { Lan } from '../../lan/lan.ts'
import type { ProxmoxApi, ProxmoxVm } from '../../lan/proxmox-api.ts'
import { bootDisk } from './disk.ts'
import { isAppearing, ownVm, unlockedVm, vmPath } from './own-vm.ts'

/** A full copy of a template onto a slow disk; from an image it takes a minute. */
const TIMEOUT_MS = 20 * 60_000

export const createVm: Action<'create-vm', Lan> = {
  timeoutMs: TIMEOUT_MS,
  async check(step, lan) {
    const vm = await ownVm(lan.proxmox(step.connection), step)
    return vm !== undefined && isComplete(vm, step) ? 'done' : 'needed'
  },
  async apply(step, lan, context) {
    const api = lan.proxmox(step.connection)
    let vm = await unlockedVm(api, step, lan.clock, context)
    if (vm === undefined) {
      // A new disk makes a new host key.
      lan.keys.forgetHostKey(step.machine)
      context.progress(`making VM ${step.vmid} on ${step.node}`)
      await make(api, step, lan, context)
      vm = await unlockedVm(api, step, lan.clock, context)
      if (vm === undefined)
        throw new Problem({
          code: 'proxmox.vm-vanished',
          what: `VM ${step.vmid} was made, but is not there`,
          where: step.machine,
          remedy: `See the tasks of ${step.node}; the token also needs VM.Audit on it.`,
          retry: 'now',
        })
    }
    if (!isConfigured(vm, step))
      await api.change('POST', `${vmPath(vm)}/config`, await cloneConfig(vm, step, lan), changing(lan, context))
    const disk = bootDisk(vm)
    if (disk !== undefined && disk.sizeGiB < step.diskGiB)
      await api.change(
        'PUT',
        `${vmPath(vm)}/resize`,
        { disk: disk.key, size: `${step.diskGiB}G` },
        changing(lan, context),
      )
  },
}

async function make(api: ProxmoxApi, step: Step<'create-vm'>, lan: Lan, context: ActionContext): Promise<void> {
  const { source, storage, vmid, machine, mark, pool } = step
  const always = { name: machine, description: mark, ...(pool === undefined ? {} : { pool }) }
  if (source.kind === 'image') {
    await api.change(
      'POST',
      `/nodes/${step.node}/qemu`,
      {
        vmid,
        ...always,
        ostype: 'l26',
        scsihw: 'virtio-scsi-single',
        scsi0: `${storage}:0,import-from=${source.storage}:import/${source.file},discard=on,iothread=1,ssd=1`,
        ide2: `${storage}:cloudinit`,
        boot: 'order=scsi0',
        rng0: 'source=/dev/urandom',
        onboot: 1,
        ...(await settings(step, lan)),
      },
      changing(lan, context),
    )
    return
  }
  const template = await api.findVm(source.vmid)
  if (template === undefined || !template.template)
    throw new Problem({
      code: 'proxmox.no-template',
      what: template === undefined ? `there is no VM ${source.vmid}` : `VM ${source.vmid} is no template`,
      where: machine,
      remedy: 'Name a template in the spec, or an image; the token needs VM.Audit and VM.Clone on it.',
      retry: 'later',
    })
  await api.change(
    'POST',
    `${vmPath(template)}/clone`,
    {
      newid: vmid,
      ...always,
      full: 1,
      storage,
      ...(template.node === step.node ? {} : { target: step.node }),
    },
    changing(lan, context),
  )
}

/** What a copy of a template needs to become the machine of the step, in one change. */
async function cloneConfig(vm: ProxmoxVm, step: Step<'create-vm'>, lan: Lan): Promise<Record<string, unknown>> {
  const hasDrive = Object.values(vm.config).some((value) => typeof value === 'string' && value.includes('cloudinit'))
  return {
    ...(await settings(step, lan)),
    ...(hasDrive ? {} : { ide2: `${step.storage}:cloudinit` }),
    onboot: 1,
  }
}

/** What both ways of making a machine set: size, network, cloud-init and tags. */
async function settings(step: Step<'create-vm'>, lan: Lan): Promise<Record<string, unknown>> {
  const site = (await lan.keys.site()).publicKey
  const keys = step.authorizedKeys.some((key) => sameSshKey(key, site))
    ? step.authorizedKeys
    : [...step.authorizedKeys, site]
  return {
    cores: step.cores,
    sockets: 1,
    memory: step.memoryMiB,
    balloon: 0,
    cpu: step.cpuType,
    // Some cloud kernels hang without a serial port.
    serial0: 'socket',
    vga: 'std',
    agent: 'enabled=1',
    net0: `virtio,bridge=${step.bridge}${step.vlan === undefined ? '' : `,tag=${step.vlan}`}`,
    ipconfig0: addressConfig(step),
    ...(step.nameservers.length === 0 ? {} : { nameserver: step.nameservers.join(' ') }),
    ...(step.searchDomain === undefined ? {} : { searchdomain: step.searchDomain }),
    ciuser: step.user,
    // The API takes the keys percent-encoded inside whatever encoding the request has.
    sshkeys: encodeURIComponent(keys.map((key) => key.trim()).join('\n')),
    // An upgrade at first boot would hold apt's lock for minutes.
    ciupgrade: 0,
    tags: `slipway;${lan.spec.name}`,
  }
}

function addressConfig({ address, gateway }: Step<'create-vm'>): string {
  return `ip=${address},gw=${gateway}`
}

/** A copy of a template has its own settings until ours came, all in one change. */
function isConfigured(vm: ProxmoxVm, step: Step<'create-vm'>): boolean {
  const ip = vm.config['ipconfig0']
  return typeof ip === 'string' && ip.split(',').includes(`ip=${step.address}`) && vm.config['ciuser'] === step.user
}

function isComplete(vm: ProxmoxVm, step: Step<'create-vm'>): boolean {
  if (isAppearing(vm) || vm.lock === 'create' || vm.lock === 'clone') return false
  return isConfigured(vm, step) && (bootDisk(vm)?.sizeGiB ?? 0) >= step.diskGiB
}

function changing(lan: Lan, context: ActionContext): Parameters<ProxmoxApi['change']>[3] {
  return {
    timeoutMs: context.deadline - lan.clock.now(),
    signal: context.signal,
    progress: (text) => context.progress(text),
  }
}
