import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { Problem } from '../../../src/core/problem.ts'
import { newAgeKey } from '../../../src/secrets/age.ts'
import {
  decryptFile,
  decryptTree,
  editFile,
  encryptFile,
  findLeaks,
  inspectFile,
  parseCreationRules,
  parseIdentities,
  rotateFile,
  ruleFor,
  SOPS_VERSION,
  updateKeys,
  type SopsFormat,
} from '../../../src/secrets/sops/index.ts'
import { newSshKey } from '../../../src/secrets/ssh-key.ts'

const FOLDER = 'test/secrets/sops/vectors'
const read = (name: string) => readFileSync(`${FOLDER}/${name}`)
const keys = parseIdentities(read('keys.txt').toString(), { file: 'keys.txt' })
const text = (content: Uint8Array) => Buffer.from(content).toString('latin1')
const NOW = new Date('2026-02-03T04:05:06.789Z')
const code = (promise: Promise<unknown>) =>
  promise.then(
    () => 'nothing was thrown',
    (error: unknown) => (error instanceof Problem ? error.code : String(error)),
  )

const made: [string, SopsFormat][] = [
  ['scalars.yaml', 'yaml'],
  ['secret.yaml', 'yaml'],
  ['comments.yaml', 'yaml'],
  ['values.json', 'json'],
  ['service.env', 'dotenv'],
  ['service.ini', 'ini'],
  ['blob.bin', 'binary'],
]

describe.each(made)('%s, made by sops 3.13.3', (name, format) => {
  const options = { file: name, format, identities: keys, now: NOW }

  test('is opened to what sops prints', async () => {
    expect(text(await decryptFile(read(`${name}.enc`), options))).toBe(text(read(`${name}.plain`)))
  })

  test('its input is sealed to the same text apart from what is random', async () => {
    const theirs = read(`${name}.enc`)
    const { keyGroups, selection, macOnlyEncrypted, lastModified } = inspectFile(theirs, options)
    const recipients = keyGroups.map((group) => group.age.map((key) => key.recipient))
    const now = new Date(lastModified)
    const ours = await encryptFile(read(`${name}.in`), {
      ...options,
      now,
      keyGroups: recipients,
      selection,
      macOnlyEncrypted,
    })
    const masked = (content: Uint8Array) =>
      text(content)
        .replaceAll(/iv:[^,]*,tag:[^,]*/g, '')
        .replaceAll(/data:[^,]*/g, (data) => `data of ${data.length}`)
        .replaceAll(/BEGIN AGE[^]*?END AGE/g, (armor) => `armor of ${armor.length}`)
    expect(masked(ours)).toBe(masked(theirs))
    expect(text(await decryptFile(ours, options))).toBe(text(read(`${name}.plain`)))
  })

  test('an edit to what it says leaves it alone', async () => {
    const same = await editFile(read(`${name}.enc`), read(`${name}.plain`), options)
    expect(same.changed).toBe(false)
    expect(text(same.content)).toBe(text(read(`${name}.enc`)))
  })

  test('rotating changes every encrypted value and no clear one', async () => {
    const before = read(`${name}.enc`)
    const after = await rotateFile(before, options)
    const values = (content: Uint8Array): string[] => text(content).match(/ENC\[[^\]]*\]/g) ?? []
    expect(values(after)).toHaveLength(values(before).length)
    expect(values(after).filter((value) => values(before).includes(value))).toEqual([])
    expect(text(await decryptFile(after, options))).toBe(text(await decryptFile(before, options)))
    expect(inspectFile(after, options).lastModified).toBe('2026-02-03T04:05:06Z')
  })

  test('without an identity it says who could open it', async () => {
    const { identity } = await newAgeKey()
    const problem = await decryptFile(read(`${name}.enc`), { ...options, identities: [identity] }).catch(
      (e: unknown) => e,
    )
    expect(problem).toMatchObject({ code: 'sops.no-identity', where: name })
    expect((problem as Problem).what).toContain('age1')
    expect((problem as Problem).what).not.toContain(identity)
  })

  test('every changed encrypted value is refused', async () => {
    const whole = text(read(`${name}.enc`))
    const starts = [...whole.matchAll(/ENC\[AES256_GCM,data:/g)].map((match) => match.index + match[0].length)
    const codes = new Set<string>()
    for (const at of starts) {
      const flipped = whole.slice(0, at) + (whole[at] === 'A' ? 'B' : 'A') + whole.slice(at + 1)
      // Comments are tolerated in clear, and only the first document's block counts.
      const line = whole.slice(whole.lastIndexOf('\n', at) + 1, at)
      if (/[#;] ?ENC/.test(line) || (line.includes('mac:') && whole.lastIndexOf('\n---', at) > 0)) continue
      codes.add(await code(decryptFile(Buffer.from(flipped, 'latin1'), options)))
    }
    expect([...codes]).toEqual(['sops.auth-failed'])
  })
})

describe('a diff shows what changed', () => {
  const lines = (content: Uint8Array) => text(content).split('\n')
  const edit = async (from: RegExp | string, to: string) => {
    const options = { file: 'a.yaml', format: 'yaml' as const, identities: keys, now: NOW }
    const before = read('scalars.yaml.enc')
    const plain = Buffer.from(await decryptFile(before, options)).toString()
    const { content, changed } = await editFile(before, plain.replace(from, to), options)
    expect(changed).toBe(true)
    return lines(content).filter((line) => !lines(before).includes(line))
  }

  test('one changed value: its line, the date and the MAC', async () => {
    const changed = await edit('text: hällo', 'text: other')
    expect(changed.map((line) => line.trim().split(':')[0])).toEqual(['text', 'lastmodified', 'mac'])
  })

  test('an added item of a list moves nothing else', async () => {
    const changed = await edit('- a\n', '- a\n    - a\n')
    expect(changed).toHaveLength(3)
  })

  test('a version of long ago is raised, a newer one is kept', async () => {
    const options = { file: 'a.yaml', format: 'yaml' as const, identities: keys, now: NOW }
    for (const [was, becomes] of [
      ['3.7.3', SOPS_VERSION],
      ['4.0.0', '4.0.0'],
    ] as const) {
      const before = text(read('secret.yaml.enc')).replaceAll('version: 3.13.3', `version: ${was}`)
      const { content } = await editFile(before, 'a: 1\n', options)
      expect(inspectFile(content, options).version).toBe(becomes)
    }
  })
})

describe('recipients', () => {
  const options = { file: 'a.yaml', format: 'yaml' as const, now: NOW }

  test('who was removed reads nothing that is written later', async () => {
    const [alice, bob] = [await newAgeKey(), await newAgeKey()]
    const sealed = await encryptFile('a: 1\n', { ...options, keyGroups: [[alice.recipient, bob.recipient]] })
    const rotated = await rotateFile(sealed, { ...options, identities: [alice.identity], remove: [bob.recipient] })
    const later = await editFile(rotated, 'a: 2\n', { ...options, identities: [alice.identity] })
    for (const content of [rotated, later.content])
      expect(await code(decryptFile(content, { ...options, identities: [bob.identity] }))).toBe('sops.no-identity')
    expect(text(await decryptFile(later.content, { ...options, identities: [alice.identity] }))).toBe('a: 2\n')
  })

  test('updating changes recipients only, and nothing when they are the same in another order', async () => {
    const [alice, bob] = [await newAgeKey(), await newAgeKey()]
    const identities = [alice.identity]
    const sealed = await encryptFile('a: 1\n', { ...options, keyGroups: [[alice.recipient]] })
    const added = await updateKeys(sealed, { ...options, identities, keyGroups: [[alice.recipient, bob.recipient]] })
    expect(added).toMatchObject({ changed: true, added: [bob.recipient], removed: [] })
    expect(text(added.content).match(/ENC\[[^\]]*\]/g)).toEqual(text(sealed).match(/ENC\[[^\]]*\]/g))
    expect(text(await decryptFile(added.content, { ...options, identities: [bob.identity] }))).toBe('a: 1\n')
    const again = await updateKeys(added.content, {
      ...options,
      identities,
      keyGroups: [[bob.recipient, alice.recipient]],
    })
    expect(again.changed).toBe(false)
    expect(text(again.content)).toBe(text(added.content))
  })

  test('two of three key groups open a file, one does not', async () => {
    const people = await Promise.all([newAgeKey(), newAgeKey(), newAgeKey()])
    const keyGroups = people.map((one) => [one.recipient])
    const sealed = await encryptFile('a: 1\n', { ...options, keyGroups, shamirThreshold: 2 })
    for (const missing of people) {
      const identities = people.filter((one) => one !== missing).map((one) => one.identity)
      expect(text(await decryptFile(sealed, { ...options, identities }))).toBe('a: 1\n')
      expect(await code(decryptFile(sealed, { ...options, identities: [missing.identity] }))).toBe('sops.no-identity')
    }
  })

  test('an SSH key opens what was sealed to it', async () => {
    const key = await newSshKey('someone@example.org')
    const sealed = await encryptFile('a: 1\n', { ...options, keyGroups: [[key.publicKey]] })
    const identities = parseIdentities(key.privateKey, { file: 'id_ed25519' })
    expect(text(await decryptFile(sealed, { ...options, identities }))).toBe('a: 1\n')
    const other = await newSshKey('')
    expect(await code(decryptFile(sealed, { ...options, identities: [other.privateKey] }))).toBe('sops.no-identity')
  })

  test.each([
    [[] as string[][], 'sops.no-recipients'],
    [[[]], 'sops.no-recipients'],
    [[['age1nonsense']], 'sops.bad-recipient'],
    [[['ssh-rsa AAAAB3NzaC1yc2E=']], 'sops.not-supported'],
    [[['age1yubikey1qw508d6q']], 'sops.not-supported'],
  ])('recipients %j are refused: %s', async (keyGroups, expected) => {
    expect(await code(encryptFile('a: 1\n', { ...options, keyGroups }))).toBe(expected)
  })

  test('a creation rule that wants other kinds of keys as well is refused, not half followed', async () => {
    const { recipient } = await newAgeKey()
    const config = parseCreationRules(`creation_rules:\n  - age: ${recipient}\n    pgp: ABCDEF\n`, '.sops.yaml')
    const rule = ruleFor(config, '.sops.yaml', 'a.yaml')
    expect(rule?.otherKinds).toEqual(['pgp'])
    expect(await code(encryptFile('a: 1\n', { ...options, keyGroups: [], ...rule }))).toBe('sops.not-supported')
  })

  test('keys of other kinds stay on an edit, and stop a rotation', async () => {
    const pgp = '    pgp:\n        - created_at: "2020-01-01T00:00:00Z"\n          enc: x\n          fp: ABC\n'
    const sealed = text(read('scalars.yaml.enc')).replace(
      /(\s+)unencrypted_suffix/,
      `\n${pgp.trimEnd()}$1unencrypted_suffix`,
    )
    const both = { ...options, identities: keys }
    expect(text((await editFile(sealed, 'a: 1\n', both)).content)).toContain(pgp)
    expect(await code(rotateFile(sealed, both))).toBe('sops.not-supported')
    expect(await code(updateKeys(sealed, { ...both, keyGroups: [['age1x']] }))).toBe('sops.not-supported')
  })
})

describe('what is refused', () => {
  const options = { file: 'a.yaml', format: 'yaml' as const, identities: keys, now: NOW }
  const recipient = inspectFile(read('scalars.yaml.enc'), options).keyGroups[0]?.age[0]?.recipient ?? ''
  const seal = (content: string, format: SopsFormat = 'yaml') =>
    code(encryptFile(content, { ...options, format, keyGroups: [[recipient]] }))

  test.each<[string, SopsFormat, string]>([
    ['sops: {}\n', 'yaml', 'sops.already-sealed'],
    ['{"sops": 1}', 'json', 'sops.already-sealed'],
    ['sops_mac=x\n', 'dotenv', 'sops.already-sealed'],
    ['[sops]\na=1\n', 'ini', 'sops.already-sealed'],
    ['', 'yaml', 'sops.empty'],
    ['# nothing\n', 'yaml', 'sops.empty'],
    ['a: 1\na: 2\n', 'yaml', 'sops.yaml'],
    ['1: a\n', 'yaml', 'sops.yaml'],
    ['- a\n', 'yaml', 'sops.yaml'],
    ['a: 0xFFFFFFFFFFFFFFFF\n', 'yaml', 'sops.number'],
    ['[1]', 'json', 'sops.json'],
    ['{"a": 1', 'json', 'sops.json'],
    ['novalue\n', 'dotenv', 'sops.dotenv'],
    ['[s]\n-=1\n', 'ini', 'sops.ini'],
  ])('%j as %s: %s', async (content, format, expected) => {
    expect(await seal(content, format)).toBe(expected)
  })

  const sealed = text(read('scalars.yaml.enc'))
  test.each<[string, string, string]>([
    ['the MAC removed', 'sops.mac-missing', sealed.replace(/\n +mac: .*/, '')],
    ['the date changed', 'sops.auth-failed', sealed.replace(/lastmodified: "20/, 'lastmodified: "19')],
    ['a value removed', 'sops.mac-mismatch', sealed.replace(/\nint: .*/, '')],
    ['a value in clear', 'sops.not-sealed', sealed.replace(/text: .*/, 'text: clear')],
    ['a number in clear', 'sops.not-sealed', sealed.replace(/int: .*/, 'int: 3')],
    ['no base64', 'sops.bad-encoding', sealed.replace('data:', 'data:*')],
    [
      'two rules',
      'sops.bad-metadata',
      sealed.replace('unencrypted_suffix', 'encrypted_suffix: x\n    unencrypted_suffix'),
    ],
    ['an impossible type', 'sops.bad-value', sealed.replace('type:str', 'type:int')],
    ['a block that is text', 'sops.bad-metadata', 'a: 1\nsops: x\n'],
  ])('%s: %s', async (_what, expected, content) => {
    expect(await code(decryptFile(Buffer.from(content, 'latin1'), options))).toBe(expected)
  })

  test('a Problem names the key and never the value', async () => {
    const changed = sealed.replace(
      /text: ENC\[AES256_GCM,data:./,
      (match) => `${match.slice(0, -1)}${match.endsWith('A') ? 'B' : 'A'}`,
    )
    const problem = await decryptFile(Buffer.from(changed, 'latin1'), options).catch((error: unknown) => error)
    expect(problem).toMatchObject({ code: 'sops.auth-failed', where: 'a.yaml: text' })
    expect(JSON.stringify(problem)).not.toContain('ENC[')
  })

  test('an encrypted comment in a list under a rule about comments', async () => {
    const selection = { rule: 'unencrypted_comment_regex', value: 'public' } as const
    const write = (content: string) => code(encryptFile(content, { ...options, keyGroups: [[recipient]], selection }))
    expect(await write('a:\n  # secret\n  - 1\n')).toBe('sops.not-supported')
    expect(await write('a:\n  # public\n  - 1\n')).toBe('nothing was thrown')
  })
})

describe('leaks are found without a key', () => {
  const options = { file: 'a.yaml', format: 'yaml' as const }
  const sealed = read('secret.yaml.enc').toString()

  test('a whole file has none', () => {
    expect(findLeaks(sealed, options)).toEqual([])
    for (const [name, format] of made) expect(findLeaks(read(`${name}.enc`), { file: name, format })).toEqual([])
  })

  test('a value pasted in clear is named by its keys', () => {
    const leaking = sealed.replace('stringData:\n', 'stringData:\n    token: hunter2\n    port: 80\n    empty: ""\n')
    expect(findLeaks(leaking, options)).toEqual([
      ['stringData', 'token'],
      ['stringData', 'port'],
    ])
  })

  test('a file that was never sealed is refused', () => {
    expect(() => findLeaks('a: 1\n', options)).toThrow(Problem)
  })
})

describe('what randomness and time decide', () => {
  test('is handed in', async () => {
    let next = 0
    const random = (length: number) => Uint8Array.from({ length }, () => next++ & 0xff)
    const { recipient, identity } = await newAgeKey()
    const options = { file: 'x', format: 'yaml' as const, keyGroups: [[recipient]], now: new Date(0) }
    const values = async () => {
      next = 0
      return text(await encryptFile('a: 1\nb: [x]\n', { ...options, random })).match(/ENC\[[^\]]*\]|lastmodified.*/g)
    }
    expect(await values()).toEqual(await values())
    expect((await values())?.[2]).toBe('lastmodified: "1970-01-01T00:00:00Z"')
    const [tree] = await decryptTree(await encryptFile('a: 1\n', { ...options, random }), {
      ...options,
      identities: [identity],
    })
    expect(tree?.entries).toEqual([{ kind: 'entry', key: 'a', value: { kind: 'int', value: 1n } }])
  })
})
