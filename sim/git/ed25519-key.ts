import { generateKeyPairSync, randomBytes } from 'node:crypto'

export interface Ed25519Key {
  /** PEM in OpenSSH's own format, without passphrase. */
  readonly privateKey: string
  /** `ssh-ed25519 AAAA…` */
  readonly publicKey: string
}

/**
 * A new key pair. Written out here because ssh2's own generator makes a key that ssh2 cannot read about once in 256
 * times.
 * @see https://cvsweb.openbsd.org/src/usr.bin/ssh/PROTOCOL.key
 */
export function ed25519Key(comment = ''): Ed25519Key {
  const pair = generateKeyPairSync('ed25519')
  // The last 32 bytes of both encodings are the key itself.
  const seed = pair.privateKey.export({ type: 'pkcs8', format: 'der' }).subarray(-32)
  const point = pair.publicKey.export({ type: 'spki', format: 'der' }).subarray(-32)
  const type = string('ssh-ed25519')
  const publicBlob = Buffer.concat([type, string(point)])
  const check = randomBytes(4)
  const secret = Buffer.concat([
    check,
    check,
    type,
    string(point),
    string(Buffer.concat([seed, point])),
    string(comment),
  ])
  const padding = Buffer.from(Array.from({ length: (8 - (secret.length % 8)) % 8 }, (_, index) => index + 1))
  const blob = Buffer.concat([
    Buffer.from('openssh-key-v1\0'),
    string('none'),
    string('none'),
    string(''),
    Buffer.from([0, 0, 0, 1]),
    string(publicBlob),
    string(Buffer.concat([secret, padding])),
  ])
  const lines = blob.toString('base64').match(/.{1,70}/g) ?? []
  return {
    privateKey: ['-----BEGIN OPENSSH PRIVATE KEY-----', ...lines, '-----END OPENSSH PRIVATE KEY-----', ''].join('\n'),
    publicKey: `ssh-ed25519 ${publicBlob.toString('base64')}`,
  }
}

/** Length and bytes, as SSH writes every field. */
function string(content: string | Buffer): Buffer {
  const bytes = Buffer.from(content)
  const length = Buffer.alloc(4)
  length.writeUInt32BE(bytes.length)
  return Buffer.concat([length, bytes])
}
