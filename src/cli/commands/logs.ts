import { existsSync } from 'node:fs'
import { eventLine } from '../../../runner/reporter.ts'
import { fileKeystore, type Keystore } from '../../../runner/keystore.ts'
import { listAll } from '../../app/change-document.ts'
import { keys as documentKeys, type LogDocument } from '../../app/documents.ts'
import { Problem } from '../../core/problem.ts'
import { visible } from '../../core/report/escape.ts'
import { openWorkingCopy } from '../../forge/local/working-copy.ts'
import type { Store } from '../../seams/store.ts'
import { openDatabase } from '../app-database.ts'
import { workFolder } from '../clusters.ts'
import type { Call, CommandSpec } from '../command.ts'
import { jobsOf, readRun } from '../kept-run.ts'
import { needRunnerConfig } from '../runner-file.ts'
import { table } from '../table.ts'

interface LogsOptions {
  readonly list?: boolean
  readonly database?: string
}

export const logs: CommandSpec<LogsOptions> = {
  name: 'logs',
  arguments: '[job]',
  argumentText: 'id of a run; the newest of this machine when none is given',
  options: [
    ['--list', 'show which runs are kept'],
    ['--database <file>', "read the output that the app kept, on the app's host"],
  ],
  summary: 'show what a run did, line by line',
  details:
    'Runs of `slipway apply` are kept with all their events, the newest 50. Of a job that a runner did for the app, this machine has the journal; the whole output is kept by the app.',
  output:
    '{ runs: { job: string, cluster?: string, startedAt?: string, steps?: number }[] } with `--list`; else { job: string, events?: RunEvent[], journal?: JournalEntry[], log?: string }',
  exits: { 0: 'found', 1: 'nothing is kept of that run' },
  async run(call) {
    const { options, names, globals, terminal } = call
    if (options.database !== undefined) {
      const store = openDatabase(options.database, terminal)
      try {
        return await fromApp(store, call)
      } finally {
        store.close()
      }
    }
    const { root } = await openWorkingCopy(workFolder(globals, terminal))
    const keys = fileKeystore(needRunnerConfig(root, globals, terminal).state)
    return options.list === true ? list(keys, call) : show(keys, names[0] ?? jobsOf(keys)[0], call)
  },
}

function list(keys: Keystore, { say, json }: Call<LogsOptions>): number {
  const runs = jobsOf(keys).flatMap((job) => readRun(keys, job) ?? [])
  if (runs.length === 0) say('No run is kept here yet: slipway apply CLUSTER\n')
  else
    say(
      table([
        ['run', 'cluster', 'steps', 'ended'],
        ...runs.map(({ job, cluster, steps, events }) => {
          const last = events.at(-1)
          return [job, cluster, String(steps), last?.kind === 'finished' ? last.outcome : 'without an end']
        }),
      ]),
    )
  json({ runs: runs.map(({ job, cluster, startedAt, steps }) => ({ job, cluster, startedAt, steps })) })
  return 0
}

async function show(keys: Keystore, job: string | undefined, { say, json }: Call<LogsOptions>): Promise<number> {
  const run = job === undefined ? undefined : readRun(keys, job)
  if (run !== undefined) {
    say(`${run.job}: ${run.steps} steps on ${run.cluster}, plan ${run.plan.slice(0, 8)}\n`)
    for (const event of run.events) {
      const line = eventLine(event)
      if (line !== undefined) say(`${event.at} ${visible(line)}\n`)
    }
    json({ job: run.job, events: run.events })
    return 0
  }
  const journal = job === undefined ? [] : await journalEntries(keys, job)
  if (job === undefined || journal.length === 0) throw nothingKept(job)
  for (const { at, step, kind } of journal) say(`${at} ${visible(step)}: ${KINDS[kind]}\n`)
  json({ job, journal })
  return 0
}

const KINDS = { intent: 'about to be done', done: 'done', failed: 'failed' } as const

async function journalEntries(keys: Keystore, job: string) {
  if (!existsSync(keys.path('journal.jsonl'))) return []
  const { fileJournal } = await import('../../../runner/engine/journal.ts')
  return fileJournal(keys.path('journal.jsonl')).entries(job)
}

async function fromApp(store: Store, { names, say, json }: Call<LogsOptions>): Promise<number> {
  const [job] = names
  if (job === undefined)
    throw new Problem({
      code: 'cli.argument',
      what: 'the id of the run is missing',
      remedy: 'It is in the address of its output; slipway status --database FILE shows the newest of each cluster.',
      retry: 'never',
    })
  const parts = await listAll<LogDocument>(store, documentKeys.logs(job))
  if (parts.length === 0) throw nothingKept(job)
  const log = parts.map(({ value }) => value.text).join('')
  say(visible(log))
  json({ job, log })
  return 0
}

function nothingKept(job: string | undefined): Problem {
  return new Problem({
    code: 'cli.no-run',
    what: job === undefined ? 'no run is kept here' : `nothing is kept here of the run "${job}"`,
    remedy: "See slipway logs --list, or ask on the app's host with --database.",
    retry: 'never',
  })
}
