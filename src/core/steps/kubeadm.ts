import type { SshTarget } from './host.ts'

export interface ClusterEndpoint {
  readonly host: string
  readonly port: number
}

/** Steps that make and change a kubeadm cluster. Tokens and certificate keys are made by the runner, never planned. */
export interface KubeadmSteps {
  /** Starts the cluster on its first control plane with `kubeadm init`; never on a host that belongs to another cluster. */
  'init-control-plane': {
    readonly target: SshTarget
    readonly mark: string
    readonly cluster: string
    readonly kubernetesVersion: string
    readonly endpoint: ClusterEndpoint
    /** The documents of `kubeadm init --config`, without secrets. */
    readonly config: readonly KubeadmDocument[]
    readonly files: readonly { readonly path: string; readonly mode: string; readonly content: string }[]
  }
  /** Takes a prepared host into the cluster with `kubeadm join`; control planes one at a time. */
  'join-node': {
    readonly target: SshTarget
    readonly mark: string
    readonly cluster: string
    readonly role: 'control-plane' | 'worker'
    readonly kubernetesVersion: string
    readonly endpoint: ClusterEndpoint
    /** `JoinConfiguration` without its discovery section and certificate key. */
    readonly config: readonly KubeadmDocument[]
    readonly files: readonly { readonly path: string; readonly mode: string; readonly content: string }[]
  }
  /** Cordons a node and evicts its pods, within their disruption budgets. */
  'drain-node': { readonly cluster: string; readonly node: string; readonly timeoutSeconds: number }
  /** Takes a drained node out of the cluster and resets it; `target` is absent for a machine that is gone. */
  'remove-node': {
    readonly cluster: string
    readonly node: string
    readonly role: 'control-plane' | 'worker'
    readonly target?: SshTarget
  }
  /** Makes labels and taints of a node what the spec says; those of others are left alone. */
  'label-node': {
    readonly cluster: string
    readonly node: string
    readonly labels: Readonly<Record<string, string>>
    readonly removeLabels: readonly string[]
    readonly taints: readonly { readonly key: string; readonly value?: string; readonly effect: string }[]
    readonly removeTaints: readonly { readonly key: string; readonly effect: string }[]
  }
  /** Waits until every node is Ready, CoreDNS answers and, where there is one, the engine reports the commit. */
  'await-cluster': { readonly cluster: string; readonly nodes: readonly string[] }
}

export interface KubeadmDocument {
  readonly apiVersion: string
  readonly kind: string
  readonly [field: string]: unknown
}
