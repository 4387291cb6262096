import type { ProblemFields } from '../src/core/problem.ts'
import { shorten } from '../src/core/report/escape.ts'
import type { RunEventBody } from '../src/core/run-event.ts'
import { FactsJson, WIRE_LIMITS } from '../src/core/wire.ts'
import { redact } from '../src/secrets/redact.ts'

/**
 * An event as it may leave the LAN: without what looks like a secret, and within the bounds of the wire. An event that
 * the app had to refuse would be lost with the end of its run, and the run would begin anew.
 */
export function wireEvent(event: RunEventBody): RunEventBody {
  switch (event.kind) {
    case 'started':
    case 'step-started':
      return event
    case 'step-progress':
      return { ...event, text: clean(event.text, WIRE_LIMITS.progress) }
    case 'step-done':
      return { ...event, tookMs: Math.round(event.tookMs) }
    case 'step-failed':
      return { ...event, problem: wireProblem(event.problem), tookMs: Math.round(event.tookMs) }
    case 'refused':
      return { ...event, problem: wireProblem(event.problem) }
    case 'finished': {
      const { facts, ...rest } = event
      const notes = event.notes.slice(0, WIRE_LIMITS.notes).map((note) => clean(note, WIRE_LIMITS.text))
      // Machines are asked what they are, and may answer anything.
      return { ...rest, notes, ...(facts !== undefined && FactsJson.safeParse(facts).success ? { facts } : {}) }
    }
    default:
      return event satisfies never
  }
}

function wireProblem({ code, what, where, remedy, retry }: ProblemFields): ProblemFields {
  return {
    code: shorten(code, WIRE_LIMITS.code),
    what: clean(what, WIRE_LIMITS.text),
    ...(where === undefined ? {} : { where: clean(where, WIRE_LIMITS.text) }),
    ...(remedy === undefined ? {} : { remedy: clean(remedy, WIRE_LIMITS.text) }),
    retry,
  }
}

function clean(text: string, limit: number): string {
  return shorten(redact(text), limit)
}
