/**
 * What every format is read into and written from: the common model of SOPS. Mappings are lists of entries, because
 * order counts, JSON may repeat keys, and a JavaScript object would move keys such as `1` or swallow `__proto__`.
 */

export type Scalar =
  | { readonly kind: 'null' }
  | { readonly kind: 'str'; readonly value: string }
  /** Text that is not UTF-8, kept as it is. SOPS writes it with the type `str`. */
  | { readonly kind: 'bytes'; readonly value: Uint8Array<ArrayBuffer> }
  /** Within 64 bits, signed. */
  | { readonly kind: 'int'; readonly value: bigint }
  | { readonly kind: 'float'; readonly value: number }
  | { readonly kind: 'bool'; readonly value: boolean }
  /** RFC 3339 with up to 9 digits of a second, in its own offset: what `canonicalTime` returns. */
  | { readonly kind: 'time'; readonly value: string }

/** One line of comment without its `#`; `inline` when it stands after the value that follows it here. */
export interface Comment {
  readonly kind: 'comment'
  readonly text: string
  readonly inline: boolean
}

export type Leaf = Scalar | Comment

export interface Entry {
  readonly kind: 'entry'
  readonly key: string
  readonly value: Node
}

export interface Mapping {
  readonly kind: 'mapping'
  readonly entries: readonly (Entry | Comment)[]
}

export interface Sequence {
  readonly kind: 'sequence'
  readonly items: readonly Node[]
}

export type Node = Leaf | Mapping | Sequence

export const str = (value: string): Scalar => ({ kind: 'str', value })
export const comment = (text: string, inline = false): Comment => ({ kind: 'comment', text, inline })
export const entry = (key: string, value: Node): Entry => ({ kind: 'entry', key, value })
export const mapping = (entries: readonly (Entry | Comment)[]): Mapping => ({ kind: 'mapping', entries })
export const sequence = (items: readonly Node[]): Sequence => ({ kind: 'sequence', items })

/** The value of the first entry with that key. */
export function get(node: Node | undefined, key: string): Node | undefined {
  if (node?.kind !== 'mapping') return undefined
  for (const item of node.entries) if (item.kind === 'entry' && item.key === key) return item.value
  return undefined
}

const strictUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Text as `str`, or as `bytes` when it is not UTF-8. */
export function textOrBytes(bytes: Uint8Array<ArrayBuffer>): Scalar {
  try {
    return str(strictUtf8.decode(bytes))
  } catch {
    return { kind: 'bytes', value: bytes }
  }
}
