import type { ClusterSpec, Cni, EngineName } from '../../src/core/spec/cluster-spec.ts'

/** A resolved spec of one control plane and two workers, for tests that start behind the parser. */
export function sampleSpec(
  engine: EngineName,
  cni: Cni = { kind: 'flannel', version: '0.28.9', backend: 'vxlan' },
  sops = engine === 'flux',
): ClusterSpec {
  const vm = (name: string, role: 'control-plane' | 'worker', i: number) =>
    ({
      kind: 'vm',
      name,
      role,
      address: `10.4.0.${10 + i}`,
      labels: {},
      taints: [],
      optional: false,
      provider: 'pve',
      node: 'pve1',
      vmid: 400 + i,
      prefixLength: 24,
      cores: 2,
      memoryMiB: 4096,
      diskGiB: 40,
      extraDisks: [],
      passthrough: [],
      performance: { hugePages: false },
    }) as const
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
    network: { pods: '10.244.0.0/16', services: '10.96.0.0/12', dnsDomain: 'cluster.local', cni },
    providers: {
      pve: {
        kind: 'proxmox',
        connection: 'lab',
        storage: 'local-zfs',
        imageStorage: 'local',
        bridge: 'vmbr0',
        gateway: '10.4.0.1',
        nameservers: ['10.4.0.1'],
        cpuType: 'host',
        user: 'slipway',
        authorizedKeys: [],
        image: { name: 'debian-13', url: 'https://cloud.debian.org/x.qcow2', file: 'x.qcow2' },
      },
    },
    machines: [vm('cp-1', 'control-plane', 1), vm('w-1', 'worker', 2), vm('w-2', 'worker', 3)],
    gitops: {
      engine,
      version: { flux: '2.9.4', argocd: '3.4.4', fleet: '0.15.6' }[engine],
      apps: 'clusters/home/apps',
      interval: '1m',
      secrets: { sops },
      repository: {
        sshUrl: 'ssh://git@github.com/me/homelab.git',
        branch: 'main',
        knownHosts: ['github.com ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl'],
      },
    },
    components: [],
    mirrors: { packages: {}, binaries: {}, charts: {}, manifests: {}, containerImages: {}, osImages: {} },
  }
}

export const ciliumWithEverything: Cni = {
  kind: 'cilium',
  version: '1.20.0',
  encryption: 'wireguard',
  routing: 'tunnel',
  gatewayApi: true,
  ingress: false,
  hubble: { relay: true, ui: true },
  loadBalancer: { announce: 'l2', addresses: [{ from: '10.4.0.200', to: '10.4.0.220' }], interfaces: [] },
}
