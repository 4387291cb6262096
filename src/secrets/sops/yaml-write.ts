import { toBase64 } from '../bytes.ts'
import { floatGeneral } from './number.ts'
import { readsAsOther } from './yaml-scalar.ts'
import type { Comment, Entry, Mapping, Node, Scalar } from './tree.ts'

/** Upstream's default; `stores.yaml.indent` of `.sops.yaml` changes it. */
export const YAML_INDENT = 4
/** A longer key is written as `? key`, in bytes. */
const MAX_SIMPLE_KEY_BYTES = 128

/**
 * Prints documents as upstream does, byte for byte: its emitter is go-yaml 3, whose order of writing comments, breaks
 * and spaces is followed step by step. A few texts are written otherwise, because upstream's own output of them cannot
 * be read back, or not by every reader: block scalars with a leading space or break below a list item get the
 * indentation digit that is true; comments in an otherwise empty mapping or list stay inside its braces; texts of
 * several lines with a leading tab, and texts with U+2028 or U+2029 inside, are put in double quotes.
 * @param indent - From 2 to 9, as go-yaml has it; other widths become 2.
 */
export function writeYaml(documents: readonly Mapping[], indent: number): string {
  const writer = new YamlWriter(indent >= 2 && indent <= 9 ? indent : 2)
  for (const [i, document] of documents.entries()) writer.document(document, i === 0)
  return writer.end()
}

type Style = 'plain' | 'single' | 'double' | 'literal'
interface Text {
  readonly kind: 'text'
  readonly value: string
  readonly style: Style
  readonly tag: '' | '!!merge' | '!!binary'
}
/** Comments around a node, each `#…` lines joined by newlines, or empty. */
interface Around {
  readonly head: string
  readonly line: string
  readonly foot: string
}
const NOTHING: Around = { head: '', line: '', foot: '' }

/** Where the comments of a container's children go: to the container, before each child, and after the last. */
interface Placed<T> {
  readonly head: string
  readonly children: readonly { readonly child: T; readonly around: Around }[]
}

function placeComments<T extends { kind: string }>(items: readonly (T | Comment)[]): Placed<T> {
  const children: { child: T; around: { head: string; line: string; foot: string } }[] = []
  let above: string[] = []
  let inline: string[] = []
  let head = ''
  for (const item of items) {
    if (isComment(item)) {
      ;(item.inline ? inline : above).push(item.text)
      continue
    }
    const joined = lines(above)
    if (children.length === 0) head = joined
    children.push({ child: item, around: { head: children.length === 0 ? '' : joined, line: lines(inline), foot: '' } })
    above = []
    inline = []
  }
  const rest = lines([...above, ...inline])
  const last = children.at(-1)
  if (last === undefined) head = rest
  else last.around.foot = rest
  return { head, children }
}

function isComment(item: { kind: string }): item is Comment {
  return item.kind === 'comment'
}

function lines(comments: readonly string[]): string {
  return comments.length === 0 ? '' : `#${comments.join('\n#')}`
}

class YamlWriter {
  readonly #out: string[] = []
  readonly #best: number
  #column = 0
  #indent = -1
  #footIndent = -1
  #whitespace = true
  #indention = true
  #head = ''
  #line = ''
  #foot = ''
  #tail = ''

  constructor(indent: number) {
    this.#best = indent
  }

  document(root: Mapping, first: boolean): void {
    if (!first) {
      this.#writeIndent()
      this.#indicator('---', true, false, false)
      this.#writeIndent()
    }
    const placed = placeComments(root.entries)
    this.#note({ ...NOTHING, head: placed.head })
    this.#headComment()
    this.#lineComment()
    this.#footComment()
    this.#mapping(placed, false, NOTHING)
    this.#footIndent = 0
    this.#footComment()
    this.#footIndent = -1
    this.#writeIndent()
  }

  end(): string {
    return this.#out.join('')
  }

  /** What the emitter remembers of an event's comments; an empty one leaves an earlier one waiting. */
  #note({ head, line, foot }: Around, tail = ''): void {
    if (head !== '') this.#head = head
    if (line !== '') this.#line = line
    if (foot !== '') this.#foot = foot
    if (tail !== '') this.#tail = tail
  }

  /** @param end - Comments of the container itself that go-yaml passes on with its end, not its start. */
  #mapping({ children }: Placed<Entry>, inSequence: boolean, end: Around): void {
    if (children.length === 0) return this.#emptyFlow('{', '}', end)
    const outer = this.#indent
    this.#deeper(inSequence)
    let tail = ''
    for (const { child, around } of children) {
      const key = textOf({ kind: 'str', value: child.key })
      this.#note({ ...NOTHING, head: around.head }, tail)
      tail = around.foot
      this.#headComment()
      this.#writeIndent()
      const simple = isSimpleKey(key)
      if (!simple) this.#indicator('?', true, false, true)
      this.#text(key, simple, false)
      this.#value(child.value, around.line, simple)
    }
    this.#note(end, tail)
    this.#headComment()
    this.#indent = outer
  }

  #value(node: Node, line: string, simple: boolean): void {
    const colon = (): void => {
      if (!simple) this.#writeIndent()
      this.#indicator(':', !simple, false, !simple)
    }
    this.#start(node, { ...NOTHING, line }, colon, false)
  }

  #sequence({ children }: Placed<Exclude<Node, Comment>>, inSequence: boolean, end: Around): void {
    if (children.length === 0) return this.#emptyFlow('[', ']', end)
    const outer = this.#indent
    this.#deeper(inSequence)
    for (const { child, around } of children) {
      this.#start(
        child,
        around,
        () => {
          this.#headComment()
          this.#writeIndent()
          this.#indicator('-', true, false, true)
        },
        true,
      )
    }
    this.#note(end)
    this.#indent = outer
  }

  /** One node after its `-` or `:`; the comments of a container come with its end, as go-yaml has it. */
  #start(node: Node, around: Around, before: () => void, inSequence: boolean): void {
    if (node.kind === 'mapping' || node.kind === 'sequence') {
      const end = { ...around, head: '' }
      const open = (head: string): void => {
        this.#note({ ...NOTHING, head: joinHeads(around.head, head) })
        before()
        this.#lineComment()
        this.#footComment()
      }
      if (node.kind === 'mapping') {
        const body = placeComments<Entry>(node.entries)
        open(body.head)
        this.#mapping(body, inSequence, end)
      } else {
        const body = placeComments<Exclude<Node, Comment>>(node.items)
        open(body.head)
        this.#sequence(body, inSequence, end)
      }
      return
    }
    this.#note(around)
    before()
    this.#text(textOf(node.kind === 'comment' ? { kind: 'str', value: node.text } : node), false, inSequence)
    this.#lineComment()
    this.#footComment()
  }

  #emptyFlow(open: string, close: string, end: Around): void {
    const outer = this.#indent
    this.#note(end)
    this.#indicator(open, true, true, false)
    this.#indent = this.#indent < 0 ? this.#best : this.#nextStop()
    const remarked = this.#head !== ''
    this.#headComment()
    if (remarked) this.#writeIndent()
    this.#indent = outer
    this.#indicator(close, false, false, false)
    this.#lineComment()
    this.#footComment()
  }

  #nextStop(): number {
    return this.#best * Math.floor((this.#indent + this.#best) / this.#best)
  }

  #deeper(inSequence: boolean): void {
    if (this.#indent < 0) this.#indent = 0
    else if (inSequence) this.#indent += 2
    else this.#indent = this.#nextStop()
  }

  #text(text: Text, isKey: boolean, inSequence: boolean): void {
    const facts = analyse(text.value)
    let style = text.style
    if (isKey && facts.multiline) style = 'double'
    if (style === 'plain' && (!facts.plainAllowed || (text.value === '' && isKey))) style = 'single'
    if (style === 'single' && !facts.singleAllowed) style = 'double'
    if (style === 'literal' && (!facts.blockAllowed || isKey)) style = 'double'
    // Breaks of YAML 1.1 that are none in 1.2: what is written after one would be read differently by either.
    const odd = style === 'literal' ? /[\u2028\u2029]/ : /[\u2028\u2029][^]/
    if (style !== 'plain' && odd.test(text.value)) style = 'double'
    if (text.tag !== '') {
      if (!this.#whitespace) this.#put(' ')
      this.#put(text.tag)
      this.#whitespace = false
      this.#indention = false
    }
    const outer = this.#indent
    if (outer < 0) this.#indent = this.#best
    else if (inSequence) this.#indent += 2
    else this.#indent = this.#nextStop()
    if (style === 'plain') this.#plain(text.value)
    else if (style === 'single') this.#single(text.value)
    else if (style === 'double') this.#double(text.value)
    else this.#literal(text.value, this.#indent - Math.max(outer, 0))
    this.#indent = outer
  }

  #plain(value: string): void {
    if (value !== '') {
      if (!this.#whitespace) this.#put(' ')
      this.#put(value)
      this.#whitespace = false
    }
    this.#indention = false
  }

  #single(value: string): void {
    this.#indicator("'", true, false, false)
    let breaks = false
    for (const character of value) {
      if (isBreak(character)) {
        if (!breaks && character === '\n') this.#break()
        this.#writeBreak(character)
        breaks = true
        continue
      }
      if (character !== ' ') {
        if (breaks) this.#writeIndent()
        this.#indention = false
        breaks = false
      }
      this.#put(character === "'" ? "''" : character)
    }
    this.#indicator("'", false, false, false)
  }

  #double(value: string): void {
    this.#indicator('"', true, false, false)
    // After a byte order mark go-yaml escapes every character.
    const all = value.startsWith('\ufeff')
    let text = ''
    for (const character of value)
      text +=
        all || !isPrintable(character) || isBreak(character) || character === '"' || character === '\\'
          ? escaped(character)
          : character
    this.#put(text)
    this.#indicator('"', false, false, false)
  }

  #literal(value: string, width: number): void {
    this.#indicator('|', true, false, false)
    if (value.startsWith(' ') || isBreak(value[0] ?? '')) this.#indicator(String(width), false, false, false)
    const characters = Array.from(value)
    const last = characters.at(-1) ?? ''
    const chomp = !isBreak(last) ? '-' : characters.length === 1 || isBreak(characters.at(-2) ?? '') ? '+' : ''
    if (chomp !== '') this.#indicator(chomp, false, false, false)
    if (this.#line === '') this.#break()
    else this.#lineComment()
    this.#whitespace = true
    let breaks = true
    for (const part of value.match(/[^\n\r\u0085\u2028\u2029]+|[^]/gu) ?? []) {
      if (isBreak(part)) {
        this.#writeBreak(part)
        breaks = true
        continue
      }
      if (breaks) this.#writeIndent()
      this.#put(part)
      this.#indention = false
      breaks = false
    }
  }

  #headComment(): void {
    if (this.#tail !== '') {
      this.#writeIndent()
      this.#comment(this.#tail)
      this.#tail = ''
      this.#footIndent = Math.max(this.#indent, 0)
    }
    if (this.#head === '') return
    this.#writeIndent()
    this.#comment(this.#head)
    this.#head = ''
  }

  #lineComment(): void {
    if (this.#line === '') return
    if (!this.#whitespace) this.#put(' ')
    this.#comment(this.#line)
    this.#line = ''
  }

  #footComment(): void {
    if (this.#foot === '') return
    this.#writeIndent()
    this.#comment(this.#foot)
    this.#foot = ''
    this.#footIndent = Math.max(this.#indent, 0)
  }

  #comment(text: string): void {
    for (const [i, line] of text.split(/\r\n|[\r\n]/).entries()) {
      if (i > 0) {
        this.#break()
        this.#writeIndent()
      }
      this.#put(line.startsWith('#') ? line : `# ${line}`)
      this.#indention = false
    }
    this.#break()
    this.#whitespace = true
  }

  #writeIndent(): void {
    const indent = Math.max(this.#indent, 0)
    if (!this.#indention || this.#column > indent || (this.#column === indent && !this.#whitespace)) this.#break()
    if (this.#footIndent === indent) this.#break()
    if (this.#column < indent) this.#put(' '.repeat(indent - this.#column))
    this.#whitespace = true
    this.#footIndent = -1
  }

  #indicator(text: string, needWhitespace: boolean, isWhitespace: boolean, isIndention: boolean): void {
    if (needWhitespace && !this.#whitespace) this.#put(' ')
    this.#put(text)
    this.#whitespace = isWhitespace
    this.#indention &&= isIndention
  }

  #writeBreak(character: string): void {
    if (character === '\n') return this.#break()
    this.#out.push(character)
    this.#column = 0
    this.#indention = true
  }

  #break(): void {
    this.#out.push('\n')
    this.#column = 0
    this.#indention = true
  }

  #put(text: string): void {
    this.#out.push(text)
    this.#column += text.length
  }
}

function joinHeads(outer: string, inner: string): string {
  return outer === '' || inner === '' ? outer + inner : `${outer}\n${inner}`
}

/** How a scalar is asked to be written; the writer may still have to quote it. */
function textOf(scalar: Scalar): Text {
  const plain = (value: string): Text => ({ kind: 'text', value, style: 'plain', tag: '' })
  switch (scalar.kind) {
    case 'null':
      return plain('null')
    case 'bool':
      return plain(scalar.value ? 'true' : 'false')
    case 'int':
      return plain(scalar.value.toString())
    case 'time':
      return plain(scalar.value)
    case 'float': {
      if (Number.isNaN(scalar.value)) return plain('.nan')
      if (!Number.isFinite(scalar.value)) return plain(scalar.value > 0 ? '.inf' : '-.inf')
      return plain(floatGeneral(scalar.value))
    }
    case 'bytes': {
      const base64 = (toBase64(scalar.value).match(/.{1,70}/g) ?? []).join('\n')
      return {
        kind: 'text',
        value: base64.includes('\n') ? `${base64}\n` : base64,
        style: base64.includes('\n') ? 'literal' : 'plain',
        tag: '!!binary',
      }
    }
    case 'str': {
      const { value } = scalar
      if (value === '<<') return { kind: 'text', value, style: 'plain', tag: '!!merge' }
      if (value.includes('\n'))
        return { kind: 'text', value, style: value.startsWith('\t') ? 'double' : 'literal', tag: '' }
      return { kind: 'text', value, style: readsAsOther(value) ? 'double' : 'plain', tag: '' }
    }
    default:
      return scalar satisfies never
  }
}

function isSimpleKey({ value, tag }: Text): boolean {
  return !analyse(value).multiline && new TextEncoder().encode(value).length + tag.length <= MAX_SIMPLE_KEY_BYTES
}

interface Facts {
  readonly multiline: boolean
  readonly plainAllowed: boolean
  readonly singleAllowed: boolean
  readonly blockAllowed: boolean
}
const ORDINARY: Facts = { multiline: false, plainAllowed: true, singleAllowed: true, blockAllowed: true }

/** What a text allows, as libyaml's emitter looks at it. */
function analyse(value: string): Facts {
  // Encrypted values and most others: nothing in them that YAML minds.
  if (/^[A-Za-z](?:[A-Za-z0-9_+/=.,[\]-]|:(?=[^ ]))*$/.test(value)) return ORDINARY
  if (value === '') return { ...ORDINARY, blockAllowed: false }
  const characters = Array.from(value)
  let indicators = value.startsWith('---') || value.startsWith('...')
  let special = false
  let tabs = false
  let multiline = false
  let breakSpace = false
  let spaceBreak = false
  let previous: 'space' | 'break' | 'other' = 'other'
  let blankBefore = true
  for (const [i, character] of characters.entries()) {
    const next = characters[i + 1]
    const blankAfter = next === undefined || next === ' ' || next === '\t'
    if (i === 0) {
      if ('#,[]{}&*!|>\'"%@`'.includes(character)) indicators = true
      if ('?:-'.includes(character) && blankAfter) indicators = true
    } else if ((character === ':' && blankAfter) || (character === '#' && blankBefore)) indicators = true
    if (character === '\t') tabs = true
    else if (!isPrintable(character)) special = true
    if (character === ' ') {
      if (previous === 'break') breakSpace = true
      previous = 'space'
    } else if (isBreak(character)) {
      multiline = true
      if (previous === 'space') spaceBreak = true
      previous = 'break'
    } else previous = 'other'
    blankBefore = character === ' ' || character === '\t' || isBreak(character) || character === '\0'
  }
  const [first = '', last = ''] = [characters[0], characters.at(-1)]
  const edges = first === ' ' || isBreak(first) || last === ' ' || isBreak(last)
  const quoted = spaceBreak || tabs || special
  return {
    multiline,
    plainAllowed: !edges && !breakSpace && !quoted && !multiline && !indicators,
    singleAllowed: !breakSpace && !quoted,
    blockAllowed: last !== ' ' && !spaceBreak && !special,
  }
}

function isBreak(character: string): boolean {
  return (
    character === '\n' ||
    character === '\r' ||
    character === '\u0085' ||
    character === '\u2028' ||
    character === '\u2029'
  )
}

/** Beyond U+FFFF nothing counts as printable, as in libyaml. */
function isPrintable(character: string): boolean {
  const code = character.codePointAt(0) ?? 0
  if (code === 0x0a) return true
  if (code < 0x20 || code === 0x7f) return false
  if (code < 0x7f) return true
  return code >= 0xa0 && code <= 0xfffd && code !== 0xfeff && (code < 0xd800 || code > 0xdfff)
}

const ESCAPES: Readonly<Record<number, string>> = {
  0x00: '0',
  0x07: 'a',
  0x08: 'b',
  0x09: 't',
  0x0a: 'n',
  0x0b: 'v',
  0x0c: 'f',
  0x0d: 'r',
  0x1b: 'e',
  0x22: '"',
  0x5c: '\\',
  0x85: 'N',
  0xa0: '_',
  0x2028: 'L',
  0x2029: 'P',
}

function escaped(character: string): string {
  const code = character.codePointAt(0) ?? 0
  const short = ESCAPES[code]
  if (short !== undefined) return `\\${short}`
  const hex = code.toString(16).toUpperCase()
  if (code <= 0xff) return `\\x${hex.padStart(2, '0')}`
  return code <= 0xffff ? `\\u${hex.padStart(4, '0')}` : `\\U${hex.padStart(8, '0')}`
}
