import { Problem } from '../../../src/core/problem.ts'
import type { Step } from '../../../src/core/step.ts'
import { sameSshKey } from '../../../src/secrets/ssh-key.ts'
import type { Action, ActionContext } from '../../engine/action.ts'
import type { Lan } from '../../lan/lan.ts'
import type { RemoteResult } from '../../lan/remote.ts'

/** Five minutes for a boot, more for large machines; cloud-init takes its time after that. */
const TIMEOUT_MS = 15 * 60_000
const LOGIN_TIMEOUT_MS = 30_000
const LOOK_AGAIN_MS = 1_000

/** Exit 0: done; 3: still going on; 4: failed, with the reason; a host without cloud-init is as good as done. */
const LOOK = `
command -v cloud-init >/dev/null 2>&1 || exit 0
said=$(cloud-init status 2>&1)
code=$?
case "$said" in
  *running*|*"not started"*|*"not run"*) exit 3 ;;
  *disabled*) exit 0 ;;
esac
if [ "$code" = 0 ] || [ "$code" = 2 ]; then exit 0; fi
cloud-init status --long >&2
exit 4
`

export const awaitHost: Action<'await-host', Lan> = {
  timeoutMs: TIMEOUT_MS,
  async check(step, lan, context) {
    if (step.target.hostKey.from === 'recorded' && lan.keys.hostKey(step.target.machine) === undefined) return 'needed'
    const result = await look(step, lan, context)
    return result?.exit === 0 ? 'done' : 'needed'
  },
  async apply(step, lan, context) {
    const { target } = step
    if (target.hostKey.from === 'recorded' && lan.keys.hostKey(target.machine) === undefined)
      await recordHostKey(step, lan, context)
    context.progress('booted, waiting for cloud-init')
    for (;;) {
      const result = await look(step, lan, context)
      if (result?.exit === 0) return
      if (result?.exit === 4)
        throw new Problem({
          code: 'host.cloud-init',
          what: `cloud-init did not succeed on ${target.machine}: ${result.stderr
            .split('\n')
            .filter((line) => line.trim() !== '')
            .slice(-4)
            .join(' · ')}`,
          where: target.machine,
          remedy: `Log in on ${target.machine} (${target.address}) and see /var/log/cloud-init-output.log; then comment \`/slipway apply\`.`,
          retry: 'later',
        })
      if (lan.clock.now() > context.deadline - LOGIN_TIMEOUT_MS)
        throw new Problem({
          code: 'host.unreachable',
          what: `${target.machine} (${target.address}) does not answer SSH, or cloud-init does not end`,
          where: target.machine,
          remedy: 'See its console in Proxmox: address, gateway and bridge are the usual reasons.',
          retry: 'later',
        })
      await lan.clock.sleep(LOOK_AGAIN_MS, context.signal)
    }
  },
}

/** One login; `undefined` while it does not work yet. */
async function look(step: Step<'await-host'>, lan: Lan, context: ActionContext): Promise<RemoteResult | undefined> {
  try {
    return await lan.remote.run(step.target, LOOK, {}, { timeoutMs: LOGIN_TIMEOUT_MS, signal: context.signal })
  } catch (error) {
    // sshd may be up before cloud-init has put the keys in place.
    if (error instanceof Problem && ['ssh.unreachable', 'ssh.lost', 'ssh.login', 'ssh.no-sudo'].includes(error.code))
      return undefined
    throw error
  }
}

/**
 * Takes the first host key of a machine that this job made, between its boot and the first login. That it is that
 * machine is seen by its mark at the hypervisor and, where the guest agent answers, by its MAC address.
 */
async function recordHostKey(step: Step<'await-host'>, lan: Lan, context: ActionContext): Promise<void> {
  const { target, vm } = step
  if (vm === undefined)
    throw new Problem({
      code: 'ssh.no-host-key',
      what: `the host key of ${target.machine} is not known`,
      remedy: `Write its \`hostKey\` into the spec: ssh-keyscan -t ed25519 ${target.address}, checked on its console.`,
      retry: 'never',
    })
  const proxmox = lan.proxmox(vm.connection)
  for (;;) {
    const machine = await proxmox.findVm(vm.vmid)
    if (machine === undefined || !machine.description.split('\n').some((line) => line.trim() === vm.mark))
      throw new Problem({
        code: 'proxmox.vm-not-ours',
        what: `VM ${vm.vmid} is not the machine ${target.machine} of this cluster`,
        remedy: 'Comment `/slipway plan` to see how things are now.',
        retry: 'later',
      })
    const guests = await proxmox.guestAddresses(machine.node, vm.vmid)
    const offered = await lan.remote.offeredHostKey(target.address, target.port, context.signal)
    if (offered !== undefined) {
      checkMac(step, machine.config['net0'], guests)
      const again = await lan.remote.offeredHostKey(target.address, target.port, context.signal)
      // cloud-init makes new host keys at first boot: only one that stays is taken.
      if (again !== undefined && sameSshKey(again, offered)) {
        lan.keys.recordHostKey(target.machine, offered)
        return
      }
    }
    context.progress(offered === undefined ? 'booting' : 'waiting for its host key to settle')
    if (lan.clock.now() > context.deadline - LOGIN_TIMEOUT_MS)
      throw new Problem({
        code: 'host.unreachable',
        what: `${target.machine} (${target.address}) does not answer SSH`,
        where: target.machine,
        remedy: 'See its console in Proxmox: address, gateway and bridge are the usual reasons.',
        retry: 'later',
      })
    await lan.clock.sleep(LOOK_AGAIN_MS, context.signal)
  }
}

function checkMac(
  step: Step<'await-host'>,
  net0: unknown,
  guests: readonly { readonly mac: string; readonly addresses: readonly string[] }[] | undefined,
): void {
  const mac = /([0-9A-F]{2}(?::[0-9A-F]{2}){5})/i.exec(typeof net0 === 'string' ? net0 : '')?.[1]?.toLowerCase()
  const guest = guests?.find((entry) => entry.mac.toLowerCase() === mac)
  if (
    mac === undefined ||
    guest === undefined ||
    guest.addresses.length === 0 ||
    guest.addresses.includes(step.target.address)
  )
    return
  throw new Problem({
    code: 'host.wrong-address',
    what: `${step.target.machine} has ${guest.addresses.join(', ')}, not ${step.target.address}: something else answers there`,
    where: step.target.machine,
    remedy: `Find out which machine uses ${step.target.address}, or give ${step.target.machine} another address.`,
    retry: 'later',
  })
}
