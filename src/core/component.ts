/** A Kubernetes object as data; written by the one YAML writer (`manifest.ts`). */
export interface KubeObject {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: {
    readonly name: string
    readonly namespace?: string
    readonly labels?: Readonly<Record<string, string>>
    readonly annotations?: Readonly<Record<string, string>>
  }
  readonly [field: string]: unknown
}

/** A Helm chart at an exact version. */
export interface ChartSource {
  readonly from: 'chart'
  /** `https://…` repository, or `oci://…` without the chart's name. */
  readonly repository: string
  readonly chart: string
  readonly version: string
  readonly values: Readonly<Record<string, unknown>>
}

/** Manifests that upstream publishes as one file. */
export interface UrlSource {
  readonly from: 'url'
  readonly url: string
  readonly version: string
}

/** Objects of our own, inside the bundle. */
export interface ObjectsSource {
  readonly from: 'objects'
  readonly version: string
  readonly objects: readonly KubeObject[]
}

/** A folder of the repository, e.g. the user's `apps/`. */
export interface PathSource {
  readonly from: 'path'
  /** Relative to the repository's root, without leading `./`. */
  readonly path: string
}

/**
 * One thing on the cluster, neutral to the engine: Flux says it as HelmRelease or Kustomization, Argo CD as
 * Application, Fleet as a bundle with a `fleet.yaml`.
 */
export interface Component {
  /** DNS label, unique in the cluster. */
  readonly name: string
  readonly namespace: string
  readonly source: ChartSource | UrlSource | ObjectsSource | PathSource
  /** Names of components that must be ready first. */
  readonly waitsFor: readonly string[]
  /**
   * `runner`: a step installs and updates it for life, the bundle only shows it (CNI, CRDs, the engine itself).
   * `engine`: the GitOps engine owns it.
   */
  readonly owner: 'runner' | 'engine'
  /** Keeps data: carries the engine's no-prune mark. */
  readonly stateful: boolean
  /** Names of Secrets it needs, in its namespace. */
  readonly secrets: readonly string[]
}
