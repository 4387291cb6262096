import type { Component } from '../../src/core/component.ts'
import type { ClusterSpec } from '../../src/core/spec/cluster-spec.ts'
import { manifest, yamlDocument } from '../../src/core/manifest.ts'

/** The user's own manifests, followed by the engine from the first day. */
export function apps(spec: ClusterSpec, waitsFor: readonly string[]): Component {
  return {
    name: 'apps',
    namespace: 'default',
    source: { from: 'path', path: spec.gitops.apps },
    waitsFor,
    owner: 'engine',
    stateful: false,
    secrets: [],
  }
}

/**
 * First content of the `apps` folder, for a repository that has none yet: an engine reports an error for a folder
 * that does not exist, and kustomize one for an empty list.
 */
export function appsSeed(spec: ClusterSpec): ReadonlyMap<string, string> {
  const welcome = {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'slipway-welcome', namespace: 'default' },
    data: { message: `Put your manifests into ${spec.gitops.apps} and list them in its kustomization.yaml.` },
  }
  return new Map([
    [
      `${spec.gitops.apps}/kustomization.yaml`,
      yamlDocument({
        apiVersion: 'kustomize.config.k8s.io/v1beta1',
        kind: 'Kustomization',
        resources: ['welcome.yaml'],
      }),
    ],
    [`${spec.gitops.apps}/welcome.yaml`, manifest([welcome])],
  ])
}
