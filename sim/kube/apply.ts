import type { FieldTree, Fields, KubeObject, ManagedFields } from './object.ts'
import { copy, fields, isRecord, list, same } from './object.ts'
import type { Schema } from './schema.ts'
import { child, isAtomicMap, listKeys, resolve } from './schema.ts'
import { StatusError } from './status.ts'

/**
 * Server-side apply: who owns which field, and what happens when two want the same one.
 * @see https://kubernetes.io/docs/reference/using-api/server-side-apply/
 */

/** Metadata that no manager owns. */
const UNOWNED_METADATA = new Set([
  'name',
  'namespace',
  'generateName',
  'uid',
  'resourceVersion',
  'generation',
  'creationTimestamp',
  'deletionTimestamp',
  'deletionGracePeriodSeconds',
  'selfLink',
  'managedFields',
])

type Path = readonly string[]
type PathSet = Map<string, Path>

function treeOf(schema: Schema | undefined, value: unknown, place: 'root' | 'metadata' | 'inside'): FieldTree {
  const tree: FieldTree = {}
  if (Array.isArray(value)) {
    const keys = listKeys(schema)
    if (keys === 'atomic') return tree
    for (const item of value) {
      if (keys === 'set') tree[`v:${JSON.stringify(item)}`] = {}
      else tree[itemStep(keys, item)] = { '.': {}, ...treeOf(resolve(schema).items, item, 'inside') }
    }
  } else if (isRecord(value) && !isAtomicMap(schema)) {
    for (const [key, item] of Object.entries(value)) {
      if (place === 'root' && (key === 'apiVersion' || key === 'kind')) continue
      if (place === 'metadata' && UNOWNED_METADATA.has(key)) continue
      const inner = child(schema, key, place === 'root')
      const subtree = treeOf(inner, item, place === 'root' && key === 'metadata' ? 'metadata' : 'inside')
      if (place === 'root' && key === 'metadata' && Object.keys(subtree).length === 0) continue
      tree[`f:${key}`] = subtree
    }
  }
  return tree
}

function itemStep(keys: readonly string[], item: unknown): string {
  const values = Object.fromEntries(
    // `protocol` is the one map key with a default in the kinds at hand: ports are TCP unless they say otherwise.
    [...keys].sort().map((key) => [key, fields(item)[key] ?? (key === 'protocol' ? 'TCP' : undefined)]),
  )
  return `k:${JSON.stringify(values)}`
}

function leaves(tree: FieldTree, prefix: Path = [], found: PathSet = new Map()): PathSet {
  const entries = Object.entries(tree)
  if (entries.length === 0 && prefix.length > 0) found.set(prefix.join('\u0000'), prefix)
  for (const [step, inside] of entries) leaves(inside, [...prefix, step], found)
  return found
}

function treeFrom(paths: PathSet): FieldTree {
  const root: FieldTree = {}
  for (const path of paths.values()) {
    let here = root
    for (const step of path) here = here[step] ??= {}
  }
  return root
}

function find(value: unknown, path: Path): unknown {
  let here = value
  for (const step of path) {
    if (step === '.') continue
    if (step.startsWith('f:')) here = isRecord(here) ? here[step.slice(2)] : undefined
    else here = Array.isArray(here) ? here[indexOf(here, step)] : undefined
    if (here === undefined) return undefined
  }
  return here
}

function indexOf(items: readonly unknown[], step: string): number {
  const wanted: unknown = JSON.parse(step.slice(2))
  if (step.startsWith('v:')) return items.findIndex((item) => same(item, wanted))
  const keys = Object.entries(fields(wanted))
  return items.findIndex(
    (item) =>
      isRecord(item) &&
      keys.every(([key, value]) => same(item[key] ?? (key === 'protocol' ? 'TCP' : undefined), value)),
  )
}

/** Takes the value at a path away, and records and lists that this leaves empty. */
function removeAt(value: unknown, path: Path): void {
  const [step, ...rest] = path
  if (step === undefined || step === '.') return
  const last = rest.length === 0 || (rest.length === 1 && rest[0] === '.')
  if (step.startsWith('f:') && isRecord(value)) {
    const key = step.slice(2)
    if (last) delete value[key]
    else {
      removeAt(value[key], rest)
      if (isEmpty(value[key])) delete value[key]
    }
  } else if (Array.isArray(value)) {
    const index = indexOf(value, step)
    if (index < 0) return
    if (last) value.splice(index, 1)
    else removeAt(value[index], rest)
  }
}

const isEmpty = (value: unknown): boolean =>
  Array.isArray(value) ? value.length === 0 : isRecord(value) && Object.keys(value).length === 0

function merge(schema: Schema | undefined, live: unknown, applied: unknown, atRoot = true): unknown {
  if (Array.isArray(applied)) {
    const keys = listKeys(schema)
    if (keys === 'atomic' || !Array.isArray(live)) return copy(applied)
    const merged: unknown[] = [...live]
    for (const item of applied) {
      const step = keys === 'set' ? `v:${JSON.stringify(item)}` : itemStep(keys, item)
      const index = indexOf(merged, step)
      if (index < 0) merged.push(copy(item))
      else if (keys !== 'set') merged[index] = merge(resolve(schema).items, merged[index], item, false)
    }
    return merged
  }
  if (!isRecord(applied) || !isRecord(live) || isAtomicMap(schema)) return copy(applied)
  const out: Fields = { ...live }
  for (const [key, item] of Object.entries(applied)) {
    if (item === null) delete out[key]
    else out[key] = merge(child(schema, key, atRoot), out[key], item, false)
  }
  return out
}

/** `.spec.template.spec.containers[name="app"].image` */
const shown = (path: Path): string =>
  path
    .filter((step) => step !== '.')
    .map((step) => {
      if (step.startsWith('f:')) return `.${step.slice(2)}`
      const inside: unknown = JSON.parse(step.slice(2))
      if (step.startsWith('v:')) return `[=${JSON.stringify(inside)}]`
      return `[${Object.entries(fields(inside))
        .map(([key, value]) => `${key}=${JSON.stringify(value)}`)
        .join(',')}]`
    })
    .join('')

export interface Writer {
  readonly manager: string
  readonly subresource?: 'status'
  /** `2026-11-21T10:38:47Z`, for `managedFields[].time`. */
  readonly time: string
}

const isSame = (entry: ManagedFields, { manager, subresource }: Writer, operation: 'Apply' | 'Update'): boolean =>
  entry.manager === manager && entry.operation === operation && entry.subresource === subresource

function entry(writer: Writer, operation: 'Apply' | 'Update', apiVersion: string, paths: PathSet): ManagedFields {
  return {
    apiVersion,
    fieldsType: 'FieldsV1',
    fieldsV1: treeFrom(paths),
    manager: writer.manager,
    operation,
    ...(writer.subresource === undefined ? {} : { subresource: writer.subresource }),
    time: writer.time,
  }
}

/** Entries that own nothing go; an entry whose fields did not change keeps its time; the order is the API server's. */
function settle(before: readonly ManagedFields[], after: readonly ManagedFields[]): ManagedFields[] {
  const order = ({ operation, time = '', manager }: ManagedFields) => `${operation} ${time} ${manager}`
  return after
    .filter((item) => Object.keys(item.fieldsV1).length > 0)
    .map((item) => {
      const old = before.find(
        (other) =>
          other.manager === item.manager &&
          other.operation === item.operation &&
          other.subresource === item.subresource,
      )
      return old?.time !== undefined && same(old.fieldsV1, item.fieldsV1) ? { ...item, time: old.time } : item
    })
    .sort((a, b) => (order(a) < order(b) ? -1 : 1))
}

/**
 * Merges an applied configuration into the live object.
 * @throws {@link StatusError} 409 `Conflict` naming every field that another manager holds with another value.
 */
export function apply(
  schema: Schema | undefined,
  live: KubeObject | undefined,
  applied: KubeObject,
  writer: Writer,
  force: boolean,
): KubeObject {
  const wanted = leaves(treeOf(schema, applied, 'root'))
  const before = (live?.metadata.managedFields ?? []) as readonly ManagedFields[]
  const mine = before.find((item) => isSame(item, writer, 'Apply'))
  const others = before.filter((item) => item !== mine).map((item) => ({ item, paths: leaves(item.fieldsV1) }))
  const conflicts: {
    readonly manager: string
    readonly apiVersion: string
    readonly path: Path
    readonly key: string
  }[] = []
  for (const [key, path] of wanted) {
    if (path.at(-1) === '.' || live === undefined) continue
    const now = find(live, path)
    if (now === undefined || same(now, find(applied, path))) continue
    for (const { item, paths } of others)
      if (paths.has(key)) conflicts.push({ manager: item.manager, apiVersion: item.apiVersion, path, key })
  }
  if (conflicts.length > 0 && !force) throw applyConflict(conflicts)
  for (const { key } of conflicts) for (const { paths } of others) paths.delete(key)

  const merged = merge(schema, live ?? {}, applied) as KubeObject
  for (const [key, path] of mine === undefined ? [] : leaves(mine.fieldsV1)) {
    if (wanted.has(key)) continue
    const holder = path.at(-1) === '.' ? key.slice(0, -1) : `${key}\u0000`
    const kept = others.some(({ paths }) =>
      [...paths.keys()].some((other) => other === key || other.startsWith(holder)),
    )
    const wantedBelow = [...wanted.keys()].some((other) => other.startsWith(holder))
    if (!kept && !wantedBelow) removeAt(merged, path)
  }
  merged.metadata = {
    ...merged.metadata,
    managedFields: settle(before, [
      ...others.map(({ item, paths }) => ({ ...item, fieldsV1: treeFrom(paths) })),
      entry(writer, 'Apply', applied.apiVersion, wanted),
    ]),
  }
  return merged
}

function applyConflict(
  conflicts: readonly { readonly manager: string; readonly apiVersion: string; readonly path: Path }[],
): StatusError {
  const causes = conflicts.map(({ manager, apiVersion, path }) => ({
    reason: 'FieldManagerConflict',
    message: `conflict with "${manager}" using ${apiVersion}`,
    field: shown(path),
  }))
  const managers = new Map<string, string[]>()
  for (const { message, field } of causes) {
    const name = message.slice('conflict with '.length)
    managers.set(name, [...(managers.get(name) ?? []), field])
  }
  const text =
    causes.length === 1
      ? `Apply failed with 1 conflict: ${causes[0]?.message}: ${causes[0]?.field}`
      : `Apply failed with ${causes.length} conflicts: ${[...managers]
          .map(([name, paths]) =>
            paths.length === 1
              ? `conflict with ${name}: ${paths[0]}`
              : `conflicts with ${name}:\n${paths.map((path) => `- ${path}`).join('\n')}`,
          )
          .join('\n')}`
  return new StatusError(409, 'Conflict', text, { causes })
}

/** Records who changed what in an ordinary create, update or patch: the writer takes over every field it changed. */
export function trackUpdate(
  schema: Schema | undefined,
  live: KubeObject | undefined,
  next: KubeObject,
  writer: Writer,
): ManagedFields[] {
  const before = (live?.metadata.managedFields ?? list(undefined)) as readonly ManagedFields[]
  const now = leaves(treeOf(schema, next, 'root'))
  const changed: PathSet = new Map()
  for (const [key, path] of now)
    if (live === undefined || !same(find(live, path), find(next, path))) changed.set(key, path)
  const mine = before.find((item) => isSame(item, writer, 'Update'))
  const kept = before
    .filter((item) => item !== mine)
    .map((item) => {
      const paths = leaves(item.fieldsV1)
      for (const [key, path] of paths)
        if ((changed.has(key) && path.at(-1) !== '.') || find(next, path) === undefined) paths.delete(key)
      return { ...item, fieldsV1: treeFrom(paths) }
    })
  const own: PathSet = new Map()
  for (const [key, path] of mine === undefined ? [] : leaves(mine.fieldsV1))
    if (find(next, path) !== undefined) own.set(key, path)
  for (const [key, path] of changed) own.set(key, path)
  return settle(before, [...kept, entry(writer, 'Update', next.apiVersion, own)])
}
