import type { SmallPackage } from './apt-repository.ts'

/** Packages with upstream's names and versions that hold something else, and what that is. */
export const STAND_INS = [
  "kubeadm, kubelet, kubectl: scripts that print a version; the kubelet's unit starts and ends as without configuration",
  'containerd.io 2.x: a script that stays; it reads no configuration',
  "containerd.io 1.7: Debian's own containerd 1.6, the real program",
  'kubernetes-cni, cri-tools: left out',
] as const

/** kubeadm, kubelet and kubectl as on `pkgs.k8s.io`, with their dependency on each other's names and the kubelet's unit. */
export function kubernetes(version: string): readonly SmallPackage[] {
  const revision = `${version}-1.1`
  const prints = (text: string): string => `#!/bin/sh\necho "${text}"\n`
  return [
    {
      name: 'kubeadm',
      version: revision,
      description: 'stand-in of the lab, prints a version',
      files: {
        'usr/bin/kubeadm': prints(`v${version}`),
        'usr/lib/systemd/system/kubelet.service.d/10-kubeadm.conf':
          '[Service]\nEnvironment=KUBELET_KUBECONFIG_ARGS=--kubeconfig=/etc/kubernetes/kubelet.conf\n',
      },
    },
    {
      name: 'kubectl',
      version: revision,
      description: 'stand-in of the lab, prints a version',
      files: { 'usr/bin/kubectl': prints(`Client Version: v${version}`) },
    },
    {
      name: 'kubelet',
      version: revision,
      depends: ['iptables', 'iproute2', 'mount', 'util-linux'],
      description: 'stand-in of the lab, prints a version',
      files: {
        'usr/bin/kubelet': `#!/bin/sh\n[ "$1" = --version ] && { echo "Kubernetes v${version}"; exit 0; }\necho "no configuration" >&2\nexit 1\n`,
        'usr/lib/systemd/system/kubelet.service':
          '[Unit]\nDescription=kubelet of the lab, a stand-in\nWants=network-online.target\nAfter=network-online.target\n\n[Service]\nExecStart=/usr/bin/kubelet\nRestart=always\nStartLimitInterval=0\nRestartSec=10\n\n[Install]\nWantedBy=multi-user.target\n',
      },
    },
  ]
}

/**
 * containerd.io as in Docker's repository.
 * @param program - `debian`: the package brings Debian's containerd; `script`: one that only stays.
 */
export function containerd(version: string, program: 'debian' | 'script'): SmallPackage {
  const about = { name: 'containerd.io', version: `${version}-1~debian.12~bookworm` }
  if (program === 'debian')
    return {
      ...about,
      depends: ['containerd'],
      description: "stand-in of the lab, brings Debian's containerd",
      files: {},
    }
  return {
    ...about,
    fields: ['Provides: containerd, runc', 'Conflicts: containerd, runc', 'Replaces: containerd, runc'],
    description: 'stand-in of the lab, a script that stays',
    files: {
      'usr/bin/containerd': `#!/bin/sh\n[ "$1" = --version ] && { echo "containerd v${version} (stand-in)"; exit 0; }\nexec sleep infinity\n`,
      'usr/lib/systemd/system/containerd.service':
        '[Unit]\nDescription=containerd of the lab, a stand-in\nAfter=network.target\n\n[Service]\nExecStart=/usr/bin/containerd\nRestart=always\nRestartSec=5\n\n[Install]\nWantedBy=multi-user.target\n',
      // Docker's package brings one with the CRI plugin switched off.
      'etc/containerd/config.toml': `# containerd ${version}\ndisabled_plugins = ["cri"]\n`,
    },
    conffiles: ['/etc/containerd/config.toml'],
    postinst: 'systemctl daemon-reload\nsystemctl enable --now containerd.service',
  }
}
