import { expect } from 'vitest'
import { blueprint } from '../../src/blueprint/blueprint.ts'
import { factsAfter } from '../../src/core/apply-step.ts'
import { noFacts, type Facts } from '../../src/core/facts.ts'
import { planCluster } from '../../src/core/plan-cluster.ts'
import type { Plan } from '../../src/core/plan.ts'
import type { ClusterSpec, ExistingHost, VirtualMachine } from '../../src/core/spec/cluster-spec.ts'

/** A cluster at home: one control plane and two workers on Proxmox, Flannel, Flux. */
export function homeSpec(change: Partial<ClusterSpec> = {}): ClusterSpec {
  return {
    name: 'home',
    lifecycle: 'keep',
    kubernetes: {
      distribution: 'kubeadm',
      version: '1.36.3',
      runtime: { kind: 'containerd' },
      kubelet: { featureGates: {} },
      proxyMode: 'iptables',
      firewall: 'none',
    },
    endpoint: { host: '10.4.0.11', port: 6443, keptBy: 'control-plane', certSANs: [] },
    network: {
      pods: '10.244.0.0/16',
      services: '10.96.0.0/16',
      dnsDomain: 'cluster.local',
      cni: { kind: 'flannel', version: '0.28.4', backend: 'vxlan' },
    },
    providers: {
      pve: {
        kind: 'proxmox',
        connection: 'lab',
        image: {
          name: 'debian-13',
          url: 'https://cloud.debian.org/images/cloud/trixie/latest/debian-13-generic-amd64.qcow2',
          file: 'debian-13-generic-amd64.qcow2',
        },
        storage: 'local-zfs',
        imageStorage: 'local',
        bridge: 'vmbr0',
        gateway: '10.4.0.1',
        nameservers: ['10.4.0.1'],
        cpuType: 'host',
        user: 'slipway',
        authorizedKeys: [],
      },
    },
    machines: [
      vm('cp-1', { role: 'control-plane', node: 'pve1', vmid: 401, address: '10.4.0.11', cores: 4, diskGiB: 40 }),
      vm('w-1', { node: 'pve1', vmid: 411, address: '10.4.0.21' }),
      vm('w-2', { node: 'pve2', vmid: 412, address: '10.4.0.22' }),
    ],
    gitops: {
      engine: 'flux',
      version: '2.9.4',
      repository: { sshUrl: 'ssh://git@git.example/me/infra.git', branch: 'main', knownHosts: [] },
      apps: 'clusters/home/apps',
      interval: '1m',
      secrets: { sops: true },
    },
    components: [],
    mirrors: { packages: {}, binaries: {}, charts: {}, manifests: {}, containerImages: {}, osImages: {} },
    ...change,
  }
}

export function vm(name: string, change: Partial<VirtualMachine> = {}): VirtualMachine {
  return {
    kind: 'vm',
    name,
    role: 'worker',
    address: '10.4.0.29',
    labels: {},
    taints: [],
    optional: false,
    provider: 'pve',
    node: 'pve1',
    vmid: 419,
    prefixLength: 24,
    cores: 8,
    memoryMiB: 8192,
    diskGiB: 100,
    extraDisks: [],
    passthrough: [],
    performance: { hugePages: false },
    ...change,
  }
}

export function host(name: string, change: Partial<ExistingHost> = {}): ExistingHost {
  return {
    kind: 'host',
    name,
    role: 'worker',
    address: '10.4.0.31',
    labels: {},
    taints: [],
    optional: false,
    user: 'admin',
    port: 22,
    hostKey: 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ0000000000000000000000000000000000000000000',
    ...change,
  }
}

export function planOf(spec: ClusterSpec, facts: Facts = noFacts(spec.name)): Plan {
  const { plan, problems } = planCluster(spec, blueprint(spec), facts)
  expect(problems).toEqual([])
  if (plan === undefined) throw new Error('no plan')
  return plan
}

export function applied(plan: Plan, facts: Facts): Facts {
  return plan.steps.reduce((seen, { step }) => factsAfter(step, seen), facts)
}
