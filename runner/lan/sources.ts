import type { Component, KubeObject } from '../../src/core/component.ts'
import type { SourceMirrors } from '../../src/core/steps/gitops.ts'

/** Turns what a component names into objects: fetched, checked, and for charts rendered. */
export interface Sources {
  /**
   * @throws Problem `source.unreachable`, `source.changed` when other bytes than those first seen come under the same
   *   address, `source.helm-missing`, `source.helm` with helm's words.
   */
  objects(
    component: Component,
    input: { readonly mirrors: SourceMirrors; readonly kubernetesVersion: string; readonly signal?: AbortSignal },
  ): Promise<readonly KubeObject[]>
}
