import { bundle, type Bundle } from '../src/core/bundle.ts'
import { GENERATED, kustomizeFolder, RUNNER_OWNED } from '../src/core/bundle-folder.ts'
import type { Component, KubeObject } from '../src/core/component.ts'
import { gitopsFolder } from '../src/core/layout.ts'
import { manifest, yamlDocument } from '../src/core/manifest.ts'
import type { ClusterSpec } from '../src/core/spec/cluster-spec.ts'
import { folderKustomization, gitRepository, helmRelease, helmRepository, rootKustomization } from './objects.ts'

/**
 * The bundle as Flux reads it: `kustomization.yaml` lists what Flux applies, `runner/` shows what the runner installed,
 * `objects/` holds manifests of our own.
 */
export function renderFlux(spec: ClusterSpec, components: readonly Component[]): Bundle {
  const root = gitopsFolder(spec)
  const engineNames = new Set(
    components.filter((component) => component.owner === 'engine').map((component) => component.name),
  )
  const files: Record<string, string> = {
    [`${root}/flux-system/gotk-sync.yaml`]: manifest([gitRepository(spec), rootKustomization(spec)], GENERATED),
  }
  const applied = ['flux-system/gotk-sync.yaml']
  for (const component of components) {
    if (component.owner === 'runner') {
      Object.assign(files, kustomizeFolder(component, `${root}/runner/${component.name}`))
      if (component.source.from === 'chart')
        files[`${root}/runner/${component.name}/release.yaml`] = manifest(
          objectsOf(spec, component, engineNames),
          RUNNER_OWNED,
        )
      continue
    }
    Object.assign(files, kustomizeFolder(component, `${root}/objects/${component.name}`))
    files[`${root}/components/${component.name}.yaml`] = manifest(objectsOf(spec, component, engineNames), GENERATED)
    applied.push(`components/${component.name}.yaml`)
  }
  files[`${root}/kustomization.yaml`] = yamlDocument({
    apiVersion: 'kustomize.config.k8s.io/v1beta1',
    kind: 'Kustomization',
    resources: applied,
  })
  return bundle(files)
}

function objectsOf(spec: ClusterSpec, component: Component, engineNames: ReadonlySet<string>): readonly KubeObject[] {
  const { source } = component
  switch (source.from) {
    case 'chart':
      return [helmRepository(component, source), helmRelease(component, source, engineNames)]
    case 'path':
      return [folderKustomization(spec, component, source.path, engineNames)]
    case 'url':
    case 'objects':
      return [folderKustomization(spec, component, `${gitopsFolder(spec)}/objects/${component.name}`, engineNames)]
    default:
      return source satisfies never
  }
}
