import type { Action } from '../../engine/action.ts'
import type { Lan } from '../../lan/lan.ts'
import { missingVm, ownVm, presentVm, vmPath } from './own-vm.ts'

/** Proxmox allows a second per GiB of memory, and 30 s at least. */
const TIMEOUT_MS = 5 * 60_000

export const startVm: Action<'start-vm', Lan> = {
  timeoutMs: TIMEOUT_MS,
  async check(step, lan) {
    const vm = await ownVm(lan.proxmox(step.connection), step)
    if (vm === undefined) throw missingVm(step)
    return vm.running ? 'done' : 'needed'
  },
  async apply(step, lan, context) {
    const api = lan.proxmox(step.connection)
    const vm = await presentVm(api, step, lan.clock, context)
    if (vm.running) return
    await api.change(
      'POST',
      `${vmPath(vm)}/status/start`,
      {},
      {
        timeoutMs: context.deadline - lan.clock.now(),
        signal: context.signal,
      },
    )
  },
}
