import { type Row, rowOf, rowsOf, table } from './schema-table.ts'
import { clusterJsonSchema, type JsonSchema, policyJsonSchema } from '../src/core/spec/json-schema.ts'

/** The files made from the schemas of `cluster.yaml` and `slipway.policy.yaml`, by path from the root of the repository. */
export function specPages(): ReadonlyMap<string, string> {
  const schema = clusterJsonSchema()
  const policy = policyJsonSchema()
  return new Map([
    ['schema/cluster.schema.json', `${JSON.stringify(schema, null, 1)}\n`],
    ['docs/reference/spec.md', reference(schema)],
    ['schema/policy.schema.json', `${JSON.stringify(policy, null, 1)}\n`],
    ['docs/reference/policy.md', policyReference(policy)],
  ])
}

function reference(schema: JsonSchema): string {
  const spec = schema.properties?.['spec']
  const sections = Object.entries(spec?.properties ?? {}).map(([name, section]) => {
    const components = name === 'components'
    const own = [rowOf(name, section, spec?.required?.includes(name) ?? false)]
    const rows = components ? [] : own.slice(1).concat(rowsOf(section, name))
    const parts = components
      ? Object.entries(section.properties ?? {}).map(([component, settings]) => part(component, settings))
      : []
    return [`## ${name}`, section.description ?? '', facts(own[0]), ...(rows.length > 0 ? [table(rows)] : []), ...parts]
      .filter((text) => text !== '')
      .join('\n\n')
  })
  return `${[
    '# `cluster.yaml`',
    `<!-- Made by \`npm run docs\` from src/core/spec; edit the descriptions there. -->`,
    'Everything that a cluster file may say. Unknown fields are errors. Fields marked **needed** have no default.',
    '`a.b` means field `b` of map `a`; `a[]` an entry of a list; `a.<name>` an entry whose name is yours. Where a map has several forms, the field that chooses between them is in brackets: `kubernetes (kubeadm).firewall` exists with `distribution: kubeadm` only.',
    'A field in this table can be written; what this release can plan of it is in [reference setups](../reference-setups.md). Everything else is refused with `spec.not-yet-supported`, never ignored.',
    '## The file',
    table([
      ...rowsOf({ ...schema, properties: without(schema.properties ?? {}, 'spec') }, ''),
      rowOf('spec', spec ?? {}, true),
    ]),
    ...sections,
  ].join('\n\n')}\n`
}

function policyReference(schema: JsonSchema): string {
  const spec = schema.properties?.['spec'] ?? {}
  return `${[
    '# `slipway.policy.yaml`',
    '<!-- Made by `npm run docs` from src/core/policy.ts; edit the descriptions there. -->',
    `${schema.description ?? ''} It lies at the root of the repository and is read from the default branch only, so a pull cannot loosen its own rules. Without the file, every rule has its default; with a mistake in it, nothing runs.`,
    table([
      ...rowsOf({ ...schema, properties: without(schema.properties ?? {}, 'spec') }, ''),
      ...rowsOf(spec, 'spec'),
    ]),
  ].join('\n\n')}\n`
}

function part(component: string, settings: JsonSchema): string {
  const rows = rowsOf(settings, '').filter(({ path }) => path !== 'version')
  return [
    `### components.${component}`,
    settings.description ?? '',
    rows.length > 0 ? table(rows) : 'No settings.',
  ].join('\n\n')
}

function facts(row: Row | undefined): string {
  if (row === undefined) return ''
  return row.required ? 'Needed.' : row.fallback === '' ? 'May be left out.' : `Default: ${row.fallback}.`
}

function without(properties: Readonly<Record<string, JsonSchema>>, name: string): Readonly<Record<string, JsonSchema>> {
  return Object.fromEntries(Object.entries(properties).filter(([key]) => key !== name))
}
