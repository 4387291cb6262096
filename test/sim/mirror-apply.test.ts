import * as k8s from '@kubernetes/client-node'
import { parseAllDocuments } from 'yaml'
import { expect, test } from 'vitest'
import { helm } from '../../sim/helm/command.ts'
import { simMirror } from '../../sim/mirror/mirror.ts'
import { clientConfig, node, startedCluster, TOKEN, until } from './kube-fixture.ts'

const noInput = () => Promise.resolve('')

test('what the mirror has installs Cilium and every engine on a simulated cluster', async () => {
  await using mirror = await simMirror()
  await using started = await startedCluster()
  const { cluster } = started
  await cluster.join({ token: TOKEN, caCertHashes: [cluster.caCertHash], node: node('w-1', '10.4.0.21') })
  const config = clientConfig(cluster)
  const objects = k8s.KubernetesObjectApi.makeApiClient(config)
  const core = config.makeApiClient(k8s.CoreV1Api)

  const apply = async (text: string, namespace: string) => {
    const given = parseAllDocuments(text).map((document) => document.toJS() as k8s.KubernetesObject)
    const definitions = given.filter(({ kind }) => kind === 'CustomResourceDefinition')
    for (const object of [...definitions, ...given.filter((one) => !definitions.includes(one))]) {
      object.metadata = Object.assign({ namespace }, object.metadata)
      await objects.patch(object, undefined, undefined, 'slipway', true, k8s.PatchStrategy.ServerSideApply)
    }
  }
  const fetched = async (path: string) => (await fetch(`${mirror.url}${path}`)).text()
  const rendered = async (chart: string, repo: string, namespace: string) => {
    const { output, error } = await helm(
      ['template', chart, chart, '--repo', `${mirror.url}${repo}`, '-n', namespace],
      noInput,
    )
    expect(error).toBe('')
    return output
  }
  const available = (namespace: string, names: readonly string[]) =>
    until(async () => {
      const { items } = await config.makeApiClient(k8s.AppsV1Api).listNamespacedDeployment({ namespace })
      const up = items
        .filter(({ status }) => (status?.availableReplicas ?? 0) > 0)
        .map(({ metadata }) => metadata?.name)
      return names.every((name) => up.includes(name)) ? up : undefined
    })

  await apply(await rendered('cilium', '/helm.cilium.io', 'kube-system'), 'kube-system')
  await available('kube-system', ['cilium-operator'])
  for (const name of ['argocd', 'cattle-fleet-system']) await core.createNamespace({ body: { metadata: { name } } })
  await apply(await fetched('/flux2/releases/download/v2.9.4/install.yaml'), 'flux-system')
  await available('flux-system', ['source-controller', 'kustomize-controller', 'helm-controller'])
  await apply(await fetched('/argo-cd/v3.4.4/manifests/install.yaml'), 'argocd')
  await available('argocd', ['argocd-repo-server', 'argocd-server'])
  await apply(await fetched('/gateway-api/releases/download/v1.4.1/standard-install.yaml'), 'kube-system')
  for (const chart of ['fleet-crd', 'fleet']) {
    await apply(
      await rendered(chart, '/rancher.github.io/fleet-helm-charts', 'cattle-fleet-system'),
      'cattle-fleet-system',
    )
  }
  await available('cattle-fleet-system', ['fleet-controller', 'gitjob'])

  const source = {
    apiVersion: 'source.toolkit.fluxcd.io/v1',
    kind: 'GitRepository',
    metadata: { name: 'flux-system', namespace: 'flux-system' },
    spec: { interval: '1m', url: 'ssh://git@forge.example/lab.git' },
  }
  expect((await objects.create(source)).metadata?.name).toBe('flux-system')
  await expect(
    objects.create({
      ...source,
      metadata: { ...source.metadata, name: 'x' },
      spec: { interval: '1m' },
    } as typeof source),
  ).rejects.toThrow(/url/)
})
