import type { SimClock } from '../clock.ts'
import { scaledClock } from '../clock.ts'
import type { Faults } from '../faults.ts'
import type { GitAccess } from '../kube/gitops/checkout.ts'
import type { KubeFault } from '../kube/server.ts'
import type { SimKube } from '../kube/world.ts'
import { simKube } from '../kube/world.ts'
import type { LanFault, SimLan } from '../lan/lan.ts'
import { simLan } from '../lan/lan.ts'
import type { MirrorFault, SimMirror } from '../mirror/mirror.ts'
import { simMirror } from '../mirror/mirror.ts'
import type { HostFault } from '../ssh/fault.ts'
import type { BareHost, SimHosts } from '../ssh/hosts.ts'
import { simHosts } from '../ssh/hosts.ts'

/** Where the mirror is on the LAN, beside its loopback port. */
export const MIRROR_ADDRESS = '10.4.0.5'
export const MIRROR_PORT = 80

export interface LanFaults {
  readonly lan?: Faults<LanFault>
  readonly mirror?: Faults<MirrorFault>
  readonly hosts?: Faults<HostFault>
  readonly kube?: Faults<KubeFault>
}

export interface LanWorldOptions {
  readonly clock?: SimClock
  readonly seed?: number
  readonly faults?: LanFaults
  /** Machines that are nobody's virtual machine; they are booted when the world is ready. */
  readonly bareHosts?: readonly BareHost[]
  readonly gitAccess?: GitAccess
  /** Port of the SOCKS5 proxy; 0, the default, takes a free one. */
  readonly socksPort?: number
}

/** Everything on a simulated LAN except the hypervisor. */
export interface LanWorld extends AsyncDisposable {
  readonly lan: SimLan
  readonly mirror: SimMirror
  readonly hosts: SimHosts
  readonly kube: SimKube
  readonly clock: SimClock
  setFaults(faults: LanFaults): void
  close(): Promise<void>
}

/** Assembles proxy, mirror, hosts and Kubernetes so that each finds the others at LAN addresses. */
export async function lanWorld(options: LanWorldOptions = {}): Promise<LanWorld> {
  const { clock = scaledClock(), seed = 1, faults = {} } = options
  const lan = await simLan({ seed, faults: faults.lan ?? {}, port: options.socksPort ?? 0 })
  const mirror = await simMirror({ seed, faults: faults.mirror ?? {} })
  lan.register(MIRROR_ADDRESS, MIRROR_PORT, mirror.port)
  const kube = simKube({
    lan,
    clock,
    seed,
    faults: faults.kube ?? {},
    ...(options.gitAccess === undefined ? {} : { gitAccess: options.gitAccess }),
  })
  const hosts = await simHosts({ lan, kube, clock, seed, faults: faults.hosts ?? {}, mirror: { url: mirror.url } })
  await Promise.all((options.bareHosts ?? []).map((host) => hosts.addBareHost(host)))
  const close = async () => {
    await hosts.close()
    await kube.close()
    await mirror.close()
    await lan.close()
  }
  return {
    lan,
    mirror,
    hosts,
    kube,
    clock,
    setFaults: (next) => {
      if (next.lan !== undefined) lan.setFaults(next.lan)
      if (next.mirror !== undefined) mirror.setFaults(next.mirror)
      if (next.hosts !== undefined) hosts.setFaults(next.hosts)
      if (next.kube !== undefined) kube.setFaults(next.kube)
    },
    close,
    [Symbol.asyncDispose]: close,
  }
}
