import { existsSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { Problem } from '../../../src/core/problem.ts'
import {
  decryptFile,
  editFile,
  encryptFile,
  inspectFile,
  parseCreationRules,
  parseIdentities,
  ruleFor,
  SOPS_VERSION,
  updateKeys,
  type SopsFormat,
} from '../../../src/secrets/sops/index.ts'
import { unwrapWith } from '../../../src/secrets/sops/recipient.ts'
import { importValueKey, openValue, parseValue } from '../../../src/secrets/sops/value.ts'

interface Vector {
  id: string
  format: SopsFormat
  file: string
  plain?: string
  input?: string
  identities?: string[]
  expect: string
  withMacIgnored?: string
  encryptOptions?: unknown
}

const FOLDER = '../shared/vectors/sops'
const absent = !existsSync(FOLDER) && process.env['CI'] === undefined
const read = (name: string) => readFileSync(`${FOLDER}/${name}`)
const json = (name: string) => (existsSync(`${FOLDER}/${name}`) ? JSON.parse(read(name).toString()) : [])
const vectors: Vector[] = json('manifest.json')
const identities = (vector: Vector) =>
  (vector.identities ?? []).flatMap((name) => parseIdentities(read(name).toString(), { file: name }))
const options = (vector: Vector) => ({ file: vector.file, format: vector.format, identities: identities(vector) })
/** gen-indent2 was written under `stores.yaml.indent: 2`. */
const indentOf = (vector: Vector) => (vector.id === 'gen-indent2' ? 2 : undefined)
const good = vectors.filter(({ expect: outcome }) => outcome === 'ok' || outcome === 'accepted')
const bytes = (buffer: Uint8Array) => Buffer.from(buffer).toString('latin1')

describe.skipIf(absent)('files of upstream and others (skipped without ../shared)', () => {
  test('there are vectors', () => expect(vectors.length).toBeGreaterThan(45))

  test.each(good)('$id is opened to the plaintext that upstream prints', async (vector) => {
    expect(bytes(await decryptFile(read(vector.file), options(vector)))).toBe(bytes(read(vector.plain ?? '')))
  })

  const codes: Record<string, string[]> = {
    'mac-mismatch': ['sops.mac-mismatch', 'sops.mac-missing'],
    'auth-failed': ['sops.auth-failed'],
    'no-identity': ['sops.no-identity'],
    'metadata-error': ['sops.bad-metadata'],
    'metadata-not-found': ['sops.not-sealed'],
    'bad-encoding': ['sops.bad-encoding'],
  }
  test.each(vectors.filter((vector) => !good.includes(vector)))('$id is refused: $expect', async (vector) => {
    const problem = await decryptFile(read(vector.file), options(vector)).catch((error: unknown) => error)
    expect(problem).toBeInstanceOf(Problem)
    const [kind = ''] = vector.expect.split(' ')
    expect(codes[kind]).toContain((problem as Problem).code)
    expect((problem as Problem).where).toContain(vector.file)
  })

  const generated = vectors.filter(
    ({ id, format, input }) => id.startsWith('gen-') && format !== 'binary' && input !== undefined,
  )
  test.each(generated)(
    '$id: an edit that adds one value changes that line, the MAC and the version',
    async (vector) => {
      const sealed = read(vector.file)
      const { lastModified } = inspectFile(sealed, options(vector))
      const edit = { ...options(vector), indent: indentOf(vector), now: new Date(lastModified) }
      const changed = addition(vector.format, read(vector.input ?? ''))
      const edited = bytes((await editFile(sealed, changed, edit)).content)
      const rest = (text: string) =>
        text
          .split('\n')
          .filter((line) => !/^\s*"?(added|ADDED|mac|sops_mac)"?\s*[:=]/.test(line))
          .join('\n')
      expect(edited).toMatch(/added.*ENC\[|added.*new/i)
      expect(rest(edited)).toBe(rest(bytes(sealed)).replaceAll('3.13.2', SOPS_VERSION))
      expect(edited).not.toContain('3.13.2')
    },
  )

  test.each(vectors.filter(({ id, input }) => id.startsWith('gen-') && input !== undefined))(
    '$id: an edit to its own input changes nothing',
    async (vector) => {
      const sealed = read(vector.file)
      const edit = { ...options(vector), indent: indentOf(vector), now: new Date(0) }
      const same = await editFile(sealed, await decryptFile(sealed, edit), edit)
      expect(same.changed).toBe(false)
      expect(bytes(same.content)).toBe(bytes(sealed))
    },
  )
})

function addition(format: SopsFormat, input: Buffer): Buffer {
  const text = input.toString()
  if (format === 'json') return Buffer.from(text.replace('{', '{"added":"new",\n'))
  if (format === 'dotenv') return Buffer.from(`ADDED=new\n${text}`)
  if (format === 'ini') return Buffer.from(`added = new\n${text}`)
  return Buffer.from(`added: new\n${text}`)
}

describe.skipIf(absent)('emission (skipped without ../shared)', () => {
  const alice = 'age1rem4f64jf4ptuxld8r5nw8eu0l078c6gc9t4qtklaq04tj7mneks87mdfx'
  const throughYaml = async (text: string, format: SopsFormat = 'yaml') => {
    const sealed = await encryptFile(text, { file: 'x', format, keyGroups: [[alice]], now: new Date(0) })
    const keys = parseIdentities(read('keys/gen-alice.txt').toString(), { file: 'alice' })
    return Buffer.from(
      await decryptFile(sealed, { file: 'x', format, outputFormat: 'yaml', identities: keys }),
    ).toString()
  }

  const documents = json('emission/documents.json') as { in: string; afterEncryptDecrypt?: string }[]
  test.each(documents.filter((one) => one.afterEncryptDecrypt !== undefined))('$in', async (one) => {
    expect(await throughYaml(one.in)).toBe(one.afterEncryptDecrypt)
  })
  test.each(documents.filter((one) => one.afterEncryptDecrypt === undefined))('refused: $in', async (one) => {
    await expect(throughYaml(one.in)).rejects.toBeInstanceOf(Problem)
  })

  test.each(json('emission/scalars.json') as { scalar: string; type: string; decryptedYaml: string }[])(
    '$scalar',
    async (one) => {
      expect(await throughYaml(`k: ${one.scalar}\n`)).toBe(one.decryptedYaml)
    },
  )

  test('strings', async () => {
    expect(await throughYaml(read('emission/strings.json').toString(), 'json')).toBe(
      read('emission/strings.yaml').toString(),
    )
  })
})

describe.skipIf(absent)('.sops.yaml (skipped without ../shared)', () => {
  interface Case {
    why: string
    configPath: string
    config: string
    cases: { path: string; rule?: Record<string, unknown> | null; error?: string }[]
  }
  const cases = (json('config/creation-rules.json') as Case[]).flatMap((one) =>
    one.cases.map((c) => ({ ...one, ...c })),
  )
  const find = ({ config, configPath, path }: (typeof cases)[number]) =>
    ruleFor(parseCreationRules(config, configPath), configPath, path)

  test.each(cases.filter((one) => one.error !== undefined))('refused, $why: $path', (one) => {
    expect(() => find(one)).toThrow(Problem)
  })
  test.each(cases.filter((one) => one.error === undefined))('$why: $path', (one) => {
    const rule = find(one)
    const selected = (name: string) => (rule?.selection?.rule === name ? rule.selection.value : '')
    const actual = rule && {
      keyGroups: rule.keyGroups,
      shamirThreshold: rule.shamirThreshold,
      macOnlyEncrypted: rule.macOnlyEncrypted,
      unencryptedSuffix: selected('unencrypted_suffix'),
      encryptedSuffix: selected('encrypted_suffix'),
      unencryptedRegex: selected('unencrypted_regex'),
      encryptedRegex: selected('encrypted_regex'),
    }
    expect(actual ?? null).toEqual(one.rule ?? null)
  })
})

describe.skipIf(absent)('sequences (skipped without ../shared)', () => {
  test('updatekeys changes the recipients and nothing else', async () => {
    const before = read('sequences/seq-rotate-before.enc.yaml')
    const after = read('sequences/seq-updatekeys-after-bob-carol.enc.yaml')
    const file = { file: 'x', format: 'yaml' as const }
    const groups = inspectFile(after, file).keyGroups.map((group) => group.age.map((key) => key.recipient))
    const keys = parseIdentities(read('keys/gen-alice.txt').toString(), { file: 'alice' })
    const made = await updateKeys(before, { ...file, identities: keys, keyGroups: groups })
    const rest = (text: string) =>
      text.replaceAll(/enc: \|\n(\s+.*\n)+?\s+-----END AGE ENCRYPTED FILE-----\n/g, 'enc\n')
    expect(rest(Buffer.from(made.content).toString())).toBe(rest(after.toString()))
  })
})

describe.skipIf(absent)("upstream's unit tests (skipped without ../shared)", () => {
  interface Value {
    keyAscii: string
    aad: string
    encrypted: string
    plain?: string
  }
  interface Armored {
    identity?: string
    sshIdentity?: string
    armored: string
    plain: string
  }
  const primitives = json('primitives.json') as { value?: Value[]; age?: Armored[] }
  const where = { file: 'x' }
  const open = async ({ keyAscii, aad, encrypted }: Value) =>
    openValue(parseValue(encrypted, where), await importValueKey(Uint8Array.from(Buffer.from(keyAscii))), aad, where)

  test.each((primitives.value ?? []).filter((one) => one.plain !== undefined))('a value at "$aad"', async (value) => {
    expect(await open(value)).toEqual({ kind: 'str', value: value.plain })
  })
  test.each((primitives.value ?? []).filter((one) => one.plain === undefined))('no value at "$aad"', async (value) => {
    await expect(open(value)).rejects.toMatchObject({ code: 'sops.auth-failed' })
  })
  test.each(primitives.age ?? [])('an age file %#', async ({ identity, sshIdentity, armored, plain }) => {
    const opened = await unwrapWith([identity ?? sshIdentity ?? ''], armored, where)
    expect(bytes(opened ?? new Uint8Array())).toBe(plain)
  })
})
