import { expect, test } from 'vitest'
import { stillNeeded } from '../../../runner/accept/still-needed.ts'
import { noFacts, type Facts } from '../../../src/core/facts.ts'
import { applied, homeSpec, planOf } from '../../core/plan-spec.ts'

const spec = homeSpec()
const member = applied(planOf(spec), noFacts('home'))
/** A hypervisor that does not show the VM of w-1 for a moment. */
const unseen: Facts = { ...member, machines: { ...member.machines, 'w-1': {} } }

test('a node whose VM is back is not taken out of the cluster', () => {
  const reviewed = planOf(spec, unseen)
  expect(reviewed.steps.map(({ id }) => id)).toContain('remove-node/w-1')
  const left = stillNeeded(reviewed, planOf(spec, member))
  const ids = left.steps.map(({ id }) => id)
  expect(ids).not.toContain('remove-node/w-1')
  expect(ids).toHaveLength(reviewed.steps.length - 1)
  for (const { after } of left.steps) for (const id of after) expect(ids).toContain(id)
})

test('a plan whose removals are still wanted is left as it is', () => {
  const reviewed = planOf(spec, unseen)
  expect(stillNeeded(reviewed, planOf(spec, unseen))).toBe(reviewed)
})
