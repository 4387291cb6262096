import type { ClusterInit, KubeCluster, KubeWorld } from '../../../sim/kube/cluster.ts'

/** The least that hosts need of Kubernetes: one cluster that admits known tokens and remembers what it was told. */
export interface FakeKube extends KubeWorld {
  readonly inits: ClusterInit[]
  readonly joined: string[]
  readonly kubelets: string[]
}

const CA_HASH = 'sha256:020df07aa9517464c39754c6aed7e59f6fb08dbbc91f782324c367f19d82e748'

export function fakeKube(): FakeKube {
  const inits: ClusterInit[] = []
  const joined: string[] = []
  const kubelets: string[] = []
  const tokens = new Set<string>()
  let endpoint: string | undefined
  const member = { id: 'a27f6b1a6ac0c31d', name: '', address: '', learner: false }
  const cluster: KubeCluster = {
    get endpoint() {
      return endpoint ?? ''
    },
    pki: new Map([
      ['ca.crt', 'CERTIFICATE\n'],
      ['ca.key', 'KEY\n'],
    ]),
    caCertHash: CA_HASH,
    kubeconfig: (user, server) => `server: ${server}\nuser: ${user}\n`,
    createToken: (token) => tokens.add(token),
    uploadCerts: () => undefined,
    join: async ({ token, caCertHashes, node }) => {
      if (!tokens.has(token)) return { ok: false, refused: 'unknown-token' }
      if (!caCertHashes.includes(CA_HASH)) return { ok: false, refused: 'wrong-ca-hash' }
      joined.push(node.name)
      return { ok: true }
    },
    etcdMembers: () => [member],
    removeEtcdMember: () => false,
    kubelet: (node, state) => kubelets.push(`${node} ${state}`),
    upgrade: () => undefined,
    kubeletVersion: (node, version) => kubelets.push(`${node} ${version}`),
    kubectl: async (argv) => ({ exit: 0, stdout: `${argv.join(' ')}\n`, stderr: '' }),
  }
  return {
    inits,
    joined,
    kubelets,
    clusterAt: (asked) => (asked === endpoint ? cluster : undefined),
    async init(input) {
      inits.push(input)
      endpoint = input.controlPlaneEndpoint
      Object.assign(member, { name: input.node.name, address: input.node.address })
      for (const { token } of input.bootstrapTokens) tokens.add(token)
      return cluster
    },
  }
}

/** What a host needs before kubeadm, in the way of the installation guides. */
export const PREPARE = `set -euo pipefail
export DEBIAN_FRONTEND=noninteractive
swapoff -a
sed -i '/\\sswap\\s/s/^/#/' /etc/fstab
printf 'overlay\\nbr_netfilter\\n' > /etc/modules-load.d/kubernetes.conf
modprobe -a overlay br_netfilter
printf 'net.ipv4.ip_forward = 1\\nnet.bridge.bridge-nf-call-iptables = 1\\n' > /etc/sysctl.d/99-kubernetes.conf
sysctl --system > /dev/null
apt-get -q -y update
apt-get -q -y install gpg
install -d -m 0755 /etc/apt/keyrings
curl -fsSL https://pkgs.k8s.io/core:/stable:/v1.36/deb/Release.key | gpg --dearmor -o /etc/apt/keyrings/kubernetes.gpg
curl -fsSL https://download.docker.com/linux/debian/gpg -o /etc/apt/keyrings/docker.asc
echo 'deb [signed-by=/etc/apt/keyrings/kubernetes.gpg] https://pkgs.k8s.io/core:/stable:/v1.36/deb/ /' > /etc/apt/sources.list.d/kubernetes.list
echo 'deb [signed-by=/etc/apt/keyrings/docker.asc] https://download.docker.com/linux/debian bookworm stable' > /etc/apt/sources.list.d/docker.list
apt-get -q -y update
apt-get -q -y install containerd.io kubelet=1.36.3-1.1 kubeadm=1.36.3-1.1 kubectl=1.36.3-1.1
apt-mark hold kubelet kubeadm kubectl
containerd config default | sed 's/SystemdCgroup = false/SystemdCgroup = true/' > /etc/containerd/config.toml
systemctl restart containerd
systemctl enable kubelet
`
