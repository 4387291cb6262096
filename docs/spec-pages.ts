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

interface Row {
  readonly path: string
  readonly type: string
  readonly required: boolean
  readonly fallback: string
  readonly description: string
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

/** Rows of everything below a schema, depth first, in the order of the schema. */
function rowsOf(schema: JsonSchema, path: string): readonly Row[] {
  const forms = (schema.anyOf ?? schema.oneOf ?? []).filter(
    (form) => form.properties !== undefined || form.items !== undefined,
  )
  if (forms.length > 0) {
    const shared = commonNames(forms)
    return forms.flatMap((form, i) => {
      const label = forms.length === 1 ? path : `${path} (${formName(form)})`
      const properties = Object.entries(form.properties ?? {})
      const seen =
        i === 0
          ? properties
          : properties.filter(([name, inner]) => !shared.has(name) || sameAs(forms[0], name) !== JSON.stringify(inner))
      return seen.flatMap(([name, inner]) => {
        const common = shared.has(name) && forms.every((other) => sameAs(other, name) === JSON.stringify(inner))
        return field(common ? path : label, name, inner, form.required?.includes(name) ?? false)
      })
    })
  }
  if (schema.items !== undefined) return rowsOf(schema.items, `${path}[]`)
  if (typeof schema.additionalProperties === 'object' && isNested(schema.additionalProperties))
    return rowsOf(schema.additionalProperties, `${path}.\\<name\\>`)
  return Object.entries(schema.properties ?? {}).flatMap(([name, inner]) =>
    field(path, name, inner, schema.required?.includes(name) ?? false),
  )
}

function field(path: string, name: string, schema: JsonSchema, required: boolean): readonly Row[] {
  const full = path === '' ? name : `${path}.${name}`
  return [rowOf(full, schema, required), ...rowsOf(schema, full)]
}

function rowOf(path: string, schema: JsonSchema, required: boolean): Row {
  const fallback =
    schema.default === undefined || isEmpty(schema.default) ? '' : `\`${JSON.stringify(schema.default)}\``
  return { path, type: typeOf(schema), required, fallback, description: schema.description ?? '' }
}

function table(rows: readonly Row[]): string {
  const cell = (text: string) => text.replaceAll('|', '\\|').replaceAll('\n', ' ')
  return [
    '| field | type | default | |',
    '|---|---|---|---|',
    ...rows.map(
      ({ path, type, required, fallback, description }) =>
        `| \`${path.replaceAll('\\', '')}\` | ${cell(type)} | ${required ? '**needed**' : cell(fallback)} | ${cell(description)} |`,
    ),
  ].join('\n')
}

function typeOf(schema: JsonSchema): string {
  if (schema.const !== undefined) return `\`${JSON.stringify(schema.const).replaceAll('"', '')}\``
  if (schema.enum !== undefined) return schema.enum.map((value) => `\`${String(value)}\``).join(' · ')
  const forms = schema.anyOf ?? schema.oneOf
  if (forms !== undefined) return [...new Set(forms.map(typeOf))].join(' or ')
  if (schema.type === 'array') return `list of ${schema.items === undefined ? 'values' : typeOf(schema.items)}`
  if (schema.type === 'object') return 'map'
  const type = Array.isArray(schema.type)
    ? 'text'
    : ({ string: 'text', integer: 'whole number', boolean: 'true or false' }[String(schema.type)] ?? 'value')
  const { minimum, maximum } = schema
  const bounded = minimum !== undefined && maximum !== undefined && Math.abs(maximum) < Number.MAX_SAFE_INTEGER
  return bounded ? `${type}, ${minimum} to ${maximum}` : type
}

function formName(form: JsonSchema): string {
  const chosen = Object.values(form.properties ?? {}).find((inner) => inner.const !== undefined)
  if (chosen !== undefined) return String(chosen.const)
  return form.properties?.['host'] !== undefined ? 'host' : form.properties?.['provider'] !== undefined ? 'VM' : 'map'
}

function commonNames(forms: readonly JsonSchema[]): ReadonlySet<string> {
  const [first, ...others] = forms
  return new Set(
    Object.keys(first?.properties ?? {}).filter(
      (name) => others.length > 0 && others.every((form) => form.properties?.[name] !== undefined),
    ),
  )
}

function sameAs(form: JsonSchema | undefined, name: string): string {
  return JSON.stringify(form?.properties?.[name])
}

function isNested(schema: JsonSchema): boolean {
  return schema.properties !== undefined || schema.anyOf !== undefined || schema.oneOf !== undefined
}

function isEmpty(value: unknown): boolean {
  return typeof value === 'object' && value !== null && Object.keys(value).length === 0
}

function without(properties: Readonly<Record<string, JsonSchema>>, name: string): Readonly<Record<string, JsonSchema>> {
  return Object.fromEntries(Object.entries(properties).filter(([key]) => key !== name))
}
