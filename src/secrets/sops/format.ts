import { readDotenv, writeDotenv } from './dotenv-file.ts'
import { flatText } from './flat-text.ts'
import { flatten, unflatten } from './flatten.ts'
import { readIni, writeIni } from './ini-file.ts'
import { readJson, writeJson } from './json-file.ts'
import { checkSize, MAX_DEPTH } from './limits.ts'
import { readMetadata, writeMetadata, type Metadata } from './metadata.ts'
import { refusal, type Where } from './refusal.ts'
import { entry, get, mapping, str, textOrBytes, type Entry, type Mapping } from './tree.ts'
import { readYaml } from './yaml-read.ts'
import { writeYaml, YAML_INDENT } from './yaml-write.ts'

export type SopsFormat = 'yaml' | 'json' | 'dotenv' | 'ini' | 'binary'

/** By the end of the file name, as upstream has it: case counts, and what is not known is `binary`. */
export function formatOf(path: string): SopsFormat {
  if (/\.ya?ml$/.test(path)) return 'yaml'
  if (path.endsWith('.json')) return 'json'
  if (path.endsWith('.env')) return 'dotenv'
  return path.endsWith('.ini') ? 'ini' : 'binary'
}

/** How wide a level is indented: spaces; JSON has one tab where nothing is said. */
export interface Layout {
  readonly indent?: number | undefined
}

const METADATA_KEY = 'sops'
const METADATA_PREFIX = 'sops_'
/** Where a binary file's content is, inside a JSON envelope. */
const BINARY_KEY = 'data'

/** A file's content as bytes; texts are taken as UTF-8. */
export function toBytes(content: string | Uint8Array): Uint8Array<ArrayBuffer> {
  return typeof content === 'string' ? new TextEncoder().encode(content) : Uint8Array.from(content)
}

/**
 * Reads what is to be encrypted.
 * @throws Problem `sops.already-sealed` when it has metadata, `sops.empty` when there is nothing in it.
 */
export function readPlain(bytes: Uint8Array<ArrayBuffer>, format: SopsFormat, where: Where): Mapping[] {
  checkSize(bytes.length, where)
  if (format === 'binary') return [mapping([entry(BINARY_KEY, textOrBytes(bytes))])]
  const documents = read(bytes, format, where)
  if (documents.length === 0) throw refusal('empty', 'there is nothing to encrypt in the file', where)
  if (documents.some((document) => document.entries.some((item) => item.kind === 'entry' && isMetadata(item, format))))
    throw refusal(
      'already-sealed',
      'the file has a sops block: it is encrypted already, or uses a name that SOPS keeps for itself',
      where,
      'Edit it instead.',
    )
  return documents
}

/** @throws Problem `sops.not-sealed` when it has no metadata. */
export function readSealed(
  bytes: Uint8Array<ArrayBuffer>,
  format: SopsFormat,
  where: Where,
): { documents: Mapping[]; metadata: Metadata } {
  checkSize(bytes.length, where)
  const all = read(bytes, format, where)
  const found = (all[0]?.entries ?? []).filter(
    (item): item is Entry => item.kind === 'entry' && isMetadata(item, format),
  )
  const first = found[0]
  if (first === undefined)
    throw refusal(
      'not-sealed',
      'the file has no sops block: it is not encrypted',
      where,
      'Encrypt it; if it was published in clear, change the secrets in it.',
    )
  const bad = (what: string): Error => refusal('bad-metadata', what, where, 'Restore the file from Git.')
  let tree: Mapping
  if (format === 'dotenv')
    tree = unflatten(
      found.map((item) => entry(item.key.slice(METADATA_PREFIX.length), item.value)),
      where,
    )
  else {
    if (found.length > 1) throw bad('the file has more than one sops block')
    if (first.value.kind !== 'mapping') throw bad('the sops block is not a mapping')
    tree = first.value
    if (format === 'ini') {
      const entries = tree.entries.filter((item): item is Entry => item.kind === 'entry')
      tree = unflatten(
        entries.map(({ key, value }) =>
          entry(key, value.kind === 'str' ? str(value.value.replaceAll('\\n', '\n')) : value),
        ),
        where,
      )
    }
  }
  const documents = all.map((document) =>
    mapping(document.entries.filter((item) => item.kind === 'comment' || !isMetadata(item, format))),
  )
  const metadata = readMetadata(tree, where)
  if (format !== 'binary') return { documents, metadata }
  if (get(documents[0], BINARY_KEY) === undefined) throw bad('the file holds no data')
  return { documents, metadata: { ...metadata, selection: undefined } }
}

export function writePlain(
  documents: readonly Mapping[],
  format: SopsFormat,
  layout: Layout,
  where: Where,
): Uint8Array<ArrayBuffer> {
  if (format !== 'binary') return write(documents, format, layout, where)
  const data = get(documents[0], BINARY_KEY)
  if (data?.kind === 'bytes') return data.value
  if (data?.kind === 'str') return toBytes(data.value)
  throw refusal(
    'not-supported',
    'the file does not hold one binary value, so it cannot be written as one',
    where,
    'Choose another output format.',
  )
}

export function writeSealed(
  documents: readonly Mapping[],
  metadata: Metadata,
  format: SopsFormat,
  layout: Layout,
  where: Where,
): Uint8Array<ArrayBuffer> {
  const tree = writeMetadata(metadata)
  const added = ((): Entry[] => {
    if (format === 'dotenv') return flatten(tree).map(({ key, value }) => entry(METADATA_PREFIX + key, value))
    if (format !== 'ini') return [entry(METADATA_KEY, tree)]
    const flat = flatten(tree).map(({ key, value }) =>
      entry(key, value.kind === 'str' ? str(value.value.replaceAll('\n', '\\n')) : value),
    )
    return [entry(METADATA_KEY, mapping(flat))]
  })()
  for (const document of documents)
    for (const item of document.entries)
      if (item.kind === 'entry' && isMetadata(item, format))
        throw refusal(
          'reserved-key',
          'SOPS keeps this name for its own block',
          { ...where, path: [item.key] },
          'Rename the key.',
        )
  return write(
    documents.map((document) => mapping([...document.entries, ...added])),
    format,
    layout,
    where,
  )
}

function isMetadata({ key }: Entry, format: SopsFormat): boolean {
  return format === 'dotenv' ? key.startsWith(METADATA_PREFIX) : key === METADATA_KEY
}

function read(bytes: Uint8Array<ArrayBuffer>, format: SopsFormat, where: Where): Mapping[] {
  if (format === 'dotenv') return [readDotenv(bytes, where)]
  let text: string
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    throw refusal('bad-encoding', 'the file is not UTF-8', where, 'Convert it, or encrypt it as binary.')
  }
  if (format === 'yaml') return readYaml(text, where)
  return [format === 'ini' ? readIni(text, where) : readJson(text, where)]
}

function write(
  documents: readonly Mapping[],
  format: SopsFormat,
  { indent }: Layout,
  where: Where,
): Uint8Array<ArrayBuffer> {
  const [first] = documents
  if (first === undefined) return new Uint8Array()
  switch (format) {
    case 'yaml':
      return toBytes(writeYaml(documents, indent ?? YAML_INDENT))
    case 'dotenv':
      return writeDotenv(first, where)
    case 'ini': {
      const text = writeIni(first, where)
      checkIni(text, first, where)
      return toBytes(text)
    }
    case 'json':
    case 'binary': {
      if (indent !== undefined && (indent < 0 || indent > MAX_DEPTH))
        throw refusal('bad-indent', `an indentation of ${indent} spaces cannot be written`, where)
      return toBytes(writeJson(first, indent === undefined ? '\t' : ' '.repeat(indent)))
    }
    default:
      return format satisfies never
  }
}

/**
 * ini.v1 has texts that it writes and cannot read back, such as a key that starts with `;` or a value with both kinds
 * of quotes. They are refused instead of lost.
 */
function checkIni(text: string, document: Mapping, where: Where): void {
  const lost = (path: readonly string[]): Error =>
    refusal('ini', 'the ini format cannot carry this key or value', { ...where, path }, 'Use YAML or JSON.')
  const sections = (from: Mapping): Entry[] => from.entries.filter((item): item is Entry => item.kind === 'entry')
  const isFilled = (section: Entry): boolean =>
    section.key !== 'DEFAULT' || (section.value.kind === 'mapping' && sections(section.value).length > 0)
  const [written, read] = [sections(document).filter(isFilled), sections(readIni(text, where)).filter(isFilled)]
  for (const [i, section] of written.entries()) {
    const back = read[i]
    if (section.value.kind !== 'mapping' || back?.value.kind !== 'mapping' || back.key !== section.key)
      throw lost([section.key])
    const keys = sections(back.value)
    for (const [k, { key, value }] of sections(section.value).entries()) {
      const same = keys[k]
      if (value.kind === 'mapping' || value.kind === 'sequence' || value.kind === 'comment')
        throw lost([section.key, key])
      if (same?.key !== key || same.value.kind !== 'str' || same.value.value !== flatText(value))
        throw lost([section.key, key])
    }
    if (keys.length !== sections(section.value).length) throw lost([section.key])
  }
  if (read.length !== written.length) throw lost([])
}
