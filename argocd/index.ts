import type { KubeObject } from '../src/core/component.ts'
import type { EngineKeys, GitopsEngine, Watched } from '../src/core/engine.ts'
import type { ClusterSpec } from '../src/core/spec/cluster-spec.ts'
import { NAMESPACE, project, ROOT, rootApplication } from './objects.ts'
import { renderArgocd } from './render.ts'
import { readArgocdStatus } from './status.ts'

/** Argo CD: upstream's own manifests in the namespace `argocd`. */
export const argocd: GitopsEngine = {
  name: 'argocd',
  install: (spec) => [
    {
      name: 'argocd',
      namespace: NAMESPACE,
      source: {
        from: 'url',
        url: `https://raw.githubusercontent.com/argoproj/argo-cd/v${spec.gitops.version}/manifests/install.yaml`,
        version: spec.gitops.version,
      },
      waitsFor: [],
      owner: 'runner',
      stateful: false,
      secrets: [],
    },
  ],
  point: (spec) => [project(spec), rootApplication(spec)],
  credentials,
  render: renderArgocd,
  watched,
  readStatus: readArgocdStatus,
  // A hard refresh: an ordinary one may be answered from the repository server's cache. The value is the controller's.
  nudge: (spec) =>
    watched(spec).map((target) => ({
      target,
      patch: { metadata: { annotations: { 'argocd.argoproj.io/refresh': 'hard' } } },
    })),
}

function credentials(spec: ClusterSpec, keys: EngineKeys): readonly KubeObject[] {
  const { repository } = spec.gitops
  return [
    {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: {
        name: 'slipway-repository',
        namespace: NAMESPACE,
        labels: { 'argocd.argoproj.io/secret-type': 'repository' },
      },
      type: 'Opaque',
      stringData: { type: 'git', url: repository.sshUrl, sshPrivateKey: keys.deployKey.privateKey },
    },
    {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      // Argo CD reads no ConfigMap of its own without this label.
      metadata: {
        name: 'argocd-ssh-known-hosts-cm',
        namespace: NAMESPACE,
        labels: { 'app.kubernetes.io/name': 'argocd-ssh-known-hosts-cm', 'app.kubernetes.io/part-of': 'argocd' },
      },
      data: { ssh_known_hosts: repository.knownHosts.map((line) => `${line}\n`).join('') },
    },
  ]
}

function watched(_spec: ClusterSpec): readonly Watched[] {
  return [{ apiVersion: 'argoproj.io/v1alpha1', kind: 'Application', namespace: NAMESPACE, name: ROOT }]
}
