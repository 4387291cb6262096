import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as fc from 'fast-check'
import { afterAll, describe, expect, test } from 'vitest'
import { newAgeKey } from '../../src/secrets/age.ts'
import {
  decryptFile,
  editFile,
  encryptFile,
  rotateFile,
  SOPS_VERSION,
  updateKeys,
  type SopsFormat,
} from '../../src/secrets/sops/index.ts'
import { newSshKey } from '../../src/secrets/ssh-key.ts'
import { goProgram } from './go-program.ts'

const sops = await goProgram('sops', 'github.com/getsops/sops/v3/cmd/sops', `v${SOPS_VERSION}`)
const folder = mkdtempSync(join(tmpdir(), 'slipway-sops-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const { identity, recipient } = await newAgeKey()
const NOW = new Date()

/** What the program prints, or undefined when it refuses. */
function run(
  args: readonly string[],
  content: string | Uint8Array,
  env: Record<string, string> = {},
): Buffer | undefined {
  const file = join(folder, 'file')
  writeFileSync(file, content)
  const result = spawnSync(sops.path!, ['--config', '/dev/null', ...args, file], {
    env: { PATH: process.env['PATH'], HOME: folder, SOPS_AGE_KEY: identity, ...env },
  })
  return result.status === 0 ? result.stdout : undefined
}
const types = (format: SopsFormat) => ['--input-type', format, '--output-type', format]
const theySeal = (content: string | Uint8Array, format: SopsFormat) =>
  run(['encrypt', '--age', recipient, ...types(format)], content)
const theyOpen = (content: Uint8Array, format: SopsFormat) => run(['decrypt', ...types(format)], content)
const options = (format: SopsFormat) => ({
  file: 'x',
  format,
  identities: [identity],
  keyGroups: [[recipient]],
  now: NOW,
})
const text = (content: Uint8Array | undefined) => content && Buffer.from(content).toString('latin1')
const masked = (content: Uint8Array | undefined) =>
  text(content)
    ?.replaceAll(/iv:[^,]*,tag:[^,]*/g, '')
    .replaceAll(/data:[^,]*/g, (data) => `data of ${data.length}`)
    .replaceAll(/BEGIN AGE[^]*?END AGE/g, '')
    .replaceAll(/lastmodified\W+[-\dT:]+Z/g, '')

const YAML = [
  '# head\na: 1 # inline\nb:\n  # in\n  c: x\n  # foot\nd: [x, {e: 2}, []]\n# end\n',
  'list:\n- a\n# between\n- b\n- - c\n  - d\nnext: 1\n',
  'a: |\n  block\n   text\n\nb: >-\n  folded\n  text\nc: "\\tq\\r\\u00e9"\n',
  'base: &b {x: 1}\ncopy: *b\nmerged:\n  <<: *b\n  y: 2\n',
  'a: 12e03\nb: 1_000.5\nc: 0x1F\nd: 017\ne: 08.5\nf: .inf\ng: 2001-12-14t21:59:43.10-05:00\nh: 1:20\ni: ~\n',
  'a: yes\nno: n\n"on": on\n"1": one\n',
  'a: 1\n---\nb: 2\n---\nc: {}\n',
  'a: 😀\nä: "\\u2028"\nq: \'it\'\'s\'\n? "two\\nlines"\n: v\n',
  `${'k'.repeat(130)}: v\n`,
  'apiVersion: v1\nkind: Secret\nmetadata:\n    name: x\nstringData:\n    a_unencrypted: clear\n    b: "p: #1"\n',
]
const OTHERS: [SopsFormat, string][] = [
  ['json', '{"a":1,"b":[1,"x",null,true,1.5,{"c":[]}],"<d>":{},"e":"\\u0000<&>\\u2028","f":1e21,"g":9007199254740993}'],
  ['json', '{}'],
  ['dotenv', '# c\n\nA=b c=d\n  B=x\nC=\nD=x\\ny\r\nE="q"\n'],
  ['ini', 'a=1\n; c\n[s]\n# k\nlong key = 1 ; i\nb: "q"\nü=`x;y`\n[s]\nd="""m\nn"""\n[e]\n'],
  ['binary', 'hello\0\r\n'],
  ['binary', ''],
]
const files: [SopsFormat, string][] = [...YAML.map((content): [SopsFormat, string] => ['yaml', content]), ...OTHERS]

describe.skipIf(sops.missing !== undefined)(
  `the program sops${sops.missing === undefined ? '' : ` (${sops.missing})`}`,
  () => {
    test.each(files)(
      '%s %j: both seal to the same text, and open what the other sealed to the same plaintext',
      async (format, content) => {
        const theirs = theySeal(content, format)
        const ours = await encryptFile(content, options(format))
        expect(masked(ours)).toBe(masked(theirs))
        const opened = text(theyOpen(ours, format))
        expect(opened).toBeDefined()
        expect(text(await decryptFile(theirs!, options(format)))).toBe(opened)
        expect(text(await decryptFile(ours, options(format)))).toBe(opened)
      },
    )

    test('what we edited, rotated and sealed to others is whole to it', async () => {
      const yaml = options('yaml')
      const theirs = theySeal(YAML[0]!, 'yaml')!
      const { content: edited } = await editFile(theirs, `${theyOpen(theirs, 'yaml')!.toString()}added: 1\n`, yaml)
      const rotated = await rotateFile(edited, yaml)
      const other = await newAgeKey()
      const { content: shared } = await updateKeys(rotated, { ...yaml, keyGroups: [[other.recipient]] })
      for (const [sealed, key] of [
        [edited, identity],
        [rotated, identity],
        [shared, other.identity],
      ] as const)
        expect(run(['decrypt', ...types('yaml')], sealed, { SOPS_AGE_KEY: key })?.toString()).toContain('added: 1\n')
      expect(theyOpen(shared, 'yaml')).toBeUndefined()
    })

    test('groups of keys, SSH keys, and only encrypted values in the MAC', async () => {
      const [other, ssh] = [await newAgeKey(), await newSshKey('x')]
      writeFileSync(join(folder, 'ssh'), ssh.privateKey, { mode: 0o600 })
      const keyGroups = [[recipient], [other.recipient], [ssh.publicKey]]
      const sealed = await encryptFile('a: 1\n', {
        ...options('yaml'),
        keyGroups,
        shamirThreshold: 2,
        macOnlyEncrypted: true,
      })
      const open = (env: Record<string, string>) => run(['decrypt', ...types('yaml')], sealed, env)?.toString()
      expect(open({ SOPS_AGE_KEY: `${identity}\n${other.identity}` })).toBe('a: 1\n')
      expect(open({ SOPS_AGE_SSH_PRIVATE_KEY_FILE: join(folder, 'ssh') })).toBe('a: 1\n')
      expect(open({})).toBeUndefined()
    })

    test('generated trees', async () => {
      const scalar = fc.oneof(
        fc.string({ maxLength: 20 }),
        fc.string({ unit: fc.constantFrom('a', ' ', '\n', ':', '#', '-', '1', '"', "'", '\\', 'é'), maxLength: 12 }),
        fc.integer(),
        fc.double({ noNaN: true, noDefaultInfinity: true }),
        fc.boolean(),
        fc.constant(null),
      )
      const tree = fc.dictionary(
        fc.string({ maxLength: 8 }).filter((key) => key !== 'sops' && key !== '__proto__'),
        fc.oneof(
          scalar,
          fc.array(scalar, { maxLength: 3 }),
          fc.dictionary(fc.string({ maxLength: 5 }), scalar, { maxKeys: 3 }),
        ),
        { maxKeys: 5 },
      )
      await fc.assert(
        fc.asyncProperty(tree, async (value) => {
          const content = JSON.stringify(value)
          for (const format of ['json', 'yaml'] as const) {
            const ours = await encryptFile(content, options(format))
            expect(masked(ours)).toBe(masked(theySeal(content, format)))
            expect(theyOpen(ours, 'json' === format ? 'json' : 'yaml')).toBeDefined()
          }
        }),
        { numRuns: 15 },
      )
    })
  },
)
