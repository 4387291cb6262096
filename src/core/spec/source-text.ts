import { parseAllDocuments } from 'yaml'
import type { FileProblem, ProblemFields } from '../problem.ts'
import { type Path, placeKey, plainValue } from './yaml-value.ts'

/** A hand-written file is a few KiB; this is far beyond and still parsed in milliseconds. */
export const MAX_FILE_BYTES = 256 * 1024
/** YAML syntax errors shown: after the first few the rest are echoes. */
const MAX_SYNTAX_PROBLEMS = 10

export type { Path } from './yaml-value.ts'

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

  const converted = plainValue(document.contents, problem)
  if (converted.problems.length > 0) return { problems: converted.problems }
  const { value, places } = converted
  return {
    source: {
      value,
      problemAt(path, fields, at = 'value') {
        for (let length = path.length; length >= 0; length -= 1) {
          const place = places.get(placeKey(path.slice(0, length)))
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
