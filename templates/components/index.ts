import type { Component } from '../../src/core/component.ts'
import { Problem } from '../../src/core/problem.ts'
import type { ClusterSpec } from '../../src/core/spec/cluster-spec.ts'
import { apps } from './apps.ts'
import { cilium, ciliumLoadBalancer } from './cilium.ts'
import { flannel } from './flannel.ts'
import { gatewayApi } from './gateway-api.ts'

/** Everything that runs on the cluster of a spec, each after what it waits for. */
export function componentsOf(spec: ClusterSpec): readonly Component[] {
  const network = networkOf(spec)
  return [
    ...network,
    apps(
      spec,
      network.filter((component) => component.owner === 'engine').map((component) => component.name),
    ),
  ]
}

function networkOf(spec: ClusterSpec): readonly Component[] {
  const cni = spec.network.cni
  switch (cni.kind) {
    case 'flannel':
      return [flannel(spec, cni)]
    case 'cilium': {
      const balancer = ciliumLoadBalancer(cni)
      return [
        ...(cni.gatewayApi ? [gatewayApi()] : []),
        cilium(spec, cni),
        ...(balancer === undefined ? [] : [balancer]),
      ]
    }
    case 'calico':
      throw new Problem({
        code: 'spec.not-yet-supported',
        what: 'network.cni.kind "calico" cannot be planned yet',
        remedy: 'Use "cilium" or "flannel".',
        retry: 'never',
      })
    default:
      return cni satisfies never
  }
}
