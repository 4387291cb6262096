import { compilePattern } from './pattern.ts'
import { refusal, type Where } from './refusal.ts'

/** The rules that decide what is encrypted, by the name that `.sops.yaml` and the metadata of a file give them. */
export const SELECTION_RULES = [
  'unencrypted_suffix',
  'encrypted_suffix',
  'unencrypted_regex',
  'encrypted_regex',
  'unencrypted_comment_regex',
  'encrypted_comment_regex',
] as const
export type SelectionRule = (typeof SELECTION_RULES)[number]

/** At most one rule per file. A file of the format `binary` has none: everything is encrypted. */
export interface Selection {
  readonly rule: SelectionRule
  readonly value: string
}

/** What a file that names no rule means. */
export const DEFAULT_SELECTION: Selection = { rule: 'unencrypted_suffix', value: '_unencrypted' }

/** Answers for mapping keys or for comments, whichever the rule is about. */
export interface Selector {
  readonly about: 'keys' | 'comments' | 'nothing'
  /** Whether what matches is encrypted (and the rest clear), or the reverse. */
  readonly sealsMatches: boolean
  matches(text: string): boolean
}

/** @throws Problem `sops.bad-regex` */
export function selector(selection: Selection | undefined, where: Where): Selector {
  if (selection === undefined) return { about: 'nothing', sealsMatches: false, matches: () => false }
  const { rule, value } = selection
  const sealsMatches = rule.startsWith('encrypted_')
  if (rule.endsWith('_suffix')) return { about: 'keys', sealsMatches, matches: (key) => key.endsWith(value) }
  const pattern = compilePattern(value, where)
  return { about: rule.endsWith('_comment_regex') ? 'comments' : 'keys', sealsMatches, matches: pattern }
}

/**
 * The one rule among the given fields; empty ones do not count.
 * @throws Problem `sops.bad-metadata` when there are several.
 */
export function oneSelection(fields: Partial<Record<SelectionRule, string>>, where: Where): Selection | undefined {
  const given = SELECTION_RULES.filter((rule) => (fields[rule] ?? '') !== '')
  if (given.length > 1)
    throw refusal(
      'bad-metadata',
      `${given.join(' and ')} are both set, but a file has one rule`,
      where,
      'Keep one of them.',
    )
  const rule = given[0]
  return rule === undefined ? undefined : { rule, value: fields[rule] ?? '' }
}
