import { execFile } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Ajv } from 'ajv'
import { parse, parseAllDocuments } from 'yaml'
import { describe, expect, test } from 'vitest'
import { helm } from '../../sim/helm/command.ts'
import { pack, unpack } from '../../sim/mirror/archive.ts'
import { content } from '../../sim/mirror/content.ts'
import { simMirror } from '../../sim/mirror/mirror.ts'

interface KubeObject {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: { readonly name: string; readonly namespace?: string }
  // oxlint-disable-next-line no-explicit-any
  readonly spec?: any
}

const documents = (text: string): readonly KubeObject[] =>
  parseAllDocuments(text).map((document) => {
    expect(document.errors).toEqual([])
    return document.toJS() as KubeObject
  })
const noInput = () => Promise.resolve('')
const names = (objects: readonly KubeObject[], kind: string) =>
  objects.filter((object) => object.kind === kind).map(({ metadata }) => metadata.name)
const file = (path: string) => Buffer.from(content().get(path) ?? '').toString()

describe('a simulated mirror', () => {
  test('serves files with ETags, and answers 304 and 404', async () => {
    await using mirror = await simMirror()
    const url = `${mirror.url}/flux2/releases/download/v2.9.4/install.yaml`
    const first = await fetch(url)
    expect(await first.text()).toBe(file('/github.com/fluxcd/flux2/releases/download/v2.9.4/install.yaml'))
    const etag = first.headers.get('etag') ?? ''
    expect((await fetch(url, { headers: { 'If-None-Match': etag } })).status).toBe(304)
    expect((await fetch(url, { method: 'HEAD' })).headers.get('content-length')).not.toBe('0')
    expect((await fetch(`${mirror.url}/none`)).status).toBe(404)
    expect(mirror.served('/flux2/releases/download/v2.9.4/install.yaml')).toBe(1)
  })

  test('serves what it is given, and suffers its faults', async () => {
    await using mirror = await simMirror({
      files: new Map([['/a.txt', Buffer.from('four')]]),
      faults: {
        changed: { calls: [2] },
        serverError: { calls: [1], match: '/b.txt' },
        truncated: { calls: [3], match: '/a' },
      },
    })
    mirror.set('/b.txt', Buffer.from('b'))
    const get = async (path: string) => (await fetch(`${mirror.url}${path}`)).text()
    expect(await get('/a.txt')).toBe('four')
    expect(await get('/a.txt')).toBe('four\n# changed\n')
    await expect(get('/a.txt')).rejects.toThrow(/terminated/)
    expect((await fetch(`${mirror.url}/b.txt`)).status).toBe(503)
    expect(await get('/b.txt')).toBe('b')
    expect(mirror.paths()).toEqual(['/a.txt', '/b.txt'])
  })

  test('has what installs Flux, Argo CD and the Gateway API', () => {
    const flux = documents(file('/flux2/releases/download/v2.9.4/install.yaml'))
    expect(names(flux, 'Namespace')).toEqual(['flux-system'])
    expect(names(flux, 'CustomResourceDefinition')).toEqual(
      expect.arrayContaining([
        'gitrepositories.source.toolkit.fluxcd.io',
        'helmrepositories.source.toolkit.fluxcd.io',
        'kustomizations.kustomize.toolkit.fluxcd.io',
        'helmreleases.helm.toolkit.fluxcd.io',
      ]),
    )
    const controllers = ['source-controller', 'kustomize-controller', 'helm-controller', 'notification-controller']
    expect(names(flux, 'Deployment')).toEqual(controllers)
    const argocd = documents(file('/argo-cd/v3.4.4/manifests/install.yaml'))
    const definitions = ['applications.argoproj.io', 'appprojects.argoproj.io', 'applicationsets.argoproj.io']
    expect(names(argocd, 'CustomResourceDefinition')).toEqual(definitions)
    expect(names(argocd, 'StatefulSet')).toEqual(['argocd-application-controller'])
    expect(names(argocd, 'Deployment')).toContain('argocd-repo-server')
    const gateway = documents(file('/gateway-api/releases/download/v1.4.1/standard-install.yaml'))
    expect(names(gateway, 'CustomResourceDefinition')).toContain('httproutes.gateway.networking.k8s.io')
  })

  test('gives every definition a schema that its own examples fit', () => {
    const ajv = new Ajv({ strict: false })
    const manifests = [...content()].filter(([path]) => path.endsWith('.yaml') && !path.endsWith('index.yaml'))
    const versions = manifests
      .flatMap(([, bytes]) => documents(Buffer.from(bytes).toString()))
      .filter(({ kind }) => kind === 'CustomResourceDefinition')
      .flatMap(({ metadata, spec }) =>
        (spec.versions as { name: string; schema: { openAPIV3Schema: object } }[]).map(
          (version) => [metadata.name, version] as const,
        ),
      )
    expect(versions.length).toBeGreaterThan(20)
    for (const [name, { name: version, schema }] of versions) {
      expect([name, version, ajv.validateSchema(schema.openAPIV3Schema)]).toEqual([name, version, true])
    }
    const kustomization = versions.find(([name]) => name === 'kustomizations.kustomize.toolkit.fluxcd.io')?.[1]
    const validate = ajv.compile(kustomization?.schema.openAPIV3Schema ?? {})
    const spec = {
      interval: '10m',
      prune: true,
      path: './x',
      sourceRef: { kind: 'GitRepository', name: 'flux-system' },
    }
    expect(validate({ apiVersion: 'x', kind: 'y', metadata: {}, spec })).toBe(true)
    expect(validate({ apiVersion: 'x', kind: 'y', metadata: {}, spec: { ...spec, interval: 'often' } })).toBe(false)
    expect(validate({ apiVersion: 'x', kind: 'y', metadata: {}, spec: { interval: '1m' } })).toBe(false)
  })
})

test('an archive has the same bytes every time and gives back its files', () => {
  const files = new Map([
    ['b/two.txt', Buffer.from('2'.repeat(700))],
    ['a.txt', Buffer.from('')],
  ])
  expect(Buffer.from(pack(files)).equals(Buffer.from(pack(new Map([...files].toReversed()))))).toBe(true)
  expect([...unpack(pack(files))].map(([name, bytes]) => [name, bytes.length])).toEqual([
    ['a.txt', 0],
    ['b/two.txt', 700],
  ])
})

describe('a stand-in for helm', () => {
  test('renders the charts of the mirror with the values given', async () => {
    await using mirror = await simMirror()
    const repo = ['--repo', `${mirror.url}/helm.cilium.io`, '--version', '1.20.0']
    const values = () => Promise.resolve(JSON.stringify({ operator: { replicas: 1 }, k8sServiceHost: '10.4.0.10' }))
    const { output, error, code } = await helm(
      [
        'template',
        'cilium',
        'cilium',
        ...repo,
        '--namespace',
        'kube-system',
        '--values',
        '-',
        '--include-crds',
        '--kube-version',
        '1.36.3',
        '--api-versions',
        'gateway.networking.k8s.io/v1',
      ],
      values,
    )
    expect({ error, code }).toEqual({ error: '', code: 0 })
    expect(output).toContain('# Source: cilium/templates/cilium-configmap.yaml\n')
    const objects = documents(output)
    expect(objects.map(({ kind }) => kind)).toEqual([
      'ServiceAccount',
      'ServiceAccount',
      'ConfigMap',
      'ClusterRoleBinding',
      'ClusterRoleBinding',
      'DaemonSet',
      'Deployment',
    ])
    const operator = objects.find(({ kind }) => kind === 'Deployment')
    expect(operator).toMatchObject({ metadata: { namespace: 'kube-system' }, spec: { replicas: 1 } })
    expect(operator?.spec.template.spec.containers[0].image).toBe('quay.io/cilium/operator-generic:v1.20.0')
    expect(objects.find(({ kind }) => kind === 'ConfigMap')).toMatchObject({ data: { 'k8s-api-server': '10.4.0.10:' } })
  })

  test('pulls, and takes an archive', async () => {
    await using mirror = await simMirror()
    const folder = mkdtempSync(join(tmpdir(), 'helm-stand-in-'))
    try {
      const repo = ['--repo', `${mirror.url}/rancher.github.io/fleet-helm-charts/`, '--version', '0.16.1']
      for (const chart of ['fleet-crd', 'fleet']) {
        expect(await helm(['pull', chart, ...repo, '--destination', folder], noInput)).toMatchObject({ code: 0 })
      }
      expect(readdirSync(folder).toSorted()).toEqual(['fleet-0.16.1.tgz', 'fleet-crd-0.16.1.tgz'])
      const crds = await helm(
        ['template', 'fleet-crd', join(folder, 'fleet-crd-0.16.1.tgz'), '--include-crds'],
        noInput,
      )
      expect(names(documents(crds.output), 'CustomResourceDefinition')).toContain('gitrepos.fleet.cattle.io')
      const fleet = await helm(
        ['template', 'fleet', join(folder, 'fleet-0.16.1.tgz'), '-n', 'cattle-fleet-system'],
        noInput,
      )
      const objects = documents(fleet.output)
      expect(names(objects, 'Deployment')).toEqual(['fleet-controller', 'gitjob', 'helmops'])
      const config = objects.find(({ kind }) => kind === 'ConfigMap') as unknown as { data: { config: string } }
      expect(JSON.parse(config.data.config)).toMatchObject({ bootstrap: { namespace: 'fleet-local' } })
    } finally {
      rmSync(folder, { recursive: true })
    }
  })

  test('shows the definitions of a chart when asked, before its templates', async () => {
    const files = {
      'Chart.yaml': 'name: c\nversion: 1.0.0\n',
      'crds/d.yaml': 'kind: D\n',
      'templates/x.yaml': 'kind: X\n',
    }
    const archive = pack(new Map(Object.entries(files).map(([path, text]) => [`c/${path}`, Buffer.from(text)])))
    await using mirror = await simMirror({ files: new Map([['/c.tgz', archive]]) })
    const line = ['template', 'r', `${mirror.url}/c.tgz`]
    expect((await helm(line, noInput)).output).toBe('---\n# Source: c/templates/x.yaml\nkind: X\n')
    const both = (await helm([...line, '--include-crds'], noInput)).output
    expect(both.startsWith('---\n# Source: c/crds/d.yaml\nkind: D\n---\n')).toBe(true)
  })

  test('fails with a message on what it does not know', async () => {
    await using mirror = await simMirror()
    const chart = (template: string) =>
      pack(
        new Map(
          Object.entries({ 'c/Chart.yaml': 'name: c\nversion: 1.0.0\n', 'c/templates/x.yaml': template }).map(
            ([path, text]) => [path, Buffer.from(text)],
          ),
        ),
      )
    const rendered = async (template: string) => {
      mirror.set('/c.tgz', chart(template))
      return helm(['template', 'r', `${mirror.url}/c.tgz`], noInput)
    }
    expect((await rendered('kind: X\na: "{{ .Release.Name }}{{ .Values.none }}"')).output).toContain('a: "r"')
    for (const action of [
      '{{ include "x" . }}',
      '{{- if .Values.a }}',
      '{{ .Values.a | quote }}',
      '{{ .Capabilities.KubeVersion }}',
    ]) {
      expect(await rendered(`kind: X\na: ${action}`)).toMatchObject({
        code: 1,
        error: expect.stringContaining('stand-in') as string,
      })
    }
    expect((await rendered('a: {{ .Values.a.b }}')).error).toMatch(/nil pointer/)
    expect((await helm(['upgrade', 'r'], noInput)).code).toBe(1)
    expect((await helm(['template', 'r', 'c', '--set', 'a=b'], noInput)).error).toMatch(/--set/)
    const missing = ['template', 'r', 'cilium', '--repo', `${mirror.url}/helm.cilium.io`, '--version', '9.9.9']
    expect((await helm(missing, noInput)).error).toMatch(/version "9.9.9" not found/)
  })

  test('is a program', async () => {
    const program = new URL('../../sim/helm/helm.js', import.meta.url).pathname
    const output = await new Promise<string>((resolve, reject) => {
      execFile(process.execPath, [program, 'version', '--short'], (error, stdout) =>
        error === null ? resolve(stdout) : reject(error),
      )
    })
    expect(output).toMatch(/^v3\.\d+\.\d+/)
  })
})

interface CrdVersion {
  readonly name: string
  readonly storage: boolean
  readonly subresources?: object
  readonly schema: {
    readonly openAPIV3Schema: { readonly properties: { readonly spec?: { readonly required?: readonly string[] } } }
  }
}
const requiredIn = ({ schema }: CrdVersion): readonly string[] => schema.openAPIV3Schema.properties.spec?.required ?? []

/** Definitions as the projects publish them. */
const PUBLISHED = new URL('../../../shared/schemas/crds/', import.meta.url)
if (process.env['CI'] !== undefined && !existsSync(PUBLISHED)) throw new Error(`${PUBLISHED.pathname} is missing`)

describe.skipIf(!existsSync(PUBLISHED))('against the published definitions (skipped where they are absent)', () => {
  test('names, scope and versions are the same, and nothing is required that upstream does not require', async () => {
    const objects = [
      ...documents(file('/flux2/releases/download/v2.9.4/install.yaml')),
      ...documents(file('/argo-cd/v3.4.4/manifests/install.yaml')),
      ...documents(file('/gateway-api/releases/download/v1.4.1/standard-install.yaml')),
    ]
    await using mirror = await simMirror()
    const repo = `${mirror.url}/rancher.github.io/fleet-helm-charts`
    objects.push(
      ...documents((await helm(['template', 'f', 'fleet-crd', '--repo', repo, '--include-crds'], noInput)).output),
    )
    const published = new Map(
      ['flux', 'argo-cd', 'gateway-api', 'fleet'].flatMap((folder) =>
        readdirSync(new URL(`${folder}/`, PUBLISHED))
          .filter((name) => name.endsWith('.yaml'))
          .map((name) => parse(readFileSync(new URL(`${folder}/${name}`, PUBLISHED), 'utf8')) as KubeObject)
          .map((crd) => [crd.metadata.name, crd] as const),
      ),
    )
    let compared = 0
    for (const { kind, metadata, spec } of objects) {
      if (kind !== 'CustomResourceDefinition') continue
      const { name } = metadata
      const real = published.get(name)
      expect([name, spec.scope, spec.names.kind]).toEqual([name, real?.spec.scope, real?.spec.names.kind])
      for (const version of spec.versions as readonly CrdVersion[]) {
        const other = ((real?.spec.versions ?? []) as readonly CrdVersion[]).find((one) => one.name === version.name)
        const extra = requiredIn(version).filter((field) => other === undefined || !requiredIn(other).includes(field))
        expect([name, version.name, extra]).toEqual([name, version.name, []])
        expect([name, version.storage, Object.keys(version.subresources ?? {})]).toEqual([
          name,
          other?.storage,
          Object.keys(other?.subresources ?? {}),
        ])
        compared++
      }
    }
    expect(compared).toBeGreaterThan(25)
  })
})

/** Kubernetes 1.36, one file per kind and version; unknown fields are refused. */
const KUBERNETES = new URL('../../../shared/schemas/kubernetes/v1.36-standalone-strict/', import.meta.url)
if (process.env['CI'] !== undefined && !existsSync(KUBERNETES)) throw new Error(`${KUBERNETES.pathname} is missing`)

describe.skipIf(!existsSync(KUBERNETES))(
  'against the schemas of Kubernetes 1.36 (skipped where they are absent)',
  () => {
    test('every object of the manifests and charts is one that an API server takes', async () => {
      await using mirror = await simMirror()
      const charts = [
        ['cilium', `${mirror.url}/helm.cilium.io`],
        ['fleet-crd', `${mirror.url}/rancher.github.io/fleet-helm-charts`],
        ['fleet', `${mirror.url}/rancher.github.io/fleet-helm-charts`],
      ] as const
      const rendered = await Promise.all(
        charts.map(([chart, repo]) => helm(['template', 'r', chart, '--repo', repo, '-n', 'somewhere'], noInput)),
      )
      const manifests = mirror.paths().filter((path) => path.endsWith('install.yaml'))
      const objects = [...manifests.map(file), ...rendered.map(({ output }) => output)].flatMap(documents)
      expect(objects.length).toBeGreaterThan(100)
      const ajv = new Ajv({ strict: false, allErrors: true, logger: false })
      for (const object of objects) {
        const [group = '', version = ''] = object.apiVersion.includes('/')
          ? object.apiVersion.split('/')
          : ['', object.apiVersion]
        const name = [object.kind.toLowerCase(), group.split('.')[0], version].filter((part) => part !== '').join('-')
        const schema = JSON.parse(readFileSync(new URL(`${name}.json`, KUBERNETES), 'utf8')) as object
        const validate = ajv.getSchema(name) ?? ajv.addSchema(schema, name).getSchema(name)
        const fits = validate?.(object)
        expect([object.kind, object.metadata.name, validate?.errors ?? [], fits]).toEqual([
          object.kind,
          object.metadata.name,
          [],
          true,
        ])
      }
    })
  },
)
