import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { readCommands } from '../../src/core/command.ts'

test('a command stands on its own line, from the first column', () => {
  expect(readCommands('/slipway plan')).toEqual([{ kind: 'plan', clusters: [] }])
  expect(readCommands('looks good\r\n/slipway apply home lab home  \r\n')).toEqual([
    { kind: 'apply', clusters: ['home', 'lab'] },
  ])
  expect(readCommands('please /slipway apply')).toEqual([])
  expect(readCommands('/slipwayx apply\n//slipway apply')).toEqual([])
})

test('talk about commands does nothing', () => {
  expect(readCommands('> /slipway apply')).toEqual([])
  expect(readCommands('    /slipway apply')).toEqual([])
  expect(readCommands('```\n/slipway apply\n```\n~~~~\n/slipway apply\n```\n/slipway cancel\n~~~~~')).toEqual([])
  expect(readCommands('```\n/slipway apply')).toEqual([])
  expect(readCommands('<!--\n/slipway apply\n-->\n/slipway status')).toEqual([{ kind: 'status', clusters: [] }])
})

test('what is not understood gets an answer, never an effect', () => {
  expect(readCommands('/slipway')).toEqual([{ kind: 'unknown', word: '' }])
  expect(readCommands('/slipway destroy everything')).toEqual([{ kind: 'unknown', word: 'destroy' }])
  expect(readCommands('/slipway Apply')).toEqual([{ kind: 'unknown', word: 'Apply' }])
  expect(readCommands('/slipway apply ../x')).toEqual([{ kind: 'unknown', word: '../x' }])
})

test('any comment is read without failing, and within bounds', () => {
  const line = fc.constantFrom(
    '/slipway apply',
    '```',
    '~~~',
    '<!--',
    '-->',
    '> x',
    '/slipway apply a b',
    '',
    '/slipway x',
  )
  fc.assert(
    fc.property(fc.array(fc.oneof(line, fc.string())), (lines) => {
      expect(readCommands(lines.join('\n')).length).toBeLessThanOrEqual(10)
    }),
  )
})
