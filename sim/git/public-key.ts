import { createHash } from 'node:crypto'

/** An OpenSSH public key as its one line says it. */
export interface PublicKey {
  readonly type: string
  readonly blob: Buffer
}

const TYPES = new Set([
  'ssh-ed25519',
  'ssh-rsa',
  'ecdsa-sha2-nistp256',
  'ecdsa-sha2-nistp384',
  'ecdsa-sha2-nistp521',
  'sk-ssh-ed25519@openssh.com',
  'sk-ecdsa-sha2-nistp256@openssh.com',
])

/**
 * Reads `type base64 [comment]`; `undefined` for anything else.
 * @see RFC 4253 section 6.6: the blob repeats the type as its first string.
 */
export function parsePublicKey(line: string): PublicKey | undefined {
  const [type = '', base64 = ''] = line.trim().split(/\s+/)
  if (!TYPES.has(type) || !/^[A-Za-z0-9+/]+={0,2}$/.test(base64)) return undefined
  const blob = Buffer.from(base64, 'base64')
  if (blob.length < 4 || blob.toString('base64') !== base64) return undefined
  const length = blob.readUInt32BE(0)
  if (blob.subarray(4, 4 + length).toString('latin1') !== type) return undefined
  if (type === 'ssh-ed25519' && blob.length !== 51) return undefined
  return { type, blob }
}

/** `type base64`, without comment, as forges store it. */
export function publicKeyLine({ type, blob }: PublicKey): string {
  return `${type} ${blob.toString('base64')}`
}

/** `SHA256:…` as `ssh-keygen -l` prints it. */
export function fingerprint({ blob }: PublicKey): string {
  return `SHA256:${createHash('sha256').update(blob).digest('base64').replaceAll('=', '')}`
}

/** `aa:bb:…` as older forges print it. */
export function md5Fingerprint({ blob }: PublicKey): string {
  return createHash('md5').update(blob).digest('hex').match(/../g)?.join(':') ?? ''
}
