import { describe, expect, test } from 'vitest'
import { Problem } from '../../../src/core/problem.ts'
import { compilePattern } from '../../../src/secrets/sops/pattern.ts'

const where = { file: 'x' }
const matches = (pattern: string, text: string) => compilePattern(pattern, where)(text)

/** Pattern, texts that match, texts that do not, as Go's `regexp.MatchString` has it. */
const cases: [string, string[], string[]][] = [
  ['^(data|stringData)$', ['data', 'stringData'], ['metadata', 'data2', '']],
  ['pass', ['pass', 'xpassx'], ['pas', 'PASS']],
  ['(?i)pass', ['PaSS'], ['pas']],
  ['(?i:K)x', ['kx', 'Kx', '\u212ax'], ['kX']],
  ['a{2,3}$', ['aa', 'xaaa'], ['a', 'ab']],
  ['^a{2}$', ['aa'], ['a', 'aaa']],
  ['^a{,2}$', ['a{,2}'], ['aa']],
  ['^[[:alpha:]_]+\\d?$', ['ab_c', 'x1'], ['1', 'x12', '']],
  ['^[^a-c]$', ['d', '\n', '😀'], ['a', 'dd', '']],
  ['^.$', ['a', '😀'], ['\n', 'ab']],
  ['(?s)^.$', ['\n'], ['ab']],
  ['(?m)^b$', ['a\nb\nc'], ['ab']],
  ['^b$', ['b'], ['a\nb']],
  ['\\bkey\\b', ['the key.', 'key'], ['keys', '_key']],
  ['^\\Qa.b*\\E$', ['a.b*'], ['axb', 'a.bb']],
  ['^[]a]$', [']', 'a'], ['b']],
  ['^[a-]$', ['a', '-'], ['b']],
  ['^\\x41\\x{1F600}$', ['A😀'], ['A']],
  ['x*', ['', 'anything'], []],
  ['^(?:a|b|)c$', ['ac', 'bc', 'c'], ['abc']],
  ['^(?P<name>a)(?<other>b)$', ['ab'], ['a']],
  ['\\.ya?ml$', ['a.yaml', 'b.yml'], ['ayaml', 'x.yml2']],
  ['^\\w+@\\S+$', ['a@b'], ['a@b c', '@b']],
  ['^a|b$', ['ax', 'xb'], ['xax']],
  ['^(a|(b|c)+)*?d$', ['abcad', 'd'], ['abc']],
]

describe('patterns in RE2 syntax', () => {
  test.each(cases)('%s', (pattern, yes, no) => {
    expect(yes.filter((text) => !matches(pattern, text))).toEqual([])
    expect(no.filter((text) => matches(pattern, text))).toEqual([])
  })

  test.each([
    '(?=a)',
    '(?!a)',
    '(?<=a)',
    '(?<!a)',
    '(a)\\1',
    'a**',
    'a{2,1}',
    'a{1001}',
    '(a',
    'a)',
    '[a',
    '[z-a]',
    '*a',
    '\\q',
    '(?x)a',
    '[[:nope:]]',
    '\\p{L}',
    '\\',
    '(((a{100}){100}){100})',
    'a'.repeat(1_001),
    '('.repeat(60) + ')'.repeat(60),
  ])('%s is refused', (pattern) => {
    expect(() => compilePattern(pattern, where)).toThrow(Problem)
  })

  test('what makes other engines take for ever is answered', () => {
    const long = 'a'.repeat(20_000)
    expect(matches('^(a+)+$', `${long}!`)).toBe(false)
    expect(matches('(a|aa)*c', long)).toBe(false)
    expect(matches('(.*)(.*)(.*)(.*)x$', long)).toBe(false)
  })
})
