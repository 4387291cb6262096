import type { Component, KubeObject } from '../component.ts'
import type { EngineName, Repository } from '../spec/cluster-spec.ts'

/** Steps that bring network, shared definitions and the GitOps engine onto a cluster, through its API. */
export interface GitopsSteps {
  /** A component that the runner owns for life: the CNI, Gateway API definitions. Server-side apply with our manager. */
  'apply-component': {
    readonly cluster: string
    readonly component: Component
    readonly componentDigest: string
    readonly mirrors: SourceMirrors
    readonly kubernetesVersion: string
  }
  /** Mints the cluster's deploy key on the LAN if there is none, and has it registered read-only. */
  'register-deploy-key': { readonly cluster: string; readonly repository: Repository; readonly title: string }
  /** Installs the engine's own manifests or charts and waits until its controllers are available. */
  'install-engine': {
    readonly cluster: string
    readonly engine: EngineName
    readonly version: string
    readonly components: readonly Component[]
    readonly componentsDigest: string
    readonly mirrors: SourceMirrors
    readonly kubernetesVersion: string
  }
  /**
   * Gives the engine the deploy key, known hosts and the age identity (made on the LAN), and applies the objects that
   * make it follow the repository.
   */
  'point-engine': {
    readonly cluster: string
    readonly engine: EngineName
    readonly repository: Repository
    readonly objects: readonly KubeObject[]
    readonly objectsDigest: string
    readonly ageIdentity: boolean
  }
}

/** The parts of the spec's mirrors that matter for manifests and charts: upstream prefix → replacement. */
export interface SourceMirrors {
  readonly charts: Readonly<Record<string, string>>
  readonly manifests: Readonly<Record<string, string>>
  readonly binaries: Readonly<Record<string, string>>
}
