import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { fileKeystore } from '../../../runner/keystore.ts'
import { fileLanKeys } from '../../../runner/lan/file-keys.ts'
import { ageRecipient } from '../../../src/secrets/age.ts'

let folder: string
let now = 0
const clock = { now: () => now, sleep: async () => undefined }
const open = (cluster = 'home') => fileLanKeys(fileKeystore(folder), '77', cluster, clock)

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'slipway-keys-'))
  now = Date.parse('2026-11-21T12:00:00Z')
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

test('keys are made once and found again', async () => {
  const keys = open()
  const [deploy, age, site] = [await keys.deployKey(), await keys.ageKey(), await keys.site()]
  expect(await open().deployKey()).toEqual(deploy)
  expect(await open().ageKey()).toEqual(age)
  expect(await ageRecipient(age.identity)).toBe(age.recipient)
  expect(await open('lab').site()).toEqual(site)
  expect((await open('lab').deployKey()).publicKey).not.toBe(deploy.publicKey)
})

test('what is recorded is read again, for this cluster alone', () => {
  const keys = open()
  expect([keys.hostKey('cp-1'), keys.kubeconfig(), keys.registeredKey(), keys.artifacts()]).toEqual([
    undefined,
    undefined,
    undefined,
    {},
  ])
  keys.recordHostKey('cp-1', 'ssh-ed25519 AAAA')
  keys.recordKubeconfig('apiVersion: v1\n')
  keys.recordRegisteredKey('SHA256:x')
  keys.recordArtifact('https://a.example/1', 'aa')
  keys.recordArtifact('https://a.example/2', 'bb')
  const again = open()
  expect(again.hostKey('cp-1')).toBe('ssh-ed25519 AAAA')
  expect(again.kubeconfig()).toBe('apiVersion: v1\n')
  expect(again.registeredKey()).toBe('SHA256:x')
  expect(again.artifacts()).toEqual({ 'https://a.example/1': 'aa', 'https://a.example/2': 'bb' })
  expect(open('lab').hostKey('cp-1')).toBeUndefined()
  again.forgetHostKey('cp-1')
  expect(keys.hostKey('cp-1')).toBeUndefined()
})

test('a bootstrap token is found for a day', () => {
  open().recordBootstrapToken('abcdef.0123456789abcdef')
  now += 23 * 3_600_000
  expect(open().bootstrapToken()).toBe('abcdef.0123456789abcdef')
  now += 2 * 3_600_000
  expect(open().bootstrapToken()).toBeUndefined()
})

test('nobody else can read any of it', async () => {
  const keys = open()
  await keys.deployKey()
  keys.recordKubeconfig('secret')
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true }))
    expect(statSync(join(entry.parentPath, entry.name)).mode & 0o077).toBe(0)
})
