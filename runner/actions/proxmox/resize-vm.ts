import { isRecord } from '../../../src/core/conditions.ts'
import { Problem } from '../../../src/core/problem.ts'
import type { Step } from '../../../src/core/step.ts'
import type { Action } from '../../engine/action.ts'
import type { Lan } from '../../lan/lan.ts'
import type { ProxmoxApi, ProxmoxVm } from '../../lan/proxmox-api.ts'
import { bootDisk, coresOf, memoryMiB } from './disk.ts'
import { missingVm, ownVm, presentVm, vmPath } from './own-vm.ts'

/** A clean shutdown of a node with many Pods, and a start. */
const TIMEOUT_MS = 10 * 60_000
/** What the guest has for shutting down before it is switched off. */
const SHUTDOWN_S = 180

export const resizeVm: Action<'resize-vm', Lan> = {
  timeoutMs: TIMEOUT_MS,
  async check(step, lan) {
    const api = lan.proxmox(step.connection)
    const vm = await ownVm(api, step)
    if (vm === undefined) throw missingVm(step)
    if (!hasSize(vm, step) || (bootDisk(vm)?.sizeGiB ?? 0) < step.diskGiB) return 'needed'
    return step.restart && (await awaitsRestart(api, vm, step)) ? 'needed' : 'done'
  },
  async apply(step, lan, context) {
    const api = lan.proxmox(step.connection)
    const vm = await presentVm(api, step, lan.clock, context)
    const options = () => ({ timeoutMs: context.deadline - lan.clock.now(), signal: context.signal })
    if (!hasSize(vm, step))
      await api.change(
        'POST',
        `${vmPath(vm)}/config`,
        { cores: step.cores, sockets: 1, memory: step.memoryMiB, digest: vm.config['digest'] },
        options(),
      )
    const disk = bootDisk(vm)
    if (disk === undefined)
      throw new Problem({
        code: 'proxmox.no-disk',
        what: `VM ${step.vmid} has no disk to start from`,
        where: step.machine,
        retry: 'never',
      })
    if (disk.sizeGiB < step.diskGiB)
      await api.change('PUT', `${vmPath(vm)}/resize`, { disk: disk.key, size: `${step.diskGiB}G` }, options())
    if (step.restart && (await awaitsRestart(api, vm, step))) {
      context.progress(`restarting VM ${step.vmid}: cores and memory change with a restart`)
      await api.change('POST', `${vmPath(vm)}/status/reboot`, { timeout: SHUTDOWN_S }, options())
    }
  },
}

function hasSize(vm: ProxmoxVm, step: Step<'resize-vm'>): boolean {
  return coresOf(vm) === step.cores && memoryMiB(vm) === step.memoryMiB
}

/** Whether the machine runs with other cores or memory than its configuration will give it at the next start. */
async function awaitsRestart(api: ProxmoxApi, vm: ProxmoxVm, step: Step<'resize-vm'>): Promise<boolean> {
  if (!vm.running) return false
  const current = await api.get(`${vmPath(vm)}/config?current=1`)
  return isRecord(current) && !hasSize({ ...vm, config: current }, step)
}
