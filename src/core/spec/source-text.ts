import { isAlias, isMap, isScalar, isSeq, type Node, parseAllDocuments } from 'yaml'
import type { FileProblem, ProblemFields } from '../problem.ts'

/** A hand-written file is a few KiB; this is far beyond and still parsed in milliseconds. */
export const MAX_FILE_BYTES = 256 * 1024
/** Values after aliases are followed: ends alias bombs early. The largest example has about 600. */
const MAX_VALUES = 20_000
/** Nesting of maps and lists; the schema needs 9. */
export const MAX_DEPTH = 32
/** YAML syntax errors shown: after the first few the rest are echoes. */
const MAX_SYNTAX_PROBLEMS = 10

export type Path = readonly (string | number)[]

/** A parsed YAML file that still knows where everything stood. */
export interface SourceText {
  /** Plain data. Fractions stay text (`1.30` is a version, not 1.3). */
  readonly value: unknown
  /** A problem at the value of `path`, at its key with `at: 'key'`, or at the nearest parent that exists. */
  problemAt(path: Path, fields: Omit<ProblemFields, 'where'>, at?: 'key' | 'value'): FileProblem
}

/** @returns Either the file's value or why it has none; never throws. */
export function readSource(
  text: string,
  file: string,
): { readonly source: SourceText; readonly problems: readonly [] } | { readonly problems: readonly FileProblem[] } {
  const position = positionsIn(text)
  const problem = (offset: number, fields: Omit<ProblemFields, 'where'>): FileProblem => {
    const at = position(offset)
    const what = printable(fields.what)
    const remedy = fields.remedy === undefined ? {} : { remedy: printable(fields.remedy) }
    return { ...fields, what, ...remedy, where: `${file}:${at.line}:${at.column}`, file, ...at }
  }
  if (new TextEncoder().encode(text).length > MAX_FILE_BYTES)
    return {
      problems: [
        problem(0, {
          code: 'spec.file-too-large',
          what: `the file is larger than ${MAX_FILE_BYTES / 1024} KiB`,
          remedy: 'Split what does not belong to the cluster itself into manifests under apps/.',
          retry: 'never',
        }),
      ],
    }
  const documents = parseAllDocuments(text, {
    version: '1.2',
    schema: 'core',
    merge: false,
    keepSourceTokens: false,
    prettyErrors: false,
    stringKeys: false,
    logLevel: 'silent',
  })
  const [document, second] = Array.isArray(documents) ? documents : []
  if (document === undefined || (document.contents === null && document.errors.length === 0))
    return {
      problems: [
        problem(0, {
          code: 'spec.empty-file',
          what: 'the file is empty',
          remedy: 'Start from `slipway init`, or delete the file.',
          retry: 'never',
        }),
      ],
    }
  if (document.errors.length > 0)
    return {
      problems: document.errors.slice(0, MAX_SYNTAX_PROBLEMS).map((error) =>
        problem(error.pos[0], {
          code: error.code === 'DUPLICATE_KEY' ? 'spec.duplicate-field' : 'spec.yaml-syntax',
          what: error.code === 'DUPLICATE_KEY' ? 'this field stands here twice' : yamlMessage(error.message),
          remedy:
            error.code === 'DUPLICATE_KEY'
              ? 'Keep one of the two; YAML readers disagree on which one counts.'
              : 'Correct the YAML; indentation is made of spaces, and texts with `: ` or ` #` need quotes.',
          retry: 'never',
        }),
      ),
    }
  if (second !== undefined)
    return {
      problems: [
        problem(second.range[0], {
          code: 'spec.several-documents',
          what: 'a second YAML document begins here',
          remedy: 'Keep one cluster in a file: each has its own folder under clusters/.',
          retry: 'never',
        }),
      ],
    }

  const places = new Map<string, { key: number; value: number }>()
  const found: FileProblem[] = []
  let values = 0
  const fail = (offset: number, code: string, what: string, remedy: string): undefined => {
    if (found.length < MAX_SYNTAX_PROBLEMS) found.push(problem(offset, { code, what, remedy, retry: 'never' }))
    return undefined
  }
  const convert = (node: Node | null | undefined, path: Path, key: number, from: number): unknown => {
    const offset = node?.range?.[0] ?? from
    values += 1
    if (values > MAX_VALUES || path.length > MAX_DEPTH) {
      if (values > MAX_VALUES && found.some((one) => one.code === 'spec.too-many-values')) return undefined
      return values > MAX_VALUES
        ? fail(
            offset,
            'spec.too-many-values',
            `more than ${MAX_VALUES} values`,
            'Use ranges such as w-{1..9}, and fewer aliases.',
          )
        : fail(
            offset,
            'spec.too-deep',
            `nested more than ${MAX_DEPTH} levels`,
            'An alias may refer to itself; write it out.',
          )
    }
    places.set(JSON.stringify(path), { key, value: offset })
    if (node === null || node === undefined) return null
    if (isAlias(node)) {
      const target = node.resolve(document)
      if (target === undefined)
        return fail(offset, 'spec.unknown-alias', `no anchor is named "${node.source}"`, 'Write the value out.')
      return convert(target, path, key, offset)
    }
    if (isScalar(node)) return scalar(node.value, node.source, offset)
    if (isSeq(node))
      return node.items.map((item, i) => {
        const at = (item as Node | null)?.range?.[0] ?? offset
        return convert(item as Node | null, [...path, i], at, at)
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
      object[name] = convert(pair.value as Node | null, [...path, name], at, at)
    }
    return object
  }
  const scalar = (value: unknown, source: string | undefined, offset: number): unknown => {
    if (typeof value === 'number' || typeof value === 'bigint') {
      if (source !== undefined && /^[-+]?0[0-9]/.test(source))
        return fail(
          offset,
          'spec.ambiguous-number',
          `"${source}" is read as ${Number(source)} by some programs and as octal by others`,
          'Leave the leading zeros out, or quote it if it is text.',
        )
      if (source !== undefined && (typeof value === 'bigint' || !Number.isSafeInteger(value))) return source
    }
    return value
  }

  const value = convert(document.contents, [], 0, 0)
  if (found.length > 0) return { problems: found }
  return {
    source: {
      value,
      problemAt(path, fields, at = 'value') {
        for (let length = path.length; length >= 0; length -= 1) {
          const place = places.get(JSON.stringify(path.slice(0, length)))
          if (place !== undefined)
            return problem(at === 'key' || length < path.length ? place.key : place.value, fields)
        }
        return problem(0, fields)
      },
    },
    problems: [],
  }
}

/** Longest text of a problem, in characters: the list of known components is the longest of ours. */
const MAX_TEXT = 600

/** What the file says may stand in a message, so nothing there may steer a terminal, turn text around or be endless. */
function printable(text: string): string {
  const plain = text.replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu, '\ufffd')
  return plain.length <= MAX_TEXT ? plain : `${plain.slice(0, MAX_TEXT).replace(/[\ud800-\udbff]$/, '')}…`
}

/** Line and column, from 1, of an offset. Counted here: the library's own counter misses lines in broken flow collections. */
function positionsIn(text: string): (offset: number) => { readonly line: number; readonly column: number } {
  const starts = [0]
  for (let i = text.indexOf('\n'); i >= 0; i = text.indexOf('\n', i + 1)) starts.push(i + 1)
  return (offset) => {
    const within = Math.max(0, Math.min(offset, text.length))
    let low = 0
    let high = starts.length - 1
    while (low < high) {
      const middle = Math.ceil((low + high) / 2)
      if ((starts[middle] ?? 0) <= within) low = middle
      else high = middle - 1
    }
    return { line: low + 1, column: within - (starts[low] ?? 0) + 1 }
  }
}

/** The library's message without its position, which ours states itself. */
function yamlMessage(message: string): string {
  return (message.split('\n')[0] ?? message).replace(/ at line \d+, column \d+:?$/, '')
}
