import * as k8s from '@kubernetes/client-node'
import { scaledClock } from '../../sim/clock.ts'
import type { ClusterInit, NodeInfo } from '../../sim/kube/cluster.ts'
import type { LanTable, SimulatedCluster } from '../../sim/kube/control-plane.ts'
import type { SimKube, SimKubeOptions } from '../../sim/kube/world.ts'
import { simKube } from '../../sim/kube/world.ts'

/** A LAN that only remembers what was entered. */
export class LanMap implements LanTable {
  readonly ports = new Map<string, number>()
  register(address: string, port: number, loopbackPort: number): void {
    this.ports.set(`${address}:${port}`, loopbackPort)
  }
  unregister(address: string, port: number): void {
    this.ports.delete(`${address}:${port}`)
  }
}

export const node = (name: string, address: string, taints: NodeInfo['taints'] = []): NodeInfo => ({
  name,
  address,
  kubeletVersion: '1.36.3',
  containerRuntime: 'containerd://2.3.7',
  osImage: 'Debian GNU/Linux 12 (bookworm)',
  cores: 2,
  memoryMiB: 4096,
  taints,
  labels: {},
})

export const CONTROL_PLANE_TAINT = [{ key: 'node-role.kubernetes.io/control-plane', effect: 'NoSchedule' }]
export const TOKEN = 'abcdef.0123456789abcdef'

export const clusterInit = (change: Partial<ClusterInit> = {}): ClusterInit => ({
  kubernetesVersion: '1.36.3',
  node: node('cp-1', '10.4.0.11', CONTROL_PLANE_TAINT),
  controlPlaneEndpoint: '10.4.0.10:6443',
  podSubnet: '10.244.0.0/16',
  serviceSubnet: '10.96.0.0/12',
  certSANs: [],
  bootstrapTokens: [{ token: TOKEN, ttlMs: 3_600_000 }],
  skipKubeProxy: false,
  clusterConfiguration: {
    apiVersion: 'kubeadm.k8s.io/v1beta4',
    kind: 'ClusterConfiguration',
    kubernetesVersion: 'v1.36.3',
  },
  ...change,
})

/** Simulated seconds pass in milliseconds. */
export const FAST = 500

export async function startedCluster(options: Partial<SimKubeOptions> = {}, change: Partial<ClusterInit> = {}) {
  const lan = new LanMap()
  const world: SimKube = simKube({ lan, clock: scaledClock(FAST), seed: 7, ...options })
  const cluster = await world.init(clusterInit(change))
  return { lan, world, cluster, [Symbol.asyncDispose]: () => world.close() }
}

/** The official client, connected to loopback; the name in the serving certificate is given beside the address. */
export function clientConfig(
  cluster: SimulatedCluster,
  user: 'admin' | 'super-admin' | `node:${string}` = 'admin',
): k8s.KubeConfig {
  const config = new k8s.KubeConfig()
  config.loadFromString(cluster.kubeconfig(user, `https://127.0.0.1:${cluster.loopbackPort}`))
  config.clusters = config.clusters.map((each) => ({ ...each, tlsServerName: 'kubernetes' }))
  return config
}

/** Waits until `look` gives something, within the test's own time limit. */
export async function until<T>(look: () => T | undefined | Promise<T | undefined>, tries = 1_000): Promise<T> {
  for (let count = 0; count < tries; count++) {
    const found = await look()
    if (found !== undefined) return found
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  throw new Error('this never came to pass')
}

/** What a CNI's manifest amounts to for the simulator. */
export const flannel = (): unknown => ({
  apiVersion: 'apps/v1',
  kind: 'DaemonSet',
  metadata: { name: 'kube-flannel-ds', namespace: 'kube-flannel' },
  spec: {
    selector: { matchLabels: { app: 'flannel' } },
    template: {
      metadata: { labels: { app: 'flannel' } },
      spec: {
        hostNetwork: true,
        tolerations: [{ operator: 'Exists', effect: 'NoSchedule' }],
        containers: [{ name: 'kube-flannel', image: 'ghcr.io/flannel-io/flannel:v0.27.4' }],
      },
    },
  },
})
