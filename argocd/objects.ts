import { marks } from '../src/core/bundle-folder.ts'
import type { ChartSource, Component, KubeObject } from '../src/core/component.ts'
import { gitopsFolder } from '../src/core/layout.ts'
import type { ClusterSpec } from '../src/core/spec/cluster-spec.ts'

export const NAMESPACE = 'argocd'
export const PROJECT = 'slipway'
/** The application that follows the bundle and so makes all others. */
export const ROOT = 'slipway'
const IN_CLUSTER = 'https://kubernetes.default.svc'

/** One project for what Slipway renders, so that other projects of the same Argo CD keep their own rules. */
export function project(spec: ClusterSpec): KubeObject {
  return {
    apiVersion: 'argoproj.io/v1alpha1',
    kind: 'AppProject',
    metadata: { name: PROJECT, namespace: NAMESPACE },
    spec: {
      description: `Applications of the cluster ${spec.name}`,
      sourceRepos: ['*'],
      destinations: [{ server: IN_CLUSTER, namespace: '*' }],
      clusterResourceWhitelist: [{ group: '*', kind: '*' }],
    },
  }
}

/** The application of applications: what Argo CD follows first. */
export function rootApplication(spec: ClusterSpec): KubeObject {
  return {
    apiVersion: 'argoproj.io/v1alpha1',
    kind: 'Application',
    metadata: { name: ROOT, namespace: NAMESPACE },
    spec: {
      project: PROJECT,
      source: gitSource(spec, gitopsFolder(spec)),
      destination: { server: IN_CLUSTER, namespace: NAMESPACE },
      syncPolicy: syncPolicy(true),
    },
  }
}

/** A component as an Application of its own, in the wave after what it waits for. */
export function application(spec: ClusterSpec, component: Component, wave: number): KubeObject {
  return {
    apiVersion: 'argoproj.io/v1alpha1',
    kind: 'Application',
    metadata: {
      name: component.name,
      namespace: NAMESPACE,
      annotations: { ...marks(component), 'argocd.argoproj.io/sync-wave': String(wave) },
    },
    spec: {
      project: PROJECT,
      source: sourceOf(spec, component),
      destination: { server: IN_CLUSTER, namespace: component.namespace },
      syncPolicy: syncPolicy(!component.stateful),
    },
  }
}

function sourceOf(spec: ClusterSpec, component: Component): Readonly<Record<string, unknown>> {
  const { source } = component
  switch (source.from) {
    case 'chart':
      return chartSource(component, source)
    case 'path':
      return gitSource(spec, source.path)
    case 'url':
    case 'objects':
      return gitSource(spec, `${gitopsFolder(spec)}/objects/${component.name}`)
    default:
      return source satisfies never
  }
}

function chartSource(component: Component, source: ChartSource): Readonly<Record<string, unknown>> {
  return {
    // Argo CD writes OCI registries without their scheme.
    repoURL: source.repository.replace(/^oci:\/\//, ''),
    chart: source.chart,
    targetRevision: source.version,
    helm: { releaseName: component.name, valuesObject: source.values },
  }
}

function gitSource(spec: ClusterSpec, path: string): Readonly<Record<string, unknown>> {
  return { repoURL: spec.gitops.repository.sshUrl, targetRevision: spec.gitops.repository.branch, path }
}

function syncPolicy(prune: boolean): Readonly<Record<string, unknown>> {
  return {
    automated: { prune, selfHeal: true },
    // Large definitions do not fit into the annotation of client-side apply; kinds may be defined by an earlier wave.
    syncOptions: ['CreateNamespace=true', 'ServerSideApply=true', 'SkipDryRunOnMissingResource=true'],
    retry: { limit: 10, backoff: { duration: '10s', factor: 2, maxDuration: '3m' } },
  }
}
