import type { Fields } from './object.ts'
import { copy, isRecord, same } from './object.ts'
import type { Schema } from './schema.ts'
import { child, resolve } from './schema.ts'
import { StatusError, badRequest } from './status.ts'

interface Operation {
  readonly op: string
  readonly path: string
  readonly from?: string
  readonly value?: unknown
}

const unprocessable = (message: string) => new StatusError(422, 'Invalid', message, {})

const steps = (pointer: string): string[] =>
  pointer
    .split('/')
    .slice(1)
    .map((step) => step.replaceAll('~1', '/').replaceAll('~0', '~'))

function lookUp(document: unknown, path: readonly string[]): unknown {
  let here = document
  for (const step of path) {
    here = Array.isArray(here) ? here[Number(step)] : isRecord(here) ? here[step] : undefined
    if (here === undefined) throw unprocessable('the server rejected our request due to an error in our request')
  }
  return here
}

/** JSON Patch, RFC 6902. */
export function jsonPatch(document: unknown, operations: unknown): unknown {
  if (!Array.isArray(operations))
    throw badRequest('json: cannot unmarshal object into Go value of type jsonpatch.Patch')
  const root = { document: copy(document) }
  for (const { op, path, from, value } of operations as readonly Operation[]) {
    const target = ['document', ...steps(path)]
    const last = target.at(-1) ?? ''
    const parent = lookUp(root, target.slice(0, -1))
    const remove = (holder: unknown, key: string) => {
      if (Array.isArray(holder)) {
        if (Number(key) >= holder.length)
          throw unprocessable(`remove operation does not apply: doc is missing path: "${path}": missing value`)
        holder.splice(Number(key), 1)
      } else {
        if (!isRecord(holder) || !(key in holder))
          throw unprocessable(`remove operation does not apply: doc is missing path: "${path}": missing value`)
        delete holder[key]
      }
    }
    const add = (item: unknown) => {
      if (Array.isArray(parent)) parent.splice(last === '-' ? parent.length : Number(last), 0, copy(item))
      else if (isRecord(parent)) parent[last] = copy(item)
      else throw unprocessable(`add operation does not apply: doc is missing path: "${path}": missing value`)
    }
    switch (op) {
      case 'add':
        add(value)
        break
      case 'replace':
        lookUp(parent, [last])
        if (Array.isArray(parent)) parent[Number(last)] = copy(value)
        else if (isRecord(parent)) parent[last] = copy(value)
        break
      case 'remove':
        remove(parent, last)
        break
      case 'test':
        if (!same(isRecord(parent) ? parent[last] : Array.isArray(parent) ? parent[Number(last)] : undefined, value))
          throw unprocessable(`testing value ${path} failed: test failed`)
        break
      case 'move':
      case 'copy': {
        const source = ['document', ...steps(from ?? '')]
        const moved = copy(lookUp(root, source))
        if (op === 'move') remove(lookUp(root, source.slice(0, -1)), source.at(-1) ?? '')
        add(moved)
        break
      }
      default:
        throw badRequest(`Unexpected kind: ${op}`)
    }
  }
  return root.document
}

/** JSON Merge Patch, RFC 7396. */
export function mergePatch(target: unknown, patch: unknown): unknown {
  if (!isRecord(patch)) return copy(patch)
  const out: Fields = isRecord(target) ? { ...target } : {}
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete out[key]
    else out[key] = mergePatch(out[key], value)
  }
  return out
}

/**
 * Strategic merge patch: as merge patch, but lists with a merge key are merged by it, and `$patch`,
 * `$deleteFromPrimitiveList/…` and `$retainKeys` are honoured; `$setElementOrder/…` is read and dropped.
 * @see https://github.com/kubernetes/community/blob/main/contributors/devel/sig-api-machinery/strategic-merge-patch.md
 */
export function strategicMergePatch(
  schema: Schema | undefined,
  target: unknown,
  patch: unknown,
  atRoot = true,
): unknown {
  if (!isRecord(patch)) return copy(patch)
  if (patch['$patch'] === 'replace') {
    const { $patch: _, ...rest } = patch
    return copy(rest)
  }
  const out: Fields = isRecord(target) ? { ...target } : {}
  const retained = patch['$retainKeys']
  if (Array.isArray(retained)) for (const key of Object.keys(out)) if (!retained.includes(key)) delete out[key]
  for (const [key, value] of Object.entries(patch)) {
    if (key.startsWith('$deleteFromPrimitiveList/')) {
      const name = key.slice('$deleteFromPrimitiveList/'.length)
      const taken = Array.isArray(value) ? value : []
      if (Array.isArray(out[name])) out[name] = out[name].filter((item) => !taken.some((other) => same(item, other)))
    } else if (key.startsWith('$')) continue
    else if (value === null) delete out[key]
    else {
      const inner = child(schema, key, atRoot)
      out[key] = Array.isArray(value)
        ? mergeList(inner, out[key], value)
        : isRecord(value)
          ? strategicMergePatch(inner, out[key], value, false)
          : value
    }
  }
  return out
}

function mergeList(schema: Schema | undefined, target: unknown, patch: readonly unknown[]): unknown {
  const here = resolve(schema)
  const strategy = here['x-kubernetes-patch-strategy'] ?? ''
  const key = here['x-kubernetes-patch-merge-key']
  const current = Array.isArray(target) ? [...target] : []
  if (!strategy.includes('merge')) return copy(patch)
  if (key === undefined) return [...current, ...patch.filter((item) => !current.some((other) => same(item, other)))]
  if (patch.some((item) => isRecord(item) && item['$patch'] === 'replace'))
    return copy(patch.filter((item) => !(isRecord(item) && item['$patch'] === 'replace')))
  for (const item of patch) {
    if (!isRecord(item)) continue
    const index = current.findIndex((other) => isRecord(other) && same(other[key], item[key]))
    if (item['$patch'] === 'delete') {
      if (index >= 0) current.splice(index, 1)
    } else if (index >= 0) current[index] = strategicMergePatch(here.items, current[index], item, false)
    else current.push(strategicMergePatch(here.items, {}, item, false))
  }
  return current
}
