import type { JsonSchema } from '../src/core/spec/json-schema.ts'

/** A field of a schema as a reference page shows it. */
export interface Row {
  readonly path: string
  readonly type: string
  readonly required: boolean
  readonly fallback: string
  readonly description: string
}

/** Rows of everything below a schema, depth first, in the order of the schema. */
export function rowsOf(schema: JsonSchema, path: string): readonly Row[] {
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

export function rowOf(path: string, schema: JsonSchema, required: boolean): Row {
  const fallback =
    schema.default === undefined || isEmpty(schema.default) ? '' : `\`${JSON.stringify(schema.default)}\``
  return { path, type: typeOf(schema), required, fallback, description: schema.description ?? '' }
}

export function table(rows: readonly Row[]): string {
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
