import { Problem } from '../../../src/core/problem.ts'
import type { Clock } from '../../../src/seams/clock.ts'
import type { ActionContext } from '../../engine/action.ts'
import type { ProxmoxApi, ProxmoxVm } from '../../lan/proxmox-api.ts'

/** Between two looks at a VM that something holds. */
const LOCK_POLL_MS = 2_000
/** Looks that tell people what is waited for. */
const LOCK_TOLD_EVERY = 5

/** Which VM a step means. */
export interface VmName {
  readonly machine: string
  readonly vmid: number
  readonly mark: string
}

/** Whether a VM's description has the mark as one of its lines. */
export function carries(vm: ProxmoxVm, mark: string): boolean {
  return vm.description.split('\n').some((line) => line.trim() === mark)
}

/** A VM that is being made shows nothing but its lock, no mark yet: whose it is cannot be told before that ends. */
export function isAppearing(vm: ProxmoxVm): boolean {
  return (vm.lock === 'create' || vm.lock === 'clone') && vm.description === ''
}

/**
 * The step's VM; `undefined` when no VM has its id.
 * @throws Problem `proxmox.vmid-taken` when the VM with this id does not carry the mark.
 */
export async function ownVm(api: ProxmoxApi, { machine, vmid, mark }: VmName): Promise<ProxmoxVm | undefined> {
  const vm = await api.findVm(vmid)
  if (vm === undefined || carries(vm, mark) || isAppearing(vm)) return vm
  throw new Problem({
    code: 'proxmox.vmid-taken',
    what: `VM ${vmid} on ${vm.node} ("${vm.name}") is not the machine ${machine} of this cluster: its notes lack "${mark}"`,
    where: machine,
    remedy: `Give ${machine} another id, or remove that VM by hand if it is not needed.`,
    retry: 'later',
  })
}

/**
 * The step's VM once no task holds it any more.
 * @throws Problem `proxmox.locked` at the step's deadline.
 */
export async function unlockedVm(
  api: ProxmoxApi,
  name: VmName,
  clock: Clock,
  context: ActionContext,
): Promise<ProxmoxVm | undefined> {
  for (let look = 0; ; look++) {
    const vm = await ownVm(api, name)
    if (vm?.lock === undefined) return vm
    if (clock.now() + LOCK_POLL_MS > context.deadline)
      throw new Problem({
        code: 'proxmox.locked',
        what: `VM ${name.vmid} on ${vm.node} is still locked (${vm.lock})`,
        where: name.machine,
        remedy: `If no task of it runs on ${vm.node}, unlock it there as root: qm unlock ${name.vmid}`,
        retry: 'later',
      })
    if (look % LOCK_TOLD_EVERY === 0) context.progress(`VM ${name.vmid} is locked (${vm.lock}), waiting`)
    await clock.sleep(LOCK_POLL_MS, context.signal)
  }
}

/**
 * The step's VM, which has to be there.
 * @throws Problem `proxmox.no-vm`
 */
export async function presentVm(
  api: ProxmoxApi,
  name: VmName,
  clock: Clock,
  context: ActionContext,
): Promise<ProxmoxVm> {
  const vm = await unlockedVm(api, name, clock, context)
  if (vm !== undefined) return vm
  throw missingVm(name)
}

export function missingVm({ machine, vmid }: VmName): Problem {
  return new Problem({
    code: 'proxmox.no-vm',
    what: `there is no VM ${vmid} for ${machine}`,
    where: machine,
    remedy: 'Comment `/slipway plan`: a new plan sees that it is gone.',
    retry: 'later',
  })
}

/** Path of a VM in the API. */
export function vmPath(vm: Pick<ProxmoxVm, 'node' | 'vmid'>): string {
  return `/nodes/${vm.node}/qemu/${vm.vmid}`
}
