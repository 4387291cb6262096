import { expect, test } from 'vitest'
import { estimate, estimateLeft, roughly } from '../../src/core/estimate.ts'
import { homeSpec, planOf, vm } from './plan-spec.ts'

const step = (id: string, after: readonly string[] = [], uses: readonly string[] = []) => ({ id, after, uses })

test('independent steps run side by side, dependent ones and those that share a resource do not', () => {
  const one = estimate({ steps: [step('join-node/a')] }).seconds
  expect(estimate({ steps: [step('join-node/a'), step('join-node/b')] })).toMatchObject({ seconds: one, widest: 2 })
  expect(estimate({ steps: [step('join-node/a'), step('join-node/b', ['join-node/a'])] }).seconds).toBe(2 * one)
  const shared = estimate({ steps: [step('join-node/a', [], ['etcd:home']), step('join-node/b', [], ['etcd:home'])] })
  expect(shared).toMatchObject({ seconds: 2 * one, widest: 1, criticalPath: ['join-node/a', 'join-node/b'] })
})

test('more workers take hardly longer than one, and what is done counts no more', () => {
  const small = planOf(homeSpec())
  const large = planOf(
    homeSpec({
      machines: [
        ...homeSpec().machines,
        ...Array.from({ length: 6 }, (_, n) =>
          vm(`n-${n}`, { vmid: 500 + n, address: `10.4.1.${n}`, node: `pve${n}` }),
        ),
      ],
    }),
  )
  expect(estimate(large).seconds).toBeLessThan(estimate(small).seconds * 1.2)
  const ids = small.steps.map(({ id }) => id)
  expect(estimateLeft(small.steps, new Set(ids))).toBe(0)
  expect(estimateLeft(small.steps, new Set(ids.slice(0, 11)))).toBeLessThan(estimate(small).seconds)
})

test('durations are told no more exactly than they are known', () => {
  expect([5, 62, 840, 9000].map(roughly)).toEqual([
    'less than a minute',
    'about 1 minute',
    'about 14 minutes',
    'about 3 hours',
  ])
})
