import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { newAgeKey, seal, unseal } from '../../src/secrets/age.ts'
import { goProgram } from './go-program.ts'

const age = await goProgram('age', 'filippo.io/age/cmd/age', 'v1.3.2')
const keygen = await goProgram('age-keygen', 'filippo.io/age/cmd/age-keygen', 'v1.3.2')
const folder = mkdtempSync(join(tmpdir(), 'slipway-age-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const missing = age.missing ?? keygen.missing
const SECRET = 'password: "täglich"\n'

describe.skipIf(missing !== undefined)(`the program age${missing === undefined ? '' : ` (${missing})`}`, () => {
  const run = (path: string | undefined, args: readonly string[], input = ''): string =>
    execFileSync(path!, args, { input, encoding: 'utf8' })
  const file = (name: string, text: string): string => {
    writeFileSync(join(folder, name), text, { mode: 0o600 })
    return join(folder, name)
  }

  test('opens what we sealed', async () => {
    const { identity, recipient } = await newAgeKey()
    const sealed = await seal(SECRET, [recipient])
    expect(run(age.path, ['--decrypt', '--identity', file('ours', `${identity}\n`)], sealed)).toBe(SECRET)
  })

  test('seals what we open', async () => {
    const { identity, recipient } = await newAgeKey()
    const sealed = run(age.path, ['--encrypt', '--armor', '--recipient', recipient], SECRET)
    expect(await unseal(sealed, identity)).toBe(SECRET)
  })

  test('derives the recipient of an identity as we do', async () => {
    const { identity, recipient } = await newAgeKey()
    expect(run(keygen.path, ['-y', file('identity', `${identity}\n`)]).trim()).toBe(recipient)
  })
})
