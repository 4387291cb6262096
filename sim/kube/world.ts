import type { SimClock } from '../clock.ts'
import { scaledClock } from '../clock.ts'
import { FaultPlan } from '../faults.ts'
import type { Faults } from '../faults.ts'
import { seeded } from '../random.ts'
import type { ClusterInit, KubeWorld } from './cluster.ts'
import type { LanTable } from './control-plane.ts'
import { SimulatedCluster, withPort } from './control-plane.ts'
import type { GitAccess } from './gitops/checkout.ts'
import type { KubeFault } from './server.ts'

export interface SimKubeOptions {
  readonly lan: LanTable
  readonly clock?: SimClock
  readonly seed?: number
  readonly faults?: Faults<KubeFault>
  /** Without it Git servers are dialled as their URLs say. */
  readonly gitAccess?: GitAccess
}

/** All clusters of the simulated LAN, and what a test does to them. */
export interface SimKube extends KubeWorld, AsyncDisposable {
  init(input: ClusterInit): Promise<SimulatedCluster>
  clusterAt(endpoint: string): SimulatedCluster | undefined
  /** In the order of their `kubeadm init`. */
  readonly clusters: readonly SimulatedCluster[]
  setFaults(faults: Faults<KubeFault>): void
  close(): Promise<void>
}

/**
 * Kubernetes as a client sees it: a real HTTPS API over certificates made by `init`, with controllers that take
 * simulated time.
 */
export function simKube({ lan, clock = scaledClock(), seed = 1, faults = {}, gitAccess }: SimKubeOptions): SimKube {
  const random = seeded(seed)
  const plan = new FaultPlan<KubeFault>(faults, random)
  const clusters: SimulatedCluster[] = []
  const close = async () => {
    await Promise.all(clusters.splice(0).map((cluster) => cluster.close()))
  }
  return {
    clusters,
    async init(input) {
      const cluster = await SimulatedCluster.init(
        { lan, clock, random, faults: plan, ...(gitAccess === undefined ? {} : { gitAccess }) },
        input,
      )
      clusters.push(cluster)
      return cluster
    },
    clusterAt: (endpoint) => clusters.findLast((cluster) => cluster.endpoints().includes(withPort(endpoint))),
    setFaults: (next) => plan.set(next),
    close,
    [Symbol.asyncDispose]: close,
  }
}
