import type { Component, KubeObject } from '../src/core/component.ts'
import type { EngineKeys, GitopsEngine, Watched } from '../src/core/engine.ts'
import type { ClusterSpec } from '../src/core/spec/cluster-spec.ts'
import { GIT_REPO, gitRepo, KEY_SECRET, NAMESPACE, SYSTEM_NAMESPACE } from './objects.ts'
import { renderFleet } from './render.ts'
import { readFleetStatus } from './status.ts'

const CHARTS = 'https://rancher.github.io/fleet-helm-charts/'

/** Rancher Fleet without Rancher, on the cluster that it serves. Never beside Rancher, which brings its own. */
export const fleet: GitopsEngine = {
  name: 'fleet',
  install: (spec) => [chart('fleet-crd', spec, []), chart('fleet', spec, ['fleet-crd'])],
  point: (spec, components) => [gitRepo(spec, components)],
  credentials,
  render: renderFleet,
  watched,
  readStatus: readFleetStatus,
  nudge: (spec, stamp) =>
    watched(spec).map((target) => ({
      target,
      patch: { spec: { forceSyncGeneration: Number(stamp.replace(/\D/g, '').slice(-9)) || 1 } },
    })),
}

function chart(name: string, spec: ClusterSpec, waitsFor: readonly string[]): Component {
  const values = name === 'fleet' ? { bootstrap: { enabled: true }, insecureSkipHostKeyChecks: false } : {}
  return {
    name,
    namespace: SYSTEM_NAMESPACE,
    source: { from: 'chart', repository: CHARTS, chart: name, version: spec.gitops.version, values },
    waitsFor,
    owner: 'runner',
    stateful: false,
    secrets: [],
  }
}

function credentials(spec: ClusterSpec, keys: EngineKeys): readonly KubeObject[] {
  return [
    // Fleet makes it too, but only some time after its controllers are up.
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: NAMESPACE } },
    {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: KEY_SECRET, namespace: NAMESPACE },
      type: 'kubernetes.io/ssh-auth',
      stringData: {
        'ssh-privatekey': keys.deployKey.privateKey,
        // Replaces Fleet's own list as a whole, so it must hold every line that is needed.
        known_hosts: spec.gitops.repository.knownHosts.map((line) => `${line}\n`).join(''),
      },
    },
  ]
}

function watched(_spec: ClusterSpec): readonly Watched[] {
  return [{ apiVersion: 'fleet.cattle.io/v1alpha1', kind: 'GitRepo', namespace: NAMESPACE, name: GIT_REPO }]
}
