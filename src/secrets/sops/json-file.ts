import { checkDepth, MAX_NODES } from './limits.ts'
import { floatJson, isInt64 } from './number.ts'
import { refusal, type Where } from './refusal.ts'
import { entry, mapping, sequence, str, type Entry, type Mapping, type Node } from './tree.ts'

/**
 * Reads JSON with what `JSON.parse` loses: the order and repetition of keys, and integers beyond 2^53.
 * @throws Problem `sops.json` with line and column; the text itself is never quoted.
 */
export function readJson(text: string, where: Where): Mapping {
  return new JsonReader(text, where).root()
}

/** Prints as upstream does: Go's escapes and numbers, `indent` before each level, a final newline. Comments are dropped. */
export function writeJson(document: Mapping, indent: string): string {
  const out: string[] = []
  const write = (node: Node, margin: string): void => {
    if (node.kind === 'mapping') {
      const entries = node.entries.filter((item): item is Entry => item.kind === 'entry')
      list('{', '}', entries, margin, (item, inner) => {
        out.push(quoted(item.key), ': ')
        write(item.value, inner)
      })
    } else if (node.kind === 'sequence') {
      list(
        '[',
        ']',
        node.items.filter((item) => item.kind !== 'comment'),
        margin,
        write,
      )
    } else out.push(scalar(node))
  }
  const list = <T>(
    open: string,
    close: string,
    items: readonly T[],
    margin: string,
    each: (item: T, margin: string) => void,
  ): void => {
    if (items.length === 0) {
      out.push(open, close)
      return
    }
    const inner = margin + indent
    for (const [i, item] of items.entries()) {
      out.push(i === 0 ? open : ',', '\n', inner)
      each(item, inner)
    }
    out.push('\n', margin, close)
  }
  write(document, '')
  return `${out.join('')}\n`
}

function scalar(node: Exclude<Node, Mapping | { kind: 'sequence' }>): string {
  switch (node.kind) {
    case 'null':
      return 'null'
    case 'str':
      return quoted(node.value)
    // Go replaces what is not UTF-8.
    case 'bytes':
      return quoted(new TextDecoder('utf-8', { ignoreBOM: true }).decode(node.value))
    case 'int':
      return node.value.toString()
    case 'float':
      return floatJson(node.value)
    case 'bool':
      return node.value ? 'true' : 'false'
    case 'time':
      return quoted(node.value)
    case 'comment':
      return quoted(node.text)
    default:
      return node satisfies never
  }
}

const SHORT_ESCAPES: Readonly<Record<string, string>> = {
  '"': '\\"',
  '\\': '\\\\',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '\b': '\\b',
  '\f': '\\f',
}

/** Go's `json.Marshal` of a string, which also escapes for HTML and JavaScript. */
function quoted(text: string): string {
  const escaped = text
    .toWellFormed()
    .replace(
      /[^ !#-%'-;=?-[\]-\u2027\u202a-\uffff]/g,
      (c) => SHORT_ESCAPES[c] ?? `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`,
    )
  return `"${escaped}"`
}

const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][-+]?\d+)?/y
const PLAIN_TEXT = /[ !#-[\]-\uffff]*/y
const ESCAPED: Readonly<Record<string, string>> = {
  '"': '"',
  '\\': '\\',
  '/': '/',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
}
/** More digits than any number has. */
const MAX_NUMBER_CHARACTERS = 1_100

class JsonReader {
  readonly #text: string
  readonly #where: Where
  #at = 0
  #nodes = 0

  constructor(text: string, where: Where) {
    this.#text = text
    this.#where = where
  }

  root(): Mapping {
    this.#blank()
    if (this.#text[this.#at] !== '{')
      throw this.#bad('the file does not start with an object, and SOPS needs keys with values')
    const node = this.#value(0)
    this.#blank()
    if (this.#at < this.#text.length) throw this.#bad('something follows the object')
    if (node.kind !== 'mapping') throw this.#bad('the file is not an object')
    return node
  }

  #bad(what: string): Error {
    const lines = this.#text.slice(0, this.#at).split('\n')
    const place = `${lines.length}:${(lines.at(-1)?.length ?? 0) + 1}`
    return refusal('json', what, { file: `${this.#where.file}:${place}` })
  }

  #blank(): void {
    while (' \t\r\n'.includes(this.#text[this.#at] ?? 'x')) this.#at++
  }

  #eat(character: string): boolean {
    this.#blank()
    if (this.#text[this.#at] !== character) return false
    this.#at++
    return true
  }

  #value(depth: number): Node {
    checkDepth(depth, this.#where)
    if (++this.#nodes > MAX_NODES) throw refusal('too-large', `there are more than ${MAX_NODES} values`, this.#where)
    this.#blank()
    switch (this.#text[this.#at] ?? '') {
      case '{':
        return this.#object(depth)
      case '[':
        return this.#array(depth)
      case '"':
        return str(this.#string())
      case 't':
        return this.#word('true', { kind: 'bool', value: true })
      case 'f':
        return this.#word('false', { kind: 'bool', value: false })
      case 'n':
        return this.#word('null', { kind: 'null' })
      default:
        return this.#number()
    }
  }

  #word(word: string, node: Node): Node {
    if (!this.#text.startsWith(word, this.#at)) throw this.#bad('this is not JSON')
    this.#at += word.length
    return node
  }

  #object(depth: number): Mapping {
    this.#at++
    const entries: Entry[] = []
    if (this.#eat('}')) return mapping(entries)
    do {
      this.#blank()
      if (this.#text[this.#at] !== '"') throw this.#bad('a key is missing')
      const key = this.#string()
      if (!this.#eat(':')) throw this.#bad('a colon is missing')
      entries.push(entry(key, this.#value(depth + 1)))
    } while (this.#eat(','))
    if (!this.#eat('}')) throw this.#bad('a brace is not closed')
    return mapping(entries)
  }

  #array(depth: number): Node {
    this.#at++
    const items: Node[] = []
    if (this.#eat(']')) return sequence(items)
    do items.push(this.#value(depth + 1))
    while (this.#eat(','))
    if (!this.#eat(']')) throw this.#bad('a bracket is not closed')
    return sequence(items)
  }

  #string(): string {
    this.#at++
    let text = ''
    for (;;) {
      PLAIN_TEXT.lastIndex = this.#at
      const plain = PLAIN_TEXT.exec(this.#text)?.[0] ?? ''
      text += plain
      this.#at += plain.length
      const character = this.#text[this.#at]
      if (character === '"') {
        this.#at++
        // A lone surrogate cannot be encoded; Go replaces it as well.
        return text.toWellFormed()
      }
      if (character !== '\\') throw this.#bad('a text is not closed')
      const kind = this.#text[this.#at + 1] ?? ''
      if (kind === 'u') {
        const hex = this.#text.slice(this.#at + 2, this.#at + 6)
        if (!/^[0-9a-fA-F]{4}$/.test(hex)) throw this.#bad('an escape is damaged')
        text += String.fromCharCode(Number.parseInt(hex, 16))
        this.#at += 6
      } else {
        const meant = ESCAPED[kind]
        if (meant === undefined) throw this.#bad('an escape is damaged')
        text += meant
        this.#at += 2
      }
    }
  }

  #number(): Node {
    NUMBER.lastIndex = this.#at
    const text = NUMBER.exec(this.#text)?.[0]
    if (text === undefined || text.length > MAX_NUMBER_CHARACTERS) throw this.#bad('this is not JSON')
    this.#at += text.length
    if (/^-?\d+$/.test(text)) {
      const value = BigInt(text)
      if (isInt64(value)) return { kind: 'int', value }
    }
    const value = Number(text)
    if (!Number.isFinite(value)) throw this.#bad('a number is too large')
    return { kind: 'float', value }
  }
}
