import type { ClusterSpec, Machine } from '../../src/core/spec/cluster-spec.ts'
import { formatSubnet, parseAddress, subnetOf } from '../../src/core/spec/ipv4.ts'
import type { FirewallRule } from '../../src/core/steps/host.ts'

/**
 * What has to reach a machine, by its role and the network. Anything not named is for the nodes and pods of the
 * cluster alone, or closed.
 */
export function firewallRules(spec: ClusterSpec, machine: Machine): readonly FirewallRule[] {
  const nodes = nodeNetworks(spec)
  const controlPlanes = spec.machines
    .filter(({ role }) => role === 'control-plane')
    .map(({ address }) => `${address}/32`)
    .sort()
  const inside = [...nodes, spec.network.pods]
  const ssh = machine.kind === 'host' ? machine.port : SSH_PORT
  return [
    { protocol: 'tcp', ports: String(ssh), from: [], why: 'SSH, by which the runner reaches the machine' },
    ...(machine.role === 'control-plane'
      ? ([
          { protocol: 'tcp', ports: '6443', from: [], why: 'Kubernetes API' },
          { protocol: 'tcp', ports: '2379-2380', from: controlPlanes, why: 'etcd between control planes' },
        ] as const)
      : []),
    { protocol: 'tcp', ports: '10250', from: inside, why: 'kubelet' },
    { protocol: 'tcp', ports: '10256', from: [], why: 'health of services, asked by load balancers' },
    { protocol: 'tcp', ports: '30000-32767', from: [], why: 'node ports' },
    { protocol: 'udp', ports: '30000-32767', from: [], why: 'node ports' },
    { protocol: 'tcp', ports: '9100', from: inside, why: 'node metrics' },
    ...network(spec, nodes),
  ]
}

const SSH_PORT = 22

/**
 * Where nodes are: the subnets of virtual machines, and each existing host by its address. Subnets, so that a machine
 * that joins later changes nothing on those that are there.
 */
function nodeNetworks(spec: ClusterSpec): readonly string[] {
  const networks = spec.machines.map((machine) =>
    machine.kind === 'vm' ? subnet(machine.address, machine.prefixLength) : `${machine.address}/32`,
  )
  return [...new Set(networks)].sort()
}

/** `10.4.0.21`, 24 → `10.4.0.0/24` */
function subnet(address: string, prefixLength: number): string {
  const number = parseAddress(address)
  return number === undefined ? `${address}/32` : formatSubnet(subnetOf(number, prefixLength))
}

/** @see notes of each project: flannel backends, Cilium system requirements, Calico network requirements. */
function network(spec: ClusterSpec, nodes: readonly string[]): readonly FirewallRule[] {
  const { cni } = spec.network
  switch (cni.kind) {
    case 'flannel':
      if (cni.backend === 'host-gw') return []
      return cni.backend === 'vxlan'
        ? [{ protocol: 'udp', ports: '8472', from: nodes, why: 'Flannel VXLAN' }]
        : [{ protocol: 'udp', ports: '51820', from: nodes, why: 'Flannel WireGuard' }]
    case 'cilium':
      return [
        ...(cni.routing === 'tunnel'
          ? ([{ protocol: 'udp', ports: '8472', from: nodes, why: 'Cilium VXLAN' }] as const)
          : []),
        { protocol: 'tcp', ports: '4240', from: nodes, why: 'Cilium health' },
        { protocol: 'tcp', ports: '4244', from: nodes, why: 'Hubble peers' },
        ...(cni.encryption === 'wireguard'
          ? ([{ protocol: 'udp', ports: '51871', from: nodes, why: 'Cilium WireGuard' }] as const)
          : []),
      ]
    case 'calico':
      return [
        { protocol: 'tcp', ports: '179', from: nodes, why: 'Calico BGP' },
        { protocol: 'tcp', ports: '5473', from: nodes, why: 'Calico Typha' },
        { protocol: 'udp', ports: '4789', from: nodes, why: 'Calico VXLAN' },
      ]
    default:
      return cni satisfies never
  }
}
