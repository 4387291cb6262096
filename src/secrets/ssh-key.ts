import { Problem } from '../core/problem.ts'
import { concatBytes, equalBytes, fromBase64, toBase64 } from './bytes.ts'

/** An ed25519 key pair in OpenSSH's forms. */
export interface SshKeyPair {
  /** Whole private key file with its final newline: controllers that read it insist on that newline. */
  readonly privateKey: string
  /** `ssh-ed25519 AAAA… comment`, without a space at the end when there is no comment. */
  readonly publicKey: string
}

const MAGIC = 'openssh-key-v1\0'
const TYPE = 'ssh-ed25519'
const BEGIN = '-----BEGIN OPENSSH PRIVATE KEY-----'
const END = '-----END OPENSSH PRIVATE KEY-----'
/** A real ed25519 file has about 400 bytes; the bound keeps a hostile one from costing anything. */
const MAX_FILE_CHARACTERS = 8_192

const text = new TextEncoder()

/** Makes a new ed25519 key pair with Web Crypto's randomness. */
export async function newSshKey(comment: string): Promise<SshKeyPair> {
  const pair = await crypto.subtle.generateKey('Ed25519', true, ['sign', 'verify'])
  if (!('privateKey' in pair)) throw new TypeError('Ed25519 gave no key pair')
  const seed = new Uint8Array(await crypto.subtle.exportKey('pkcs8', pair.privateKey)).slice(-32)
  const publicBytes = new Uint8Array(await crypto.subtle.exportKey('raw', pair.publicKey))
  const check = crypto.getRandomValues(new Uint8Array(4))
  return sshKeyFrom({ seed, publicBytes, check, comment })
}

/** Writes the OpenSSH forms of given key material; `check` are the four random bytes that the format repeats. */
export function sshKeyFrom(parts: {
  readonly seed: Uint8Array
  readonly publicBytes: Uint8Array
  readonly check: Uint8Array
  readonly comment: string
}): SshKeyPair {
  const { seed, publicBytes, check, comment } = parts
  const blob = publicBlob(publicBytes)
  const unpadded = concatBytes(
    check,
    check,
    sized(text.encode(TYPE)),
    sized(publicBytes),
    sized(concatBytes(seed, publicBytes)),
    sized(text.encode(comment)),
  )
  const padding = Uint8Array.from({ length: (8 - (unpadded.length % 8)) % 8 }, (_, i) => i + 1)
  const file = concatBytes(
    text.encode(MAGIC),
    sized(text.encode('none')),
    sized(text.encode('none')),
    sized(new Uint8Array()),
    uint32(1),
    sized(blob),
    sized(concatBytes(unpadded, padding)),
  )
  const lines = toBase64(file).match(/.{1,70}/g) ?? []
  return {
    privateKey: [BEGIN, ...lines, END, ''].join('\n'),
    publicKey: `${TYPE} ${toBase64(blob)}${comment === '' ? '' : ` ${comment}`}`,
  }
}

/**
 * Reads an unencrypted OpenSSH ed25519 private key file, checking everything that the format repeats.
 * @throws Problem `secrets.ssh-key` when it is anything else; the text itself is never quoted.
 */
export async function readSshKey(
  file: string,
): Promise<SshKeyPair & { readonly seed: Uint8Array; readonly comment: string }> {
  const bad = (what: string): Problem =>
    new Problem({
      code: 'secrets.ssh-key',
      what: `reading an OpenSSH private key: ${what}`,
      remedy: 'Give an ed25519 key without a passphrase, as `ssh-keygen -t ed25519 -N ""` writes it.',
      retry: 'never',
    })
  if (file.length > MAX_FILE_CHARACTERS) throw bad('the file is too long')
  const lines = file.trim().split(/\r?\n/)
  if (lines[0] !== BEGIN || lines.at(-1) !== END) throw bad('the BEGIN and END lines are missing')
  let bytes: Uint8Array
  try {
    bytes = fromBase64(lines.slice(1, -1).join(''))
  } catch {
    throw bad('the body is not base64')
  }
  const outer = new Reader(bytes, bad)
  if (new TextDecoder().decode(outer.take(MAGIC.length)) !== MAGIC) throw bad('it is not in the openssh-key-v1 format')
  const [cipher, kdf] = [outer.string(), outer.string()].map((b) => new TextDecoder().decode(b))
  if (cipher !== 'none' || kdf !== 'none' || outer.string().length !== 0) throw bad('it is protected by a passphrase')
  if (outer.uint32() !== 1) throw bad('it holds more than one key')
  const blob = outer.string()
  const inner = new Reader(outer.string(), bad)
  outer.end()
  if (inner.uint32() !== inner.uint32()) throw bad('its check words differ')
  if (new TextDecoder().decode(inner.string()) !== TYPE) throw bad('it is not an ed25519 key')
  const publicBytes = inner.string()
  const privateBytes = inner.string()
  const comment = new TextDecoder('utf-8', { fatal: false }).decode(inner.string())
  inner.padding()
  if (publicBytes.length !== 32 || privateBytes.length !== 64) throw bad('its key has the wrong length')
  const seed = privateBytes.slice(0, 32)
  if (!equalBytes(privateBytes.slice(32), publicBytes) || !equalBytes(blob, publicBlob(publicBytes)))
    throw bad('its public halves differ')
  if (!equalBytes(await publicOf(seed), publicBytes)) throw bad('its public half does not belong to it')
  return {
    privateKey: `${lines.join('\n')}\n`,
    publicKey: `${TYPE} ${toBase64(blob)}${comment === '' ? '' : ` ${comment}`}`,
    seed,
    comment,
  }
}

/** `SHA256:…` of a public key line, as OpenSSH and the forges show it. */
export async function sshFingerprint(publicKey: string): Promise<string> {
  const digest = await crypto.subtle.digest('SHA-256', sshBlob(publicKey))
  return `SHA256:${toBase64(new Uint8Array(digest)).replace(/=+$/, '')}`
}

/**
 * The binary blob of a public key line or known_hosts key: what keys are compared by, since comments differ.
 * @throws Problem `secrets.ssh-public-key`
 */
export function sshBlob(publicKey: string): Uint8Array<ArrayBuffer> {
  const [type, body] = publicKey.trim().split(/\s+/)
  try {
    const blob = fromBase64(body ?? '')
    const length = new DataView(blob.buffer).getUint32(0)
    if (type !== undefined && new TextDecoder().decode(blob.slice(4, 4 + length)) === type) return blob
  } catch {
    // falls through to the one message below
  }
  throw new Problem({
    code: 'secrets.ssh-public-key',
    what: 'reading an SSH public key: it is not of the form "ssh-ed25519 AAAA…"',
    retry: 'never',
  })
}

/** Whether two public key lines name the same key. */
export function sameSshKey(a: string, b: string): boolean {
  return equalBytes(sshBlob(a), sshBlob(b))
}

async function publicOf(seed: Uint8Array): Promise<Uint8Array> {
  const prefix = Uint8Array.from([0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20])
  const key = await crypto.subtle.importKey('pkcs8', concatBytes(prefix, seed), 'Ed25519', true, ['sign'])
  const jwk = await crypto.subtle.exportKey('jwk', key)
  const padded = (jwk.x ?? '').replaceAll('-', '+').replaceAll('_', '/')
  return fromBase64(padded + '='.repeat((4 - (padded.length % 4)) % 4))
}

function publicBlob(publicBytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return concatBytes(sized(text.encode(TYPE)), sized(publicBytes))
}

function uint32(value: number): Uint8Array {
  return Uint8Array.from([value >>> 24, (value >>> 16) & 255, (value >>> 8) & 255, value & 255])
}

function sized(bytes: Uint8Array): Uint8Array {
  return concatBytes(uint32(bytes.length), bytes)
}

/** Reads SSH's length-prefixed fields, refusing to run over the end. */
class Reader {
  #offset = 0
  readonly #bytes: Uint8Array
  readonly #bad: (what: string) => Problem

  constructor(bytes: Uint8Array, bad: (what: string) => Problem) {
    this.#bytes = bytes
    this.#bad = bad
  }

  take(length: number): Uint8Array {
    if (this.#offset + length > this.#bytes.length) throw this.#bad('it is cut short')
    const part = this.#bytes.slice(this.#offset, this.#offset + length)
    this.#offset += length
    return part
  }

  uint32(): number {
    return this.take(4).reduce((value, byte) => value * 256 + byte, 0)
  }

  string(): Uint8Array {
    return this.take(this.uint32())
  }

  end(): void {
    if (this.#offset !== this.#bytes.length) throw this.#bad('something follows the key')
  }

  padding(): void {
    const rest = this.#bytes.slice(this.#offset)
    if (rest.length > 7 || this.#bytes.length % 8 !== 0 || rest.some((byte, i) => byte !== i + 1))
      throw this.#bad('its padding is wrong')
  }
}
