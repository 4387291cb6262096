import { expect, test } from 'vitest'
import { newAgeKey, seal, unseal } from '../../src/secrets/age.ts'
import { redact, redactValue, redactor } from '../../src/secrets/redact.ts'
import { newSshKey } from '../../src/secrets/ssh-key.ts'

const SECRETS = [
  'ghs_16C7e42F292c6912E7710c838347Ae178B4a',
  'ghs_12345_eyJhbGciOiJIUzI1NiJ9.eyJpc3MiOiIxMjM0NSJ9.abcDEF-123',
  'github_pat_11ABCDEFG0abcdefghijkl_mnopqrstuvwxyz',
  'glpat-abcdefghijklmnop1234',
  'AGE-SECRET-KEY-1QQPZRY9X8GF2TVDW0S3JN54KHCE6MUA7LQQPZRY9X8GF2TVDW0S3JN54KHCE',
  'abcdef.0123456789abcdef',
  'eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJhcHAifQ.c2lnbmF0dXJl',
]

test.each(SECRETS)('%s does not survive', (secret) => {
  for (const around of [secret, `token=${secret}`, `"${secret}"`, `Authorization: Bearer ${secret}\n`])
    expect(redact(around)).not.toContain(secret)
})

test('private keys, Proxmox tokens and credentials in URLs do not survive', async () => {
  const { privateKey } = await newSshKey('canary')
  expect(redact(`before\n${privateKey}after`)).toBe('before\n[private key]\nafter')
  expect(redact(privateKey.slice(0, 200))).toBe('[private key]')
  expect(redact('PVEAPIToken=root@pam!slipway=11111111-2222-3333-4444-555555555555')).toBe('PVEAPIToken=[token]')
  expect(redact('https://user:hunter22@git.example/x')).toBe('https://[credentials]@git.example/x')
})

test('ordinary text is left alone', () => {
  for (const text of [
    'joining w-2 at 10.4.0.12',
    'sha256:6f1c0a2e',
    'ssh://git@github.com/o/r.git',
    'Kubernetes 1.36.3',
    'kube-system/coredns',
  ])
    expect(redact(text)).toBe(text)
})

test('values and known secrets are cleaned wherever they are', () => {
  const clean = redactor(['correct horse'])
  expect(redactValue({ a: ['x correct horse'], b: { c: 'ghp_abcdefghijklmnopqrstuvwx' } }, clean)).toEqual({
    a: ['x [secret]'],
    b: { c: '[token]' },
  })
})

test('a sealed text opens for its recipient only', async () => {
  const [mine, other] = [await newAgeKey(), await newAgeKey()]
  const sealed = await seal('plain words', [mine.recipient])
  expect(sealed).not.toContain('plain words')
  expect(await unseal(sealed, mine.identity)).toBe('plain words')
  await expect(unseal(sealed, other.identity)).rejects.toThrow(/identit/)
})
