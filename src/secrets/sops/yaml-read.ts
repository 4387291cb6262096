import {
  Composer,
  Lexer,
  Parser,
  isAlias,
  isCollection,
  isMap,
  isScalar,
  type Alias,
  type Document,
  type Node as YamlNode,
  type Pair,
  type Scalar as YamlScalar,
  type YAMLMap,
  type YAMLSeq,
} from 'yaml'
import { checkDepth, MAX_DOCUMENTS, MAX_EXPANDED_CHARACTERS, MAX_NODES } from './limits.ts'
import { refusal, type Where } from './refusal.ts'
import { comment, entry, mapping, sequence, type Comment, type Entry, type Mapping, type Node } from './tree.ts'
import { readScalar } from './yaml-scalar.ts'

/** Upstream puts the brace of an empty mapping with a comment in the first column, which no other reader takes. */
const OUTDENTED_BRACE = /(\n +)(#[^\n]*)\n([}\]])(?=\r?\n|$)/g

/**
 * Reads YAML into one mapping per document, as upstream's go-yaml 3 loads it: aliases expanded, tags resolved and
 * dropped, merge keys kept as a key `<<`, every comment line a sibling of what it stands by.
 * @throws Problem `sops.yaml` with line and column for what is not YAML, or not YAML that SOPS takes: documents that
 * are lists or single values, repeated keys, keys that are not text.
 */
export function readYaml(text: string, where: Where): Mapping[] {
  const source = new Source(
    (text.startsWith('\ufeff') ? text.slice(1) : text).replace(OUTDENTED_BRACE, '$1$2$1$3'),
    where,
  )
  const documents = compose(source)
  const reader = new TreeReader(source)
  return documents.flatMap((document, i) => {
    const end =
      documents[i + 1] === undefined ? Infinity : (source.starts.find((at) => at >= document.range[1]) ?? Infinity)
    const tree = reader.document(document, end)
    return tree === undefined ? [] : [tree]
  })
}

/** A comment in the text: where, in which column, and whether only blanks stand before it. */
interface Remark {
  readonly at: number
  readonly column: number
  readonly ownLine: boolean
  readonly text: string
}

/** The text with its comments and the offsets of its `---`. */
class Source {
  readonly text: string
  readonly where: Where
  readonly remarks: Remark[] = []
  readonly starts: number[] = []
  readonly lexemes: string[] = []
  readonly #lineStarts: number[] = [0]

  constructor(text: string, where: Where) {
    this.text = text
    this.where = where
    for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n', end + 1)) this.#lineStarts.push(end + 1)
    let at = 0
    let marker = ''
    for (const lexeme of new Lexer().lex(text)) {
      this.lexemes.push(lexeme)
      if (marker === '\u001f') {
        marker = ''
        at += lexeme.length
        continue
      }
      marker = lexeme
      if (lexeme === '\u0002' || lexeme === '\u0018' || lexeme === '\u001f') continue
      if (lexeme === '---') this.starts.push(at)
      else if (lexeme.startsWith('#')) {
        const column = this.column(at)
        const ownLine = text.slice(at - column, at).trim() === ''
        this.remarks.push({ at, column, ownLine, text: lexeme.slice(1).replace(/\r$/, '') })
      }
      at += lexeme.length
    }
  }

  column(at: number): number {
    return at - (this.#lineStarts[this.#line(at)] ?? 0)
  }

  /** Where the line of `at` ends. */
  lineEnd(at: number): number {
    const next = this.#lineStarts[this.#line(at) + 1]
    return next === undefined ? this.text.length : next - 1
  }

  /** Found by halving: looking for a line break in a file of one long line would take time squared. */
  #line(at: number): number {
    let [low, high] = [0, this.#lineStarts.length]
    while (high - low > 1) {
      const middle = (low + high) >> 1
      if ((this.#lineStarts[middle] ?? Infinity) <= at) low = middle
      else high = middle
    }
    return low
  }

  bad(what: string, at: number, remedy?: string): Error {
    const file = `${this.where.file}:${this.#line(at) + 1}:${this.column(at) + 1}`
    return refusal('yaml', what, { file }, remedy)
  }
}

type Composed = Document.Parsed

function compose(source: Source): Composed[] {
  const parser = new Parser()
  const composer = new Composer({
    schema: 'failsafe',
    uniqueKeys: false,
    merge: false,
    resolveKnownTags: false,
    prettyErrors: false,
    logLevel: 'silent',
  })
  const documents: Composed[] = []
  const take = (found: Iterable<unknown>): void => {
    for (const document of found as Iterable<Composed>) {
      const error = document.errors[0]
      // The parser's own message may quote the text, which may be a secret; its code says what is wrong.
      if (error !== undefined)
        throw source.bad(`this is not YAML (${error.code.toLowerCase().replaceAll('_', ' ')})`, error.pos[0])
      documents.push(document)
      if (documents.length > MAX_DOCUMENTS)
        throw refusal('too-large', `there are more than ${MAX_DOCUMENTS} documents`, source.where)
    }
  }
  try {
    for (const lexeme of source.lexemes) for (const token of parser.next(lexeme)) take(composer.next(token))
    for (const token of parser.end()) take(composer.next(token))
    take(composer.end(false, source.text.length))
  } catch (error) {
    if (error instanceof RangeError)
      throw refusal('too-large', 'values are nested too deep', source.where, 'Flatten the file.', error)
    throw error
  }
  return documents
}

interface Anchored {
  readonly tree: Node
  readonly nodes: number
  readonly characters: number
}

class TreeReader {
  readonly #source: Source
  #nodes = 0
  #characters = 0
  #next = 0
  #anchors = new Map<string, Anchored>()

  constructor(source: Source) {
    this.#source = source
  }

  /** Undefined for text without a document, such as comments alone. */
  document(document: Composed, end: number): Mapping | undefined {
    const { contents } = document
    this.#anchors = new Map()
    const explicit = document.directives.docStart === true
    if (isEmpty(contents)) {
      const alone = this.#take(end).map(asComment)
      return explicit ? mapping(alone) : undefined
    }
    const items: (Entry | Comment)[] = this.#take(contents.range[0]).map(asComment)
    if (isMap(contents)) {
      this.#anchored(contents, () => {
        items.push(...this.#mapping(contents, end, -1, 0))
        return mapping(items)
      })
    } else if (
      isScalar(contents) &&
      contents.type === 'PLAIN' &&
      readScalar(contents.source ?? '', contents.tag, true, this.#source.where).kind === 'null'
    ) {
      // A root of null counts as empty.
    } else {
      throw this.#source.bad(
        `a document is ${isCollection(contents) ? 'a list' : 'a single value'}, but SOPS needs keys with values`,
        contents.range[0],
        'Put it below a key.',
      )
    }
    items.push(...this.#take(end).map(asComment))
    return mapping(items)
  }

  /** The remarks before `at` that are not placed yet. */
  #take(at: number, only: (remark: Remark) => boolean = () => true): Remark[] {
    const taken: Remark[] = []
    for (;;) {
      const remark = this.#source.remarks[this.#next]
      if (remark === undefined || remark.at >= at || !only(remark)) return taken
      this.#next++
      taken.push(remark)
      this.#count(remark.text.length)
    }
  }

  #count(characters: number, nodes = 1): void {
    this.#nodes += nodes
    this.#characters += characters
    if (this.#nodes > MAX_NODES)
      throw refusal('too-large', `there are more than ${MAX_NODES} values, aliases expanded`, this.#source.where)
    if (this.#characters > MAX_EXPANDED_CHARACTERS)
      throw refusal('too-large', 'the values are too long, aliases expanded', this.#source.where)
  }

  #anchored<T extends Node>(node: YamlNode, read: () => T): T {
    const [nodes, characters] = [this.#nodes, this.#characters]
    const tree = read()
    const name = (node as { anchor?: string }).anchor
    if (name !== undefined)
      this.#anchors.set(name, { tree, nodes: this.#nodes - nodes, characters: this.#characters - characters })
    return tree
  }

  /**
   * @param end - Where the next thing outside starts.
   * @param outer - Column of the container around, -1 at the root.
   */
  #mapping(map: YAMLMap, end: number, outer: number, depth: number): (Entry | Comment)[] {
    checkDepth(depth, this.#source.where)
    const items: (Entry | Comment)[] = []
    const seen = new Set<string>()
    const pairs = map.items as Pair<YamlNode, YamlNode | null>[]
    const column = map.range === null || map.range === undefined ? 0 : this.#source.column(map.range[0])
    for (const [i, pair] of pairs.entries()) {
      const keyStart = start(pair.key)
      items.push(...this.#take(keyStart).map(asComment))
      const key = this.#key(pair.key, keyStart)
      if (seen.has(key))
        throw this.#source.bad(`the key "${shown(key)}" is there twice`, keyStart, 'Remove one of them.')
      seen.add(key)
      this.#count(key.length)
      const next = pairs[i + 1]
      const until = next === undefined ? this.#within(map, end) : start(next.key)
      const last = next === undefined
      const { before, value } = this.#value(
        pair.value,
        pair.key,
        until,
        map.flow === true ? -1 : column,
        last,
        depth,
        false,
      )
      items.push(...before, entry(key, value))
    }
    items.push(...this.#trailing(map, end, column, outer))
    return items
  }

  #sequence(list: YAMLSeq, end: number, outer: number, depth: number): Node[] {
    checkDepth(depth, this.#source.where)
    const items: Node[] = []
    const nodes = list.items as (YamlNode | Pair<YamlNode, YamlNode | null>)[]
    const column = list.range === null || list.range === undefined ? 0 : this.#source.column(list.range[0])
    for (const [i, node] of nodes.entries()) {
      const next = nodes[i + 1]
      const until = next === undefined ? this.#within(list, end) : start(next)
      if ('key' in node)
        throw this.#source.bad('a pair stands in a list without braces', start(node.key), 'Put it in braces.')
      const { before, value } = this.#value(
        node,
        null,
        until,
        list.flow === true ? -1 : column,
        next === undefined,
        depth,
        true,
      )
      items.push(...before, value)
    }
    items.push(...this.#trailing(list, end, column, outer))
    return items
  }

  #within(container: YAMLMap | YAMLSeq, end: number): number {
    return container.flow === true ? Math.min(end, container.range?.[1] ?? end) : end
  }

  /** Remarks after the last child that are indented like the container's own lines. */
  #trailing(container: YAMLMap | YAMLSeq, end: number, column: number, outer: number): Comment[] {
    if (container.flow === true) return this.#take(container.range?.[1] ?? end).map(asComment)
    return this.#take(end, (remark) => !remark.ownLine || (remark.column >= column && column > outer)).map(asComment)
  }

  /** A value with the comments that belong before its entry or item. */
  #value(
    node: YamlNode | null,
    key: YamlNode | null,
    until: number,
    column: number,
    last: boolean,
    depth: number,
    inSequence: boolean,
  ): { readonly before: Comment[]; readonly value: Node } {
    const at = start(node) === Infinity ? (key?.range?.[1] ?? until) : start(node)
    if (isCollection(node)) {
      const flow = node.flow === true
      // Behind `key:` or above `-`: before the entry or item. Behind `-`, or on lines of their own below: inside.
      const isBefore = (remark: Remark): boolean =>
        flow || (inSequence ? remark.ownLine && remark.column <= column : !remark.ownLine)
      const before = this.#take(at, isBefore).map(asComment)
      const inner: (Entry | Node)[] = this.#take(at).map(asComment)
      const value = this.#anchored(node, () => {
        this.#count(0)
        const outer = last ? column - 1 : column
        if (isMap(node))
          return mapping([
            ...(inner as Comment[]),
            ...this.#mapping(node, flow ? (node.range?.[1] ?? until) : until, outer, depth + 1),
          ])
        return sequence([
          ...(inner as Comment[]),
          ...this.#sequence(node, flow ? (node.range?.[1] ?? until) : until, outer, depth + 1),
        ])
      })
      if (!flow) return { before, value }
      const after = this.#inline(node.range?.[1] ?? at, until)
      if (inSequence) return { before: [...before, ...after], value }
      const plain = after.map((one) => comment(one.text))
      return {
        before,
        value: value.kind === 'mapping' ? mapping([...plain, ...value.entries]) : sequence([...plain, ...value.items]),
      }
    }
    const before = this.#take(at).map(asComment)
    if (isAlias(node)) {
      const value = this.#alias(node)
      return { before: [...before, ...this.#inline(node.range?.[1] ?? at, until)], value }
    }
    const scalar = node
    const value =
      scalar === null ? ({ kind: 'null' } as const) : this.#anchored(scalar, () => this.#scalar(scalar, key))
    const valueEnd = scalar?.range?.[1] ?? at
    const isBlock = scalar?.type === 'BLOCK_LITERAL' || scalar?.type === 'BLOCK_FOLDED'
    const inline = isBlock
      ? this.#take(this.#source.lineEnd(at)).map((remark) => comment(remark.text, true))
      : this.#inline(valueEnd, until)
    return { before: [...before, ...inline], value }
  }

  /** The remark on the line where something ended. */
  #inline(end: number, until: number): Comment[] {
    return this.#take(Math.min(this.#source.lineEnd(end), until), (remark) => !remark.ownLine).map((remark) =>
      comment(remark.text, true),
    )
  }

  #alias(alias: Alias): Node {
    const anchored = this.#anchors.get(alias.source)
    if (anchored === undefined)
      throw this.#source.bad(`the alias *${shown(alias.source)} stands for nothing that came before it`, start(alias))
    this.#count(anchored.characters, anchored.nodes)
    return anchored.tree
  }

  #scalar(scalar: YamlScalar, key: YamlNode | null): Node {
    const text = scalar.source ?? ''
    this.#count(text.length)
    const where = { file: this.#source.where.file, path: isScalar(key) ? [shown(key.source ?? '')] : [] }
    return readScalar(text, scalar.tag, scalar.type === 'PLAIN', where)
  }

  #key(node: YamlNode | null, at: number): string {
    const bad = (what: string): Error =>
      this.#source.bad(`a key is ${what}, but SOPS takes text only`, at, 'Put the key in quotes.')
    if (isAlias(node)) {
      const tree = this.#alias(node)
      if (tree.kind !== 'str') throw bad(`of the kind ${tree.kind}`)
      return tree.value
    }
    if (!isScalar(node)) throw bad(node === null ? 'missing' : 'a list or a mapping')
    const value = this.#anchored(node, () => this.#scalar(node, null))
    if (value.kind !== 'str') throw bad(`of the kind ${value.kind}`)
    return value.value
  }
}

function asComment(remark: Remark): Comment {
  return comment(remark.text)
}

function isEmpty(contents: Composed['contents'] | null): contents is null {
  return (
    contents === null ||
    (isScalar(contents) && contents.type === 'PLAIN' && contents.source === '' && contents.tag === undefined)
  )
}

function start(node: unknown): number {
  if (node === null || node === undefined) return Infinity
  if (typeof node === 'object' && 'key' in node) return start(node.key)
  return (node as YamlNode).range?.[0] ?? Infinity
}

function shown(key: string): string {
  return key.length > 60 ? `${key.slice(0, 60)}…` : key
}
