import type { Network } from '../../src/core/spec/cluster-spec.ts'

/** `overlay` for containerd, `br_netfilter` for bridged pods; WireGuard where the network encrypts with it. */
export function modules(network: Network): readonly string[] {
  const { cni } = network
  const wireguard =
    (cni.kind === 'cilium' && cni.encryption === 'wireguard') || (cni.kind === 'flannel' && cni.backend === 'wireguard')
  return ['br_netfilter', 'overlay', ...(wireguard ? ['wireguard'] : [])]
}

/** Modules that kube-proxy needs in IPVS mode. */
export const IPVS_MODULES = ['ip_vs', 'ip_vs_rr', 'ip_vs_sh', 'ip_vs_wrr', 'nf_conntrack']

/**
 * Forwarding and bridge filtering are kubeadm's own demands; the inotify limits keep log collectors and GitOps
 * controllers from running out; the last four are what the kubelet sets otherwise (`protectKernelDefaults`).
 */
export const SYSCTLS: Readonly<Record<string, string>> = {
  'fs.inotify.max_user_instances': '8192',
  'fs.inotify.max_user_watches': '524288',
  'kernel.panic': '10',
  'kernel.panic_on_oops': '1',
  'net.bridge.bridge-nf-call-ip6tables': '1',
  'net.bridge.bridge-nf-call-iptables': '1',
  'net.ipv4.ip_forward': '1',
  'vm.max_map_count': '262144',
  'vm.overcommit_memory': '1',
  'vm.panic_on_oom': '0',
}
