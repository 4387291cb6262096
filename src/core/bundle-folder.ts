import type { Component } from './component.ts'
import { manifest, yamlDocument } from './manifest.ts'

/** Marks of a component on whatever object or file stands for it in a bundle. */
export function marks(component: Component): Readonly<Record<string, string>> {
  return { 'slipway.dev/component': component.name, 'slipway.dev/version': versionOf(component) }
}

/** The version a component is at; a folder of the repository has the repository's. */
export function versionOf(component: Component): string {
  return component.source.from === 'path' ? 'repository' : component.source.version
}

/**
 * A kustomize folder for manifests, which every engine reads alike: our own objects as one file beside it, or upstream's
 * file by its URL. Charts and folders of the repository need none.
 */
export function kustomizeFolder(component: Component, folder: string): Readonly<Record<string, string>> {
  const { source } = component
  const kustomization = (resources: readonly string[]): string =>
    yamlDocument({
      apiVersion: 'kustomize.config.k8s.io/v1beta1',
      kind: 'Kustomization',
      metadata: { name: component.name, annotations: marks(component) },
      resources,
    })
  switch (source.from) {
    case 'objects':
      return {
        [`${folder}/kustomization.yaml`]: kustomization(['objects.yaml']),
        [`${folder}/objects.yaml`]: manifest(source.objects),
      }
    case 'url':
      return { [`${folder}/kustomization.yaml`]: kustomization([source.url]) }
    case 'chart':
    case 'path':
      return {}
    default:
      return source satisfies never
  }
}

/** First line of files that the runner, not the engine, puts on the cluster. */
export const RUNNER_OWNED =
  'Installed and kept up to date by the Slipway runner. Shown here, not applied by the GitOps engine.'
/** First line of files that are written again whenever the spec changes. */
export const GENERATED = 'Written by Slipway from cluster.yaml; edit that file instead.'
