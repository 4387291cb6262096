import { expect, test } from 'vitest'
import { keys } from '../../src/app/documents.ts'
import { publish, PUBLISH_INTERVAL_MS, showSoon } from '../../src/app/publish.ts'
import { sweep } from '../../src/app/sweep.ts'
import { Problem } from '../../src/core/problem.ts'
import type { RunEvent } from '../../src/core/run-event.ts'
import { type FakeRunner, enrolled, numbered } from './fake-runner.ts'
import { type Harness, harness } from './harness.ts'
import { merged } from './story.ts'

const edits = (h: Harness): number => h.forge.writes.filter((write) => write === 'comment 1/run').length

/** A run of many steps, reported one by one; returns what is told of it afterwards. */
async function busy(
  h: Harness,
): Promise<{ runner: FakeRunner; report: (events: readonly RunEvent[]) => Promise<void> }> {
  const runner = await enrolled(h)
  await merged(h)
  const { order, fence } = await runner.take()
  await h.drain()
  return {
    runner,
    report: async (events) => {
      await runner.events(order.id, fence, events)
    },
  }
}

test('a busy run edits its comment at most once every few seconds, and shows its last state', async () => {
  const h = await harness()
  const { report } = await busy(h)
  const before = edits(h)
  const started = Date.parse(await h.store.now())
  const steps = Array.from({ length: 30 }, (_, i) => ({ kind: 'step-started', step: `create-vm/w-${i}` }) as const)
  for (const [i, event] of numbered(steps).entries()) {
    await report([event])
    // The reports come faster than comments may be edited.
    if (i % 10 === 9) await h.drain()
  }
  await report(numbered([{ kind: 'finished', outcome: 'succeeded', notes: ['the very last word'] }], 31))
  await h.drain()
  const passed = Date.parse(await h.store.now()) - started
  expect(edits(h) - before).toBeLessThanOrEqual(1 + passed / PUBLISH_INTERVAL_MS)
  expect(h.forge.comments.get('1/run')).toContain('the very last word')
})

test('two writers at once write once', async () => {
  const h = await harness()
  await busy(h)
  const subject = { repo: h.forge.repo, kind: 'run', number: 1 } as const
  h.advance(60_000)
  const before = edits(h)
  await h.app.store.put(
    keys.pull(h.forge.repo, 1),
    { ...(await h.store.get<object>(keys.pull(h.forge.repo, 1)))!.value, answer: 'new' },
    (await h.store.get(keys.pull(h.forge.repo, 1)))!.version,
  )
  await showSoon(h.app, subject)
  await Promise.all([publish(h.app, subject), publish(h.app, subject), publish(h.app, subject)])
  await h.drain()
  expect(edits(h) - before).toBe(1)
})

test('what the forge refused to show is shown by a later sweep', async () => {
  const h = await harness()
  const { report } = await busy(h)
  h.forge.failNext('upsertComment', new Problem({ code: 'forge.rate-limited', what: 'slow down', retry: 'later' }))
  await report(numbered([{ kind: 'finished', outcome: 'succeeded', notes: ['shown in the end'] }]))
  await h.drain()
  h.advance(10_000)
  await sweep(h.app)
  await h.drain()
  expect(h.forge.comments.get('1/run')).toContain('shown in the end')
  expect(await h.store.list('dirty/')).toEqual([])
})
