import type { Component, KubeObject } from '../src/core/component.ts'
import type { EngineKeys, GitopsEngine, Watched } from '../src/core/engine.ts'
import type { ClusterSpec } from '../src/core/spec/cluster-spec.ts'
import { AGE_SECRET, gitRepository, NAMESPACE, rootKustomization, SYNC } from './objects.ts'
import { renderFlux } from './render.ts'
import { readFluxStatus } from './status.ts'

/** Flux: the classic install, which is Apache-2.0 as a whole. */
export const flux: GitopsEngine = {
  name: 'flux',
  install: (spec) => [install(spec)],
  point: (spec) => [gitRepository(spec), rootKustomization(spec)],
  credentials,
  render: renderFlux,
  watched,
  readStatus: readFluxStatus,
  nudge: (spec, stamp) =>
    watched(spec).map((target) => ({
      target,
      patch: { metadata: { annotations: { 'reconcile.fluxcd.io/requestedAt': stamp } } },
    })),
}

function install(spec: ClusterSpec): Component {
  const { version } = spec.gitops
  return {
    name: 'flux',
    namespace: NAMESPACE,
    source: { from: 'url', url: `https://github.com/fluxcd/flux2/releases/download/v${version}/install.yaml`, version },
    waitsFor: [],
    owner: 'runner',
    stateful: false,
    secrets: [],
  }
}

function credentials(spec: ClusterSpec, keys: EngineKeys): readonly KubeObject[] {
  const git: KubeObject = {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: SYNC, namespace: NAMESPACE },
    type: 'Opaque',
    stringData: {
      identity: keys.deployKey.privateKey,
      'identity.pub': `${keys.deployKey.publicKey}\n`,
      known_hosts: spec.gitops.repository.knownHosts.map((line) => `${line}\n`).join(''),
    },
  }
  if (keys.ageIdentity === undefined || !spec.gitops.secrets.sops) return [git]
  const age: KubeObject = {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: AGE_SECRET, namespace: NAMESPACE },
    type: 'Opaque',
    // The controller reads every key whose name ends in `.agekey`.
    stringData: { 'age.agekey': `${keys.ageIdentity}\n` },
  }
  return [git, age]
}

function watched(_spec: ClusterSpec): readonly Watched[] {
  return [
    { apiVersion: 'source.toolkit.fluxcd.io/v1', kind: 'GitRepository', namespace: NAMESPACE, name: SYNC },
    { apiVersion: 'kustomize.toolkit.fluxcd.io/v1', kind: 'Kustomization', namespace: NAMESPACE, name: SYNC },
  ]
}
