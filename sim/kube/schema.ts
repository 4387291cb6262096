import { isRecord } from './object.ts'
import { definition } from './resource.ts'
import type { Cause } from './status.ts'

/** The parts of OpenAPI that structural schemas and Kubernetes' own document use. */
export interface Schema {
  readonly $ref?: string
  readonly type?: string
  readonly format?: string
  readonly properties?: Readonly<Record<string, Schema>>
  readonly required?: readonly string[]
  readonly items?: Schema
  readonly additionalProperties?: Schema | boolean
  readonly enum?: readonly unknown[]
  readonly default?: unknown
  readonly nullable?: boolean
  readonly pattern?: string
  readonly minimum?: number
  readonly maximum?: number
  readonly minLength?: number
  readonly maxLength?: number
  readonly minItems?: number
  readonly maxItems?: number
  readonly 'x-kubernetes-list-type'?: 'atomic' | 'set' | 'map'
  readonly 'x-kubernetes-list-map-keys'?: readonly string[]
  readonly 'x-kubernetes-map-type'?: 'atomic' | 'granular'
  readonly 'x-kubernetes-patch-merge-key'?: string
  readonly 'x-kubernetes-patch-strategy'?: string
  readonly 'x-kubernetes-preserve-unknown-fields'?: boolean
  readonly 'x-kubernetes-embedded-resource'?: boolean
  readonly 'x-kubernetes-int-or-string'?: boolean
}

const OBJECT_META = 'io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta'
const INT_OR_STRING = 'io.k8s.apimachinery.pkg.util.intstr.IntOrString'
const QUANTITY = 'io.k8s.apimachinery.pkg.api.resource.Quantity'
/** Schemas in a CustomResourceDefinition hold arbitrary JSON; nothing below them is checked. */
const OPEN = new Set([
  'io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps',
  'io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSON',
  'io.k8s.apimachinery.pkg.apis.meta.v1.FieldsV1',
  'io.k8s.apimachinery.pkg.runtime.RawExtension',
])

export function resolve(schema: Schema | undefined): Schema {
  if (schema?.$ref === undefined) return schema ?? {}
  if (OPEN.has(schema.$ref)) return { 'x-kubernetes-preserve-unknown-fields': true }
  if (schema.$ref === INT_OR_STRING || schema.$ref === QUANTITY) return { 'x-kubernetes-int-or-string': true }
  const { $ref, ...own } = schema
  return { ...definition($ref), ...own }
}

/** The schema of a field; metadata of a custom resource has the schema of every object's metadata. */
export function child(schema: Schema | undefined, field: string, atRoot = false): Schema | undefined {
  const here = resolve(schema)
  if (atRoot && field === 'metadata') return { $ref: OBJECT_META }
  if (atRoot && (field === 'apiVersion' || field === 'kind')) return { type: 'string' }
  return here.properties?.[field] ?? (isRecord(here.additionalProperties) ? here.additionalProperties : undefined)
}

/** How a list is merged: whole, as a set of values, or as items found by these keys. */
export function listKeys(schema: Schema | undefined): 'atomic' | 'set' | readonly string[] {
  const here = resolve(schema)
  if (here['x-kubernetes-list-type'] === 'map') return here['x-kubernetes-list-map-keys'] ?? 'atomic'
  return here['x-kubernetes-list-type'] === 'set' ? 'set' : 'atomic'
}

export const isAtomicMap = (schema: Schema | undefined): boolean =>
  resolve(schema)['x-kubernetes-map-type'] === 'atomic'

const isOpen = (here: Schema): boolean =>
  here['x-kubernetes-preserve-unknown-fields'] === true ||
  here.additionalProperties === true ||
  (here.properties === undefined && here.additionalProperties === undefined && (here.type ?? 'object') === 'object')

/** Paths of fields that the schema does not know, e.g. `spec.replica`. */
export function unknownFields(schema: Schema | undefined, value: unknown, path = '', atRoot = true): string[] {
  const here = resolve(schema)
  if (Array.isArray(value))
    return value.flatMap((item, index) => unknownFields(here.items, item, `${path}[${index}]`, false))
  if (!isRecord(value) || schema === undefined || isOpen(here)) return []
  return Object.entries(value).flatMap(([key, item]) => {
    const inner = child(here, key, atRoot)
    const name = path === '' ? key : `${path}.${key}`
    return inner === undefined ? [name] : unknownFields(inner, item, name, false)
  })
}

/** Takes away what the schema does not know, as the API server does with every stored custom resource. */
export function prune(schema: Schema | undefined, value: unknown, atRoot = true): void {
  const here = resolve(schema)
  if (Array.isArray(value)) for (const item of value) prune(here.items, item, false)
  if (!isRecord(value) || schema === undefined || isOpen(here)) return
  for (const key of Object.keys(value)) {
    const inner = child(here, key, atRoot)
    if (inner === undefined) delete value[key]
    else prune(inner, value[key], false)
  }
}

/** Fills in the defaults of a structural schema. */
export function applyDefaults(schema: Schema | undefined, value: unknown): void {
  const here = resolve(schema)
  if (Array.isArray(value)) for (const item of value) applyDefaults(here.items, item)
  if (!isRecord(value)) return
  for (const [key, inner] of Object.entries(here.properties ?? {})) {
    if (value[key] === undefined && inner.default !== undefined) value[key] = structuredClone(inner.default)
    if (value[key] !== undefined) applyDefaults(inner, value[key])
  }
  if (isRecord(here.additionalProperties)) {
    const known = here.properties ?? {}
    for (const key of Object.keys(value)) if (!(key in known)) applyDefaults(here.additionalProperties, value[key])
  }
}

/** The first value of a wrong type as the typed parser of server-side apply words it, e.g. `.data.rev: expected string, got …`. */
export function typeMismatch(schema: Schema | undefined, value: unknown, path = '', atRoot = true): string | undefined {
  if (schema === undefined || value === null || value === undefined) return undefined
  const here = resolve(schema)
  if (here['x-kubernetes-int-or-string'] === true) return undefined
  const got =
    Array.isArray(value) || isRecord(value) ? 'map or list' : `&value.valueUnstructured{Value:${shown(value)}}`
  const expected = here.type ?? (here.properties === undefined ? undefined : 'object')
  if (expected === 'string' && typeof value !== 'string') return `${path}: expected string, got ${got}`
  if ((expected === 'integer' || expected === 'number') && typeof value !== 'number')
    return `${path}: expected numeric (int or float), got ${shown(value)}`
  if (expected === 'boolean' && typeof value !== 'boolean') return `${path}: expected boolean, got ${got}`
  if (expected === 'array') {
    if (!Array.isArray(value)) return `${path}: expected list, got ${got}`
    for (const [index, item] of value.entries()) {
      const inside = typeMismatch(here.items, item, `${path}[${index}]`, false)
      if (inside !== undefined) return inside
    }
  }
  if (expected === 'object') {
    if (!isRecord(value)) return `${path}: expected map, got ${got}`
    for (const [key, item] of Object.entries(value)) {
      const inside = typeMismatch(child(here, key, atRoot), item, `${path}.${key}`, false)
      if (inside !== undefined) return inside
    }
  }
  return undefined
}

const shown = (value: unknown): string => (typeof value === 'string' ? JSON.stringify(value) : String(value))
const goType = (value: unknown): string =>
  Array.isArray(value) ? 'array' : isRecord(value) ? 'object' : Number.isInteger(value) ? 'integer' : typeof value

/** What a structural schema refuses, in the words of the API server. */
export function violations(schema: Schema | undefined, value: unknown, path = '', atRoot = true): Cause[] {
  if (schema === undefined || value === undefined) return []
  const here = resolve(schema)
  const field = path === '' ? '<nil>' : path
  if (value === null)
    return here.nullable === true || here.type === undefined
      ? []
      : [
          {
            reason: 'FieldValueTypeInvalid',
            field,
            message: `Invalid value: "null": ${path} in body must be of type ${here.type}: "null"`,
          },
        ]
  if (here['x-kubernetes-int-or-string'] === true) return []
  const actual = goType(value)
  const expected = here.type
  if (expected !== undefined && actual !== expected && !(expected === 'number' && actual === 'integer'))
    return [
      {
        reason: 'FieldValueTypeInvalid',
        field,
        message: `Invalid value: ${JSON.stringify(actual)}: ${path} in body must be of type ${expected}: ${JSON.stringify(actual)}`,
      },
    ]
  const found: Cause[] = []
  const refuse = (message: string, reason = 'FieldValueInvalid') => found.push({ reason, field, message })
  if (here.enum !== undefined && !here.enum.includes(value))
    refuse(
      `Unsupported value: ${JSON.stringify(value)}: supported values: ${here.enum.map((item) => JSON.stringify(item)).join(', ')}`,
      'FieldValueNotSupported',
    )
  if (typeof value === 'string') {
    if (here.pattern !== undefined && !matches(here.pattern, value))
      refuse(`Invalid value: ${JSON.stringify(value)}: ${path} in body should match '${here.pattern}'`)
    if (here.minLength !== undefined && value.length < here.minLength)
      refuse(`Invalid value: ${JSON.stringify(value)}: ${path} in body should be at least ${here.minLength} chars long`)
    if (here.maxLength !== undefined && value.length > here.maxLength)
      refuse(`Too long: may not be more than ${here.maxLength} bytes`, 'FieldValueTooLong')
  }
  if (typeof value === 'number') {
    if (here.minimum !== undefined && value < here.minimum)
      refuse(`Invalid value: ${value}: ${path} in body should be greater than or equal to ${here.minimum}`)
    if (here.maximum !== undefined && value > here.maximum)
      refuse(`Invalid value: ${value}: ${path} in body should be less than or equal to ${here.maximum}`)
  }
  if (Array.isArray(value)) {
    if (here.minItems !== undefined && value.length < here.minItems)
      refuse(`Invalid value: ${value.length}: ${path} in body should have at least ${here.minItems} items`)
    for (const [index, item] of value.entries()) found.push(...violations(here.items, item, `${path}[${index}]`, false))
  }
  if (isRecord(value)) {
    for (const name of here.required ?? [])
      if (value[name] === undefined)
        found.push({ reason: 'FieldValueRequired', field: join(path, name), message: 'Required value' })
    for (const [key, item] of Object.entries(value))
      found.push(...violations(child(here, key, atRoot), item, join(path, key), false))
  }
  return found
}

const join = (path: string, name: string): string => (path === '' ? name : `${path}.${name}`)

/** RE2 and JavaScript agree on the patterns in use; one that JavaScript cannot read is not held against the value. */
function matches(pattern: string, value: string): boolean {
  try {
    return new RegExp(pattern, 'u').test(value)
  } catch {
    return true
  }
}
