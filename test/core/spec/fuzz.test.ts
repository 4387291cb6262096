import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { stringify } from 'yaml'
import { MAX_PROBLEMS } from '../../../src/core/spec/parse.ts'
import { MAX_FILE_BYTES } from '../../../src/core/spec/source-text.ts'
import { MAX_DEPTH } from '../../../src/core/spec/yaml-value.ts'
import { example, home, parse } from './home.ts'

/** Enough to meet every branch of the readers in a few seconds; failures print their seed. */
const RUNS = { numRuns: 150 }

/** What is wrong with the answer to a text. Right is: a spec or problems, bounded, whose places are in the text. */
function flaws(text: string): readonly string[] {
  const { spec, problems } = parse(text)
  const lines = text.split('\n')
  return [
    ...((spec === undefined) === problems.length > 0 ? [] : ['neither a spec nor problems, or both']),
    ...(problems.length <= MAX_PROBLEMS ? [] : ['too many problems']),
    ...problems.flatMap(({ line, column, code, what, remedy }) => [
      ...(line >= 1 && line <= lines.length ? [] : [`line ${line}`]),
      ...(column >= 1 && column <= (lines[line - 1]?.length ?? 0) + 1 ? [] : [`column ${column} of line ${line}`]),
      ...(/^(?:spec|compat)\.[a-z0-9-]+$/.test(code) ? [] : [`code ${code}`]),
      ...(what.length < 1000 ? [] : ['a message too long to read']),
      ...(remedy === undefined || remedy === '' ? ['no remedy'] : []),
    ]),
  ]
}

const texts = ['home', 'a-proxmox-cilium', 'b-k3s-gpu-lab', 'c-kubespray-hosts', 'd-k3s-tailnet'].map(
  (name) => example(name).text,
)

const PIECES = [
  ['a', '- ', ': ', '\n', '  ', '{', '}', '[', ']', '&x ', '*x', '<<', '? ', '|', '>', '"', "'", '#', '---\n'],
  ['!!set ', '\t', '0', '~', 'spec', 'machines'],
].flat()
const OTHERS = ['null', '[]', '{}', '"x"', '7', '-1', 'true', '1.5', '[[[]]]', '{a: {b: 1}}', '10.4.0.1', '*a', '&a b']
const anExample = fc.constantFrom(...texts)

describe('for any text the reader answers, within bounds, at places that exist', () => {
  test.each<readonly [string, fc.Arbitrary<string>]>([
    ['noise', fc.string({ unit: 'binary', maxLength: 400 })],
    ['YAML noise', fc.array(fc.constantFrom(...PIECES), { maxLength: 60 }).map((pieces) => pieces.join(''))],
    ['any data', fc.json({ maxDepth: 5 }).map((json) => stringify(JSON.parse(json)))],
    ['an example with a piece cut out', fc.tuple(anExample, fc.nat(6000), fc.nat(80)).map(cut)],
    ['an example with a piece doubled', fc.tuple(anExample, fc.nat(6000), fc.nat(80)).map(doubled)],
    [
      'an example with another kind of value',
      fc.tuple(anExample, fc.nat(400), fc.constantFrom(...OTHERS)).map(replaced),
    ],
  ])('%s', (_name, anyText) => {
    fc.assert(
      fc.property(anyText, (text) => {
        expect(flaws(text)).toEqual([])
      }),
      RUNS,
    )
  })
})

function cut([text, from, length]: readonly [string, number, number]): string {
  const start = from % text.length
  return text.slice(0, start) + text.slice(start + length)
}

function doubled([text, from, length]: readonly [string, number, number]): string {
  const start = from % text.length
  return text.slice(0, start + length) + text.slice(start)
}

function replaced([text, nth, value]: readonly [string, number, string]): string {
  const places = [...text.matchAll(/(?<=: )[^\s,{}[\]#][^,\n}\]]*/g)]
  const place = places[nth % places.length]
  if (place === undefined) throw new Error('no value in the example')
  return text.slice(0, place.index) + value + text.slice(place.index + place[0].length)
}

describe('bounds', () => {
  test('an alias bomb is refused before it unfolds', () => {
    const levels = Array.from({ length: 30 }, (_, i) => `l${i + 1}: &l${i + 1} [*l${i}, *l${i}, *l${i}, *l${i}]`)
    const { problems } = parse(`l0: &l0 [a]\n${levels.join('\n')}\n`)
    expect(problems.map(({ code }) => code)).toContain('spec.too-many-values')
  })

  test('an alias to itself is refused', () => {
    const { problems } = parse('a: &a [*a]\n')
    expect(problems.length).toBeGreaterThan(0)
  })

  test('an alias means the last anchor of its name before it', () => {
    const text = home(
      ['bridge: vmbr0', 'bridge: &a vmbr1'],
      ['storage: local-lvm', 'storage: &a tank'],
      ['connection: lab', 'connection: *a'],
    )
    expect(parse(text).problems.map(({ code }) => code)).toEqual(['spec.unknown-alias'])
    const later = home(['storage: local-lvm', 'storage: &a tank'], ['bridge: vmbr0', 'bridge: *a'])
    expect(parse(later).spec?.providers['pve']?.bridge).toBe('tank')
  })

  test('twenty thousand aliases are followed at once', () => {
    const { problems } = parse(`a: &a 1\nb: [${'*a,'.repeat(25_000)}]\n`)
    expect(problems.map(({ code }) => code)).toEqual(['spec.too-many-values'])
  })

  test('deep nesting is refused', () => {
    expect(flaws(`a: ${'['.repeat(MAX_DEPTH + 5)}${']'.repeat(MAX_DEPTH + 5)}`)).toEqual([])
    expect(parse(`a: ${'['.repeat(MAX_DEPTH + 5)}${']'.repeat(MAX_DEPTH + 5)}`).problems[0]?.code).toBe('spec.too-deep')
  })

  test('brackets without end are answered', () => {
    expect(flaws('['.repeat(20_000))).toEqual([])
    expect(flaws('{a: '.repeat(20_000))).toEqual([])
  })

  test('a large file is refused unread', () => {
    expect(parse(`# ${'x'.repeat(MAX_FILE_BYTES)}`).problems.map(({ code }) => code)).toEqual(['spec.file-too-large'])
  })

  test('a thousand mistakes are not a thousand problems', () => {
    const noise = Array.from({ length: 1000 }, (_, i) => `      x${i}: 1`).join('\n')
    const { problems } = parse(home(['      kind: proxmox', `${noise}\n      kind: proxmox`]))
    expect(problems).toHaveLength(MAX_PROBLEMS)
    expect(problems.at(-1)?.what).toMatch(/^90[0-9] more problems follow$/)
  })

  test('a range of thousands is refused', () => {
    const { problems } = parse(home(['w-{1..2}', 'w-{1..9999}']))
    expect(problems.map(({ code }) => code)).toEqual(['spec.range'])
  })

  test('a name that JavaScript knows is only a name', () => {
    expect(flaws(home(['      kind: proxmox', '      __proto__: { a: 1 }\n      kind: proxmox']))).toEqual([])
    expect(
      flaws(home(['      kind: proxmox', '      constructor: { prototype: { a: 1 } }\n      kind: proxmox'])),
    ).toEqual([])
    expect(({} as Record<string, unknown>)['a']).toBeUndefined()
  })
})
