import { closeSync, existsSync, fsyncSync, mkdirSync, openSync, readFileSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import * as z from 'zod'
import type { StepId } from '../../src/core/step.ts'

/** One line of the journal: what was about to happen, or what came of it. */
export interface JournalEntry {
  readonly at: string
  readonly job: string
  readonly step: StepId
  readonly kind: 'intent' | 'done' | 'failed'
}

/**
 * Where intent is written before an effect and its outcome after it. It is a record for people and for `slipway logs`,
 * never a reason to skip a check: what is true is asked of the machines.
 */
export interface Journal {
  /** Returns once the entry would survive a power loss. */
  record(entry: JournalEntry): Promise<void>
  entries(job: string): Promise<readonly JournalEntry[]>
}

const Entry = z.strictObject({
  at: z.string(),
  job: z.string(),
  step: z.string(),
  kind: z.enum(['intent', 'done', 'failed']),
})

/** A journal as a file of JSON lines, synced line by line. A line cut short by a power loss is passed over. */
export function fileJournal(path: string): Journal {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  return {
    async record(entry) {
      const fd = openSync(path, 'a', 0o600)
      try {
        writeSync(fd, `${JSON.stringify(entry)}\n`)
        fsyncSync(fd)
      } finally {
        closeSync(fd)
      }
    },
    async entries(job) {
      if (!existsSync(path)) return []
      return readFileSync(path, 'utf8')
        .split('\n')
        .flatMap((line) => {
          const parsed = Entry.safeParse(tryJson(line))
          return parsed.success && parsed.data.job === job ? [parsed.data] : []
        })
    },
  }
}

export function memoryJournal(): Journal {
  const lines: JournalEntry[] = []
  return {
    record: async (entry) => void lines.push(entry),
    entries: async (job) => lines.filter((line) => line.job === job),
  }
}

function tryJson(line: string): unknown {
  try {
    return JSON.parse(line)
  } catch {
    return undefined
  }
}
