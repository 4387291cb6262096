import { isInt64 } from './number.ts'
import { refusal, type Where } from './refusal.ts'
import { yamlTime } from './time.ts'
import { str, textOrBytes, type Scalar } from './tree.ts'
import { fromBase64 } from '../bytes.ts'

/** The tag of the YAML core schema that a plain scalar resolves to. */
type Tag = 'null' | 'bool' | 'int' | 'float' | 'timestamp' | 'str' | 'merge'

const WORDS = new Map<string, { tag: Tag; value: Scalar }>()
function words(tag: Tag, value: Scalar, ...texts: string[]): void {
  for (const text of texts) WORDS.set(text, { tag, value })
}
words('bool', { kind: 'bool', value: true }, 'true', 'True', 'TRUE')
words('bool', { kind: 'bool', value: false }, 'false', 'False', 'FALSE')
words('null', { kind: 'null' }, '', '~', 'null', 'Null', 'NULL')
words('float', { kind: 'float', value: NaN }, '.nan', '.NaN', '.NAN')
words('float', { kind: 'float', value: Infinity }, '.inf', '.Inf', '.INF', '+.inf', '+.Inf', '+.INF')
words('float', { kind: 'float', value: -Infinity }, '-.inf', '-.Inf', '-.INF')

const FLOAT = /^[-+]?(\.\d+|\d+(\.\d*)?)([eE][-+]?\d+)?$/
/** Longer digits than any number has are text or an error; without a bound, reading them would be quadratic. */
const MAX_NUMBER_CHARACTERS = 1_100

type Resolved = { readonly tag: Tag; readonly value: Scalar } | 'uint64'

/**
 * What a plain scalar is, as go-yaml 3 decides: YAML 1.2 and, beside it, `0b1`, old octals (`017`), underscores in
 * numbers and timestamps; `yes`, `no` and base 60 are text.
 * @param asText - Inside `!!int` and the like, timestamps are not looked for.
 */
function resolve(text: string, timestamps: boolean): Resolved {
  const word = /^[-+0-9yYnNtTfFoO~.]|^$/.test(text) ? WORDS.get(text) : undefined
  if (word !== undefined) return word
  const first = text[0] ?? ''
  const asText: Resolved = { tag: 'str', value: str(text) }
  if (text.length > MAX_NUMBER_CHARACTERS) return asText
  if (first === '.') return FLOAT.test(text) ? float(text, asText) : asText
  if (!/^[-+0-9]/.test(first)) return asText
  if (timestamps) {
    const time = yamlTime(text)
    if (time !== undefined) return { tag: 'timestamp', value: { kind: 'time', value: time } }
  }
  const plain = text.replaceAll('_', '')
  const int = integer(plain)
  if (int !== undefined) {
    if (isInt64(int)) return { tag: 'int', value: { kind: 'int', value: int } }
    if (int > 0n && int < 2n ** 64n && !plain.startsWith('+')) return 'uint64'
  }
  return FLOAT.test(plain) ? float(plain, asText) : asText
}

function float(text: string, otherwise: Resolved): Resolved {
  const value = Number(text)
  return Number.isFinite(value) ? { tag: 'float', value: { kind: 'float', value } } : otherwise
}

function integer(plain: string): bigint | undefined {
  const match = /^([-+]?)(?:0([xXbBoO])([0-9a-fA-F]+)|(0[0-7]*|[1-9]\d*))$/.exec(plain)
  if (match === null) return undefined
  const [, sign, base, digits = '', decimal = ''] = match
  const source =
    base === undefined
      ? decimal.length > 1 && decimal.startsWith('0')
        ? `0o${decimal.slice(1)}`
        : decimal
      : `0${base.toLowerCase()}${digits}`
  try {
    const value = BigInt(source)
    return sign === '-' ? -value : value
  } catch {
    return undefined // A digit that the base does not have.
  }
}

/**
 * The value of a scalar with its tag, if it has one, and whether it was plain (not quoted, not a block).
 * @throws Problem `sops.yaml` when text and tag disagree; `sops.number` for integers that SOPS cannot hold.
 */
export function readScalar(text: string, tag: string | undefined, plain: boolean, where: Where): Scalar {
  const short = tag?.replace(/^tag:yaml\.org,2002:/, '!!')
  if (short === '!!binary') {
    try {
      return textOrBytes(fromBase64(text.replace(/[\s]/g, '')))
    } catch {
      throw refusal('yaml', 'a !!binary value is not base64', where)
    }
  }
  if (short === '!!str' || (short === undefined && !plain)) return str(text)
  if (short !== undefined && !['!!bool', '!!int', '!!float', '!!null', '!!timestamp'].includes(short)) return str(text)
  const resolved = resolve(text, short === undefined || short === '!!timestamp')
  if (resolved === 'uint64')
    throw refusal('number', 'an integer does not fit into 64 bits with a sign', where, 'Put it in quotes.')
  if (short === undefined || short === `!!${resolved.tag}`) return resolved.value
  if (short === '!!float' && resolved.value.kind === 'int')
    return { kind: 'float', value: Number(resolved.value.value) }
  throw refusal('yaml', `a value is tagged ${short}, but does not read as one`, where)
}

const BASE_60 = /^[-+]?\d[\d_]*(?::[0-5]?\d)+(?:\.[\d_]*)?$/
const OLD_BOOLEANS = new Set('y Y yes Yes YES on On ON n N no No NO off Off OFF'.split(' '))

/** Whether a text, written plain, would be taken for something else by a YAML 1.2 or 1.1 reader. */
export function readsAsOther(text: string): boolean {
  const resolved = resolve(text, true)
  return resolved === 'uint64' || resolved.tag !== 'str' || OLD_BOOLEANS.has(text) || BASE_60.test(text)
}
