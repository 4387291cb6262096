import type { SimClock } from '../clock.ts'
import type { GuestInterface, Machines, MachineSpec } from '../machine.ts'

/** How long a guest takes from power on until its agent answers, as a cloud image on a small host. */
const BOOT_MS = 12_000

/** Machines without anything behind them: they are on or off, and report their address when the image has an agent. */
export function memoryMachines(clock: SimClock, hasAgent: (image: string) => boolean = () => false): Machines {
  const on = new Map<string, { readonly spec: MachineSpec; readonly agentAt: number }>()
  return {
    powerOn: async (machine) => {
      if (!on.has(machine.id)) on.set(machine.id, { spec: machine, agentAt: clock.now() + BOOT_MS })
    },
    powerOff: async (id) => void on.delete(id),
    destroy: async (id) => void on.delete(id),
    interfaces: async (id) => {
      const machine = on.get(id)
      if (machine === undefined || clock.now() < machine.agentAt || !hasAgent(machine.spec.image)) return undefined
      return interfacesOf(machine.spec)
    },
  }
}

function interfacesOf({ mac, cloudInit }: MachineSpec): readonly GuestInterface[] {
  const [address, prefix] = cloudInit.address?.split('/') ?? []
  const own = address === undefined ? [] : [{ address, prefix: Number(prefix), family: 'ipv4' as const }]
  return [
    { name: 'lo', mac: '00:00:00:00:00:00', addresses: [{ address: '127.0.0.1', prefix: 8, family: 'ipv4' }] },
    { name: 'eth0', mac, addresses: own },
  ]
}
