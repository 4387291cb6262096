import { refusal, type Where } from './refusal.ts'
import { DEFAULT_SELECTION, oneSelection, SELECTION_RULES, type Selection, type SelectionRule } from './selection.ts'
import { canonicalTime, wholeSeconds } from './time.ts'
import { entry, get, mapping, sequence, str, type Entry, type Mapping, type Node } from './tree.ts'

/** The version of SOPS whose layout is written. Upstream reads it as semver and only asks whether it is below 3.3.0. */
export const SOPS_VERSION = '3.13.3'

/** A data key, or a share of it, wrapped for one recipient. */
export interface AgeKey {
  readonly recipient: string
  /** Armoured age file with its final newline. */
  readonly enc: string
}

export interface KeyGroup {
  readonly age: readonly AgeKey[]
  /** Lists of keys of other kinds (pgp, kms, …): kept as they are, never used. */
  readonly other: readonly Entry[]
}

export interface Metadata {
  readonly keyGroups: readonly KeyGroup[]
  /** 0 when not set. */
  readonly shamirThreshold: number
  /** RFC 3339, whole seconds, with its own offset. */
  readonly lastModified: string
  /** The sealed MAC. */
  readonly mac: string
  /** Undefined only for the format `binary`, where everything is encrypted. */
  readonly selection: Selection | undefined
  readonly macOnlyEncrypted: boolean
  readonly version: string
}

const OTHER_KINDS = ['azure_kv', 'gcp_kms', 'hc_vault', 'hckms', 'kms', 'pgp']

/**
 * Reads the tree under `sops`, in any order and as loosely as upstream: numbers and booleans may be text, null is
 * empty, unknown fields are ignored.
 * @throws Problem `sops.bad-metadata`
 */
export function readMetadata(tree: Mapping, where: Where): Metadata {
  const bad = (what: string): Error =>
    refusal('bad-metadata', `the sops block is damaged: ${what}`, where, 'Restore the file from Git.')
  const text = (node: Node | undefined, name: string): string => {
    if (node === undefined || node.kind === 'null') return ''
    if (node.kind === 'str' || node.kind === 'time') return node.value
    if (node.kind === 'int' || node.kind === 'float') return node.value.toString()
    if (node.kind === 'bool') return node.value ? '1' : '0'
    throw bad(`${name} is not text`)
  }
  const list = (node: Node | undefined, name: string): readonly Node[] => {
    if (node === undefined || node.kind === 'null') return []
    // An empty list that was flattened, or a weakly typed one.
    if (node.kind === 'str' && node.value === '') return []
    if (node.kind !== 'sequence') throw bad(`${name} is not a list`)
    return node.items.filter((item) => item.kind !== 'comment')
  }
  const group = (from: Mapping): KeyGroup => ({
    age: list(get(from, 'age'), 'age').map((item) => ({
      recipient: text(get(item, 'recipient'), 'recipient').trim(),
      enc: text(get(item, 'enc'), 'enc'),
    })),
    other: OTHER_KINDS.flatMap((kind) => {
      const keys = list(get(from, kind), kind)
      return keys.length === 0 ? [] : [entry(kind, sequence(keys))]
    }),
  })
  const groups = list(get(tree, 'key_groups'), 'key_groups').map((item) => {
    if (item.kind !== 'mapping') throw bad('a key group is not a mapping')
    return group(item)
  })
  const flat = group(tree)
  const isFlat = flat.age.length + flat.other.length > 0
  if (!isFlat && groups.length === 0) throw bad('it names no keys')
  const fields: Partial<Record<SelectionRule, string>> = {}
  for (const rule of SELECTION_RULES) fields[rule] = text(get(tree, rule), rule)
  const lastModified = canonicalTime(text(get(tree, 'lastmodified'), 'lastmodified'))
  if (lastModified === undefined) throw bad('lastmodified is not a time')
  const threshold = text(get(tree, 'shamir_threshold'), 'shamir_threshold')
  if (!/^\d{0,3}$/.test(threshold)) throw bad('shamir_threshold is not a small number')
  return {
    keyGroups: isFlat ? [flat] : groups,
    shamirThreshold: Number(threshold),
    lastModified: wholeSeconds(lastModified),
    mac: text(get(tree, 'mac'), 'mac'),
    selection: oneSelection(fields, where) ?? DEFAULT_SELECTION,
    macOnlyEncrypted: ['1', 't', 'T', 'true', 'TRUE', 'True'].includes(
      text(get(tree, 'mac_only_encrypted'), 'mac_only_encrypted'),
    ),
    version: text(get(tree, 'version'), 'version'),
  }
}

/** The tree under `sops` as upstream writes it since 3.13: fields in alphabetical order, empty ones left out. */
export function writeMetadata(metadata: Metadata): Mapping {
  const groupEntries = ({ age, other }: KeyGroup): Entry[] => [
    entry(
      'age',
      sequence(age.map((key) => mapping([entry('enc', str(key.enc)), entry('recipient', str(key.recipient))]))),
    ),
    ...other,
  ]
  const fields: Entry[] = [
    entry('lastmodified', str(metadata.lastModified)),
    entry('mac', str(metadata.mac)),
    entry('version', str(metadata.version)),
  ]
  const [only, ...more] = metadata.keyGroups
  if (only !== undefined && more.length === 0) fields.push(...groupEntries(only).filter(notEmpty))
  else {
    const groups = metadata.keyGroups.map((group) => {
      const entries = groupEntries(group)
      // Upstream always writes these two inside groups.
      if (!entries.some((item) => item.key === 'hc_vault')) entries.push(entry('hc_vault', sequence([])))
      return mapping(entries.sort(byKey))
    })
    fields.push(entry('key_groups', sequence(groups)))
  }
  if (metadata.selection !== undefined) fields.push(entry(metadata.selection.rule, str(metadata.selection.value)))
  if (metadata.macOnlyEncrypted) fields.push(entry('mac_only_encrypted', { kind: 'bool', value: true }))
  if (metadata.shamirThreshold !== 0)
    fields.push(entry('shamir_threshold', { kind: 'int', value: BigInt(metadata.shamirThreshold) }))
  return mapping(fields.sort(byKey))
}

function notEmpty(item: Entry): boolean {
  return item.value.kind !== 'sequence' || item.value.items.length > 0
}

function byKey(a: Entry, b: Entry): number {
  return a.key < b.key ? -1 : a.key > b.key ? 1 : 0
}
