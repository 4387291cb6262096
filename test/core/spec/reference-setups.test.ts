import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { clusterJsonSchema, schemaAt } from '../../../src/core/spec/json-schema.ts'
import { requireShared } from './shared.ts'

const ROOT = join(import.meta.dirname, '../../..')
const rows = readFileSync(join(ROOT, 'docs/reference-setups.md'), 'utf8')
  .split('\n')
  .map((line) => /^\| ([A-D][0-9]{2}) \| (.+) \| (.+) \| (.+) \| (.+) \|$/.exec(line))
  .filter((match) => match !== null)
  .map(([, id = '', capability = '', where = '', planned = '', run = '']) => ({ id, capability, where, planned, run }))

/** How many rows each setup has. */
const COUNTS = { A: 60, B: 34, C: 25, D: 38 }

test('every row of the four setups is there once, in order', () => {
  const wanted = Object.entries(COUNTS).flatMap(([letter, count]) =>
    Array.from({ length: count }, (_, i) => `${letter}${String(i + 1).padStart(2, '0')}`),
  )
  expect(rows.map(({ id }) => id)).toEqual(wanted)
})

test('every path that a row names is in the schema', () => {
  const schema = clusterJsonSchema()
  const paths = rows.flatMap(({ id, where }) =>
    [...where.matchAll(/`(spec\.[^`]+)`/g)].map(([, path = '']) => ({ id, path })),
  )
  expect(paths.length).toBeGreaterThan(100)
  expect(paths.filter(({ path }) => schemaAt(schema, path) === undefined)).toEqual([])
})

test('planned and run are yes or not yet, and nothing runs that is not planned', () => {
  const words = new Set(['yes', 'not yet'])
  expect(rows.filter(({ planned, run }) => !words.has(planned) || !words.has(run))).toEqual([])
  expect(rows.filter(({ planned, run }) => run === 'yes' && planned !== 'yes')).toEqual([])
})

const source = join(ROOT, '../shared/reference-setups.md')
describe.skipIf(!requireShared(source))(
  'against the list of the setups themselves (../shared/reference-setups.md)',
  () => {
    test('it has the same rows', () => {
      const ids = existsSync(source)
        ? [...listOfRows(readFileSync(source, 'utf8')).matchAll(/^\| ([A-D][0-9]{2}) \|/gm)].map(([, id]) => id)
        : []
      expect(rows.map(({ id }) => id)).toEqual(ids)
    })
  },
)

/** Without the part about traps, which names rows again. */
function listOfRows(text: string): string {
  return text.split(/^## E\./m)[0] ?? text
}
