import { concatBytes } from '../bytes.ts'
import { flatText } from './flat-text.ts'
import { MAX_NODES } from './limits.ts'
import { refusal, type Where } from './refusal.ts'
import { comment, entry, mapping, textOrBytes, type Comment, type Entry, type Mapping } from './tree.ts'

const NEWLINE = 10
const utf8 = new TextEncoder()
const utf8Text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/**
 * Reads `NAME=value` lines as upstream does: nothing is trimmed or unquoted, `\n` in a value means a newline, empty
 * lines are dropped, `#` at the start of a line makes a comment.
 * @throws Problem `sops.dotenv` with the line.
 */
export function readDotenv(bytes: Uint8Array<ArrayBuffer>, where: Where): Mapping {
  const items: (Entry | Comment)[] = []
  let line = 0
  for (let from = 0; from <= bytes.length; line++) {
    const found = bytes.indexOf(NEWLINE, from)
    const to = found < 0 ? bytes.length : found
    const content = bytes.slice(from, to)
    from = to + 1
    if (content.length === 0) continue
    const bad = (what: string): Error =>
      refusal('dotenv', what, { file: `${where.file}:${line + 1}` }, 'Write NAME=value, one per line.')
    if (items.length >= MAX_NODES) throw refusal('too-large', `there are more than ${MAX_NODES} lines`, where)
    const equals = content.indexOf(0x3d)
    const isComment = content[0] === 0x23
    if (!isComment && equals < 0) throw bad('a line has no "="')
    try {
      if (isComment) items.push(comment(utf8Text.decode(content.slice(1))))
      else {
        const value = textOrBytes(content.slice(equals + 1))
        const text = value.kind === 'str' ? { ...value, value: value.value.replaceAll('\\n', '\n') } : value
        items.push(entry(utf8Text.decode(content.slice(0, equals)), text))
      }
    } catch {
      throw bad('a name or comment is not UTF-8')
    }
  }
  return mapping(items)
}

/** @throws Problem `sops.dotenv` for nested values, which the format cannot hold. */
export function writeDotenv(document: Mapping, where: Where): Uint8Array<ArrayBuffer> {
  const parts: Uint8Array[] = []
  for (const item of document.entries) {
    if (item.kind === 'comment') {
      parts.push(utf8.encode(`#${item.text}\n`))
      continue
    }
    const { key, value } = item
    if (value.kind === 'mapping' || value.kind === 'sequence' || value.kind === 'comment')
      throw refusal('dotenv', 'a dotenv file cannot hold nested values', { ...where, path: [key] }, 'Use YAML or JSON.')
    if (value.kind === 'bytes') parts.push(utf8.encode(`${key}=`), value.value, utf8.encode('\n'))
    else
      parts.push(
        utf8.encode(`${key}=${value.kind === 'str' ? value.value.replaceAll('\n', '\\n') : flatText(value)}\n`),
      )
  }
  return concatBytes(...parts)
}
