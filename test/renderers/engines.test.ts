import { existsSync, readFileSync } from 'node:fs'
import { Ajv, type ValidateFunction } from 'ajv'
import formats from 'ajv-formats'
import { describe, expect, test } from 'vitest'
import { parseAllDocuments } from 'yaml'
import { argocd } from '../../argocd/index.ts'
import { fleet } from '../../fleet/index.ts'
import { flux } from '../../flux/index.ts'
import type { KubeObject } from '../../src/core/component.ts'
import type { GitopsEngine } from '../../src/core/engine.ts'
import { componentsOf } from '../../templates/components/index.ts'
import { readArgocdBundle } from './readers/argocd.ts'
import { readFleetBundle } from './readers/fleet.ts'
import { readFluxBundle } from './readers/flux.ts'
import type { Said } from './readers/read.ts'
import { ciliumWithEverything, sampleSpec } from './sample.ts'

const ENGINES = [
  { engine: flux, read: readFluxBundle },
  { engine: argocd, read: readArgocdBundle },
  { engine: fleet, read: readFleetBundle },
] as const
const NETWORKS = [
  { network: 'flannel', cni: undefined },
  { network: 'cilium', cni: ciliumWithEverything },
] as const
const SCHEMAS = '../shared/schemas'
const VECTORS = '../shared/vectors/gitops'
const without = (folder: string): boolean => !existsSync(folder) && process.env['CI'] === undefined

/** The same words as the readers use, taken from the components themselves. */
function expected(engine: GitopsEngine, cni: (typeof NETWORKS)[number]['cni']): readonly Said[] {
  const components = componentsOf(sampleSpec(engine.name, cni))
  const owned = new Set(
    components.filter((component) => component.owner === 'engine').map((component) => component.name),
  )
  return components.map(({ name, source, namespace, waitsFor, owner }): Said => {
    const waits = owner === 'engine' ? waitsFor.filter((other) => owned.has(other)) : []
    switch (source.from) {
      case 'chart':
        return {
          name,
          what: 'chart',
          from: `${source.repository} ${source.chart}`,
          version: source.version,
          values: source.values,
          namespace,
          waitsFor: waits,
          owner,
        }
      case 'url':
        return {
          name,
          what: 'manifests',
          from: source.url,
          version: source.version,
          values: null,
          namespace: '',
          waitsFor: waits,
          owner,
        }
      case 'objects':
        return {
          name,
          what: 'manifests',
          from: source.objects.map((object) => `${object.kind}/${object.metadata.name}`).join(' '),
          version: source.version,
          values: null,
          namespace: '',
          waitsFor: waits,
          owner,
        }
      case 'path':
        return {
          name,
          what: 'folder',
          from: source.path,
          version: 'repository',
          values: null,
          namespace: '',
          waitsFor: waits,
          owner,
        }
      default:
        return source satisfies never
    }
  })
}

const byName = (list: readonly Said[]): readonly Said[] => [...list].sort((a, b) => (a.name < b.name ? -1 : 1))

describe.each(ENGINES)('$engine.name', ({ engine, read }) => {
  test.each(NETWORKS)('its bundle with $network reads back as the components it was made from', ({ cni }) => {
    const spec = sampleSpec(engine.name, cni)
    const bundle = engine.render(spec, componentsOf(spec))
    expect(byName(read(bundle, 'clusters/home/gitops'))).toEqual(byName(expected(engine, cni)))
  })

  test.each(NETWORKS)('its bundle with $network is golden', async ({ network, cni }) => {
    const spec = sampleSpec(engine.name, cni)
    const text = [...engine.render(spec, componentsOf(spec))]
      .map(([path, content]) => `=== ${path}\n${content}`)
      .join('')
    await expect(text).toMatchFileSnapshot(`../golden/bundles/${engine.name}-${network}.txt`)
  })

  test('the same spec gives the same bytes', () => {
    const render = (): string =>
      JSON.stringify([...engine.render(sampleSpec(engine.name), componentsOf(sampleSpec(engine.name)))])
    expect(render()).toBe(render())
  })

  test('its key material is only in Secrets', () => {
    const spec = sampleSpec(engine.name)
    const keys = {
      deployKey: { privateKey: 'PRIVATE-CANARY\n', publicKey: 'ssh-ed25519 AAAA' },
      ageIdentity: 'AGE-CANARY',
    }
    const others = engine.credentials(spec, keys).filter((object) => object.kind !== 'Secret')
    expect(JSON.stringify(others)).not.toMatch(/CANARY/)
    expect(JSON.stringify(engine.credentials(spec, keys))).toMatch(/PRIVATE-CANARY\\n"/)
    expect(
      JSON.stringify([...engine.render(spec, componentsOf(spec)), engine.point(spec, componentsOf(spec))]),
    ).not.toMatch(/CANARY/)
  })
})

test('the engines differ only in how secrets are delivered', () => {
  const decrypting = (engine: GitopsEngine): boolean =>
    JSON.stringify([
      ...engine.render(
        sampleSpec(engine.name, undefined, true),
        componentsOf(sampleSpec(engine.name, undefined, true)),
      ),
    ]).includes('decryption')
  expect(ENGINES.map(({ engine }) => [engine.name, decrypting(engine)])).toEqual([
    ['flux', true],
    ['argocd', false],
    ['fleet', false],
  ])
  const said = ENGINES.map(({ engine, read }) =>
    byName(
      read(
        engine.render(
          sampleSpec(engine.name, ciliumWithEverything),
          componentsOf(sampleSpec(engine.name, ciliumWithEverything)),
        ),
        'clusters/home/gitops',
      ),
    ),
  )
  expect(said[1]).toEqual(said[0])
  expect(said[2]).toEqual(said[0])
})

describe.skipIf(without(SCHEMAS))('official schemas (skipped without ../shared)', () => {
  const ajv = new Ajv({ strict: false, allErrors: true, logger: false })
  formats.default(ajv)
  const validators = new Map<string, ValidateFunction>()
  const validatorOf = (object: KubeObject): ValidateFunction | undefined => {
    const [group, version] = object.apiVersion.includes('/') ? object.apiVersion.split('/') : ['', object.apiVersion]
    const core = `${SCHEMAS}/kubernetes/v1.36-standalone-strict/${[object.kind, ...(group === '' ? [] : [group!.split('.')[0]!]), version].join('-').toLowerCase()}.json`
    const custom = `${SCHEMAS}/crds-jsonschema/${group}/${object.kind.toLowerCase()}_${version}.json`
    const file = existsSync(custom) ? custom : core
    if (!existsSync(file)) return undefined
    if (!validators.has(file)) validators.set(file, ajv.compile(JSON.parse(readFileSync(file, 'utf8')) as object))
    return validators.get(file)
  }
  test.each(ENGINES.flatMap(({ engine }) => NETWORKS.map(({ network, cni }) => ({ engine, network, cni }))))(
    '$engine.name with $network: every object is valid',
    ({ engine, cni }) => {
      const spec = sampleSpec(engine.name, cni)
      const components = componentsOf(spec)
      const keys = { deployKey: { privateKey: 'k\n', publicKey: 'ssh-ed25519 AAAA' }, ageIdentity: 'AGE-SECRET-KEY-1X' }
      const rendered = [...engine.render(spec, components)]
        .filter(([path]) => !/\/(kustomization|fleet)\.yaml$/.test(path))
        .flatMap(([, text]) => parseAllDocuments(text).map((doc) => doc.toJS() as KubeObject))
      const objects = [...rendered, ...engine.point(spec, components), ...engine.credentials(spec, keys)]
      expect(objects.length).toBeGreaterThan(4)
      for (const object of objects) {
        const validate = validatorOf(object)
        expect(validate, `a schema for ${object.apiVersion} ${object.kind}`).toBeDefined()
        expect(validate!(object) ? [] : validate!.errors, `${object.kind}/${object.metadata.name}`).toEqual([])
      }
    },
  )
  test.each(NETWORKS)('fleet.yaml with $network is valid', ({ cni }) => {
    const validate = ajv.compile(JSON.parse(readFileSync(`${SCHEMAS}/fleet/fleet-yaml.schema.json`, 'utf8')) as object)
    const spec = sampleSpec('fleet', cni)
    const files = [...fleet.render(spec, componentsOf(spec))].filter(([path]) => path.endsWith('/fleet.yaml'))
    expect(files.length).toBeGreaterThan(1)
    const wrong = files.flatMap(([path, text]) =>
      validate(parseAllDocuments(text)[0]!.toJS()) ? [] : [{ path, errors: validate.errors }],
    )
    expect(wrong).toEqual([])
  })
  test('the values given to Cilium are values that its chart knows', () => {
    const validate = ajv.compile(
      JSON.parse(readFileSync(`${SCHEMAS}/charts/cilium/values.schema.json`, 'utf8')) as object,
    )
    const source = componentsOf(sampleSpec('flux', ciliumWithEverything)).find(({ name }) => name === 'cilium')!.source
    if (source.from !== 'chart') throw new Error('Cilium is a chart')
    expect(validate(source.values) ? [] : validate.errors).toEqual([])
    const known = parseAllDocuments(readFileSync(`${SCHEMAS}/charts/cilium/values.yaml`, 'utf8'))[0]!
    const unknown = leaves(source.values).filter((path) => !known.hasIn(path))
    expect(unknown).toEqual([])
  })
})

function leaves(value: unknown, path: readonly string[] = []): readonly string[][] {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return [[...path]]
  return Object.entries(value).flatMap(([key, member]) => leaves(member, [...path, key]))
}

describe.skipIf(without(VECTORS))('status as the real controllers write it (skipped without ../shared)', () => {
  const objects = (file: string, only: readonly string[]): readonly KubeObject[] =>
    (JSON.parse(readFileSync(`${VECTORS}/${file}.json`, 'utf8')) as { items: KubeObject[] }).items.filter((item) =>
      only.includes(item.kind),
    )
  test.each([
    ['flux-ready', flux, 'ready', ''],
    ['flux-wrong-deploy-key', flux, 'failed', 'unable to authenticate'],
    ['flux-changed-host-key', flux, 'failed', 'key mismatch'],
    ['flux-wrong-age-key', flux, 'failed', 'decrypt'],
    ['flux-invalid-object', flux, 'failed', 'expected string'],
    ['argocd-synced', argocd, 'ready', ''],
    ['argocd-broken-kustomization', argocd, 'failed', 'kustomize build'],
    ['argocd-invalid-object', argocd, 'failed', 'failed to apply'],
    ['fleet-applied', fleet, 'ready', ''],
    ['fleet-gitrepo', fleet, 'ready', ''],
  ] as const)('%s', (file, engine, state, message) => {
    const status = engine.readStatus(objects(file, ['GitRepository', 'Kustomization', 'Application', 'GitRepo']))
    expect(status).toMatchObject({ state })
    expect(status.message ?? '').toContain(message)
    // What is ready says which commit it is at.
    expect(state !== 'ready' || /^[0-9a-f]{40}$/.test(status.commit ?? '')).toBe(true)
  })
})

test('an engine that nobody has seen is unknown', () => {
  for (const { engine } of ENGINES) expect(engine.readStatus([])).toEqual({ state: 'unknown' })
})
