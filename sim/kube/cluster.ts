/** What the simulated `kubeadm` and `kubelet` of a host ask of the simulated Kubernetes. */
export interface KubeWorld {
  /** The cluster whose API answers at `endpoint` (`host:port`, as a join would dial it), if there is one. */
  clusterAt(endpoint: string): KubeCluster | undefined
  /** `kubeadm init` on the first control plane: PKI, API server at the node's own address, first node. */
  init(input: ClusterInit): Promise<KubeCluster>
}

export interface ClusterInit {
  readonly kubernetesVersion: string
  readonly node: NodeInfo
  /** `host:port` that clients use; equal to the node's own address when no other is configured. */
  readonly controlPlaneEndpoint: string
  readonly podSubnet: string
  readonly serviceSubnet: string
  readonly certSANs: readonly string[]
  /** `abcdef.0123456789abcdef` and how long it lives. */
  readonly bootstrapTokens: readonly { readonly token: string; readonly ttlMs: number }[]
  readonly skipKubeProxy: boolean
  /** The kubeadm ClusterConfiguration document, kept in ConfigMap kube-system/kubeadm-config. */
  readonly clusterConfiguration: unknown
  readonly uploadCertsKey?: string
}

export interface NodeInfo {
  readonly name: string
  readonly address: string
  readonly kubeletVersion: string
  readonly containerRuntime: string
  readonly osImage: string
  readonly cores: number
  readonly memoryMiB: number
  readonly taints: readonly { readonly key: string; readonly value?: string; readonly effect: string }[]
  readonly labels: Readonly<Record<string, string>>
}

export type JoinRefusal = 'unknown-token' | 'wrong-ca-hash' | 'no-certificate-key' | 'etcd-learner-busy'

export interface KubeCluster {
  readonly endpoint: string
  /** PEM files as under /etc/kubernetes/pki, path → content. */
  readonly pki: ReadonlyMap<string, string>
  /** SHA-256 of the CA's SubjectPublicKeyInfo, `sha256:<hex>`. */
  readonly caCertHash: string
  kubeconfig(user: 'admin' | 'super-admin' | `node:${string}`, server: string): string
  createToken(token: string, ttlMs: number): void
  uploadCerts(certificateKey: string): void
  join(input: {
    readonly token: string
    readonly caCertHashes: readonly string[]
    readonly node: NodeInfo
    readonly controlPlane?: { readonly certificateKey?: string }
  }): Promise<{ readonly ok: true } | { readonly ok: false; readonly refused: JoinRefusal }>
  /** etcd members as `etcdctl member list` shows them. */
  etcdMembers(): readonly {
    readonly id: string
    readonly name: string
    readonly address: string
    readonly learner: boolean
  }[]
  removeEtcdMember(id: string): boolean
  /** The kubelet of a node went away (power, stop) or came back; the Node turns NotReady or Ready again. */
  kubelet(node: string, state: 'running' | 'stopped'): void
  upgrade(version: string): void
  kubeletVersion(node: string, version: string): void
  /** Answers a `kubectl` command line run on a control plane with admin rights. */
  kubectl(
    argv: readonly string[],
    stdin: string,
  ): Promise<{ readonly exit: number; readonly stdout: string; readonly stderr: string }>
}
