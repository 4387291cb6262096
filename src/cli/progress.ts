import type { Plan } from '../core/plan.ts'
import { shorten, visible } from '../core/report/escape.ts'
import { stepWords } from '../core/report/step-words.ts'
import type { RunEvent } from '../core/run-event.ts'
import type { PlannedStep, StepId } from '../core/step.ts'

/** How often the lines at the bottom are drawn again, so that their times move. */
const REDRAW_MS = 1_000
/** Longer lines are no easier to read. */
const MAX_COLUMNS = 110

export interface Progress {
  event(event: RunEvent): void
  /** Lets a text of its own scroll up among the finished lines. */
  tell(text: string): void
  /** Takes the live lines away; what has scrolled up stays. */
  end(): void
}

/** Where lines go. Without `interactive`, only finished lines are written, each once. */
export interface Screen {
  readonly interactive: boolean
  readonly columns: number
  readonly write: (text: string) => void
  /** Milliseconds since the epoch. */
  readonly now: () => number
}

/**
 * A run as it goes on: what is finished scrolls up, one line for each machine at work stays at the bottom. Columns are
 * steady: sign, step, machine, words, time on the right.
 */
export function progress(plan: Pick<Plan, 'cluster' | 'steps'>, screen: Screen): Progress {
  const steps = new Map<StepId, PlannedStep>(plan.steps.map((step) => [step.id, step]))
  const running = new Map<StepId, { readonly since: number; readonly text?: string }>()
  const digits = String(plan.steps.length).length
  const nameWidth = Math.max(7, ...plan.steps.map(({ machine }) => machine?.length ?? 0))
  const width = Math.min(screen.columns, MAX_COLUMNS)
  let ended = 0
  let drawn = 0

  const line = (sign: string, place: string, id: StepId, words: string, time: string): string => {
    const { target } = stepWords(id)
    const machine = steps.get(id)?.machine
    const said = visible(machine === undefined && target !== plan.cluster ? `${target} ${words}` : words).replaceAll(
      '\n',
      ' ',
    )
    const left = `${sign} ${place.padStart(2 * digits + 1)}  ${(machine ?? 'cluster').padEnd(nameWidth)}  `
    const room = Math.max(10, width - left.length - time.length - 2)
    return `${left}${shorten(said, room).padEnd(room)}  ${time}`.trimEnd()
  }
  const live = (): readonly string[] =>
    [...running].map(([id, { since, text }]) => {
      const { doing } = stepWords(id)
      return line('◐', '', id, text === undefined ? doing : `${doing}: ${text}`, elapsed(screen.now() - since))
    })
  const draw = (finished: readonly string[]): void => {
    if (!screen.interactive) {
      for (const text of finished) screen.write(`${text}\n`)
      return
    }
    // Up to where the live lines began, and everything from there on is written again.
    const up = drawn === 0 ? '' : `\u001B[${drawn}A\u001B[J`
    const lines = live()
    drawn = lines.length
    screen.write(`${up}${[...finished, ...lines].map((text) => `${text}\n`).join('')}`)
  }
  const timer = screen.interactive ? setInterval(() => draw([]), REDRAW_MS) : undefined
  timer?.unref()

  return {
    tell: (text) => draw([text.replace(/\n$/, '')]),
    event(event) {
      switch (event.kind) {
        case 'step-started':
          running.set(event.step, { since: Date.parse(event.at) })
          return draw([])
        case 'step-progress': {
          const since = running.get(event.step)?.since ?? Date.parse(event.at)
          running.set(event.step, { since, text: event.text })
          return draw([])
        }
        case 'step-done': {
          running.delete(event.step)
          ended += 1
          const { done } = stepWords(event.step)
          const words = event.outcome === 'already' ? `${done} already` : done
          return draw([line('✔', `${ended}/${plan.steps.length}`, event.step, words, seconds(event.tookMs))])
        }
        case 'step-failed': {
          running.delete(event.step)
          const { what, code, remedy } = event.problem
          return draw([
            line('✖', '', event.step, `${event.step} stopped`, seconds(event.tookMs)),
            `    ${visible(what)} (${code})`,
            ...(remedy === undefined ? [] : [`    → ${visible(remedy)}`]),
          ])
        }
        case 'started':
        case 'refused':
        case 'finished':
          return undefined
        default:
          return event satisfies never
      }
    },
    end() {
      clearInterval(timer)
      running.clear()
      draw([])
    },
  }
}

/** `12.4 s`, `3 min 05 s` */
function seconds(ms: number): string {
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)} s`
  return elapsed(ms)
}

function elapsed(ms: number): string {
  const total = Math.max(0, Math.floor(ms / 1000))
  if (total < 60) return `${total} s`
  return `${Math.floor(total / 60)} min ${String(total % 60).padStart(2, '0')} s`
}
