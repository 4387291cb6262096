import { containerdSeries } from '../../src/core/catalogue.ts'
import type { ClusterSpec, Kubeadm, Machine } from '../../src/core/spec/cluster-spec.ts'
import type { HostRecipe } from '../../src/core/steps/host.ts'
import { CONTAINERD_SOCKET, containerdFiles, sandboxImage } from './containerd.ts'
import { firewallRules } from './firewall.ts'
import { IPVS_MODULES, modules, SYSCTLS } from './kernel.ts'
import { packages, repositories } from './packages.ts'

/** Everything that preparation leaves on a Debian or Ubuntu machine that is to run kubeadm's Kubernetes. */
export function hostRecipe(spec: ClusterSpec, kubernetes: Kubeadm, machine: Machine): HostRecipe {
  const { mirrors } = spec
  const containerd = kubernetes.runtime.version ?? containerdSeries(kubernetes.version)
  return {
    hostname: machine.name,
    repositories: repositories(kubernetes, mirrors),
    packages: packages(kubernetes),
    modules: [...modules(spec.network), ...(kubernetes.proxyMode === 'ipvs' ? IPVS_MODULES : [])],
    sysctls: SYSCTLS,
    files: containerdFiles(kubernetes.version, containerd, mirrors.containerImages),
    services: [
      { unit: 'containerd.service', state: 'enabled' },
      { unit: 'kubelet.service', state: 'enabled' },
      { unit: 'chrony.service', state: 'enabled' },
      // They take the package lock at their own time, and restart containerd and the kubelet under running pods.
      ...['apt-daily.timer', 'apt-daily-upgrade.timer', 'unattended-upgrades.service'].map((unit) => ({
        unit,
        state: 'masked' as const,
      })),
    ],
    runtime: {
      kind: 'containerd',
      socket: CONTAINERD_SOCKET,
      sandboxImage: sandboxImage(kubernetes.version),
      registries: mirrors.containerImages,
    },
    firewall:
      kubernetes.firewall === 'managed' ? { kind: 'managed', rules: firewallRules(spec, machine) } : { kind: 'none' },
    swap: 'off',
    timeSync: true,
  }
}
