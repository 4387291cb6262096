import { Stanza, type Identity, type Recipient } from 'age-encryption'
import { chacha20poly1305 } from '@noble/ciphers/chacha.js'
import { concatBytes, equalBytes, fromBase64, toBase64 } from '../bytes.ts'
import { readSshKey, sshBlob } from '../ssh-key.ts'

/**
 * age's `ssh-ed25519` stanza: the ed25519 key is taken to Curve25519, the file key is wrapped by ChaCha20-Poly1305
 * under a key that two agreements and HKDF-SHA-256 give.
 * @see https://github.com/FiloSottile/age/blob/main/agessh/agessh.go
 */
const LABEL = new TextEncoder().encode('age-encryption.org/v1/ssh-ed25519')
const TYPE = 'ssh-ed25519'
const FILE_KEY_BYTES = 16
/** One wrap per key, so the nonce is fixed at zero. */
const ZERO_NONCE = new Uint8Array(12)

export class SshRecipient implements Recipient {
  readonly #blob: Uint8Array<ArrayBuffer>
  readonly #point: Uint8Array<ArrayBuffer>

  /** @param line - `ssh-ed25519 AAAA… comment`. @throws when it is anything else */
  constructor(line: string) {
    this.#blob = sshBlob(line)
    if (!line.trimStart().startsWith(`${TYPE} `) || this.#blob.length !== 4 + TYPE.length + 4 + 32)
      throw new TypeError('not an ssh-ed25519 key')
    this.#point = montgomery(this.#blob.slice(-32))
  }

  async wrapFileKey(fileKey: Uint8Array): Promise<Stanza[]> {
    const pair = await crypto.subtle.generateKey('X25519', true, ['deriveBits'])
    if (!('privateKey' in pair)) throw new TypeError('X25519 gave no key pair')
    const share = new Uint8Array(await crypto.subtle.exportKey('raw', pair.publicKey))
    const shared = await agree(await tweak(this.#blob), await agree(pair.privateKey, this.#point))
    const key = await hkdf(shared, concatBytes(share, this.#point), 32)
    return [
      new Stanza([TYPE, await tag(this.#blob), unpadded(share)], chacha20poly1305(key, ZERO_NONCE).encrypt(fileKey)),
    ]
  }
}

export class SshIdentity implements Identity {
  readonly #blob: Uint8Array<ArrayBuffer>
  readonly #secret: CryptoKey
  readonly #point: Uint8Array<ArrayBuffer>

  private constructor(blob: Uint8Array<ArrayBuffer>, secret: CryptoKey) {
    this.#blob = blob
    this.#secret = secret
    this.#point = montgomery(blob.slice(-32))
  }

  /** @param file - An OpenSSH ed25519 private key without a passphrase. @throws Problem `secrets.ssh-key` */
  static async read(file: string): Promise<SshIdentity> {
    const { publicKey, seed } = await readSshKey(file)
    const hash = new Uint8Array(await crypto.subtle.digest('SHA-512', Uint8Array.from(seed)))
    return new SshIdentity(sshBlob(publicKey), await privateKey(hash.slice(0, 32)))
  }

  async unwrapFileKey(stanzas: Stanza[]): Promise<Uint8Array | null> {
    const ours = await tag(this.#blob)
    for (const stanza of stanzas) {
      if (stanza.args[0] !== TYPE || stanza.args[1] !== ours) continue
      const share = fromBase64(padded(stanza.args[2] ?? ''))
      if (share.length !== 32 || stanza.args.length !== 3 || stanza.body.length !== FILE_KEY_BYTES + 16)
        throw new TypeError('a damaged ssh-ed25519 stanza')
      const shared = await agree(await tweak(this.#blob), await agree(this.#secret, share))
      const key = await hkdf(shared, concatBytes(share, this.#point), 32)
      return chacha20poly1305(key, ZERO_NONCE).decrypt(stanza.body)
    }
    return null
  }
}

/** Binds the agreement to this very SSH key: a scalar made of its public half alone. */
async function tweak(blob: Uint8Array<ArrayBuffer>): Promise<CryptoKey> {
  return privateKey(await hkdf(new Uint8Array(), blob, 32))
}

async function tag(blob: Uint8Array<ArrayBuffer>): Promise<string> {
  return unpadded(new Uint8Array(await crypto.subtle.digest('SHA-256', blob)).slice(0, 4))
}

async function hkdf(
  secret: Uint8Array<ArrayBuffer>,
  salt: Uint8Array<ArrayBuffer>,
  length: number,
): Promise<Uint8Array<ArrayBuffer>> {
  const key = await crypto.subtle.importKey('raw', secret, 'HKDF', false, ['deriveBits'])
  return new Uint8Array(
    await crypto.subtle.deriveBits({ name: 'HKDF', hash: 'SHA-256', salt, info: LABEL }, key, length * 8),
  )
}

/** PKCS #8 around a raw X25519 secret, the one form that Web Crypto imports. */
const PKCS8_X25519 = Uint8Array.from([0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x6e, 4, 0x22, 4, 0x20])

function privateKey(scalar: Uint8Array<ArrayBuffer>): Promise<CryptoKey> {
  return crypto.subtle.importKey('pkcs8', concatBytes(PKCS8_X25519, scalar), 'X25519', false, ['deriveBits'])
}

async function agree(secret: CryptoKey, point: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
  const other = await crypto.subtle.importKey('raw', point, 'X25519', false, [])
  const shared = new Uint8Array(await crypto.subtle.deriveBits({ name: 'X25519', public: other }, secret, 256))
  if (equalBytes(shared, new Uint8Array(32))) throw new TypeError('a point of low order')
  return shared
}

const P = 2n ** 255n - 19n

/** The u coordinate, (1 + y) / (1 - y), of an ed25519 public key. */
function montgomery(publicKey: Uint8Array): Uint8Array<ArrayBuffer> {
  let y = 0n
  for (let i = 31; i >= 0; i--) y = (y << 8n) | BigInt((publicKey[i] ?? 0) & (i === 31 ? 0x7f : 0xff))
  let u = ((1n + y) * power((P + 1n - y) % P, P - 2n)) % P
  return Uint8Array.from({ length: 32 }, () => {
    const byte = Number(u & 0xffn)
    u >>= 8n
    return byte
  })
}

function power(base: bigint, exponent: bigint): bigint {
  let result = 1n
  for (let square = ((base % P) + P) % P, rest = exponent; rest > 0n; rest >>= 1n, square = (square * square) % P)
    if (rest & 1n) result = (result * square) % P
  return result
}

function unpadded(bytes: Uint8Array): string {
  return toBase64(bytes).replace(/=+$/, '')
}

function padded(base64: string): string {
  return base64 + '='.repeat((4 - (base64.length % 4)) % 4)
}
