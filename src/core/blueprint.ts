import type { Bundle } from './bundle.ts'
import type { Component, KubeObject } from './component.ts'
import type { HostRecipe } from './steps/host.ts'
import type { KubeadmDocument } from './steps/kubeadm.ts'

/** A file that has to be on a node before kubeadm runs there. */
export interface NodeFile {
  readonly path: string
  readonly mode: string
  readonly content: string
}

/**
 * Everything that a spec implies, worked out by templates and the engine's renderer, before any facts are known.
 * Planning compares this with the facts; nothing in it depends on a clock, a network or the machine it is made on.
 */
export interface Blueprint {
  /** By machine name. */
  readonly recipes: Readonly<Record<string, HostRecipe>>
  /** kubeadm documents and files by machine name: the first control plane's are for init, the others' for join. */
  readonly kubeadm: Readonly<
    Record<string, { readonly config: readonly KubeadmDocument[]; readonly files: readonly NodeFile[] }>
  >
  /** Everything on the cluster, in dependency order. */
  readonly components: readonly Component[]
  readonly engine: { readonly install: readonly Component[]; readonly point: readonly KubeObject[] }
  readonly bundle: Bundle
  /** First content of the folder that is the user's own: committed once, when nothing is there, and never again. */
  readonly seed: Bundle
}
