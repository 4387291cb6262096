import { Problem } from '../../../src/core/problem.ts'
import type { Action } from '../../engine/action.ts'
import type { Lan } from '../../lan/lan.ts'
import { carries, ownVm, unlockedVm, vmPath } from './own-vm.ts'

const TIMEOUT_MS = 10 * 60_000
/** What the guest has for shutting down before it is switched off; its Pods were moved away before. */
const SHUTDOWN_S = 60

export const destroyVm: Action<'destroy-vm', Lan> = {
  timeoutMs: TIMEOUT_MS,
  async check(step, lan) {
    return (await ownVm(lan.proxmox(step.connection), step)) === undefined ? 'done' : 'needed'
  },
  async apply(step, lan, context) {
    const api = lan.proxmox(step.connection)
    const options = () => ({ timeoutMs: context.deadline - lan.clock.now(), signal: context.signal })
    const found = await unlockedVm(api, step, lan.clock, context)
    if (found === undefined) return
    if (Number(found.config['protection'] ?? 0) === 1)
      throw new Problem({
        code: 'proxmox.protected',
        what: `VM ${step.vmid} on ${found.node} is protected against removal`,
        where: step.machine,
        remedy: `Take the protection away if it may go: qm set ${step.vmid} --protection 0`,
        retry: 'later',
      })
    if (found.running)
      await api.change('POST', `${vmPath(found)}/status/shutdown`, { timeout: SHUTDOWN_S, forceStop: 1 }, options())
    // Looked at once more: shutting down took its time, and nothing without the mark may ever be deleted.
    const vm = await unlockedVm(api, step, lan.clock, context)
    if (vm !== undefined && carries(vm, step.mark)) {
      context.progress(`deleting VM ${step.vmid} and its disks`)
      // Not `destroy-unreferenced-disks`: it takes every volume with this number on every storage, another site's too.
      await api.change('DELETE', vmPath(vm), { purge: 1 }, options())
    }
    lan.keys.forgetHostKey(step.machine)
  },
}
