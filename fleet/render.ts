import { bundle, type Bundle } from '../src/core/bundle.ts'
import { GENERATED, kustomizeFolder, marks, RUNNER_OWNED } from '../src/core/bundle-folder.ts'
import type { Component } from '../src/core/component.ts'
import { gitopsFolder } from '../src/core/layout.ts'
import { manifest } from '../src/core/manifest.ts'
import type { ClusterSpec } from '../src/core/spec/cluster-spec.ts'
import { fleetBundleName, gitRepo } from './objects.ts'

/** The bundle as Fleet reads it: a folder with a `fleet.yaml` per component, named by the GitRepo. */
export function renderFleet(spec: ClusterSpec, components: readonly Component[]): Bundle {
  const root = gitopsFolder(spec)
  const owned = new Set(
    components.filter((component) => component.owner === 'engine').map((component) => component.name),
  )
  const files: Record<string, string> = {
    [`${root}/fleet/gitrepo.yaml`]: manifest([gitRepo(spec, components)], RUNNER_OWNED),
  }
  for (const component of components) {
    const folder = `${root}/${component.owner === 'runner' ? 'runner' : 'components'}/${component.name}`
    Object.assign(files, kustomizeFolder(component, folder))
    files[`${folder}/fleet.yaml`] = manifest(
      [fleetYaml(component, components, owned)],
      component.owner === 'runner' ? RUNNER_OWNED : GENERATED,
    )
  }
  return bundle(files)
}

/** `fleet.yaml` of a component. Everything becomes a Helm release there, plain manifests too. */
function fleetYaml(
  component: Component,
  components: readonly Component[],
  owned: ReadonlySet<string>,
): Readonly<Record<string, unknown>> {
  const { source } = component
  const waits = components.filter((other) => component.waitsFor.includes(other.name) && owned.has(other.name))
  return {
    name: fleetBundleName(component),
    labels: marksAsLabels(component),
    defaultNamespace: component.namespace,
    helm: {
      releaseName: component.name,
      ...(source.from === 'chart'
        ? {
            chart: source.repository.startsWith('oci://') ? `${source.repository}/${source.chart}` : source.chart,
            ...(source.repository.startsWith('oci://') ? {} : { repo: source.repository }),
            version: source.version,
            values: source.values,
            // Fleet would read `${ … }` in values as its own template.
            disablePreProcess: true,
          }
        : {}),
      // Objects that are there already (made by the runner, or by another engine before) are taken over.
      takeOwnership: true,
    },
    ...(component.stateful ? { keepResources: true } : {}),
    ...(waits.length === 0 ? {} : { dependsOn: waits.map((other) => ({ name: fleetBundleName(other) })) }),
  }
}

/** Labels must be label values: a `+` of a version is not one. */
function marksAsLabels(component: Component): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(marks(component)).map(([key, value]) => [key, value.replaceAll('+', '_')]))
}
