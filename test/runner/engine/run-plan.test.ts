import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Actions } from '../../../runner/engine/action.ts'
import { memoryJournal, type Journal } from '../../../runner/engine/journal.ts'
import { runPlan, type RunOutcome } from '../../../runner/engine/run-plan.ts'
import { sealPlan, type Plan } from '../../../src/core/plan.ts'
import { Problem } from '../../../src/core/problem.ts'
import type { RunEventBody } from '../../../src/core/run-event.ts'
import type { PlannedStep } from '../../../src/core/step.ts'

/** Machines that count what was done to them: an effect that happens twice is the mistake looked for. */
interface World {
  readonly done: Map<string, number>
  running: Set<string>
  most: number
}

function step(name: string, after: readonly string[] = [], uses: readonly string[] = []): PlannedStep {
  return {
    id: `start-vm/${name}`,
    step: { kind: 'start-vm', connection: 'lab', machine: name, vmid: 1, mark: 'm' },
    after: after.map((id) => `start-vm/${id}`),
    machine: name,
    impact: 'nothing',
    summary: '',
    uses,
  }
}
const plan = (...steps: readonly PlannedStep[]): Plan =>
  sealPlan({ cluster: 'c', steps, machines: [], destroys: [], specDigest: '' })
const clock = { now: () => 0, sleep: async () => undefined }

function world(
  overrides: Partial<{
    apply: (name: string, w: World) => Promise<void>
    check: (name: string, w: World) => 'needed' | 'done'
  }> = {},
) {
  const w: World = { done: new Map(), running: new Set(), most: 0 }
  const startVm = {
    timeoutMs: 5_000,
    check: async ({ machine }: { machine: string }) =>
      overrides.check?.(machine, w) ?? ((w.done.get(machine) ?? 0) > 0 ? ('done' as const) : ('needed' as const)),
    apply: async ({ machine }: { machine: string }) => {
      w.running.add(machine)
      w.most = Math.max(w.most, w.running.size)
      try {
        await new Promise((resolve) => setImmediate(resolve))
        if (overrides.apply !== undefined) await overrides.apply(machine, w)
        else w.done.set(machine, (w.done.get(machine) ?? 0) + 1)
      } finally {
        w.running.delete(machine)
      }
    },
  }
  return { w, actions: { 'start-vm': startVm } as unknown as Actions<null> }
}

function run(
  p: Plan,
  actions: Actions<null>,
  options: { readonly journal?: Journal; readonly signal?: AbortSignal; readonly events?: RunEventBody[] } = {},
): Promise<RunOutcome> {
  return runPlan({
    job: 'j',
    plan: p,
    actions,
    lan: null,
    journal: options.journal ?? memoryJournal(),
    clock,
    emit: (event) => void options.events?.push(event),
    signal: options.signal ?? new AbortController().signal,
  })
}

test('steps run in the order of the plan, independent ones side by side', async () => {
  const { w, actions } = world()
  const events: RunEventBody[] = []
  expect(await run(plan(step('a'), step('b'), step('c', ['a', 'b'])), actions, { events })).toEqual({
    outcome: 'succeeded',
  })
  expect(w.most).toBe(2)
  const order = events.filter((event) => event.kind === 'step-done').map((event) => event.step)
  expect(order.at(-1)).toBe('start-vm/c')
})

test('no more steps use a storage at once than it bears', async () => {
  const { w, actions } = world()
  await run(plan(...['a', 'b', 'c', 'd', 'e'].map((name) => step(name, [], ['storage:pve1/local']))), actions)
  expect(w.most).toBe(2)
})

test('what is there already is not done again', async () => {
  const { w, actions } = world()
  w.done.set('a', 1)
  const events: RunEventBody[] = []
  await run(plan(step('a')), actions, { events })
  expect(w.done.get('a')).toBe(1)
  expect(events.at(-1)).toMatchObject({ kind: 'step-done', outcome: 'already' })
})

test('a problem stops what has not begun and lets the rest finish', async () => {
  const { w, actions } = world({
    apply: async (name, world_) => {
      if (name === 'bad') throw new Problem({ code: 'x.bad', what: 'no', retry: 'never' })
      await new Promise((resolve) => setTimeout(resolve, 5))
      world_.done.set(name, 1)
    },
  })
  const outcome = await run(plan(step('bad'), step('slow'), step('after-slow', ['slow'])), actions)
  expect(outcome).toMatchObject({ outcome: 'stopped', failed: [{ step: 'start-vm/bad' }] })
  expect([...w.done.keys()]).toEqual(['slow'])
})

test('a lost answer is checked, never repeated blindly', async () => {
  const { w, actions } = world({
    apply: async (name, world_) => {
      world_.done.set(name, (world_.done.get(name) ?? 0) + 1)
      throw new Error('socket hang up')
    },
  })
  expect(await run(plan(step('a')), actions)).toEqual({ outcome: 'succeeded' })
  expect(w.done.get('a')).toBe(1)
})

test('a problem that can pass is tried again, a bounded number of times', async () => {
  let calls = 0
  const { actions } = world({
    apply: async () => {
      calls++
      throw new Problem({ code: 'x.busy', what: 'locked', retry: 'now' })
    },
  })
  expect(await run(plan(step('a')), actions)).toMatchObject({ outcome: 'stopped' })
  expect(calls).toBe(4)
})

test('a step that says nothing went wrong but left nothing is a problem', async () => {
  const { actions } = world({ apply: async () => undefined })
  expect(await run(plan(step('a')), actions)).toMatchObject({
    outcome: 'stopped',
    failed: [{ problem: { code: 'engine.not-done' } }],
  })
})

test('after a cancel nothing new starts', async () => {
  const abort = new AbortController()
  const { w, actions } = world({
    apply: async (name, world_) => {
      world_.done.set(name, 1)
      abort.abort()
    },
  })
  expect(await run(plan(step('a'), step('b', ['a'])), actions, { signal: abort.signal })).toEqual({
    outcome: 'cancelled',
  })
  expect([...w.done.keys()]).toEqual(['a'])
})

test('secrets do not reach events', async () => {
  const { actions } = world({
    apply: async () => {
      throw new Error('denied for glpat-abcdefghijklmnop1234')
    },
  })
  const events: RunEventBody[] = []
  await run(plan(step('a')), actions, { events })
  expect(JSON.stringify(events)).not.toContain('glpat-abc')
})

describe('a crash at every point of the journal', () => {
  const graph = [step('a'), step('b', ['a']), step('c', ['a']), step('d', ['b', 'c'])]
  test('is followed by a run that ends in the same state with nothing doubled', async () => {
    for (let crashAt = 1; crashAt <= graph.length * 2; crashAt++) {
      const { w, actions } = world()
      const inner = memoryJournal()
      let writes = 0
      const crashing: Journal = {
        ...inner,
        record: async (entry) => {
          if (++writes === crashAt) throw new Error('power loss')
          await inner.record(entry)
        },
      }
      await expect(run(plan(...graph), actions, { journal: crashing })).rejects.toThrow('power loss')
      expect(await run(plan(...graph), actions, { journal: inner })).toEqual({ outcome: 'succeeded' })
      expect([...w.done.values()]).toEqual([1, 1, 1, 1])
    }
  })
})

test('any graph is finished, each step after what it waits for', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.array(fc.nat(20), { maxLength: 4 }), { minLength: 1, maxLength: 20 }),
      async (shape) => {
        const steps = shape.map((after, i) =>
          step(
            `s${i}`,
            after.filter((j) => j < i).map((j) => `s${j}`),
          ),
        )
        const { actions } = world()
        const events: RunEventBody[] = []
        expect(await run(plan(...steps), actions, { events })).toEqual({ outcome: 'succeeded' })
        const at = (kind: string, id: string): number =>
          events.findIndex((event) => event.kind === kind && 'step' in event && event.step === id)
        for (const planned of steps)
          for (const before of planned.after)
            expect(at('step-done', before)).toBeLessThan(at('step-started', planned.id))
      },
    ),
    { numRuns: 50 },
  )
})
