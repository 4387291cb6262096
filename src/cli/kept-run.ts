import { appendFileSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import * as z from 'zod'
import type { Keystore } from '../../runner/keystore.ts'
import type { RunEvent } from '../core/run-event.ts'
import { RunEventJson } from '../core/wire.ts'

/** Runs that are kept; older ones are removed when a new one starts. */
const KEPT_RUNS = 50
/** Largest file of a run that is read; one event has about 200 bytes. */
const MAX_BYTES = 16 * 1024 * 1024

const Header = z.strictObject({
  job: z.string(),
  cluster: z.string(),
  plan: z.string(),
  steps: z.int(),
  startedAt: z.string(),
})
/** What a kept run begins with. */
export type RunHeader = z.infer<typeof Header>

export interface KeptRun extends RunHeader {
  readonly events: readonly RunEvent[]
}

const folderOf = (keys: Keystore): string => keys.path('runs')
const fileOf = (keys: Keystore, job: string): string => keys.path(`runs/${job}.jsonl`)

/** Keeps the events of a run of this machine, line by line as they come, for `slipway logs`. */
export function keepRun(keys: Keystore, header: RunHeader): (event: RunEvent) => void {
  mkdirSync(folderOf(keys), { recursive: true, mode: 0o700 })
  for (const old of jobsOf(keys).slice(KEPT_RUNS - 1)) rmSync(fileOf(keys, old), { force: true })
  const file = fileOf(keys, header.job)
  const append = (value: unknown): void => appendFileSync(file, `${JSON.stringify(value)}\n`, { mode: 0o600 })
  append(header)
  return append
}

/** Ids of the kept runs, newest first; they begin with their time. */
export function jobsOf(keys: Keystore): readonly string[] {
  try {
    return readdirSync(folderOf(keys))
      .filter((name) => name.endsWith('.jsonl'))
      .map((name) => name.slice(0, -'.jsonl'.length))
      .sort()
      .reverse()
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return []
    throw error
  }
}

/** A kept run; `undefined` when there is none of that id. A line cut short by a power loss is passed over. */
export function readRun(keys: Keystore, job: string): KeptRun | undefined {
  if (!jobsOf(keys).includes(job)) return undefined
  const file = join(folderOf(keys), `${job}.jsonl`)
  if (statSync(file).size > MAX_BYTES) return undefined
  const [first, ...lines] = readFileSync(file, 'utf8').split('\n')
  const header = Header.safeParse(tryJson(first ?? ''))
  if (!header.success) return undefined
  const events = lines.flatMap((line) => {
    const parsed = RunEventJson.safeParse(tryJson(line))
    // The schema's optional members may be undefined where the type says absent; JSON has no undefined.
    return parsed.success ? [parsed.data as RunEvent] : []
  })
  return { ...header.data, events }
}

function tryJson(line: string): unknown {
  try {
    return JSON.parse(line)
  } catch {
    return undefined
  }
}
