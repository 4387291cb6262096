/** A Kubernetes object as it travels: JSON. What the simulator reads out of it goes through the readers below. */
export interface KubeObject {
  apiVersion: string
  kind: string
  metadata: Meta
  [field: string]: unknown
}

interface Meta {
  name: string
  namespace?: string
  generateName?: string
  uid?: string
  resourceVersion?: string
  generation?: number
  creationTimestamp?: string
  deletionTimestamp?: string
  deletionGracePeriodSeconds?: number
  labels?: Record<string, string>
  annotations?: Record<string, string>
  finalizers?: string[]
  ownerReferences?: OwnerReference[]
  managedFields?: ManagedFields[]
  [field: string]: unknown
}

export interface OwnerReference {
  apiVersion: string
  kind: string
  name: string
  uid: string
  controller?: boolean
  blockOwnerDeletion?: boolean
}

export interface ManagedFields {
  manager: string
  operation: 'Apply' | 'Update'
  apiVersion: string
  time?: string
  fieldsType: 'FieldsV1'
  fieldsV1: FieldTree
  subresource?: string
}

/** `{"f:metadata":{"f:labels":{"f:app":{}}}}`; list items are `k:{"name":"x"}` or `v:"x"`, `.` is the item itself. */
export interface FieldTree {
  [step: string]: FieldTree
}

export type Fields = Record<string, unknown>

export const isRecord = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** The value at a path of field names, `undefined` where the path ends early. */
export function at(value: unknown, ...path: readonly string[]): unknown {
  let here = value
  for (const step of path) here = isRecord(here) ? here[step] : undefined
  return here
}

export function text(value: unknown, ...path: readonly string[]): string | undefined {
  const found = at(value, ...path)
  return typeof found === 'string' ? found : undefined
}

export function number(value: unknown, ...path: readonly string[]): number | undefined {
  const found = at(value, ...path)
  return typeof found === 'number' ? found : undefined
}

export function list(value: unknown, ...path: readonly string[]): readonly unknown[] {
  const found = at(value, ...path)
  return Array.isArray(found) ? found : []
}

export function fields(value: unknown, ...path: readonly string[]): Fields {
  const found = at(value, ...path)
  return isRecord(found) ? found : {}
}

export function strings(value: unknown, ...path: readonly string[]): Record<string, string> {
  return fields(value, ...path) as Record<string, string>
}

/** Sets a value and makes the records on the way to it. */
export function put(object: KubeObject | Fields, path: readonly string[], value: unknown): void {
  let here: Fields = object
  for (const step of path.slice(0, -1)) {
    if (!isRecord(here[step])) here[step] = {}
    here = here[step] as Fields
  }
  here[path.at(-1) ?? ''] = value
}

/** A deep copy of a JSON value; `structuredClone` does the same at several times the cost, and every pass copies a lot. */
export function copy<T>(value: T): T {
  if (Array.isArray(value)) return value.map(copy) as T
  if (!isRecord(value)) return value
  const out: Fields = {}
  for (const key of Object.keys(value)) out[key] = copy(value[key])
  return out as T
}

/** Deep equality of JSON values, without regard to the order of keys. */
export function same(a: unknown, b: unknown): boolean {
  if (a === b) return true
  if (Array.isArray(a) && Array.isArray(b))
    return a.length === b.length && a.every((item, index) => same(item, b[index]))
  if (!isRecord(a) || !isRecord(b)) return false
  const keys = Object.keys(a).filter((key) => a[key] !== undefined)
  return (
    keys.length === Object.keys(b).filter((key) => b[key] !== undefined).length &&
    keys.every((key) => same(a[key], b[key]))
  )
}

/** `2026-11-21T10:38:47Z`: Kubernetes keeps whole seconds. */
export const stamp = (ms: number): string => new Date(ms).toISOString().replace(/\.\d+Z$/, 'Z')
