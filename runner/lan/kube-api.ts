import type { KubeObject } from '../../src/core/component.ts'

export interface ObjectRef {
  readonly apiVersion: string
  readonly kind: string
  readonly namespace?: string
  readonly name: string
}

/** The parts of the Kubernetes API that Slipway uses; every change carries our field manager. */
export interface KubeApi {
  version(): Promise<string>
  /** `undefined` when there is none. */
  get(ref: ObjectRef): Promise<KubeObject | undefined>
  list(
    apiVersion: string,
    kind: string,
    options?: { readonly namespace?: string; readonly labelSelector?: string; readonly fieldSelector?: string },
  ): Promise<readonly KubeObject[]>
  /**
   * Server-side apply in an order that works: namespaces and definitions first (waiting until those are established),
   * then the rest. `namespace` is given to namespaced objects that name none.
   * @throws Problem `kube.apply` with the server's words.
   */
  apply(
    objects: readonly KubeObject[],
    options?: { readonly namespace?: string; readonly signal?: AbortSignal },
  ): Promise<void>
  /** JSON merge patch; returns the object after it. */
  patch(ref: ObjectRef, patch: Readonly<Record<string, unknown>>): Promise<KubeObject>
  /** Deletes; an object that is gone already is fine. */
  delete(ref: ObjectRef): Promise<void>
  /** Asks for a Pod's eviction: `budget` when a PodDisruptionBudget forbids it now. */
  evict(namespace: string, pod: string): Promise<'evicted' | 'gone' | 'budget'>
  close(): Promise<void>
}
