import { expect, test } from 'vitest'
import { clusterJsonSchema, type JsonSchema, schemaAt } from '../../../src/core/spec/json-schema.ts'
import { supportOf } from '../../../src/core/spec/support.ts'
import { home, parse } from './home.ts'

/** Paths of every field in the schema, with `*` for names and list entries. */
function pathsOf(schema: JsonSchema, path: readonly string[]): readonly (readonly string[])[] {
  return [
    ...Object.entries(schema.properties ?? {}).flatMap(([name, inner]) => [
      [...path, name],
      ...pathsOf(inner, [...path, name]),
    ]),
    ...[...(schema.anyOf ?? []), ...(schema.oneOf ?? [])].flatMap((form) => pathsOf(form, path)),
    ...(schema.items === undefined ? [] : pathsOf(schema.items, [...path, '*'])),
    ...(typeof schema.additionalProperties === 'object' ? pathsOf(schema.additionalProperties, [...path, '*']) : []),
  ]
}

test('every field of the schema is either planned or refused', () => {
  const paths = new Map(pathsOf(clusterJsonSchema(), []).map((path) => [path.join('.'), path]))
  const refused = [...paths.values()]
    .filter((path) => supportOf(path, 'some text') === 'no')
    .map((path) => path.join('.'))
  // Sections of which parts are planned do not take a text: those are maps.
  const sections = [...paths.values()].filter((path) => supportOf(path, {}) === 'deeper')
  expect(paths.size).toBeGreaterThan(250)
  expect(refused).toEqual(
    expect.arrayContaining([
      'spec.access',
      'spec.backup',
      'spec.upgrades',
      'spec.machines.*.gpus',
      'spec.machines.*.reserved',
      'spec.kubernetes.tailnet',
    ]),
  )
  expect(sections.map((path) => path.join('.'))).toContain('spec.kubernetes')
})

test.each(['cert-manager', 'quotas', 'storage-classes', 'gpu-operator', 'traefik'])(
  'component %s is refused, even without settings',
  (name) => {
    expect(schemaAt(clusterJsonSchema(), `spec.components.${name}`)).toBeDefined()
    const empty = name === 'storage-classes' ? '[]' : '{}'
    const { problems, spec } = parse(home(['  gitops:', `  components: { ${name}: ${empty} }\n  gitops:`]))
    expect(problems.map(({ code, what }) => [code, what])).toEqual([
      ['spec.not-yet-supported', `${name} in components is not yet supported`],
    ])
    expect(spec).toBeUndefined()
  },
)

test.each([
  ['destroy', ['  kubernetes:', '  lifecycle: destroy\n  kubernetes:'], 'lifecycle "destroy"'],
  ['CRI-O', ['version: 1.36', 'version: 1.36\n    runtime: crio'], 'runtime "crio"'],
  ['Calico', ['kind: flannel', 'kind: calico'], 'kind "calico"'],
  ['an address kept by kube-vip', ['  network:', '  endpoint: { address: 10.4.0.10 }\n  network:'], 'kept by kube-vip'],
  ['SOPS with Fleet', ['engine: flux', 'engine: fleet, secrets: { sops: true }'], 'sops with fleet'],
  ['flow metrics', ['kind: flannel', 'kind: cilium, hubble: { metrics: [dns] }'], 'metrics in network.cni.hubble'],
] as const)('%s is refused by name', (_name, change, what) => {
  const { problems } = parse(home(change))
  expect(problems.map(({ code }) => code)).toEqual(['spec.not-yet-supported'])
  expect(problems[0]?.what).toContain(what)
})

test.each(['flux', 'argocd', 'fleet'])('%s can be planned', (engine) => {
  expect(parse(home(['engine: flux', `engine: ${engine}`])).spec?.gitops.engine).toBe(engine)
})

test('what says the same as the default is not refused', () => {
  const text = home([
    'disk: 40GiB }',
    'disk: 40GiB, optional: false, extraDisks: [], performance: { hugePages: false } }',
  ])
  expect(parse(text).problems).toEqual([])
})
