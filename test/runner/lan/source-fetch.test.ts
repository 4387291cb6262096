import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { connect, type Socket } from 'node:net'
import type { Dial } from '../../../runner/lan/https-agent.ts'
import { fetchedSources, manifestObjects } from '../../../runner/lan/source-fetch.ts'
import { simMirror, type SimMirrorOptions } from '../../../sim/mirror/mirror.ts'
import type { Component } from '../../../src/core/component.ts'

const HELM = fileURLToPath(new URL('../../../sim/helm/helm.js', import.meta.url))

const direct: Dial = (host, port) =>
  new Promise<Socket>((resolve, reject) => {
    const socket = connect(port, host, () => resolve(socket))
    socket.once('error', reject)
  })

function pins() {
  const seen: Record<string, string> = {}
  return {
    seen,
    artifacts: () => seen,
    recordArtifact: (url: string, sha256: string) => void (seen[url] = sha256),
  }
}

const component = (source: Component['source'], name = 'part'): Component => ({
  name,
  namespace: 'part',
  source,
  waitsFor: [],
  owner: 'runner',
  stateful: false,
  secrets: [],
})
const FLUX = 'https://github.com/fluxcd/flux2/releases/download/v2.9.4/install.yaml'
const flux = component({ from: 'url', url: FLUX, version: '2.9.4' })
const cilium = component(
  {
    from: 'chart',
    repository: 'https://helm.cilium.io',
    chart: 'cilium',
    version: '1.19.3',
    values: { k8sServiceHost: '10.4.0.10', k8sServicePort: 6443 },
  },
  'cilium',
)

async function site(options: SimMirrorOptions = {}, helm: string | undefined = HELM) {
  const mirror = await simMirror(options)
  const keys = pins()
  const prefixes = { 'https://': `${mirror.url}/` }
  const sources = fetchedSources(direct, keys, helm)
  const objects = (one: Component) =>
    sources.objects(one, {
      mirrors: { charts: prefixes, manifests: prefixes, binaries: {} },
      kubernetesVersion: '1.36.3',
    })
  return { mirror, keys, objects, [Symbol.asyncDispose]: () => mirror.close() }
}

test('a manifest comes from the mirror and is pinned under its upstream address', async () => {
  await using here = await site()
  const objects = await here.objects(flux)
  expect(objects.map(({ kind }) => kind)).toContain('CustomResourceDefinition')
  expect(objects.map(({ kind }) => kind)).toContain('Deployment')
  expect(Object.keys(here.keys.seen)).toEqual([FLUX])
  expect(here.keys.seen[FLUX]).toMatch(/^[0-9a-f]{64}$/)
  expect(await here.objects(flux)).toEqual(objects)
})

test('other content under an address seen before is refused', async () => {
  await using here = await site()
  await here.objects(flux)
  here.mirror.setFaults({ changed: { probability: 1 } })
  await expect(here.objects(flux)).rejects.toMatchObject({ code: 'source.changed', retry: 'never', where: FLUX })
})

test('a chart is fetched, pinned and rendered with its values', async () => {
  await using here = await site()
  const objects = await here.objects(cilium)
  const kinds = objects.map(({ kind }) => kind)
  expect(kinds).toContain('DaemonSet')
  expect(objects.find(({ kind }) => kind === 'ConfigMap')).toMatchObject({
    data: { 'k8s-api-server': '10.4.0.10:6443' },
  })
  expect(Object.keys(here.keys.seen)).toEqual(['https://helm.cilium.io/cilium-1.19.3.tgz'])
})

test('a chart version that the repository lacks is a problem that names it', async () => {
  await using here = await site()
  const missing = component({
    from: 'chart',
    repository: 'https://helm.cilium.io',
    chart: 'cilium',
    version: '0.0.1',
    values: {},
  })
  await expect(here.objects(missing)).rejects.toMatchObject({
    code: 'source.no-chart',
    what: expect.stringContaining('"cilium" at version 0.0.1'),
  })
})

test('charts need helm, and its own words are told', async () => {
  await using without = await site({}, '/nonexistent/helm')
  await expect(without.objects(cilium)).rejects.toMatchObject({ code: 'source.helm-missing' })
  await using mirror = await simMirror({ files: new Map(chartThatIsNone()) })
  const sources = fetchedSources(direct, pins(), HELM)
  const broken = component({
    from: 'chart',
    repository: 'https://charts.example',
    chart: 'broken',
    version: '1.0.0',
    values: {},
  })
  const mirrors = { charts: { 'https://charts.example': mirror.url }, manifests: {}, binaries: {} }
  await expect(sources.objects(broken, { mirrors, kubernetesVersion: '1.36.3' })).rejects.toMatchObject({
    code: 'source.helm',
    what: expect.stringMatching(/could not render "part": Error: ./),
  })
})

function chartThatIsNone(): readonly (readonly [string, Uint8Array])[] {
  const bytes = new TextEncoder()
  return [
    ['/index.yaml', bytes.encode('entries: {broken: [{version: 1.0.0, urls: [broken.tgz]}]}\n')],
    ['/broken.tgz', bytes.encode('this is no archive')],
  ]
}

test('a server in trouble is a problem to try again; a missing file is not', async () => {
  await using here = await site({ faults: { serverError: { calls: [1] } } })
  await expect(here.objects(flux)).rejects.toMatchObject({ code: 'source.unreachable', retry: 'now' })
  here.mirror.setFaults({ truncated: { calls: [1] } })
  await expect(here.objects(flux)).rejects.toMatchObject({ code: 'source.unreachable', retry: 'now' })
  expect(here.keys.seen).toEqual({})
  here.mirror.setFaults({ notFound: { calls: [1] } })
  await expect(here.objects(flux)).rejects.toMatchObject({ code: 'source.unreachable', retry: 'later' })
  expect((await here.objects(flux)).length).toBeGreaterThan(0)
})

test('plain HTTP is for mirrors only', async () => {
  await using mirror = await simMirror()
  const sources = fetchedSources(direct, pins(), undefined)
  const plain = component({
    from: 'url',
    url: `${mirror.url}/flux2/releases/download/v2.9.4/install.yaml`,
    version: '1',
  })
  const mirrors = { charts: {}, manifests: {}, binaries: {} }
  await expect(sources.objects(plain, { mirrors, kubernetesVersion: '1.36.3' })).rejects.toMatchObject({
    code: 'source.plain-http',
  })
})

test('lists are taken apart, empty documents are skipped, anything else is refused', () => {
  const list = `---
# only a comment
---
apiVersion: v1
kind: List
items:
  - {apiVersion: v1, kind: ConfigMap, metadata: {name: a}}
  - {apiVersion: v1, kind: Secret, metadata: {name: b}}
---
{apiVersion: v1, kind: Namespace, metadata: {name: c}}
`
  expect(manifestObjects(list, 'here').map(({ kind, metadata }) => `${kind}/${metadata.name}`)).toEqual([
    'ConfigMap/a',
    'Secret/b',
    'Namespace/c',
  ])
  for (const wrong of ['<html>sign in</html>', 'a: [1', 'kind: ConfigMap', '- 1'])
    expect(() => manifestObjects(wrong, 'here')).toThrow(expect.objectContaining({ code: 'source.unreadable' }))
})
