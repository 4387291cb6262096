import { isAlias, isMap, isScalar, isSeq, type Node } from 'yaml'
import type { FileProblem, ProblemFields } from '../problem.ts'

/** Values after aliases are followed: ends alias bombs early. The largest example has about 600. */
const MAX_VALUES = 20_000
/** Nesting of maps and lists; the schema needs 9. */
export const MAX_DEPTH = 32
/** Problems shown: after the first few the rest are echoes. */
const MAX_PROBLEMS = 10

export type Path = readonly (string | number)[]

/** Offsets in the text of a value and of the name or list entry that it belongs to. */
export interface Place {
  readonly key: number
  readonly value: number
}

/** A path as the key of a map of places. */
export function placeKey(path: Path): string {
  return JSON.stringify(path)
}

/** Plain data from YAML nodes, with the place of each value; bounded whatever aliases unfold to. */
export function plainValue(
  root: Node | null,
  problem: (offset: number, fields: Omit<ProblemFields, 'where'>) => FileProblem,
): {
  readonly value: unknown
  readonly places: ReadonlyMap<string, Place>
  readonly problems: readonly FileProblem[]
} {
  const places = new Map<string, Place>()
  const problems: FileProblem[] = []
  // In the order of the text, as YAML has it: an alias means the last anchor of its name before it.
  const anchors = new Map<string, Node>()
  const visited = new Set<Node>()
  let values = 0

  const fail = (offset: number, code: string, what: string, remedy: string): undefined => {
    const known = problems.some((one) => one.code === code && code.startsWith('spec.too-'))
    if (!known && problems.length < MAX_PROBLEMS) problems.push(problem(offset, { code, what, remedy, retry: 'never' }))
    return undefined
  }

  const convert = (node: Node | null, path: Path, key: number): unknown => {
    const offset = node?.range?.[0] ?? key
    values += 1
    if (values > MAX_VALUES)
      return fail(
        offset,
        'spec.too-many-values',
        `more than ${MAX_VALUES} values`,
        'Use ranges such as w-{1..9}, and fewer aliases.',
      )
    if (path.length > MAX_DEPTH)
      return fail(
        offset,
        'spec.too-deep',
        `nested more than ${MAX_DEPTH} levels`,
        'Write it flatter; an alias may refer to itself.',
      )
    places.set(placeKey(path), { key, value: offset })
    if (node === null) return null
    if (isAlias(node)) {
      const target = anchors.get(node.source)
      if (target === undefined)
        return fail(offset, 'spec.unknown-alias', `no anchor is named "${node.source}"`, 'Write the value out.')
      return convert(target, path, key)
    }
    if ((isScalar(node) || isMap(node) || isSeq(node)) && node.anchor !== undefined && !visited.has(node))
      anchors.set(node.anchor, node)
    visited.add(node)
    if (isScalar(node)) return scalar(node.value, node.source, offset)
    if (isSeq(node))
      return node.items.map((item, i) => {
        const entry = item as Node | null
        return convert(entry, [...path, i], entry?.range?.[0] ?? offset)
      })
    if (!isMap(node))
      return fail(offset, 'spec.yaml-syntax', 'this is neither a value, a list nor a map', 'Rewrite it.')
    const object: Record<string, unknown> = {}
    for (const pair of node.items) {
      const at = (pair.key as Node | null)?.range?.[0] ?? offset
      const name = isScalar(pair.key) ? (pair.key.source ?? pair.key.value) : undefined
      if (typeof name !== 'string' || name === '__proto__') {
        fail(at, 'spec.yaml-syntax', 'this is not the name of a field', 'Use a plain word as the name.')
        continue
      }
      object[name] = convert(pair.value as Node | null, [...path, name], at)
    }
    return object
  }

  const scalar = (value: unknown, source: string | undefined, offset: number): unknown => {
    if ((typeof value !== 'number' && typeof value !== 'bigint') || source === undefined) return value
    if (/^[-+]?0[0-9]/.test(source))
      return fail(
        offset,
        'spec.ambiguous-number',
        `"${source}" is read as ${Number(source)} by some programs and as octal by others`,
        'Leave the leading zeros out, or quote it if it is text.',
      )
    // Fractions stay text: `1.30` is a version, not 1.3.
    return Number.isSafeInteger(value) ? value : source
  }

  const value = convert(root, [], 0)
  return { value, places, problems }
}
