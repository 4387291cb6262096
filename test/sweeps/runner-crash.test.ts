import { describe, expect, test } from 'vitest'
import { actions } from '../../runner/actions/index.ts'
import type { Action, Actions } from '../../runner/engine/action.ts'
import type { Lan } from '../../runner/lan/lan.ts'
import { seeded } from '../../sim/random.ts'
import type { StepKind } from '../../src/core/step.ts'
import { sweepSite, WHOLE } from './sweep-site.ts'

/** `SLIPWAY_SWEEP=all` tries every place; otherwise a sample, the same each time. */
const ALL = process.env['SLIPWAY_SWEEP'] === 'all'
/** Places tried of each kind in a sample; each is a cluster made anew, which takes a few seconds. */
const SAMPLE = 2
/** Places of a whole run, as a clean one counts them: entries of the journal, and calls where an answer may be lost. */
const PLACES = { journal: 34, ssh: 16, proxmox: 5, kube: 60 }

const random = seeded(20)
const places = (count: number): readonly number[] => {
  const all = Array.from({ length: count }, (_, index) => index + 1)
  if (ALL) return all
  return Array.from({ length: SAMPLE }, () => all.splice(Math.floor(random() * all.length), 1)[0]!).toSorted(
    (a, b) => a - b,
  )
}

class Crash extends Error {}

describe('a runner whose process ends at a boundary', () => {
  test.each(places(PLACES.journal))('before entry %i of its journal: the next start finishes', async (at) => {
    await using site = await sweepSite()
    await expect(
      site.run({
        onEntry: (n, _entry, stop) => {
          if (n < at) return
          stop()
          throw new Crash('power loss')
        },
      }),
    ).rejects.toThrow(Crash)
    await site.finish()
    expect(await site.state()).toEqual(WHOLE)
  })
})

describe('an answer that is lost after its effect', () => {
  test.each(places(PLACES.ssh))('of script %i over SSH', async (at) => {
    await using site = await sweepSite()
    site.setFaults({ hosts: { connectionResetAfter: { calls: [at] } } })
    await site.finish()
    expect(await site.state()).toEqual(WHOLE)
  })

  test.each(places(PLACES.proxmox))('of change %i at Proxmox', async (at) => {
    await using site = await sweepSite()
    site.setFaults({ proxmox: { timeoutAfterEffect: { calls: [at], match: 'POST' } } })
    await site.finish()
    expect(await site.state()).toEqual(WHOLE)
  })

  test.each(places(PLACES.kube))('of write %i at the Kubernetes API', async (at) => {
    await using site = await sweepSite()
    site.setFaults({ kube: { timeoutAfterEffect: { calls: [at], match: 'PATCH' } } })
    await site.finish()
    expect(await site.state()).toEqual(WHOLE)
  })
})

test('every step done twice is as good as once', async () => {
  await using site = await sweepSite()
  const outcome = await site.run({ actions: twice(actions) })
  expect(outcome).toEqual({ outcome: 'succeeded' })
  expect(await site.state()).toEqual(WHOLE)
  expect(await site.run()).toEqual({ outcome: 'succeeded' })
  expect(await site.state()).toEqual(WHOLE)
})

/** Actions that apply a second time as soon as they have applied, as after an answer that was lost. */
function twice(table: Actions<Lan>): Actions<Lan> {
  const doubled = Object.entries(table).map(([kind, action]) => {
    const once = action as unknown as Action<StepKind, Lan>
    const again: Action<StepKind, Lan> = {
      timeoutMs: once.timeoutMs,
      check: (...input) => once.check(...input),
      async apply(...input) {
        await once.apply(...input)
        await once.apply(...input)
      },
    }
    return [kind, again] as const
  })
  // The compiler cannot see that the kinds are the same ones.
  return Object.fromEntries(doubled) as unknown as Actions<Lan>
}
