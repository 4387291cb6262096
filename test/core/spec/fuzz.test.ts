import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { stringify } from 'yaml'
import { MAX_PROBLEMS } from '../../../src/core/spec/parse.ts'
import { MAX_DEPTH, MAX_FILE_BYTES } from '../../../src/core/spec/source-text.ts'
import { example, home, parse } from './home.ts'

/** Enough to meet every branch of the readers in a few seconds; failures print their seed. */
const RUNS = { numRuns: 300 }

/** What holds for any text: an answer, bounded, whose places are in the text. */
function soundly(text: string): void {
  const { spec, problems } = parse(text)
  expect(spec === undefined).toBe(problems.length > 0)
  expect(problems.length).toBeLessThanOrEqual(MAX_PROBLEMS)
  const lines = text.split('\n')
  for (const problem of problems) {
    expect(problem.line).toBeGreaterThanOrEqual(1)
    expect(problem.line).toBeLessThanOrEqual(lines.length)
    expect(problem.column).toBeGreaterThanOrEqual(1)
    expect(problem.column).toBeLessThanOrEqual((lines[problem.line - 1]?.length ?? 0) + 1)
    expect(problem.code).toMatch(/^(?:spec|compat)\.[a-z-]+$/)
    expect(problem.what.length).toBeLessThan(1000)
    expect(problem.remedy).toBeTruthy()
  }
}

const texts = ['home', 'a-proxmox-cilium', 'b-k3s-gpu-lab', 'c-kubespray-hosts', 'd-k3s-tailnet'].map(
  (name) => example(name).text,
)

describe('for any text the reader answers, within bounds, at places that exist', () => {
  test('noise', () => {
    fc.assert(fc.property(fc.string({ unit: 'binary', maxLength: 400 }), soundly), RUNS)
  })

  test('YAML noise', () => {
    const piece = fc.constantFrom(
      'a',
      '- ',
      ': ',
      '\n',
      '  ',
      '{',
      '}',
      '[',
      ']',
      '&x ',
      '*x',
      '<<',
      '? ',
      '|',
      '>',
      '"',
      "'",
      '#',
      '---\n',
      '!!set ',
      '\t',
      '0',
      '~',
      'spec',
      'machines',
    )
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 60 }), (pieces) => soundly(pieces.join(''))),
      RUNS,
    )
  })

  test('any data', () => {
    fc.assert(
      fc.property(fc.json({ maxDepth: 5 }), (json) => soundly(stringify(JSON.parse(json)))),
      RUNS,
    )
  })

  test('an example with a piece cut out or doubled', () => {
    fc.assert(
      fc.property(fc.constantFrom(...texts), fc.nat(6000), fc.nat(80), fc.boolean(), (text, from, length, doubled) => {
        const start = from % text.length
        const piece = text.slice(start, start + length)
        soundly(
          doubled
            ? text.slice(0, start) + piece + text.slice(start)
            : text.slice(0, start) + text.slice(start + length),
        )
      }),
      RUNS,
    )
  })

  test('an example with one value replaced by another kind of value', () => {
    const other = fc.constantFrom(
      'null',
      '[]',
      '{}',
      '"x"',
      '7',
      '-1',
      'true',
      '1.5',
      '[[[]]]',
      '{a: {b: 1}}',
      '10.4.0.1',
      '*a',
      '&a b',
    )
    fc.assert(
      fc.property(fc.constantFrom(...texts), fc.nat(400), other, (text, nth, value) => {
        const places = [...text.matchAll(/(?<=: )[^\s,{}[\]#][^,\n}\]]*/g)]
        const place = places[nth % places.length]
        if (place === undefined) throw new Error('no value in the example')
        soundly(text.slice(0, place.index) + value + text.slice(place.index + place[0].length))
      }),
      RUNS,
    )
  })
})

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

  test('deep nesting is refused', () => {
    soundly(`a: ${'['.repeat(MAX_DEPTH + 5)}${']'.repeat(MAX_DEPTH + 5)}`)
    expect(parse(`a: ${'['.repeat(MAX_DEPTH + 5)}${']'.repeat(MAX_DEPTH + 5)}`).problems[0]?.code).toBe('spec.too-deep')
  })

  test('brackets without end are answered', () => {
    soundly('['.repeat(20_000))
    soundly('{a: '.repeat(20_000))
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
    soundly(home(['      kind: proxmox', '      __proto__: { a: 1 }\n      kind: proxmox']))
    soundly(home(['      kind: proxmox', '      constructor: { prototype: { a: 1 } }\n      kind: proxmox']))
    expect(({} as Record<string, unknown>)['a']).toBeUndefined()
  })
})
