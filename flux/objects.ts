import { marks } from '../src/core/bundle-folder.ts'
import type { ChartSource, Component, KubeObject } from '../src/core/component.ts'
import { gitopsFolder } from '../src/core/layout.ts'
import type { ClusterSpec } from '../src/core/spec/cluster-spec.ts'

export const NAMESPACE = 'flux-system'
/** The names that `flux bootstrap` uses for the repository, its sync and its key: tools and people look for them. */
export const SYNC = 'flux-system'
export const AGE_SECRET = 'sops-age'

/** The repository, fetched with the deploy key. */
export function gitRepository(spec: ClusterSpec): KubeObject {
  const { repository, interval } = spec.gitops
  return {
    apiVersion: 'source.toolkit.fluxcd.io/v1',
    kind: 'GitRepository',
    metadata: { name: SYNC, namespace: NAMESPACE },
    spec: {
      interval,
      url: repository.sshUrl,
      ref: { branch: repository.branch },
      secretRef: { name: SYNC },
      timeout: '60s',
    },
  }
}

/** What Flux follows first: the bundle's own folder. */
export function rootKustomization(spec: ClusterSpec): KubeObject {
  return {
    apiVersion: 'kustomize.toolkit.fluxcd.io/v1',
    kind: 'Kustomization',
    metadata: { name: SYNC, namespace: NAMESPACE },
    spec: {
      interval: '10m',
      retryInterval: '1m',
      path: `./${gitopsFolder(spec)}`,
      prune: true,
      sourceRef: { kind: 'GitRepository', name: SYNC },
      ...decryption(spec),
    },
  }
}

/** A folder of the repository as a component. Decryption is not inherited: each Kustomization names it itself. */
export function folderKustomization(
  spec: ClusterSpec,
  component: Component,
  path: string,
  engineNames: ReadonlySet<string>,
): KubeObject {
  return {
    apiVersion: 'kustomize.toolkit.fluxcd.io/v1',
    kind: 'Kustomization',
    metadata: { name: component.name, namespace: NAMESPACE, annotations: marks(component) },
    spec: {
      interval: '10m',
      retryInterval: '1m',
      path: `./${path}`,
      prune: !component.stateful,
      wait: true,
      timeout: '5m',
      sourceRef: { kind: 'GitRepository', name: SYNC },
      ...dependsOn(component, engineNames),
      ...decryption(spec),
    },
  }
}

export function helmRepository(component: Component, source: ChartSource): KubeObject {
  return {
    apiVersion: 'source.toolkit.fluxcd.io/v1',
    kind: 'HelmRepository',
    metadata: { name: component.name, namespace: NAMESPACE },
    spec: {
      interval: '1h',
      url: source.repository,
      ...(source.repository.startsWith('oci://') ? { type: 'oci' } : {}),
    },
  }
}

export function helmRelease(component: Component, source: ChartSource, engineNames: ReadonlySet<string>): KubeObject {
  return {
    apiVersion: 'helm.toolkit.fluxcd.io/v2',
    kind: 'HelmRelease',
    metadata: { name: component.name, namespace: NAMESPACE, annotations: marks(component) },
    spec: {
      interval: '30m',
      releaseName: component.name,
      targetNamespace: component.namespace,
      storageNamespace: component.namespace,
      chart: {
        spec: {
          chart: source.chart,
          version: source.version,
          sourceRef: { kind: 'HelmRepository', name: component.name },
        },
      },
      install: { createNamespace: true, crds: 'CreateReplace', remediation: { retries: 3 } },
      upgrade: { crds: 'CreateReplace', remediation: { retries: 3 } },
      driftDetection: { mode: 'enabled' },
      ...dependsOn(component, engineNames),
      values: source.values,
    },
  }
}

/** What the runner installed is there before the engine starts, so only components of the engine are waited for. */
function dependsOn(component: Component, engineNames: ReadonlySet<string>): Readonly<Record<string, unknown>> {
  const names = component.waitsFor.filter((name) => engineNames.has(name))
  return names.length === 0 ? {} : { dependsOn: names.map((name) => ({ name })) }
}

function decryption(spec: ClusterSpec): Readonly<Record<string, unknown>> {
  return spec.gitops.secrets.sops ? { decryption: { provider: 'sops', secretRef: { name: AGE_SECRET } } } : {}
}
