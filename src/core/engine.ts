import type { Bundle } from './bundle.ts'
import type { Component, KubeObject } from './component.ts'
import type { EngineStatus } from './facts.ts'
import type { ClusterSpec, EngineName } from './spec/cluster-spec.ts'

/** Key material that the runner made on the LAN; never leaves it. */
export interface EngineKeys {
  /** OpenSSH private key file with its final newline, and the matching public line. */
  readonly deployKey: { readonly privateKey: string; readonly publicKey: string }
  /** `AGE-SECRET-KEY-1…` line, where the spec wants SOPS. */
  readonly ageIdentity?: string
}

/** An object to read when asking how far the engine has got. */
export interface Watched {
  readonly apiVersion: string
  readonly kind: string
  readonly namespace: string
  readonly name: string
}

/** What Flux, Argo CD and Fleet each say in their own dialect. Pure: spec and components in, data out. */
export interface GitopsEngine {
  readonly name: EngineName
  /** What the runner installs: the engine's own manifests or charts, in order. */
  install(spec: ClusterSpec): readonly Component[]
  /** Objects that make the engine follow the repository, without secrets. Applied by the runner after `install`. */
  point(spec: ClusterSpec, components: readonly Component[]): readonly KubeObject[]
  /** Secrets and host keys that the engine reads Git with; applied by the runner before `point`. */
  credentials(spec: ClusterSpec, keys: EngineKeys): readonly KubeObject[]
  /** The files under `clusters/<name>/gitops/`. */
  render(spec: ClusterSpec, components: readonly Component[]): Bundle
  /** Objects whose status tells how far it has got. */
  readonly watched: (spec: ClusterSpec) => readonly Watched[]
  /** Reads the status of those objects as the real controllers write it. */
  readStatus(objects: readonly KubeObject[]): EngineStatus
  /** Annotation or field change that asks for a fetch now: a merge patch per watched object. `stamp` is unique. */
  nudge(
    spec: ClusterSpec,
    stamp: string,
  ): readonly { readonly target: Watched; readonly patch: Readonly<Record<string, unknown>> }[]
}
