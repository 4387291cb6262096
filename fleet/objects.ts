import type { Component, KubeObject } from '../src/core/component.ts'
import { gitopsFolder } from '../src/core/layout.ts'
import type { ClusterSpec } from '../src/core/spec/cluster-spec.ts'

/** Namespace of Fleet's own controllers, and the one whose GitRepos go to the cluster itself. */
export const SYSTEM_NAMESPACE = 'cattle-fleet-system'
export const NAMESPACE = 'fleet-local'
export const GIT_REPO = 'slipway'
export const KEY_SECRET = 'slipway-git'

/** Fleet's own bundle of one component: its name has to be stable, because others wait for it by name. */
export const fleetBundleName = (component: Component): string => `slipway-${component.name}`

/** Where the folder and the `fleet.yaml` of a component are. */
export function placeOf(spec: ClusterSpec, component: Component): { readonly base: string; readonly options: string } {
  const root = gitopsFolder(spec)
  const folder = `${root}/${component.owner === 'runner' ? 'runner' : 'components'}/${component.name}`
  if (component.source.from !== 'path') return { base: folder, options: 'fleet.yaml' }
  // The user's folder stays free of Fleet's file; `options` is relative to `base`.
  const up = component.source.path
    .split('/')
    .map(() => '..')
    .join('/')
  return { base: component.source.path, options: `${up}/${folder}/fleet.yaml` }
}

/** The repository with one entry for each component that Fleet owns. */
export function gitRepo(spec: ClusterSpec, components: readonly Component[]): KubeObject {
  const { repository, interval } = spec.gitops
  return {
    apiVersion: 'fleet.cattle.io/v1alpha1',
    kind: 'GitRepo',
    metadata: { name: GIT_REPO, namespace: NAMESPACE },
    spec: {
      repo: repository.sshUrl,
      // Fleet's default is `master`.
      branch: repository.branch,
      clientSecretName: KEY_SECRET,
      pollingInterval: interval,
      bundles: components
        .filter((component) => component.owner === 'engine')
        .map((component) => placeOf(spec, component)),
      correctDrift: { enabled: true },
    },
  }
}
