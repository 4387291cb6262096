import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Problem } from '../../../src/core/problem.ts'
import { equalBytes } from '../../../src/secrets/bytes.ts'
import { newAgeKey } from '../../../src/secrets/age.ts'
import { readPlain, readSealed, writePlain, type SopsFormat } from '../../../src/secrets/sops/format.ts'
import { decryptFile, decryptTree, encryptFile, parseCreationRules } from '../../../src/secrets/sops/index.ts'
import { compilePattern } from '../../../src/secrets/sops/pattern.ts'
import { combine, split } from '../../../src/secrets/sops/shamir.ts'
import type { Entry, Mapping, Node } from '../../../src/secrets/sops/tree.ts'

const FORMATS: SopsFormat[] = ['yaml', 'json', 'dotenv', 'ini', 'binary']
const where = { file: 'x' }
const RUNS = { numRuns: 300 }
const bytes = (text: string) => new TextEncoder().encode(text)
const { identity, recipient } = await newAgeKey()

/** What went wrong beyond a refusal: undefined when something was taken or refused with a Problem. */
function defect(run: () => unknown): unknown {
  try {
    run()
    return undefined
  } catch (error) {
    return error instanceof Problem ? undefined : error
  }
}

const piece = fc.constantFrom(
  'a',
  'b: ',
  ': ',
  '- ',
  '\n',
  '\n  ',
  '\n    ',
  '# c',
  '"',
  "'",
  '[',
  ']',
  '{',
  '}',
  ',',
  '&a ',
  '*a',
  '|',
  '>',
  '|2-\n',
  '---\n',
  '...\n',
  '!!int ',
  '!!binary ',
  '!x ',
  '? ',
  '<<: ',
  '1',
  '.inf',
  '2001-01-01',
  '~',
  '\t',
  '\r\n',
  '\\',
  '=',
  ';',
  '`',
  '"""',
  '\u2028',
  '😀',
  '\ufeff',
  'sops:\n',
  'sops_mac=',
  '[sops]\n',
  'ENC[AES256_GCM,data:AA==,iv:AA==,tag:AA==,type:str]',
  '%YAML 1.2\n',
)
const soup = fc.array(piece, { maxLength: 40 }).map((parts) => parts.join(''))

describe('whatever is read', () => {
  test.each(FORMATS)('as %s is taken or refused with a Problem', (format) => {
    fc.assert(
      fc.property(fc.oneof(soup, fc.string({ unit: 'binary', maxLength: 200 })), (text) => {
        expect(defect(() => readSealed(bytes(text), format, where))).toBeUndefined()
        const rereading = defect(() => {
          const printed = writePlain(readPlain(bytes(text), format, where), format, {}, where)
          // What was printed reads as what it prints again. Comments of ini files lose more spaces each time.
          const again = writePlain(readPlain(printed, format, where), format, {}, where)
          if (format !== 'ini' && !equalBytes(again, printed)) throw new Error('printed otherwise the second time')
        })
        expect(rereading).toBeUndefined()
      }),
      RUNS,
    )
  })

  test('as .sops.yaml or as a pattern likewise', () => {
    fc.assert(
      fc.property(soup, fc.string(), (text, pattern) => {
        expect(defect(() => parseCreationRules(text, 'x'))).toBeUndefined()
        expect(defect(() => parseCreationRules(`creation_rules:\n- ${text}`, 'x'))).toBeUndefined()
        expect(defect(() => compilePattern(pattern, where)('some.text'))).toBeUndefined()
      }),
      RUNS,
    )
  })

  test('patterns of our own syntax agree with the engine of JavaScript where the two mean the same', () => {
    const atom = fc.constantFrom('a', 'b', '.', '[ab]', '[^a]', '\\d', '\\w', '^', '$', '\\b')
    const syntax = fc.letrec<{ node: string }>((tie) => ({
      node: fc.oneof(
        { maxDepth: 4 },
        atom,
        fc.tuple(tie('node'), tie('node')).map((pair) => pair.join('')),
        fc.tuple(tie('node'), tie('node')).map(([a, b]) => `(${a}|${b})`),
        fc.tuple(tie('node'), fc.constantFrom('*', '+', '?', '{1,2}')).map(([a, q]) => `(?:${a})${q}`),
      ),
    })).node
    fc.assert(
      fc.property(syntax, fc.string({ unit: fc.constantFrom('a', 'b', '1', ' '), maxLength: 8 }), (pattern, text) => {
        expect(compilePattern(pattern, where)(text)).toBe(new RegExp(pattern, 'u').test(text))
      }),
      RUNS,
    )
  })
})

describe('what would exhaust something is refused', () => {
  const bomb = `a0: &a0 [x, x, x, x, x, x, x, x, x]\n${Array.from({ length: 9 }, (_, i) => `a${i + 1}: &a${i + 1} [${Array(9).fill(`*a${i}`).join(', ')}]\n`).join('')}`
  test.each<[string, string, SopsFormat]>([
    ['an alias bomb', bomb, 'yaml'],
    ['lists in lists in YAML', '['.repeat(50_000), 'yaml'],
    ['closed lists in lists in YAML', `a: ${'['.repeat(5_000)}${']'.repeat(5_000)}`, 'yaml'],
    ['dashes upon dashes', `a:\n  ${'- '.repeat(2_000)}x\n`, 'yaml'],
    ['braces in JSON', '{"a":'.repeat(50_000), 'json'],
    ['too many documents', 'a: 1\n---\n'.repeat(1_100), 'yaml'],
    ['too long a file', 'x'.repeat(9 * 1024 * 1024), 'binary'],
    ['an anchor in itself', 'a: &a\n  b: *a\n', 'yaml'],
  ])('%s', (_what, content, format) => {
    expect(() => readPlain(bytes(content), format, where)).toThrow(Problem)
  })
})

describe('what other parsers take for ever over is read or refused', () => {
  test.each<[string, string, SopsFormat]>([
    ['one long line of lists', `a: [${'[],'.repeat(60_000)}]`, 'yaml'],
    ['one long line of values', `a: [${'1,'.repeat(90_000)}]`, 'yaml'],
    ['many keys', Array.from({ length: 40_000 }, (_, i) => `k${i}: 1\n`).join(''), 'yaml'],
    ['many comments', `${'# c\n'.repeat(90_000)}a: 1\n`, 'yaml'],
    ['many blanks', `a:${' '.repeat(1_000_000)}1\n`, 'yaml'],
    ['long digits', `a: ${'9'.repeat(1_000_000)}\n`, 'yaml'],
    ['long digits in JSON', `{"a":1${'0'.repeat(1_000_000)}}`, 'json'],
    ['many escapes in JSON', `{"a":"${'\\u0041'.repeat(200_000)}"}`, 'json'],
    ['many quotes in ini', `a=${'"'.repeat(1_000_000)}\n`, 'ini'],
    ['many continued lines', `a=x${'\\\n  y'.repeat(200_000)}\n`, 'ini'],
  ])('%s', (_what, content, format) => {
    expect(defect(() => readPlain(bytes(content), format, where))).toBeUndefined()
  })
})

describe('laws', () => {
  const scalar: fc.Arbitrary<Node> = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 30 }).map((value): Node => ({ kind: 'str', value })),
    soup.map((value): Node => ({ kind: 'str', value })),
    fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map((value): Node => ({ kind: 'int', value })),
    fc.boolean().map((value): Node => ({ kind: 'bool', value })),
    fc
      .double({ noNaN: true, noDefaultInfinity: true })
      .filter((value) => !Number.isInteger(value))
      .map((value): Node => ({ kind: 'float', value })),
    fc.constant<Node>({ kind: 'null' }),
  )
  const key = fc.oneof(fc.string({ unit: 'binary', maxLength: 12 }), soup).filter((name) => name !== 'sops')
  const tree = fc.letrec<{ node: Node; map: Mapping }>((tie) => ({
    node: fc.oneof(
      { maxDepth: 3 },
      scalar,
      tie('map'),
      fc.array(tie('node'), { maxLength: 4 }).map((items): Node => ({ kind: 'sequence', items })),
    ),
    map: fc
      .uniqueArray(fc.tuple(key, tie('node')), { maxLength: 5, selector: ([name]) => name })
      .map((pairs): Mapping => ({
        kind: 'mapping',
        entries: pairs.map(([name, value]): Entry => ({ kind: 'entry', key: name, value })),
      })),
  })).map

  test.each<SopsFormat>(['yaml', 'json'])('any tree printed as %s reads back as it was', (format) => {
    fc.assert(
      fc.property(tree, (document) => {
        const printed = writePlain([document], format, {}, where)
        expect(readPlain(printed, format, where)).toEqual([document])
      }),
      RUNS,
    )
  })

  test('any YAML tree is opened to what was sealed', async () => {
    await fc.assert(
      fc.asyncProperty(tree, async (document) => {
        const plain = writePlain([document], 'yaml', {}, where)
        const options = { file: 'x', format: 'yaml' as const, identities: [identity] }
        const sealed = await encryptFile(plain, { ...options, keyGroups: [[recipient]], now: new Date(0) })
        expect(await decryptTree(sealed, options)).toEqual([document])
      }),
      { numRuns: 30 },
    )
  })

  test('any bytes survive as binary', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), async (content) => {
        const options = { file: 'x', format: 'binary' as const, identities: [identity] }
        const sealed = await encryptFile(content, { ...options, keyGroups: [[recipient]], now: new Date(0) })
        expect([...(await decryptFile(sealed, options))]).toEqual([...content])
      }),
      { numRuns: 30 },
    )
  })

  test('any threshold of shares gives a secret back', () => {
    const random = (length: number) => crypto.getRandomValues(new Uint8Array(length))
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 1, maxLength: 40 }),
        fc.integer({ min: 2, max: 6 }),
        fc.nat(4),
        (secret, threshold, more) => {
          const shares = split(secret, threshold + more, threshold, random)
          expect([...(combine(shares.slice(more)) ?? [])]).toEqual([...secret])
          expect(combine([shares[0]!, shares[0]!])).toBeUndefined()
        },
      ),
      { numRuns: 50 },
    )
  })
})
