import type { Component, KubeObject } from '../../src/core/component.ts'
import type { Cilium, ClusterSpec } from '../../src/core/spec/cluster-spec.ts'

/**
 * Cilium by its chart, in place of kube-proxy. The values name the API server directly, because without kube-proxy
 * nothing serves the `kubernetes` Service before Cilium does.
 */
export function cilium(spec: ClusterSpec, cni: Cilium): Component {
  return {
    name: 'cilium',
    namespace: 'kube-system',
    source: {
      from: 'chart',
      repository: 'https://helm.cilium.io',
      chart: 'cilium',
      version: cni.version,
      values: values(spec, cni),
    },
    waitsFor: cni.gatewayApi ? ['gateway-api'] : [],
    owner: 'runner',
    stateful: false,
    secrets: [],
  }
}

function values(spec: ClusterSpec, cni: Cilium): Readonly<Record<string, unknown>> {
  const l2 = cni.loadBalancer !== undefined
  return {
    kubeProxyReplacement: true,
    k8sServiceHost: spec.endpoint.host,
    k8sServicePort: spec.endpoint.port,
    ipam: { mode: 'kubernetes' },
    ...(cni.routing === 'tunnel'
      ? { routingMode: 'tunnel', tunnelProtocol: 'vxlan' }
      : { routingMode: 'native', autoDirectNodeRoutes: true, ipv4NativeRoutingCIDR: spec.network.pods }),
    // Two operators with anti-affinity would leave one Pending for ever on a single node.
    operator: { replicas: spec.machines.length > 1 ? 2 : 1 },
    ...(cni.encryption === 'wireguard' ? { encryption: { enabled: true, type: 'wireguard' } } : {}),
    ...(l2
      ? {
          l2announcements: { enabled: true },
          // Each announced service renews a lease; the chart's 10/20 runs out at about 25 services.
          k8sClientRateLimit: { qps: 20, burst: 40 },
        }
      : {}),
    // `true` rather than `auto`: `helm template` sees no capabilities of the cluster.
    ...(cni.gatewayApi ? { gatewayAPI: { enabled: true, gatewayClass: { create: 'true' } } } : {}),
    ...(cni.ingress ? { ingressController: { enabled: true, default: true, loadbalancerMode: 'shared' } } : {}),
    hubble: {
      // Certificates made by the chart would differ at every rendering.
      tls: { auto: { method: 'cronJob' } },
      relay: { enabled: cni.hubble.relay },
      ui: { enabled: cni.hubble.ui },
    },
    ...(cni.mtu === undefined ? {} : { MTU: cni.mtu }),
  }
}

/** Address pool and L2 announcement; their definitions are made by Cilium's operator, so the engine applies them later. */
export function ciliumLoadBalancer(cni: Cilium): Component | undefined {
  const balancer = cni.loadBalancer
  if (balancer === undefined) return undefined
  const pool: KubeObject = {
    apiVersion: 'cilium.io/v2',
    kind: 'CiliumLoadBalancerIPPool',
    metadata: { name: 'default' },
    spec: { blocks: balancer.addresses.map(({ from, to }) => ({ start: from, stop: to })) },
  }
  const policy: KubeObject = {
    apiVersion: 'cilium.io/v2alpha1',
    kind: 'CiliumL2AnnouncementPolicy',
    metadata: { name: 'default' },
    // Both default to false, and the policy then does nothing.
    spec: {
      loadBalancerIPs: true,
      externalIPs: true,
      ...(balancer.interfaces.length === 0 ? {} : { interfaces: balancer.interfaces }),
    },
  }
  return {
    name: 'cilium-load-balancer',
    namespace: 'kube-system',
    source: { from: 'objects', version: cni.version, objects: [pool, policy] },
    waitsFor: ['cilium'],
    owner: 'engine',
    stateful: false,
    secrets: [],
  }
}
