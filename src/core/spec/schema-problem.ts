import type * as z from 'zod'
import type { FileProblem } from '../problem.ts'
import { didYouMean } from './edit-distance.ts'
import type { Path, SourceText } from './source-text.ts'

/** Longest piece of a value that a message quotes, in characters. */
const MAX_QUOTE = 60

type Issue = z.core.$ZodIssue

/** Issue with its whole path, and unions narrowed down to the one alternative that was probably meant. */
export interface FlatIssue {
  readonly issue: Issue
  readonly path: Path
}

/**
 * Given to `safeParse` as `error`: an unknown field's message becomes the list of fields that would be known there, which
 * the finished issue would otherwise no longer tell.
 */
export function nameKnownFields(issue: z.core.$ZodRawIssue): string | undefined {
  if (issue.code !== 'unrecognized_keys') return undefined
  const definition = issue.inst?._zod.def as { shape?: object } | undefined
  return Object.keys(definition?.shape ?? {}).join(' ')
}

/** @returns Every issue, those inside unions and record keys included, with absolute paths. */
export function flatten(issues: readonly Issue[], base: Path = []): readonly FlatIssue[] {
  return issues.flatMap((issue): readonly FlatIssue[] => {
    const path = [...base, ...issue.path.filter((part) => typeof part !== 'symbol')]
    if (issue.code === 'invalid_union' && issue.errors.length > 0) {
      const [best] = issue.errors
        .map((errors) => ({ errors, weight: errors.reduce((sum, error) => sum + weightOf(error), 0) }))
        .sort((a, b) => a.weight - b.weight)
      if (best !== undefined) return flatten(best.errors, path)
    }
    return [{ issue, path }]
  })
}

/** How far an alternative of a union is from what was written: another type altogether is farthest. */
function weightOf(issue: Issue): number {
  if (issue.code === 'unrecognized_keys') return issue.keys.length
  if (issue.path.length === 0) return issue.code === 'invalid_type' ? 10 : 3
  return 1
}

/** Problems of one issue, each at the key or value it is about. */
export function schemaProblems({ issue, path }: FlatIssue, source: SourceText): readonly FileProblem[] {
  const written = valueAt(source.value, path)
  const { name, owner } = nameOf(path, source.value)
  if (issue.code === 'unrecognized_keys') {
    const known = issue.message.split(' ')
    return issue.keys.map((key) => {
      const meant = didYouMean(key, known)
      return source.problemAt(
        [...path, key],
        {
          code: 'spec.unknown-field',
          what: `unknown field "${clip(key)}"${ownerOf(path, source.value)}${meant === undefined ? '' : `; did you mean "${meant}"?`}`,
          remedy:
            meant !== undefined
              ? `Write "${meant}".`
              : key === '<<'
                ? 'Merge keys are not part of YAML 1.2: write the fields out.'
                : `Fields here: ${known.join(', ')}.`,
          retry: 'never',
        },
        'key',
      )
    })
  }
  if (written === undefined)
    return [
      source.problemAt(path, {
        code: 'spec.missing-field',
        what: `${name} is missing${owner}`,
        remedy: missingRemedy(issue, name),
        retry: 'never',
      }),
    ]
  if (issue.code === 'invalid_key')
    return [
      source.problemAt(
        path,
        {
          code: 'spec.invalid-name',
          what: `${name}${owner} ${issue.issues[0]?.message ?? 'is not a valid name'}`,
          remedy: 'Correct the name.',
          retry: 'never',
        },
        'key',
      ),
    ]
  if (issue.code === 'invalid_type')
    return [
      source.problemAt(path, {
        code: 'spec.wrong-type',
        what: `${name}${owner} is ${describe(written)}, but must be ${typeName(issue.expected)}`,
        remedy: typeRemedy(issue.expected, written),
        retry: 'never',
      }),
    ]
  const choices = choicesOf(issue)
  if (choices !== undefined) {
    const meant = typeof written === 'string' ? didYouMean(written, choices) : undefined
    return [
      source.problemAt(path, {
        code: 'spec.unknown-value',
        what: `${name}${owner} is ${describe(written)}${meant === undefined ? '' : `; did you mean "${meant}"?`}`,
        remedy:
          choices.length === 0 ? 'Take one of the values in the reference.' : `Take one of: ${choices.join(', ')}.`,
        retry: 'never',
      }),
    ]
  }
  return [
    source.problemAt(path, {
      code: 'spec.invalid-value',
      what: `${name}${owner} is ${describe(written)}, which is not valid there`,
      remedy: `It ${boundOf(issue) ?? issue.message}.`,
      retry: 'never',
    }),
  ]
}

/** `"cores"` and whose it is; an entry of a list is named by the list. */
function nameOf(path: Path, value: unknown): { readonly name: string; readonly owner: string } {
  const last = path.at(-1)
  if (last === undefined) return { name: 'the file', owner: '' }
  if (typeof last === 'string') return { name: `"${clip(last)}"`, owner: ownerOf(path.slice(0, -1), value) }
  return { name: `entry ${last + 1} of "${String(path.at(-2))}"`, owner: ownerOf(path.slice(0, -2), value) }
}

/** ` in machine "w-1"`, ` in network.cni`, or nothing at the top. */
export function ownerOf(path: Path, value: unknown): string {
  const inside = path[0] === 'spec' ? path.slice(1) : path
  if (inside.length === 0) return ''
  if (inside[0] === 'machines' && typeof inside[1] === 'number') {
    const name = valueAt(value, ['spec', 'machines', inside[1], 'name'])
    const machine = typeof name === 'string' ? `machine "${clip(name)}"` : `machine ${inside[1] + 1} of the list`
    const rest = inside.slice(2)
    return rest.length === 0 ? ` in ${machine}` : ` in ${rest.map(String).join('.')} of ${machine}`
  }
  return ` in ${clip(inside.map(String).join('.'))}`
}

export function valueAt(value: unknown, path: Path): unknown {
  let at = value
  for (const part of path) {
    if (typeof at !== 'object' || at === null || !Object.hasOwn(at, part)) return undefined
    at = (at as Record<string | number, unknown>)[part]
  }
  return at
}

function choicesOf(issue: Issue): readonly string[] | undefined {
  if (issue.code === 'invalid_value') return issue.values.map(String)
  if (issue.code !== 'invalid_union') return undefined
  const options = (issue as { options?: unknown }).options
  return Array.isArray(options) ? options.map(String) : []
}

function missingRemedy(issue: Issue, name: string): string {
  const choices = choicesOf(issue)
  if (choices !== undefined && choices.length > 0) return `Add ${name} with one of: ${choices.join(', ')}.`
  return issue.code === 'invalid_type' ? `Add ${name}: ${typeName(issue.expected)}.` : `Add ${name}.`
}

function boundOf(issue: Issue): string | undefined {
  if (issue.code !== 'too_small' && issue.code !== 'too_big') return undefined
  const [word, bound] = issue.code === 'too_small' ? ['at least', issue.minimum] : ['at most', issue.maximum]
  if (issue.origin === 'string') return `must have ${word} ${bound} characters`
  if (issue.origin === 'array') return `must have ${word} ${bound} entries`
  return `must be ${word} ${bound}`
}

function typeName(expected: string): string {
  const names: Record<string, string> = {
    string: 'text',
    int: 'a whole number',
    number: 'a number',
    boolean: 'true or false',
    array: 'a list',
    object: 'a map of fields',
    record: 'a map',
  }
  return names[expected] ?? expected
}

function typeRemedy(expected: string, written: unknown): string {
  if (expected === 'boolean' && typeof written === 'string' && /^(?:y|n|yes|no|on|off)$/i.test(written))
    return `"${written}" is plain text in YAML 1.2: write ${/^(?:y|yes|on)$/i.test(written) ? 'true' : 'false'}.`
  if (expected === 'string' && (typeof written === 'boolean' || typeof written === 'number'))
    return `Put it in quotes: "${String(written)}".`
  if ((expected === 'number' || expected === 'int') && typeof written === 'string')
    return 'Write a whole number without quotes or unit.'
  if (expected === 'array') return 'Write a list: [a, b], or one "- " line for each.'
  return 'Correct the value.'
}

/** A value for a message. Maps and lists only by kind, and nothing that looks like it carries credentials. */
function describe(value: unknown): string {
  if (value === null) return 'empty'
  if (Array.isArray(value)) return 'a list'
  if (typeof value === 'object') return 'a map of fields'
  if (typeof value !== 'string') return JSON.stringify(value)
  if (/:\/\/[^/]*@/.test(value) || /PRIVATE KEY|AGE-SECRET-KEY|[A-Za-z0-9+/_-]{40,}/.test(value))
    return 'not as expected'
  return `"${clip(value)}"`
}

function clip(text: string): string {
  return text.length <= MAX_QUOTE ? text : `${text.slice(0, MAX_QUOTE)}…`
}
