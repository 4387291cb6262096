import * as z from 'zod'
import { parse } from 'yaml'
import { checkSize } from './limits.ts'
import { compilePattern } from './pattern.ts'
import { refusal, type Where } from './refusal.ts'
import { oneSelection, SELECTION_RULES, type Selection } from './selection.ts'

/** What `.sops.yaml` says: for new files, and about how files are laid out. */
export interface SopsConfig {
  /** Undefined when the file has no `creation_rules` at all, which counts as no configuration. */
  readonly rules: readonly CreationRule[] | undefined
  /** Spaces per level, by format; nothing means upstream's defaults. */
  readonly indent: { readonly yaml?: number; readonly json?: number; readonly binary?: number }
}

export interface CreationRule {
  /** Undefined when the rule holds for every path. */
  readonly pathRegex: string | undefined
  readonly keyGroups: readonly (readonly string[])[]
  readonly shamirThreshold: number
  /** Undefined when the rule names none, which means the default of SOPS. */
  readonly selection: Selection | undefined
  readonly macOnlyEncrypted: boolean
  /** Kinds of keys in the rule that are not age and cannot be sealed to here, e.g. `pgp`. */
  readonly otherKinds: readonly string[]
  matches(path: string): boolean
}

/** Rules in one file; with one per directory there are a few dozen. */
const MAX_RULES = 1_000
/** `merge` within `merge`. */
const MAX_MERGE_DEPTH = 16
/** Aliases that the YAML library may expand; a team's keys are shared among a few dozen rules. */
const MAX_ALIASES = 1_000

const OTHER_KINDS = ['pgp', 'kms', 'gcp_kms', 'hckms', 'azure_keyvault', 'hc_vault', 'hc_vault_transit_uri'] as const

const Text = z.union([z.string(), z.number(), z.boolean()]).transform(String)
const Keys = z.union([z.string(), z.array(z.string())]).nullish()
const Anything = z.unknown().optional()
const Group = z.looseObject({ age: z.array(z.string()).nullish(), merge: z.array(z.unknown()).nullish() })
const Rule = z.looseObject({
  path_regex: Text.nullish(),
  age: Keys,
  key_groups: z.array(Group).nullish(),
  shamir_threshold: z.int().min(0).max(255).nullish(),
  mac_only_encrypted: z.boolean().nullish(),
  ...(Object.fromEntries(SELECTION_RULES.map((rule) => [rule, Text.nullish()])) as Record<
    (typeof SELECTION_RULES)[number],
    z.ZodOptional<z.ZodNullable<typeof Text>>
  >),
})
const Store = z.looseObject({ indent: z.int().nullish() }).nullish()
const Config = z.looseObject({
  creation_rules: z.array(z.unknown()).max(MAX_RULES).nullish(),
  destination_rules: Anything,
  stores: z.looseObject({ yaml: Store, json: Store, json_binary: Store }).nullish(),
})

/**
 * Reads a `.sops.yaml`. Fields of SOPS that do not concern new files are passed over, as upstream does with unknown ones.
 * @param file - Its path, for errors.
 * @throws Problem `sops.bad-config`, `sops.bad-regex`, `sops.bad-metadata` (two selection rules at once).
 */
export function parseCreationRules(text: string, file: string): SopsConfig {
  const where = { file }
  checkSize(text.length, where)
  const bad = (what: string, cause?: unknown): Error =>
    refusal('bad-config', what, where, 'See https://getsops.io/docs/ for the form of .sops.yaml.', cause)
  let data: unknown
  try {
    data = parse(text, { maxAliasCount: MAX_ALIASES, logLevel: 'silent', prettyErrors: false }) ?? {}
  } catch (cause) {
    throw bad('the file is not YAML', cause)
  }
  const config = Config.safeParse(data)
  if (!config.success) throw bad(explain(config.error))
  const { creation_rules: rules, stores } = config.data
  const indents = { yaml: stores?.yaml?.indent, json: stores?.json?.indent, binary: stores?.json_binary?.indent }
  for (const [store, indent] of Object.entries(indents))
    if (typeof indent === 'number' && (indent < (store === 'yaml' ? 0 : -1) || indent > 100))
      throw bad(`an indentation of ${indent} cannot be written`)
  const indent = Object.fromEntries(
    // 0 for YAML and -1 for JSON are upstream's names for its defaults.
    Object.entries(indents).filter(
      ([store, width]) => typeof width === 'number' && width !== (store === 'yaml' ? 0 : -1),
    ),
  ) as SopsConfig['indent']
  return {
    rules: rules?.map((rule, i) => readRule(rule, { file: `${file}: creation_rules[${i}]` })),
    indent,
  }
}

function readRule(data: unknown, where: Where): CreationRule {
  const parsed = Rule.safeParse(data ?? {})
  if (!parsed.success)
    throw refusal(
      'bad-config',
      explain(parsed.error),
      where,
      'See https://getsops.io/docs/ for the form of .sops.yaml.',
    )
  const rule = parsed.data
  const others = new Set<string>()
  const note = (from: Record<string, unknown>): void => {
    for (const kind of OTHER_KINDS)
      if (from[kind] !== undefined && from[kind] !== null && from[kind] !== '') others.add(kind)
  }
  const groups = rule.key_groups ?? []
  if (groups.length === 0) note(rule)
  const keyGroups =
    groups.length > 0 ? groups.map((group) => mergedGroup(group, note, 0, where)) : [[...new Set(commaList(rule.age))]]
  const fields = Object.fromEntries(SELECTION_RULES.map((name) => [name, rule[name] ?? '']))
  const pathRegex = rule.path_regex ?? ''
  const matches = pathRegex === '' ? () => true : compilePattern(pathRegex, where)
  const selection = oneSelection(fields, where)
  if (selection?.rule.endsWith('_regex') === true) compilePattern(selection.value, where)
  return {
    pathRegex: pathRegex === '' ? undefined : pathRegex,
    keyGroups,
    shamirThreshold: rule.shamir_threshold ?? 0,
    selection,
    macOnlyEncrypted: rule.mac_only_encrypted ?? false,
    otherKinds: [...others],
    matches,
  }
}

function mergedGroup(
  data: unknown,
  note: (from: Record<string, unknown>) => void,
  depth: number,
  where: Where,
): string[] {
  const group = Group.safeParse(data ?? {})
  if (!group.success || depth > MAX_MERGE_DEPTH) throw refusal('bad-config', 'a key group has the wrong form', where)
  note(group.data)
  const merged = (group.data.merge ?? []).flatMap((one) => mergedGroup(one, note, depth + 1, where))
  return [...new Set([...merged, ...(group.data.age ?? []).flatMap(commaList)])]
}

function commaList(keys: string | readonly string[] | null | undefined): string[] {
  const texts = typeof keys === 'string' ? [keys] : (keys ?? [])
  return texts
    .flatMap((text) => text.split(','))
    .map((key) => key.trim())
    .filter((key) => key !== '')
}

function explain(error: z.ZodError): string {
  const issue = error.issues[0]
  return `${issue?.path.join('.') || 'the file'}: ${issue?.message ?? 'wrong form'}`
}

/**
 * The first rule for a file.
 * @param configPath - Where the `.sops.yaml` is; both paths absolute or both relative to the same folder.
 * @returns undefined when the configuration has no rules at all.
 * @throws Problem `sops.no-rule` when there are rules but none matches.
 */
export function ruleFor(config: SopsConfig, configPath: string, path: string): CreationRule | undefined {
  if (config.rules === undefined) return undefined
  const folder = configPath.slice(0, configPath.lastIndexOf('/') + 1)
  const relative = path.startsWith(folder) ? path.slice(folder.length) : path
  const rule = config.rules.find((one) => one.matches(relative))
  if (rule !== undefined) return rule
  throw refusal(
    'no-rule',
    `no creation rule matches "${relative}"`,
    { file: configPath },
    'Add a rule whose path_regex matches it.',
  )
}
