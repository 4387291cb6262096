import { expect, test } from 'vitest'
import type { AppClient } from '../../runner/app-client.ts'
import { reporter } from '../../runner/reporter.ts'
import { LEASE_MS } from '../../src/core/job.ts'
import { EventsRequest } from '../../src/core/wire.ts'
import { noFacts } from '../../src/core/facts.ts'
import type { Clock } from '../../src/seams/clock.ts'

const START = Date.parse('2026-11-21T12:00:00.000Z')

/** A reporter whose app and clock are the test's. */
function parts(events: AppClient['events']) {
  let now = START
  const clock: Clock = {
    now: () => now,
    async sleep(ms, signal) {
      await new Promise((resolve) => setImmediate(resolve))
      signal?.throwIfAborted()
      now += ms
    },
  }
  const warnings: string[] = []
  const told = reporter({
    client: { events } as AppClient,
    job: 'job-1',
    fence: 1,
    clock,
    log: { info: () => undefined, warn: (message) => void warnings.push(message), error: () => undefined },
  })
  return { told, warnings, elapsed: () => now - START, advance: (ms: number) => void (now += ms) }
}

test('what is reported always fits the wire, however long a machine talks', async () => {
  const sent: unknown[] = []
  const { told } = parts(async (_job, request) => {
    sent.push(JSON.parse(JSON.stringify(request)))
    return { lease: 'held', cancel: false, acknowledged: request.events.at(-1)?.seq ?? 0 }
  })
  const long = 'x'.repeat(20_000)
  const problem = { code: 'runner.denied', what: long, where: long, remedy: long, retry: 'later' } as const
  told.emit({ kind: 'step-progress', step: 'join-node/w-1', text: long })
  told.emit({ kind: 'step-failed', step: 'join-node/w-1', problem, tookMs: 1.5 })
  told.emit({ kind: 'refused', problem })
  const node = {
    vm: { node: 'n'.repeat(100), vmid: 1, owner: 'nobody', name: '', cores: 1, memoryMiB: 1, disks: [], running: true },
  } as const
  const facts = { ...noFacts('home'), machines: { 'w-1': node } }
  told.emit({ kind: 'finished', outcome: 'stopped', facts, notes: Array.from({ length: 80 }, () => long) })
  await told.close()
  for (const request of sent) expect(EventsRequest.safeParse(request).error?.issues).toBeUndefined()
  const kinds = sent.flatMap((request) => (request as EventsRequest).events.map(({ kind }) => kind))
  expect(kinds).toEqual(['step-progress', 'step-failed', 'refused', 'finished'])
})

test('secrets stay on the LAN: reports are redacted before they leave', async () => {
  const sent: string[] = []
  const { told } = parts(async (_job, request) => {
    sent.push(JSON.stringify(request))
    return { lease: 'held', cancel: false, acknowledged: request.events.at(-1)?.seq ?? 0 }
  })
  const token = 'abcdef.0123456789abcdef'
  told.emit({
    kind: 'step-failed',
    step: 's',
    problem: { code: 'x', what: `--token ${token}`, retry: 'later' },
    tookMs: 1,
  })
  told.emit({ kind: 'step-progress', step: 's', text: `--token ${token}` })
  await told.close()
  expect(sent.join()).not.toContain(token)
})

test('stops before the lease ends whatever its clock says', async () => {
  const { told, elapsed } = parts(async () => {
    throw new Error('the app does not answer')
  })
  await new Promise<void>((resolve) => told.signal.addEventListener('abort', () => resolve()))
  expect(elapsed()).toBeLessThanOrEqual(LEASE_MS)
  await told.close()
})

test('an app that acknowledges nothing is not asked for ever', async () => {
  let asked = 0
  const { told, warnings } = parts(async () => {
    asked += 1
    return { lease: 'held', cancel: false, acknowledged: 0 }
  })
  told.emit({ kind: 'finished', outcome: 'succeeded', notes: [] })
  await told.close()
  expect(asked).toBeLessThan(100)
  expect(warnings).toContain('the end of a run was not taken in by the app')
})
