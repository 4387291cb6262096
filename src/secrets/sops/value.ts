import { concatBytes, fromBase64, toBase64 } from '../bytes.ts'
import { floatPlain, isInt64 } from './number.ts'
import { refusal, type Where } from './refusal.ts'
import { canonicalTime } from './time.ts'
import { comment, textOrBytes, type Leaf } from './tree.ts'

/** AES-256-GCM with a nonce of 32 bytes, which upstream chose; a reader takes whatever length it finds. */
const NONCE_BYTES = 32
const TAG_BYTES = 16
/** WebCrypto takes nonces of any length; no writer is known that makes longer ones. */
const MAX_NONCE_BYTES = 64

const utf8 = new TextEncoder()

/** The imported data key of one file. */
export type ValueKey = CryptoKey

export function importValueKey(dataKey: Uint8Array<ArrayBuffer>): Promise<ValueKey> {
  return crypto.subtle.importKey('raw', dataKey, 'AES-GCM', false, ['encrypt', 'decrypt'])
}

/** The bytes that are encrypted and that the MAC is made of. `null` has none: it is never visited. */
export function leafBytes(leaf: Leaf): Uint8Array<ArrayBuffer> {
  switch (leaf.kind) {
    case 'null':
      return new Uint8Array()
    case 'str':
      return utf8.encode(leaf.value)
    case 'bytes':
      return leaf.value
    case 'int':
      return utf8.encode(leaf.value.toString())
    case 'float':
      return utf8.encode(floatPlain(leaf.value))
    case 'bool':
      return utf8.encode(leaf.value ? 'True' : 'False')
    case 'time':
      return utf8.encode(leaf.value)
    case 'comment':
      return utf8.encode(leaf.text)
    default:
      return leaf satisfies never
  }
}

/** What binds a value to its place: the mapping keys from the root, each followed by a colon; list positions are not in it. */
export function valueContext(path: readonly string[]): string {
  return `${path.join(':')}:`
}

export interface SealedValue {
  readonly data: Uint8Array<ArrayBuffer>
  readonly nonce: Uint8Array<ArrayBuffer>
  readonly tag: Uint8Array<ArrayBuffer>
  readonly type: string
}

/** Greedy and without an end anchor, as upstream's; the four parts are then held to strict base64. */
const SEALED = /^ENC\[AES256_GCM,data:(.+),iv:(.+),tag:(.+),type:(.+)\]/

/** @throws Problem `sops.not-sealed`, `sops.bad-encoding` */
export function parseValue(text: string, where: Where): SealedValue {
  const match = text.startsWith('ENC[AES256_GCM,') ? SEALED.exec(text) : null
  if (match === null)
    throw refusal(
      'not-sealed',
      'a value that has to be encrypted here is in clear',
      where,
      'Restore the file, or encrypt it anew; if this was a secret, change it.',
    )
  const [, data = '', nonce = '', tag = '', type = ''] = match
  const part = (name: string, base64: string): Uint8Array<ArrayBuffer> => {
    try {
      return fromBase64(base64)
    } catch {
      throw refusal(
        'bad-encoding',
        `the ${name} of an encrypted value is not base64`,
        where,
        'Restore the file from Git.',
      )
    }
  }
  const sealed = { data: part('data', data), nonce: part('iv', nonce), tag: part('tag', tag), type }
  if (sealed.tag.length !== TAG_BYTES || sealed.nonce.length > MAX_NONCE_BYTES)
    throw refusal(
      'bad-encoding',
      'an encrypted value has a tag or nonce of the wrong length',
      where,
      'Restore the file from Git.',
    )
  return sealed
}

/** @throws Problem `sops.auth-failed` when key, place or text were changed; `sops.bad-value` for an impossible type. */
export async function openValue(sealed: SealedValue, key: ValueKey, context: string, where: Where): Promise<Leaf> {
  let plain: Uint8Array<ArrayBuffer>
  try {
    plain = new Uint8Array(
      await crypto.subtle.decrypt(
        { name: 'AES-GCM', iv: sealed.nonce, additionalData: utf8.encode(context), tagLength: TAG_BYTES * 8 },
        key,
        concatBytes(sealed.data, sealed.tag),
      ),
    )
  } catch {
    throw refusal(
      'auth-failed',
      'an encrypted value does not belong to this file or to this key: it was changed, moved or renamed after encryption',
      where,
      'Restore the file from Git.',
    )
  }
  const leaf = readLeaf(plain, sealed.type)
  if (leaf === undefined)
    throw refusal('bad-value', `an encrypted value is not of its type "${typeName(sealed.type)}"`, where)
  return leaf
}

/** Seals one value. Empty texts stay empty and are no business of this function. */
export async function sealValue(
  leaf: Leaf,
  key: ValueKey,
  context: string,
  nonce: Uint8Array<ArrayBuffer>,
): Promise<string> {
  const sealed = new Uint8Array(
    await crypto.subtle.encrypt(
      { name: 'AES-GCM', iv: nonce, additionalData: utf8.encode(context), tagLength: TAG_BYTES * 8 },
      key,
      leafBytes(leaf),
    ),
  )
  const split = sealed.length - TAG_BYTES
  const type = leaf.kind === 'bytes' ? 'str' : leaf.kind
  return `ENC[AES256_GCM,data:${toBase64(sealed.subarray(0, split))},iv:${toBase64(nonce)},tag:${toBase64(sealed.subarray(split))},type:${type}]`
}

export function newNonce(random: (length: number) => Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  return random(NONCE_BYTES)
}

function readLeaf(plain: Uint8Array<ArrayBuffer>, type: string): Leaf | undefined {
  if (type === 'str' || type === 'bytes') return textOrBytes(plain)
  const text = new TextDecoder('utf-8', { ignoreBOM: true }).decode(plain)
  switch (type) {
    case 'comment':
      return comment(text)
    case 'int':
      return readInt(text)
    case 'float':
      return readFloat(text)
    case 'bool':
      if (['1', 't', 'T', 'TRUE', 'true', 'True'].includes(text)) return { kind: 'bool', value: true }
      return ['0', 'f', 'F', 'FALSE', 'false', 'False'].includes(text) ? { kind: 'bool', value: false } : undefined
    case 'time': {
      const value = canonicalTime(text)
      return value === undefined ? undefined : { kind: 'time', value }
    }
    default:
      return undefined
  }
}

/** 64 bits have at most 19 digits; leading zeros are tolerated, as upstream does, but not without bound. */
const MAX_NUMBER_CHARACTERS = 1_100

function readInt(text: string): Leaf | undefined {
  if (text.length > MAX_NUMBER_CHARACTERS || !/^[-+]?\d+$/.test(text)) return undefined
  const value = BigInt(text.replace('+', ''))
  return isInt64(value) ? { kind: 'int', value } : undefined
}

function readFloat(text: string): Leaf | undefined {
  const special = /^([-+]?)(inf|infinity|nan)$/i.exec(text)
  if (special !== null) {
    const [, sign, word = ''] = special
    if (word.toLowerCase() === 'nan') return sign === '' ? { kind: 'float', value: NaN } : undefined
    return { kind: 'float', value: sign === '-' ? -Infinity : Infinity }
  }
  if (text.length > MAX_NUMBER_CHARACTERS || !/^[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?$/.test(text)) return undefined
  const value = Number(text)
  return Number.isFinite(value) ? { kind: 'float', value } : undefined
}

/** A type is part of the file, not of the secret; still, only something that reads like one is quoted. */
function typeName(type: string): string {
  return /^[a-z]{1,20}$/.test(type) ? type : '?'
}
