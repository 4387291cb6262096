import type { Machine } from '../../../src/core/spec/cluster-spec.ts'
import type { SshTarget } from '../../../src/core/steps/host.ts'
import type { Lan } from '../../lan/lan.ts'

/** How to reach another machine of the spec than the step's own. */
export function targetOf(machine: Machine, lan: Lan): SshTarget {
  if (machine.kind === 'host')
    return {
      machine: machine.name,
      address: machine.address,
      port: machine.port,
      user: machine.user,
      hostKey: { from: 'spec', key: machine.hostKey },
    }
  return {
    machine: machine.name,
    address: machine.address,
    port: 22,
    user: lan.spec.providers[machine.provider]?.user ?? 'root',
    hostKey: { from: 'recorded' },
  }
}
