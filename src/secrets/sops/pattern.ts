import { refusal, type Where } from './refusal.ts'

/** Characters of a pattern; the longest in use name a dozen keys. */
const MAX_PATTERN_CHARACTERS = 1_000
/** Go's own limit for `{n,m}`. */
const MAX_REPEAT = 1_000
/** Instructions after repeats are written out; it bounds the work per character of a key. */
const MAX_PROGRAM = 5_000
/** Groups within groups; Go allows 1000, nobody writes ten. */
const MAX_GROUP_DEPTH = 50

/**
 * Compiles a regular expression in the syntax of Go's `regexp` (RE2) to a search that is not anchored. It runs in time
 * linear in the text, whatever the pattern. Look-around and back-references do not exist there, and Unicode classes
 * (`\p{…}`) are not built here.
 * @throws Problem `sops.bad-regex`, or `sops.not-supported` for `\p`.
 * @see https://github.com/google/re2/wiki/Syntax
 */
export function compilePattern(pattern: string, where: Where): (text: string) => boolean {
  const program = new Compiler(new PatternParser(pattern, where).parse(), pattern, where).program
  return (text) => search(program, text)
}

type Range = readonly [number, number]
interface Flags {
  readonly fold: boolean
  readonly multiline: boolean
  readonly dotAll: boolean
  readonly ungreedy: boolean
}
type Assertion = 'text-start' | 'text-end' | 'line-start' | 'line-end' | 'word' | 'not-word'
type Syntax =
  | { readonly kind: 'empty' }
  | { readonly kind: 'class'; readonly ranges: readonly Range[] }
  | { readonly kind: 'assert'; readonly what: Assertion }
  | { readonly kind: 'concat' | 'alternate'; readonly parts: readonly Syntax[] }
  | { readonly kind: 'repeat'; readonly part: Syntax; readonly min: number; readonly max: number }

const MAX_CODE_POINT = 0x10ffff
const DIGIT: readonly Range[] = [[0x30, 0x39]]
const SPACE: readonly Range[] = [
  [0x09, 0x0a],
  [0x0c, 0x0d],
  [0x20, 0x20],
]
const WORD: readonly Range[] = [
  [0x30, 0x39],
  [0x41, 0x5a],
  [0x5f, 0x5f],
  [0x61, 0x7a],
]
const POSIX: Readonly<Record<string, readonly Range[]>> = {
  alnum: [
    [0x30, 0x39],
    [0x41, 0x5a],
    [0x61, 0x7a],
  ],
  alpha: [
    [0x41, 0x5a],
    [0x61, 0x7a],
  ],
  ascii: [[0, 0x7f]],
  blank: [
    [0x09, 0x09],
    [0x20, 0x20],
  ],
  cntrl: [
    [0, 0x1f],
    [0x7f, 0x7f],
  ],
  digit: DIGIT,
  graph: [[0x21, 0x7e]],
  lower: [[0x61, 0x7a]],
  print: [[0x20, 0x7e]],
  punct: [
    [0x21, 0x2f],
    [0x3a, 0x40],
    [0x5b, 0x60],
    [0x7b, 0x7e],
  ],
  space: [
    [0x09, 0x0d],
    [0x20, 0x20],
  ],
  upper: [[0x41, 0x5a]],
  word: WORD,
  xdigit: [
    [0x30, 0x39],
    [0x41, 0x46],
    [0x61, 0x66],
  ],
}
const CONTROL: Readonly<Record<string, number>> = { a: 7, f: 12, t: 9, n: 10, r: 13, v: 11 }

class PatternParser {
  readonly #characters: readonly string[]
  readonly #pattern: string
  readonly #where: Where
  #at = 0
  #flags: Flags = { fold: false, multiline: false, dotAll: false, ungreedy: false }

  constructor(pattern: string, where: Where) {
    this.#pattern = pattern
    this.#where = where
    this.#characters = pattern.length > MAX_PATTERN_CHARACTERS ? [] : Array.from(pattern)
    if (pattern.length > MAX_PATTERN_CHARACTERS) throw this.#bad('it is too long')
  }

  parse(): Syntax {
    const syntax = this.#alternation(0)
    if (this.#at < this.#characters.length) throw this.#bad('a closing parenthesis has no opening one')
    return syntax
  }

  #bad(why: string): Error {
    const shown = this.#pattern.length > 80 ? `${this.#pattern.slice(0, 80)}…` : this.#pattern
    return refusal(
      'bad-regex',
      `the regular expression "${shown}" cannot be used: ${why}`,
      this.#where,
      'Write it in the syntax of RE2.',
    )
  }

  #peek(ahead = 0): string | undefined {
    return this.#characters[this.#at + ahead]
  }

  #eat(text: string): boolean {
    const wanted = Array.from(text)
    for (const [i, character] of wanted.entries()) if (this.#peek(i) !== character) return false
    this.#at += wanted.length
    return true
  }

  #alternation(depth: number): Syntax {
    if (depth > MAX_GROUP_DEPTH) throw this.#bad('its groups are nested too deep')
    const branches = [this.#concatenation(depth)]
    while (this.#eat('|')) branches.push(this.#concatenation(depth))
    return branches.length === 1 ? (branches[0] ?? { kind: 'empty' }) : { kind: 'alternate', parts: branches }
  }

  #concatenation(depth: number): Syntax {
    const parts: Syntax[] = []
    for (;;) {
      const character = this.#peek()
      if (character === undefined || character === '|' || character === ')') break
      if (this.#eat('\\Q')) {
        const quoted: Syntax[] = []
        while (this.#peek() !== undefined && !this.#eat('\\E')) quoted.push(this.#literal(this.#take()))
        // A repeat after the quotation is about its last character.
        const last = quoted.pop()
        parts.push(...quoted)
        if (last !== undefined) parts.push(this.#quantified(last))
        continue
      }
      const atom = this.#atom(depth)
      if (atom !== undefined) parts.push(this.#quantified(atom))
    }
    return parts.length === 1 ? (parts[0] ?? { kind: 'empty' }) : { kind: 'concat', parts }
  }

  #take(): string {
    const character = this.#peek()
    if (character === undefined) throw this.#bad('it ends too early')
    this.#at++
    return character
  }

  #atom(depth: number): Syntax | undefined {
    const character = this.#take()
    switch (character) {
      case '.':
        return {
          kind: 'class',
          ranges: this.#flags.dotAll
            ? [[0, MAX_CODE_POINT]]
            : [
                [0, 9],
                [11, MAX_CODE_POINT],
              ],
        }
      case '^':
        return { kind: 'assert', what: this.#flags.multiline ? 'line-start' : 'text-start' }
      case '$':
        return { kind: 'assert', what: this.#flags.multiline ? 'line-end' : 'text-end' }
      case '[':
        return { kind: 'class', ranges: this.#class() }
      case '(':
        return this.#group(depth)
      case '\\':
        return this.#escape()
      case '*':
      case '+':
      case '?':
        throw this.#bad(`there is nothing for "${character}" to repeat`)
      default:
        return this.#literal(character)
    }
  }

  #literal(character: string): Syntax {
    return { kind: 'class', ranges: this.#folded([single(character)]) }
  }

  #folded(ranges: readonly Range[]): readonly Range[] {
    return this.#flags.fold ? foldCase(ranges) : ranges
  }

  #group(depth: number): Syntax | undefined {
    const outer = this.#flags
    if (this.#eat('?')) {
      if (
        this.#eat('P<') ||
        (this.#peek() === '<' && this.#peek(1) !== '=' && this.#peek(1) !== '!' && this.#eat('<'))
      ) {
        let name = ''
        while (this.#peek() !== '>') name += this.#take()
        this.#at++
        if (!/^\w+$/.test(name)) throw this.#bad('the name of a group is not a word')
      } else if (/[=!<]/.test(this.#peek() ?? '')) {
        throw this.#bad('RE2 has no look-ahead and no look-behind')
      } else if (this.#readFlags()) return undefined
    }
    const inner = this.#alternation(depth + 1)
    if (!this.#eat(')')) throw this.#bad('a parenthesis is not closed')
    this.#flags = outer
    return inner
  }

  /** Reads `ims-U:` or `ims-U)`; true when the flags were the whole group and hold for what follows. */
  #readFlags(): boolean {
    let on = true
    const flags = { ...this.#flags }
    for (;;) {
      const character = this.#take()
      if (character === 'i') flags.fold = on
      else if (character === 'm') flags.multiline = on
      else if (character === 's') flags.dotAll = on
      else if (character === 'U') flags.ungreedy = on
      else if (character === '-' && on) on = false
      else if (character === ':' || character === ')') {
        this.#flags = flags
        return character === ')'
      } else throw this.#bad('a group starts with flags that RE2 does not have')
    }
  }

  #quantified(atom: Syntax): Syntax {
    let syntax = atom
    let repeated = false
    for (;;) {
      const bounds = this.#quantifier()
      if (bounds === undefined) return syntax
      if (repeated) throw this.#bad('one repeat follows another')
      repeated = true
      this.#eat('?') // Greedy or not decides what matches, not whether.
      syntax = { kind: 'repeat', part: syntax, min: bounds[0], max: bounds[1] }
    }
  }

  #quantifier(): readonly [number, number] | undefined {
    if (this.#eat('*')) return [0, Infinity]
    if (this.#eat('+')) return [1, Infinity]
    if (this.#eat('?')) return [0, 1]
    const match = /^\{(\d+)(?:(,)(\d*))?\}/.exec(this.#characters.slice(this.#at, this.#at + 12).join(''))
    if (match === null) return undefined
    const min = Number(match[1])
    const max = match[2] === undefined ? min : match[3] === '' ? Infinity : Number(match[3])
    if (min > MAX_REPEAT || (max !== Infinity && (max > MAX_REPEAT || max < min)))
      throw this.#bad('a repeat count is out of range')
    this.#at += match[0].length
    return [min, max]
  }

  #escape(): Syntax {
    const character = this.#take()
    switch (character) {
      case 'A':
        return { kind: 'assert', what: 'text-start' }
      case 'z':
        return { kind: 'assert', what: 'text-end' }
      case 'b':
        return { kind: 'assert', what: 'word' }
      case 'B':
        return { kind: 'assert', what: 'not-word' }
      case 'C':
        return { kind: 'class', ranges: [[0, MAX_CODE_POINT]] }
      default:
        return { kind: 'class', ranges: this.#folded(this.#classEscape(character)) }
    }
  }

  /** What `\` and `character` mean inside a class and outside. */
  #classEscape(character: string): readonly Range[] {
    switch (character) {
      case 'd':
        return DIGIT
      case 'D':
        return negate(DIGIT)
      case 's':
        return SPACE
      case 'S':
        return negate(SPACE)
      case 'w':
        return WORD
      case 'W':
        return negate(WORD)
      case 'p':
      case 'P':
        throw refusal(
          'not-supported',
          'Unicode classes (\\p) in regular expressions are not built',
          this.#where,
          'List the characters instead.',
        )
      case 'x': {
        const hex = this.#eat('{') ? this.#until('}') : this.#take() + this.#take()
        const code = /^[0-9a-fA-F]{1,6}$/.test(hex) ? Number.parseInt(hex, 16) : Infinity
        if (code > MAX_CODE_POINT) throw this.#bad('an escape names no character')
        return [[code, code]]
      }
      default:
    }
    const control = CONTROL[character]
    if (control !== undefined) return [[control, control]]
    if (/^[0-7]$/.test(character)) {
      // `\1` to `\7` would be back-references; octal needs a leading zero or three digits.
      let octal = character
      while (octal.length < 3 && /^[0-7]$/.test(this.#peek() ?? '')) octal += this.#take()
      if (character !== '0' && octal.length < 3) throw this.#bad('RE2 has no back-references')
      const code = Number.parseInt(octal, 8)
      return [[code, code]]
    }
    if (/^[0-9A-Za-z]$/.test(character)) throw this.#bad(`"\\${character}" means nothing in RE2`)
    return [single(character)]
  }

  #until(end: string): string {
    let text = ''
    while (this.#peek() !== end) text += this.#take()
    this.#at++
    return text
  }

  #class(): readonly Range[] {
    const negated = this.#eat('^')
    const ranges: Range[] = []
    let first = true
    while (first || this.#peek() !== ']') {
      if (this.#peek() === undefined) throw this.#bad('a bracket is not closed')
      first = false
      const posix = /^\[:(\^?)(\w+):\]/.exec(this.#characters.slice(this.#at, this.#at + 12).join(''))
      if (posix !== null) {
        const named = POSIX[posix[2] ?? '']
        if (named === undefined) throw this.#bad('a class has a name that RE2 does not know')
        ranges.push(...(posix[1] === '^' ? negate(named) : named))
        this.#at += posix[0].length
        continue
      }
      const from = this.#eat('\\') ? this.#classEscape(this.#take()) : [single(this.#take())]
      const low = from[0]
      if (
        this.#peek() === '-' &&
        this.#peek(1) !== ']' &&
        from.length === 1 &&
        low !== undefined &&
        low[0] === low[1]
      ) {
        this.#at++
        const to = this.#eat('\\') ? this.#classEscape(this.#take()) : [single(this.#take())]
        const high = to[0]
        if (to.length !== 1 || high === undefined || high[0] !== high[1] || high[0] < low[0])
          throw this.#bad('a range in brackets is the wrong way round')
        ranges.push([low[0], high[0]])
      } else ranges.push(...from)
    }
    this.#at++
    const folded = this.#folded(ranges)
    return negated ? negate(folded) : folded
  }
}

function single(character: string): Range {
  const code = character.codePointAt(0) ?? 0
  return [code, code]
}

function negate(ranges: readonly Range[]): Range[] {
  const gaps: Range[] = []
  let next = 0
  for (const [low, high] of [...ranges].sort((a, b) => a[0] - b[0])) {
    if (low > next) gaps.push([next, low - 1])
    next = Math.max(next, high + 1)
  }
  if (next <= MAX_CODE_POINT) gaps.push([next, MAX_CODE_POINT])
  return gaps
}

/** Letters beyond U+FFFF and ranges over them are few in keys; they are folded too, but a range this wide is all there is. */
const MAX_FOLDED_RANGE = 0x3000

function foldCase(ranges: readonly Range[]): Range[] {
  const folded: Range[] = [...ranges]
  for (const [low, high] of ranges) {
    for (let code = low; code <= Math.min(high, low + MAX_FOLDED_RANGE); code++) {
      const character = String.fromCodePoint(code)
      for (const other of [character.toLowerCase(), character.toUpperCase()])
        if (other !== character && Array.from(other).length === 1) folded.push(single(other))
    }
  }
  // RE2's simple folding has two letters that ASCII's does not show: the Kelvin sign and the long s.
  const has = (code: number) => folded.some(([low, high]) => low <= code && code <= high)
  if (has(0x6b) || has(0x4b)) folded.push([0x212a, 0x212a])
  if (has(0x73) || has(0x53)) folded.push([0x17f, 0x17f])
  return folded
}

type Instruction =
  | { readonly op: 'class'; readonly ranges: readonly Range[] }
  | { readonly op: 'assert'; readonly what: Assertion }
  | { readonly op: 'split'; a: number; b: number }
  | { readonly op: 'jump'; to: number }
  | { readonly op: 'match' }

class Compiler {
  readonly program: Instruction[] = []
  readonly #pattern: string
  readonly #where: Where

  constructor(syntax: Syntax, pattern: string, where: Where) {
    this.#pattern = pattern
    this.#where = where
    this.#compile(syntax)
    this.#emit({ op: 'match' })
  }

  #emit<I extends Instruction>(instruction: I): I {
    if (this.program.length >= MAX_PROGRAM)
      throw refusal(
        'bad-regex',
        `a regular expression of ${this.#pattern.length} characters grows too large when its repeats are written out`,
        this.#where,
      )
    this.program.push(instruction)
    return instruction
  }

  #compile(syntax: Syntax): void {
    switch (syntax.kind) {
      case 'empty':
        return
      case 'class':
        this.#emit({ op: 'class', ranges: syntax.ranges })
        return
      case 'assert':
        this.#emit({ op: 'assert', what: syntax.what })
        return
      case 'concat':
        for (const part of syntax.parts) this.#compile(part)
        return
      case 'alternate': {
        const ends: { to: number }[] = []
        for (const [i, part] of syntax.parts.entries()) {
          if (i === syntax.parts.length - 1) {
            this.#compile(part)
            break
          }
          const split = this.#emit({ op: 'split', a: this.program.length + 1, b: 0 })
          this.#compile(part)
          ends.push(this.#emit({ op: 'jump', to: 0 }))
          split.b = this.program.length
        }
        for (const end of ends) end.to = this.program.length
        return
      }
      case 'repeat': {
        for (let i = 0; i < syntax.min; i++) this.#compile(syntax.part)
        if (syntax.max === Infinity) {
          const start = this.program.length
          const split = this.#emit({ op: 'split', a: start + 1, b: 0 })
          this.#compile(syntax.part)
          this.#emit({ op: 'jump', to: start })
          split.b = this.program.length
          return
        }
        const splits: { b: number }[] = []
        for (let i = syntax.min; i < syntax.max; i++) {
          splits.push(this.#emit({ op: 'split', a: this.program.length + 1, b: 0 }))
          this.#compile(syntax.part)
        }
        for (const split of splits) split.b = this.program.length
        return
      }
      default:
        syntax satisfies never
    }
  }
}

/** Steps through all states at once, so that the time is bounded by text length times program length. */
function search(program: readonly Instruction[], text: string): boolean {
  const codes = Array.from(text, (character) => character.codePointAt(0) ?? 0)
  const seen = new Int32Array(program.length).fill(-1)
  let states: number[] = []
  for (let at = 0; at <= codes.length; at++) {
    const before = codes[at - 1]
    const here = codes[at]
    // Follow what consumes nothing; a search may also start at any character.
    const stack = [...states.reverse(), 0]
    states = []
    const reached: number[] = []
    while (stack.length > 0) {
      const pc = stack.pop() ?? 0
      if (seen[pc] === at) continue
      seen[pc] = at
      const instruction = program[pc]
      if (instruction === undefined) continue
      if (instruction.op === 'match') return true
      if (instruction.op === 'jump') stack.push(instruction.to)
      else if (instruction.op === 'split') stack.push(instruction.b, instruction.a)
      else if (instruction.op === 'assert') {
        if (holds(instruction.what, before, here)) stack.push(pc + 1)
      } else reached.push(pc)
    }
    if (here === undefined) return false
    for (const pc of reached) {
      const instruction = program[pc]
      if (instruction?.op === 'class' && instruction.ranges.some(([low, high]) => low <= here && here <= high))
        states.push(pc + 1)
    }
  }
  return false
}

function holds(what: Assertion, before: number | undefined, here: number | undefined): boolean {
  const isWord = (code: number | undefined) =>
    code !== undefined && WORD.some(([low, high]) => low <= code && code <= high)
  switch (what) {
    case 'text-start':
      return before === undefined
    case 'text-end':
      return here === undefined
    case 'line-start':
      return before === undefined || before === 10
    case 'line-end':
      return here === undefined || here === 10
    case 'word':
      return isWord(before) !== isWord(here)
    case 'not-word':
      return isWord(before) === isWord(here)
    default:
      return what satisfies never
  }
}
