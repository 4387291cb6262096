import { flatText } from './flat-text.ts'
import { MAX_NODES } from './limits.ts'
import { refusal, type Where } from './refusal.ts'
import { comment, entry, mapping, str, type Comment, type Entry, type Mapping } from './tree.ts'

/** Keys before any section header. */
const DEFAULT_SECTION = 'DEFAULT'

interface Section {
  readonly name: string
  comment: string
  readonly keys: Map<string, { value: string; comment: string }>
}

/**
 * Reads an ini file as upstream's library (gopkg.in/ini.v1) does: sections may repeat, values lose quotes and comments
 * behind them, `\` continues a line. Every value is text.
 * @throws Problem `sops.ini` with the line.
 */
export function readIni(text: string, where: Where): Mapping {
  const sections = new IniReader(text.startsWith('\ufeff') ? text.slice(1) : text, where).read()
  return mapping(
    sections.map(({ name, comment: remark, keys }) => {
      const items: (Entry | Comment)[] = remark === '' ? [] : [comment(stripped(remark))]
      for (const [key, { value, comment: about }] of keys) {
        items.push(entry(key, str(value)))
        if (about !== '') items.push(comment(stripped(about)))
      }
      return entry(name, mapping(items))
    }),
  )
}

function stripped(remark: string): string {
  if (remark.startsWith(';')) return remark.replace(/^[; ]+/, '')
  return remark.startsWith('#') ? remark.replace(/^[# ]+/, '') : remark
}

class IniReader {
  readonly #lines: readonly string[]
  readonly #where: Where
  #at = 0
  #comment = ''
  #keys = 0

  constructor(text: string, where: Where) {
    this.#lines = text.match(/[^\n]*\n|[^\n]+$/g) ?? []
    this.#where = where
  }

  read(): Section[] {
    const sections: Section[] = [{ name: DEFAULT_SECTION, comment: '', keys: new Map() }]
    let line: string | undefined
    while ((line = this.#lines[this.#at++]) !== undefined) {
      const content = line.trimStart()
      if (content === '') continue
      if (content.startsWith('#') || content.startsWith(';')) {
        this.#comment += content
        continue
      }
      if (content.startsWith('[')) {
        const close = content.lastIndexOf(']')
        if (close < 0) throw this.#bad('a section header is not closed')
        const name = content.slice(1, close)
        if (name === '') throw this.#bad('a section has no name')
        const after = /[#;]/.exec(content.slice(close + 1))
        if (after !== null) this.#comment += content.slice(close + 1 + after.index)
        // The section of the leading keys can be opened again by name; others stand beside those of the same name.
        const section: Section = { name, comment: this.#takeComment(), keys: new Map() }
        sections.push(section)
        continue
      }
      const [key, rest] = this.#key(content)
      if (key === '') throw this.#bad('a key has no name')
      // The library would number it, and write a name that it then reads as a comment.
      if (key === '-') throw this.#bad('a key is "-", which stands for a number that could not be read back')
      const value = this.#value(rest)
      if (++this.#keys > MAX_NODES) throw refusal('too-large', `there are more than ${MAX_NODES} keys`, this.#where)
      sections.at(-1)?.keys.set(key, { value, comment: this.#takeComment() })
    }
    return sections
  }

  #bad(what: string): Error {
    return refusal('ini', what, { file: `${this.#where.file}:${this.#at}` })
  }

  #takeComment(): string {
    const taken = this.#comment.trim()
    this.#comment = ''
    return taken
  }

  #key(line: string): [string, string] {
    const quote = line.startsWith('"')
      ? line.length > 6 && line.startsWith('"""')
        ? '"""'
        : '"'
      : line.startsWith('`')
        ? '`'
        : ''
    if (quote !== '') {
      const close = line.indexOf(quote, quote.length)
      if (close < 0) throw this.#bad('the quotes of a key are not closed')
      const delimiter = line.slice(close + quote.length).search(/[=:]/)
      if (delimiter < 0) throw this.#bad('a line has no "="')
      return [line.slice(quote.length, close).trim(), line.slice(close + quote.length + delimiter + 1)]
    }
    const delimiter = line.search(/[=:]/)
    if (delimiter < 0) throw this.#bad('a line has no "="')
    if (delimiter === 0) throw this.#bad('a key has no name')
    return [line.slice(0, delimiter).trim(), line.slice(delimiter + 1)]
  }

  #value(rest: string): string {
    const start = rest.trimStart()
    if (start === '') return ''
    const quote = start.length > 3 && start.startsWith('"""') ? '"""' : start.startsWith('`') ? '`' : ''
    if (quote !== '') {
      const close = start.lastIndexOf(quote)
      return close < quote.length ? this.#multiline(start.slice(quote.length), quote) : start.slice(quote.length, close)
    }
    let line = start.trim()
    if (line.endsWith('\\')) return this.#continued(line.slice(0, -1))
    const remark = line.search(/[#;]/)
    if (remark >= 0) {
      this.#comment += line.slice(remark)
      line = line.slice(0, remark).trim()
    }
    for (const mark of ["'", '"'])
      if (line.length >= 2 && line.startsWith(mark) && line.indexOf(mark, 1) === line.length - 1)
        return line.slice(1, -1)
    return line
  }

  #multiline(first: string, quote: string): string {
    const parts = [first]
    for (;;) {
      const next = this.#lines[this.#at++]
      if (next === undefined) throw this.#bad('the quotes of a value are not closed')
      const close = next.lastIndexOf(quote)
      if (
        close < 0 ||
        next
          .slice(close + quote.length)
          .trim()
          .endsWith('\\')
      ) {
        parts.push(next)
        continue
      }
      parts.push(next.slice(0, close))
      const remark = /[#;].*/s.exec(next.slice(close))
      if (remark !== null) this.#comment += remark[0].trim()
      return parts.join('')
    }
  }

  #continued(first: string): string {
    const parts = [first]
    for (;;) {
      const next = this.#lines[this.#at++]?.trim() ?? ''
      if (next === '') return parts.join('')
      if (!next.endsWith('\\')) return [...parts, next].join('')
      parts.push(next.slice(0, -1))
    }
  }
}

/**
 * Prints as upstream does: keys of a section aligned, a blank line after each section, quotes where ini.v1 puts them.
 * @throws Problem `sops.ini` for what the format cannot hold.
 */
export function writeIni(document: Mapping, where: Where): string {
  const sections = document.entries.filter((item): item is Entry => item.kind === 'entry')
  let out = ''
  for (const [i, section] of sections.entries()) {
    const { key: name, value } = section
    if (value.kind !== 'mapping')
      throw refusal('ini', 'an ini file holds sections of keys, not values beside them', { ...where, path: [name] })
    const { remark, keys } = sectionOf(value, name, where)
    if (remark !== '') out += commentLines(remark)
    if (i > 0 || name.toUpperCase() !== DEFAULT_SECTION) out += `[${name}]\n`
    else if (keys.size === 0) continue
    const width = [...keys.keys()].reduce((most, key) => Math.max(most, byteLength(quotedKey(key))), 0)
    for (const [key, { value: text, comment: about }] of keys) {
      if (about !== '') out += commentLines(about)
      out += `${quotedKey(key)}${' '.repeat(width - byteLength(quotedKey(key)))} = ${quotedValue(text)}\n`
    }
    if (i < sections.length - 1) out += '\n'
  }
  return out
}

function sectionOf(
  section: Mapping,
  name: string,
  where: Where,
): { remark: string; keys: Map<string, { value: string; comment: string }> } {
  const keys = new Map<string, { value: string; comment: string }>()
  let remark = ''
  let last: { value: string; comment: string } | undefined
  for (const [i, item] of section.entries.entries()) {
    if (item.kind === 'comment') {
      if (i === 0) remark = item.text
      else if (last !== undefined) last.comment = item.text
      continue
    }
    const { key, value } = item
    if (value.kind === 'mapping' || value.kind === 'sequence' || value.kind === 'comment')
      throw refusal(
        'ini',
        'an ini file cannot hold values this deep',
        { ...where, path: [name, key] },
        'Use YAML or JSON.',
      )
    if (key === '') throw refusal('ini', 'a key has no name', { ...where, path: [name] })
    last = { value: flatText(value), comment: keys.get(key)?.comment ?? '' }
    keys.set(key, last)
  }
  return { remark, keys }
}

/** Upstream aligns by bytes. */
function byteLength(text: string): number {
  return new TextEncoder().encode(text).length
}

function commentLines(remark: string): string {
  return remark
    .split('\n')
    .map((line) => (/^[#;]/.test(line) ? `${line.slice(0, 1)} ${line.slice(1).trim()}\n` : `; ${line.trim()}\n`))
    .join('')
}

function quotedKey(key: string): string {
  if (/["=:]/.test(key)) return `\`${key}\``
  return key.includes('`') ? `"""${key}"""` : key
}

function quotedValue(value: string): string {
  if (/[\n`]/.test(value)) return `"""${value}"""`
  if (/[#;]/.test(value)) return `\`${value}\``
  return value.trim().length === value.length ? value : `"${value}"`
}
