import { containerdSeries, minorOf } from '../../src/core/catalogue.ts'
import { mirrored } from '../../src/core/mirror.ts'
import type { Kubeadm, Mirrors } from '../../src/core/spec/cluster-spec.ts'
import type { AptRepository, PinnedPackage } from '../../src/core/steps/host.ts'

/** One repository per Kubernetes minor, as its publisher keeps them, and Docker's for containerd. */
export function repositories(kubernetes: Kubeadm, mirrors: Mirrors): readonly AptRepository[] {
  const core = mirrored(`https://pkgs.k8s.io/core:/stable:/v${minorOf(kubernetes.version)}/deb/`, mirrors.packages)
  const docker = mirrored('https://download.docker.com/linux/$os', mirrors.packages)
  return [
    { name: 'docker', keyUrl: `${docker}/gpg`, line: `${docker} $codename stable` },
    { name: 'kubernetes', keyUrl: `${core}Release.key`, line: `${core} /` },
  ]
}

/**
 * What kubeadm, the kubelet and the network need on a Debian or Ubuntu host. Versions that must not move by themselves
 * are pinned and held; the rest are the distribution's.
 */
export function packages(kubernetes: Kubeadm): readonly PinnedPackage[] {
  const { version } = kubernetes
  const containerd = kubernetes.runtime.version
  return [
    ...['ca-certificates', 'chrony', 'conntrack', 'ethtool', 'iptables', 'nfs-common', 'nftables', 'socat'].map(
      (name) => ({
        name,
        hold: false,
      }),
    ),
    {
      name: 'containerd.io',
      version: containerd === undefined ? `${containerdSeries(version)}.*` : `${containerd}-*`,
      hold: true,
    },
    ...['kubeadm', 'kubectl', 'kubelet'].map((name) => ({ name, version: `${version}-*`, hold: true })),
  ]
}
