import { scaledClock } from '../clock.ts'
import type { Faults } from '../faults.ts'
import type { SimProxmox, SimProxmoxOptions } from '../proxmox/proxmox.ts'
import { simProxmox } from '../proxmox/proxmox.ts'
import type { ProxmoxFault } from '../proxmox/world.ts'
import type { LanFaults, LanWorld, LanWorldOptions } from './lan-world.ts'
import { lanWorld } from './lan-world.ts'

export interface SimWorldOptions extends Omit<LanWorldOptions, 'clock' | 'faults'> {
  /** Simulated seconds for each real one. */
  readonly speed?: number
  readonly faults?: LanFaults & { readonly proxmox?: Faults<ProxmoxFault> }
  readonly proxmox?: Omit<SimProxmoxOptions, 'clock' | 'seed' | 'faults' | 'machines'>
}

/** A whole site in this process: the LAN and a Proxmox VE cluster whose VMs are the LAN's hosts. */
export interface SimWorld extends LanWorld {
  readonly proxmox: SimProxmox
}

export async function simWorld({
  speed = 1,
  faults = {},
  proxmox,
  ...options
}: SimWorldOptions = {}): Promise<SimWorld> {
  const clock = scaledClock(speed)
  const site = await lanWorld({ ...options, clock, faults })
  const pve = await simProxmox({
    ...proxmox,
    clock,
    seed: options.seed ?? 1,
    faults: faults.proxmox ?? {},
    machines: site.hosts,
  })
  const close = async () => {
    await pve.close()
    await site.close()
  }
  return { ...site, proxmox: pve, close, [Symbol.asyncDispose]: close }
}
