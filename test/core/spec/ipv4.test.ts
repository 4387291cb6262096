import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { dealt, expandName, MAX_MACHINES_PER_ENTRY, nthAddress, nthId } from '../../../src/core/spec/expansion.ts'
import {
  formatAddress,
  parseAddress,
  parseRange,
  parseSubnet,
  rangeOf,
  subnetOf,
  within,
} from '../../../src/core/spec/ipv4.ts'
import { gibibytes, mebibytes } from '../../../src/core/spec/quantity.ts'

const number = fc.integer({ min: 0, max: 2 ** 32 - 1 })

describe('addresses', () => {
  test('every number is one address', () => {
    fc.assert(
      fc.property(number, (one) => {
        expect(parseAddress(formatAddress(one))).toBe(one)
      }),
    )
  })

  test.each([
    '',
    '1.2.3',
    '1.2.3.4.5',
    '1.2.3.256',
    '01.2.3.4',
    '1.2.3.-4',
    ' 1.2.3.4',
    '1.2.3.4\n',
    '1e1.2.3.4',
    '٣.2.3.4',
  ])('%j is none', (text) => {
    expect(parseAddress(text)).toBeUndefined()
  })

  test('an address is in its own network', () => {
    fc.assert(
      fc.property(number, fc.integer({ min: 0, max: 32 }), (one, prefix) => {
        expect(within({ first: one, last: one }, rangeOf(subnetOf(one, prefix)))).toBe(true)
      }),
    )
  })

  test('a range may be written in three ways', () => {
    expect(parseRange('10.0.4.200-10.0.4.220')).toEqual({ from: '10.0.4.200', to: '10.0.4.220' })
    expect(parseRange('10.0.4.200')).toEqual({ from: '10.0.4.200', to: '10.0.4.200' })
    expect(parseRange('10.0.4.192/28')).toEqual({ from: '10.0.4.192', to: '10.0.4.207' })
    for (const text of ['10.0.4.9-10.0.4.1', '10.0.4.1/24', '10.0.4.1-', 'a-b', '1.1.1.1-2.2.2.2-3.3.3.3'])
      expect(parseRange(text)).toBeUndefined()
  })

  test('the whole address space is a network', () => {
    expect(rangeOf(parseSubnet('0.0.0.0/0') ?? { base: 0, prefix: 32 })).toEqual({ first: 0, last: 2 ** 32 - 1 })
  })
})

describe('ranges of machines', () => {
  test.each([
    ['w-{1..3}', ['w-1', 'w-2', 'w-3']],
    ['w-{08..11}', ['w-08', 'w-09', 'w-10', 'w-11']],
    ['{1..2}-gpu', ['1-gpu', '2-gpu']],
    ['cp', ['cp']],
    ['w-{3..1}', undefined],
    [`w-{1..${MAX_MACHINES_PER_ENTRY + 1}}`, undefined],
  ])('%s', (text, names) => {
    expect(expandName(text)).toEqual(names)
  })

  test('ids and addresses count up, lists give one each, single values are for the first', () => {
    expect([0, 1, 2].map((i) => nthId('411..', i))).toEqual([411, 412, 413])
    expect([0, 1].map((i) => nthId(411, i))).toEqual([411, undefined])
    expect([0, 1, 2].map((i) => nthId([7, 9], i))).toEqual([7, 9, undefined])
    expect([0, 1].map((i) => nthAddress('10.0.4.255../24', i))).toEqual(['10.0.4.255/24', '10.0.5.0/24'])
    expect(nthAddress('255.255.255.255..', 1)).toBeUndefined()
    expect([0, 1, 2].map((i) => dealt(['a', 'b'], i))).toEqual(['a', 'b', 'a'])
  })
})

test('sizes', () => {
  expect(mebibytes('8GiB')).toBe(8192)
  expect(gibibytes('1TiB')).toBe(1024)
  expect(gibibytes('1500MiB')).toBe(2)
  for (const text of ['8GB', '8', '8 GiB', '-8GiB', '0GiB', '1.5GiB']) expect(mebibytes(text)).toBeUndefined()
})
