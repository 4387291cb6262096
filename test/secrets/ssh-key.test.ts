import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { newSshKey, readSshKey, sameSshKey, sshFingerprint, sshKeyFrom } from '../../src/secrets/ssh-key.ts'

interface Vector {
  comment: string
  seedHex: string
  publicKeyHex: string
  checkintHex: string
  privateKeyFile: string
  publicLine: string
  fingerprintSha256: string
}
const VECTORS = '../shared/vectors/ssh/ed25519.json'
const bytes = (hex: string) => Uint8Array.from(Buffer.from(hex, 'hex'))

describe.skipIf(!existsSync(VECTORS) && process.env['CI'] === undefined)(
  'OpenSSH vectors (skipped without ../shared)',
  () => {
    const vectors: Vector[] = existsSync(VECTORS) ? JSON.parse(readFileSync(VECTORS, 'utf8')) : []
    test('there are vectors', () => expect(vectors.length).toBeGreaterThan(5))
    test.each(vectors)('comment "$comment"', async (vector) => {
      const made = sshKeyFrom({
        seed: bytes(vector.seedHex),
        publicBytes: bytes(vector.publicKeyHex),
        check: bytes(vector.checkintHex),
        comment: vector.comment,
      })
      expect(made.privateKey).toBe(vector.privateKeyFile)
      expect(made.publicKey).toBe(vector.publicLine.trimEnd())
      expect(await sshFingerprint(made.publicKey)).toBe(vector.fingerprintSha256)
      expect((await readSshKey(vector.privateKeyFile)).comment).toBe(vector.comment)
    })
  },
)

test("OpenSSH's own tool reads a new key and agrees on its public half and fingerprint", async () => {
  const dir = mkdtempSync(join(tmpdir(), 'slipway-key-'))
  try {
    const key = await newSshKey('slipway/home')
    writeFileSync(join(dir, 'key'), key.privateKey, { mode: 0o600 })
    expect(execFileSync('ssh-keygen', ['-y', '-f', join(dir, 'key')], { encoding: 'utf8' }).trim()).toBe(key.publicKey)
    writeFileSync(join(dir, 'key.pub'), key.publicKey)
    expect(execFileSync('ssh-keygen', ['-lf', join(dir, 'key.pub')], { encoding: 'utf8' })).toContain(
      await sshFingerprint(key.publicKey),
    )
  } finally {
    rmSync(dir, { recursive: true })
  }
})

test('a damaged key is refused without quoting it', async () => {
  const { privateKey } = await newSshKey('x')
  const lines = privateKey.split('\n')
  for (const damaged of [
    '',
    'hello',
    privateKey.replace('OPENSSH', 'RSA'),
    [lines[0], lines[2], ...lines.slice(3)].join('\n'),
  ]) {
    await expect(readSshKey(damaged)).rejects.toMatchObject({ code: 'secrets.ssh-key' })
    await expect(readSshKey(damaged)).rejects.not.toThrow(
      new RegExp((lines[2] ?? '').slice(0, 20).replace(/[+/]/g, '.')),
    )
  }
})

test('keys are the same whatever their comment', async () => {
  const key = await newSshKey('one')
  expect(sameSshKey(key.publicKey, key.publicKey.replace(' one', ' two'))).toBe(true)
  expect(sameSshKey(key.publicKey, (await newSshKey('one')).publicKey)).toBe(false)
})
