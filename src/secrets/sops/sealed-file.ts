import { equalBytes, toBase64 } from '../bytes.ts'
import { DATA_KEY_BYTES, openDataKey, sealDataKey } from './data-key.ts'
import { readPlain, readSealed, toBytes, writePlain, writeSealed, type SopsFormat } from './format.ts'
import { computeMac } from './mac.ts'
import { SOPS_VERSION, type Metadata } from './metadata.ts'
import type { Identity } from './recipient.ts'
import { refusal, type Where } from './refusal.ts'
import { DEFAULT_SELECTION, selector, type Selection, type Selector } from './selection.ts'
import { comment, str, type Leaf, type Mapping, type Node } from './tree.ts'
import {
  importValueKey,
  leafBytes,
  newNonce,
  openValue,
  parseValue,
  sealValue,
  valueContext,
  type ValueKey,
} from './value.ts'
import { places, withLeaves, type Place } from './walk.ts'

/** Values worked on at once; more only fills Web Crypto's queue. */
const BATCH = 256

export interface FileOptions {
  /** What the file is called in errors: its path. */
  readonly file: string
  readonly format: SopsFormat
  /** Spaces per level, where `.sops.yaml` says so. */
  readonly indent?: number | undefined
}

export interface OpenOptions extends FileOptions {
  readonly identities: readonly Identity[]
}

/** Time and chance, handed in. */
export interface WriteOptions {
  /** Becomes `lastmodified`, in whole seconds. */
  readonly now: Date
  /** Unpredictable bytes; Web Crypto's when left out. */
  readonly random?: ((length: number) => Uint8Array<ArrayBuffer>) | undefined
}

export interface RecipientOptions {
  /** Recipients by key group; one group is the usual case. */
  readonly keyGroups: readonly (readonly string[])[]
  /** How many of several key groups are needed; 0 or nothing means all. */
  readonly shamirThreshold?: number | undefined
  /** Kinds of keys that are wanted beside these and cannot be sealed to, as a creation rule names them: refused. */
  readonly otherKinds?: readonly string[] | undefined
}

const webRandom = (length: number): Uint8Array<ArrayBuffer> => crypto.getRandomValues(new Uint8Array(length))

interface Opened {
  readonly documents: Mapping[]
  readonly metadata: Metadata
  readonly dataKey: Uint8Array<ArrayBuffer>
  readonly nonces: Nonces
}

/**
 * Decrypts a file and checks its MAC.
 * @param options.outputFormat - Another format to print in; JSON, dotenv and ini take the first document only.
 * @param options.ignoreMac - Skips the check of the whole, never those of the values.
 * @throws Problem `sops.not-sealed`, `sops.bad-metadata`, `sops.no-identity`, `sops.auth-failed`, `sops.mac-missing`,
 * `sops.mac-mismatch` and what the formats refuse.
 */
export async function decryptFile(
  content: string | Uint8Array,
  options: OpenOptions & { readonly outputFormat?: SopsFormat | undefined; readonly ignoreMac?: boolean | undefined },
): Promise<Uint8Array<ArrayBuffer>> {
  const { documents } = await openFile(content, options, options.ignoreMac === true)
  return writePlain(documents, options.outputFormat ?? options.format, options, { file: options.file })
}

/** The clear documents, for callers that need values rather than text. Errors as {@link decryptFile}. */
export async function decryptTree(content: string | Uint8Array, options: OpenOptions): Promise<readonly Mapping[]> {
  return (await openFile(content, options, false)).documents
}

/**
 * What a file says about itself without any key: recipients, rules, dates. Nothing of it is authenticated.
 * @throws Problem as {@link decryptFile}, as far as it concerns the outer form.
 */
export function inspectFile(content: string | Uint8Array, options: FileOptions): Metadata {
  return readSealed(toBytes(content), options.format, { file: options.file }).metadata
}

/**
 * Encrypts a clear file with a new data key.
 * @param options.selection - Which values; what upstream does by default when left out.
 * @throws Problem `sops.already-sealed`, `sops.empty`, `sops.no-recipients`, `sops.bad-recipient`, `sops.bad-regex`
 * and what the formats refuse.
 */
export async function encryptFile(
  content: string | Uint8Array,
  options: FileOptions &
    WriteOptions &
    RecipientOptions & { readonly selection?: Selection | undefined; readonly macOnlyEncrypted?: boolean | undefined },
): Promise<Uint8Array<ArrayBuffer>> {
  const where = { file: options.file }
  const documents = readPlain(toBytes(content), options.format, where)
  ageAlone(options, where)
  const random = options.random ?? webRandom
  const dataKey = random(DATA_KEY_BYTES)
  const metadata: Metadata = {
    ...(await sealDataKey(dataKey, options.keyGroups, options.shamirThreshold ?? 0, random, where)),
    lastModified: instant(options.now),
    mac: '',
    selection: options.format === 'binary' ? undefined : (options.selection ?? DEFAULT_SELECTION),
    macOnlyEncrypted: options.macOnlyEncrypted ?? false,
    version: SOPS_VERSION,
  }
  return sealFile({ documents, metadata, dataKey, nonces: new ByValue() }, options)
}

/**
 * Encrypts a changed clear text in place of what a file holds, with its data key, recipients and rules. Values that
 * did not change keep their ciphertext, so that the difference shows what did.
 * @returns The file as it was, and `changed: false`, when the text says the same.
 */
export async function editFile(
  content: string | Uint8Array,
  plaintext: string | Uint8Array,
  options: OpenOptions & WriteOptions,
): Promise<{ readonly changed: boolean; readonly content: Uint8Array<ArrayBuffer> }> {
  const where = { file: options.file }
  const opened = await openFile(content, options, false)
  const edited = readPlain(toBytes(plaintext), options.format, where)
  const print = (trees: readonly Mapping[]): Uint8Array<ArrayBuffer> => writePlain(trees, options.format, {}, where)
  // What an editor would have been shown, read again: a float 1.0 is printed as 1, which reads as an integer.
  const shown = readPlain(print(opened.documents), options.format, where)
  if (equalBytes(print(edited), print(shown))) return { changed: false, content: toBytes(content) }
  const documents = withOriginals(edited, shown, opened.documents, selector(opened.metadata.selection, where), where)
  const metadata = { ...opened.metadata, lastModified: instant(options.now), version: newer(opened.metadata.version) }
  return { changed: true, content: await sealFile({ ...opened, documents, metadata }, options) }
}

/**
 * Gives a file a new data key and encrypts every value anew, for the same recipients or with some added to the first
 * key group and some removed. Whoever was removed reads nothing that is written from then on.
 * @throws Problem `sops.not-supported` when there are keys of other kinds, which this could not wrap the new key for.
 */
export async function rotateFile(
  content: string | Uint8Array,
  options: OpenOptions &
    WriteOptions & { readonly add?: readonly string[] | undefined; readonly remove?: readonly string[] | undefined },
): Promise<Uint8Array<ArrayBuffer>> {
  const where = { file: options.file }
  const opened = await openFile(content, options, false)
  ageOnly(opened.metadata, where)
  const removed = new Set(options.remove ?? [])
  const groups = opened.metadata.keyGroups.map((group, i) =>
    [...group.age.map((key) => key.recipient), ...(i === 0 ? (options.add ?? []) : [])].filter(
      (recipient) => !removed.has(recipient),
    ),
  )
  const random = options.random ?? webRandom
  const dataKey = random(DATA_KEY_BYTES)
  const sealed = await sealDataKey(dataKey, groups, opened.metadata.shamirThreshold, random, where)
  const metadata = { ...opened.metadata, ...sealed, lastModified: instant(options.now) }
  return sealFile({ ...opened, metadata, dataKey, nonces: new ByValue() }, options)
}

/**
 * Wraps a file's data key for other recipients and leaves everything else as it is. A recipient that goes may have
 * kept the data key: rotate as well, and change the secrets.
 * @returns `changed: false` with the file as it was when it is sealed to exactly these already, in any order.
 */
export async function updateKeys(
  content: string | Uint8Array,
  options: OpenOptions & RecipientOptions & Pick<WriteOptions, 'random'>,
): Promise<{
  readonly changed: boolean
  readonly content: Uint8Array<ArrayBuffer>
  readonly added: readonly string[]
  readonly removed: readonly string[]
}> {
  const where = { file: options.file }
  const { documents, metadata } = readSealed(toBytes(content), options.format, where)
  ageOnly(metadata, where)
  ageAlone(options, where)
  const before = metadata.keyGroups.map((group) => group.age.map((key) => key.recipient))
  const shamirThreshold = options.shamirThreshold || Math.min(metadata.shamirThreshold, options.keyGroups.length)
  const [was, will] = [new Set(before.flat()), new Set(options.keyGroups.flat())]
  const added = [...will].filter((recipient) => !was.has(recipient))
  const removed = [...was].filter((recipient) => !will.has(recipient))
  const same = (groups: readonly (readonly string[])[]): string =>
    JSON.stringify(groups.map((group) => [...new Set(group)].sort()))
  if (same(before) === same(options.keyGroups) && (shamirThreshold === metadata.shamirThreshold || before.length === 1))
    return { changed: false, content: toBytes(content), added, removed }
  const dataKey = await openDataKey(metadata, options.identities, where)
  const sealed = await sealDataKey(
    dataKey,
    options.keyGroups,
    options.keyGroups.length === 1 ? 0 : shamirThreshold,
    options.random ?? webRandom,
    where,
  )
  return {
    changed: true,
    content: writeSealed(documents, { ...metadata, ...sealed }, options.format, options, where),
    added,
    removed,
  }
}

/** Something remembered about a value at its place. Items of a list share their place, so equal ones stay in order, each once. */
class ByValue<T> {
  readonly #known = new Map<string, T[]>()

  static #name(leaf: Leaf, context: string): string {
    return JSON.stringify([context, leaf.kind, toBase64(leafBytes(leaf))])
  }

  remember(leaf: Leaf, context: string, what: T): void {
    const name = ByValue.#name(leaf, context)
    const known = this.#known.get(name)
    if (known === undefined) this.#known.set(name, [what])
    else known.push(what)
  }

  take(leaf: Leaf, context: string): T | undefined {
    return this.#known.get(ByValue.#name(leaf, context))?.shift()
  }
}

/** Nonces of values that were decrypted, for values that are still the same at the same place. */
type Nonces = ByValue<Uint8Array<ArrayBuffer>>

/** The edited documents with the original value wherever the text for it did not change. */
function withOriginals(
  edited: readonly Mapping[],
  shown: readonly Mapping[],
  originals: readonly Mapping[],
  select: Selector,
  where: Where,
): Mapping[] {
  const [before, after] = [places(originals, select, where), places(shown, select, where)]
  if (before.length !== after.length) return [...edited]
  const known = new ByValue<Leaf>()
  for (const [i, { leaf, path }] of after.entries()) {
    const original = before[i]?.leaf
    if (original !== undefined && original.kind !== 'comment' && leaf.kind !== 'comment')
      known.remember(leaf, valueContext(path), original)
  }
  const leaves = places(edited, select, where).map(({ leaf, path }) =>
    leaf.kind === 'comment' ? leaf : (known.take(leaf, valueContext(path)) ?? leaf),
  )
  return withLeaves(edited, leaves)
}

async function openFile(content: string | Uint8Array, options: OpenOptions, ignoreMac: boolean): Promise<Opened> {
  const where = { file: options.file }
  const { documents, metadata } = readSealed(toBytes(content), options.format, where)
  const select = selector(metadata.selection, where)
  const found = places(documents, select, where)
  const dataKey = await openDataKey(metadata, options.identities, where)
  const key = await importValueKey(dataKey)
  const nonces: Nonces = new ByValue()
  const clear = await inBatches(found, (place) => openPlace(place, key, nonces, where))
  if (!ignoreMac) await verifyMac(found, clear, metadata, key, nonces, where)
  return { documents: withLeaves(documents, clear), metadata, dataKey, nonces }
}

async function openPlace(place: Place, key: ValueKey, nonces: Nonces, where: Where): Promise<Leaf> {
  const { leaf, path } = place
  if (!place.sealed) return leaf
  const here = { ...where, path }
  const context = valueContext(path)
  if (leaf.kind === 'comment') {
    // Old files have comments in clear among encrypted values; nothing rests on them.
    try {
      const sealed = parseValue(leaf.text, here)
      const clear = await openValue(sealed, key, context, here)
      nonces.remember(clear, context, sealed.nonce)
      return clear.kind === 'comment' ? clear : clear.kind === 'str' ? comment(clear.value, leaf.inline) : leaf
    } catch {
      return leaf
    }
  }
  if (leaf.kind !== 'str')
    throw refusal(
      'not-sealed',
      `a value that has to be encrypted here is a ${leaf.kind} in clear`,
      here,
      'Restore the file, or encrypt it anew; if this was a secret, change it.',
    )
  if (leaf.value === '') return leaf
  const sealed = parseValue(leaf.value, here)
  const clear = await openValue(sealed, key, context, here)
  if (clear.kind === 'comment' && !place.inSequence)
    throw refusal('bad-value', 'a value says that it is a comment', here, 'Restore the file from Git.')
  nonces.remember(clear, context, sealed.nonce)
  return clear
}

async function verifyMac(
  found: readonly Place[],
  clear: readonly Leaf[],
  metadata: Metadata,
  key: ValueKey,
  nonces: Nonces,
  where: Where,
): Promise<void> {
  if (metadata.mac === '')
    throw refusal(
      'mac-missing',
      'the file has no MAC, so nothing says that it is whole',
      where,
      'Restore the file from Git.',
    )
  const here = { file: `${where.file}: sops.mac` }
  const sealed = parseValue(metadata.mac, here)
  const stored = await openValue(sealed, key, metadata.lastModified, here)
  const computed = str(await computeMac(found, clear, metadata.macOnlyEncrypted))
  if (stored.kind !== 'str' || !equalBytes(leafBytes(stored), leafBytes(computed)))
    throw refusal(
      'mac-mismatch',
      'the MAC does not match: a value was changed, added, removed or moved after encryption',
      where,
      'Restore the file from Git, and find out who changed it.',
    )
  nonces.remember(stored, metadata.lastModified, sealed.nonce)
}

async function sealFile(
  { documents, metadata, dataKey, nonces }: Opened,
  options: FileOptions & WriteOptions,
): Promise<Uint8Array<ArrayBuffer>> {
  const where = { file: options.file }
  const random = options.random ?? webRandom
  const select = selector(metadata.selection, where)
  const kept = documents.map((document) => withoutEmptyListComments(document))
  const found = places(kept, select, where)
  const key = await importValueKey(dataKey)
  const mac = await computeMac(
    found,
    found.map((place) => place.leaf),
    metadata.macOnlyEncrypted,
  )
  const seal = (leaf: Leaf, context: string): Promise<string> =>
    sealValue(leaf, key, context, nonces.take(leaf, context) ?? newNonce(random))
  const leaves = await inBatches(found, async ({ leaf, path, sealed, inSequence }) => {
    if (!sealed || isEmpty(leaf)) return leaf
    const here = { ...where, path }
    if (leaf.kind === 'comment' && inSequence && select.about === 'comments')
      throw refusal(
        'not-supported',
        'a comment in a list would be encrypted under a rule about comments, and no SOPS could open that again',
        here,
        'Move the comment out of the list.',
      )
    const text = await seal(leaf, valueContext(path))
    if (leaf.kind === 'comment' && select.about === 'comments' && !select.sealsMatches && select.matches(text))
      throw refusal(
        'bad-regex',
        'unencrypted_comment_regex matches a comment that is encrypted',
        here,
        'Make the expression match whole words of yours.',
      )
    return leaf.kind === 'comment' && !inSequence ? comment(text, leaf.inline) : str(text)
  })
  return writeSealed(
    withLeaves(kept, leaves),
    { ...metadata, mac: await seal(str(mac), metadata.lastModified) },
    options.format,
    options,
    where,
  )
}

/** A bare `#` in a list cannot be carried: encrypted it is an empty text, which comes back as an item. */
function withoutEmptyListComments<N extends Node>(node: N): N {
  if (node.kind === 'mapping') {
    const entries = node.entries.map((item) =>
      item.kind === 'entry' ? { ...item, value: withoutEmptyListComments(item.value) } : item,
    )
    return { ...node, entries }
  }
  if (node.kind !== 'sequence') return node
  const items = node.items
    .filter((item) => item.kind !== 'comment' || item.text !== '')
    .map((item) => withoutEmptyListComments(item))
  return { ...node, items }
}

function isEmpty(leaf: Leaf): boolean {
  if (leaf.kind === 'comment') return leaf.text === ''
  return leaf.kind === 'str' ? leaf.value === '' : leaf.kind === 'bytes' && leaf.value.length === 0
}

async function inBatches<T, R>(items: readonly T[], each: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = []
  for (let at = 0; at < items.length; at += BATCH)
    results.push(...(await Promise.all(items.slice(at, at + BATCH).map(each))))
  return results
}

function instant(now: Date): string {
  return now.toISOString().replace(/\.\d+Z$/, 'Z')
}

/** The higher of a file's version and ours, as upstream raises it when it edits. */
function newer(version: string): string {
  const parts = (text: string): number[] => text.split('.').map((part) => Number.parseInt(part, 10) || 0)
  const [theirs, ours] = [parts(version), parts(SOPS_VERSION)]
  for (const i of [0, 1, 2])
    if ((theirs[i] ?? 0) !== (ours[i] ?? 0)) return (theirs[i] ?? 0) > (ours[i] ?? 0) ? version : SOPS_VERSION
  return version
}

function ageOnly(metadata: Metadata, where: Where): void {
  const other = metadata.keyGroups.flatMap((group) => group.other)[0]
  if (other !== undefined)
    throw refusal(
      'not-supported',
      `the file is sealed to keys of the kind ${other.key} too, and wrapping a data key for those is not built`,
      where,
      'Use sops itself, or move the file to age recipients.',
    )
}

function ageAlone({ otherKinds }: RecipientOptions, where: Where): void {
  const other = otherKinds?.[0]
  if (other !== undefined)
    throw refusal(
      'not-supported',
      `the file is to be sealed to keys of the kind ${other} too, and wrapping a data key for those is not built`,
      where,
      'Use sops itself, or age recipients alone.',
    )
}
