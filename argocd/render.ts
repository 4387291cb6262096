import { bundle, type Bundle } from '../src/core/bundle.ts'
import { GENERATED, kustomizeFolder, RUNNER_OWNED } from '../src/core/bundle-folder.ts'
import type { Component } from '../src/core/component.ts'
import { gitopsFolder } from '../src/core/layout.ts'
import { manifest, yamlDocument } from '../src/core/manifest.ts'
import type { ClusterSpec } from '../src/core/spec/cluster-spec.ts'
import { application, project, rootApplication } from './objects.ts'

/** The bundle as Argo CD reads it: one Application per component, listed by `kustomization.yaml`. */
export function renderArgocd(spec: ClusterSpec, components: readonly Component[]): Bundle {
  const root = gitopsFolder(spec)
  const waves = wavesOf(components)
  const files: Record<string, string> = {
    [`${root}/argocd/root.yaml`]: manifest([project(spec), rootApplication(spec)], GENERATED),
  }
  const applied = ['argocd/root.yaml']
  for (const component of components) {
    const wave = waves.get(component.name) ?? 0
    if (component.owner === 'runner') {
      Object.assign(files, kustomizeFolder(component, `${root}/runner/${component.name}`))
      if (component.source.from === 'chart')
        files[`${root}/runner/${component.name}/application.yaml`] = manifest(
          [application(spec, component, wave)],
          RUNNER_OWNED,
        )
      continue
    }
    Object.assign(files, kustomizeFolder(component, `${root}/objects/${component.name}`))
    files[`${root}/components/${component.name}.yaml`] = manifest([application(spec, component, wave)], GENERATED)
    applied.push(`components/${component.name}.yaml`)
  }
  files[`${root}/kustomization.yaml`] = yamlDocument({
    apiVersion: 'kustomize.config.k8s.io/v1beta1',
    kind: 'Kustomization',
    resources: applied,
  })
  return bundle(files)
}

/** A wave higher than everything that a component waits for. Components come after what they wait for. */
function wavesOf(components: readonly Component[]): ReadonlyMap<string, number> {
  const waves = new Map<string, number>()
  for (const component of components)
    waves.set(component.name, Math.max(0, ...component.waitsFor.map((name) => (waves.get(name) ?? 0) + 1)))
  return waves
}
