import { existsSync } from 'node:fs'
import { hostname } from 'node:os'
import { actions } from '../../runner/actions/index.ts'
import { runPlan, type RunOutcome } from '../../runner/engine/run-plan.ts'
import { factsArchive } from '../../runner/facts-archive.ts'
import type { Keystore } from '../../runner/keystore.ts'
import type { Lan } from '../../runner/lan/lan.ts'
import { STOP_FILE } from '../../runner/loop.ts'
import { journalOf } from '../../runner/start.ts'
import { systemClock } from '../../runner/system-clock.ts'
import type { Facts } from '../core/facts.ts'
import type { Plan } from '../core/plan.ts'
import type { RunEvent, RunEventBody } from '../core/run-event.ts'
import { LOCAL } from '../forge/local/index.ts'
import { keepRun } from './kept-run.ts'

/** How often the stop file is looked for while a plan runs. */
const STOP_LOOK_MS = 1_000

/** Id of a run of this machine; runs sort by their time. */
export function runId(cluster: string, now: number): string {
  return `${new Date(now).toISOString().replaceAll(/[-:]|\.\d+/g, '')}-${cluster}`
}

/**
 * Performs a plan with the engine, actions and journal of the runner, and keeps its events.
 * @param gather - Looks at the network when the steps are over, for the last event.
 */
export async function runLocally(input: {
  readonly plan: Plan
  readonly lan: Lan
  readonly keys: Keystore
  readonly job: string
  readonly gather: () => Promise<Facts>
  readonly notes: (facts: Facts) => readonly string[]
  readonly onEvent: (event: RunEvent) => void
  readonly signal: AbortSignal
}): Promise<{ readonly outcome: RunOutcome; readonly facts: Facts; readonly notes: readonly string[] }> {
  const { plan, lan, keys, job } = input
  const startedAt = new Date(systemClock.now()).toISOString()
  const keep = keepRun(keys, { job, cluster: plan.cluster, plan: plan.digest, steps: plan.steps.length, startedAt })
  let seq = 0
  const emit = (body: RunEventBody): void => {
    const event = { ...body, seq: ++seq, at: new Date(systemClock.now()).toISOString() } as RunEvent
    keep(event)
    input.onEvent(event)
  }
  const stop = new AbortController()
  const looking = setInterval(() => {
    if (existsSync(keys.path(STOP_FILE))) stop.abort()
  }, STOP_LOOK_MS)
  try {
    emit({ kind: 'started', runner: hostname(), steps: plan.steps.length })
    const outcome = await runPlan({
      job,
      plan,
      actions,
      lan,
      journal: journalOf(keys),
      clock: systemClock,
      emit,
      signal: AbortSignal.any([input.signal, stop.signal]),
    })
    const facts = await input.gather()
    factsArchive(keys).keep(LOCAL.id, facts)
    const notes = outcome.outcome === 'succeeded' ? input.notes(facts) : []
    emit({ kind: 'finished', outcome: outcome.outcome, facts, notes })
    return { outcome, facts, notes }
  } finally {
    clearInterval(looking)
  }
}
