import { existsSync } from 'node:fs'
import type { Facts } from '../src/core/facts.ts'
import { clusterFile } from '../src/core/layout.ts'
import { planCluster } from '../src/core/plan-cluster.ts'
import { Problem } from '../src/core/problem.ts'
import { addedRisk } from '../src/core/risk.ts'
import type { RunEventBody } from '../src/core/run-event.ts'
import type { ClusterSpec } from '../src/core/spec/cluster-spec.ts'
import { parseClusterSpec } from '../src/core/spec/parse.ts'
import { WIRE, type PollAnswer, type SignedJob } from '../src/core/wire.ts'
import { redact } from '../src/secrets/redact.ts'
import type { Clock } from '../src/seams/clock.ts'
import type { Log } from '../src/seams/log.ts'
import { siteProblems } from './accept/policy.ts'
import { stillNeeded } from './accept/still-needed.ts'
import { acceptJob, openOrder, PLANNERS, rememberApplied, type AcceptedJob } from './accept/accept-job.ts'
import type { AppClient } from './app-client.ts'
import type { RunnerConfig } from './config.ts'
import type { Actions } from './engine/action.ts'
import type { Journal } from './engine/journal.ts'
import { runPlan } from './engine/run-plan.ts'
import type { FactsArchive } from './facts-archive.ts'
import { gitMirror, type GitMirror } from './git-mirror.ts'
import { gitKeyFile, repositoryOf, type RunnerIdentity } from './identity.ts'
import type { Keystore } from './keystore.ts'
import { eventLine, reporter, type Reporter } from './reporter.ts'

/** Pace when the app does not answer: long enough to spare it, short enough to notice it again within a minute. */
const RETRY_MS = 10_000
/** A file of this name in the state folder stops the runner before its next step, whatever the app says. */
export const STOP_FILE = 'stop'
/** How often the stop file is looked for while a job runs. */
const STOP_LOOK_MS = 1_000
/** What is not told of steps and jobs that ended only because this process ends. */
const ENDINGS: ReadonlySet<RunEventBody['kind']> = new Set(['step-failed', 'refused', 'finished'])

/** Ends of a run that only this runner knows the reason of. */
const TOLD: ReadonlySet<string> = new Set(['runner.emergency-stop', 'runner.lease-expired'])

/** What a job needs of the LAN; made anew for each job and closed after it. */
export interface LanAccess<Lan> {
  open(input: {
    readonly repository: string
    readonly spec: ClusterSpec
    readonly fence: number
    readonly registerDeployKey: (title: string, publicKey: string) => Promise<void>
  }): Promise<Lan & AsyncDisposable>
  gather(spec: ClusterSpec, lan: Lan): Promise<Facts>
  /** What a person wants to know at the end: fingerprints, recipients, addresses. Nothing secret. */
  notes(spec: ClusterSpec, facts: Facts): readonly string[]
}

export interface RunnerParts<Lan> {
  readonly identity: RunnerIdentity
  readonly config: RunnerConfig
  readonly keys: Keystore
  readonly archive: FactsArchive
  readonly client: AppClient
  readonly journal: Journal
  readonly actions: Actions<Lan>
  readonly lan: LanAccess<Lan>
  readonly clock: Clock
  readonly log: Log
  readonly version: string
}

/** Polls the app until `signal` is aborted; one job at a time. What goes wrong is reported and never ends the loop. */
export async function runnerLoop<Lan>(parts: RunnerParts<Lan>, signal: AbortSignal): Promise<void> {
  const { client, clock, log } = parts
  while (!signal.aborted) {
    let pace = RETRY_MS
    try {
      const stopFile = existsSync(parts.keys.path(STOP_FILE))
      const answer = await client.poll({
        wire: WIRE,
        version: parts.version,
        planners: [...PLANNERS],
        idle: !stopFile,
        facts: { ...parts.archive.newest() },
      })
      pace = answer.paceMs
      if (answer.note !== undefined) log.warn(answer.note)
      await uploadWantedFacts(parts, answer)
      if (answer.job !== undefined) {
        await performJob(parts, answer.job, signal)
        pace = 0
      }
    } catch (error) {
      log.warn(error instanceof Problem ? error.what : 'asking for work', { error: redact(String(error)) })
    }
    await clock.sleep(pace, signal).catch(() => undefined)
  }
}

/** Gathers and uploads facts of clusters that the app wants to plan. One cluster's trouble does not keep the others. */
async function uploadWantedFacts<Lan>(parts: RunnerParts<Lan>, answer: PollAnswer): Promise<void> {
  for (const wanted of answer.factsWanted) {
    try {
      const mirror = mirrorOf(parts, wanted.repository)
      const tip = await mirror.fetch()
      const text = await mirror.readFile(tip, clusterFile(wanted.cluster))
      const offer = parts.identity.repositories.find((known) => known.repository === wanted.repository)
      if (text === undefined || offer === undefined) continue
      const { spec } = parseClusterSpec(text, clusterFile(wanted.cluster), { repository: repositoryOf(offer) })
      if (spec === undefined) continue
      const [denied] = siteProblems(spec, offer.fullName, parts.config)
      if (denied !== undefined) throw denied
      await using lan = await parts.lan.open({
        repository: wanted.repository,
        spec,
        fence: 0,
        registerDeployKey: noRegistration,
      })
      await upload(parts, wanted.repository, await parts.lan.gather(spec, lan))
    } catch (error) {
      parts.log.warn(`gathering facts of ${wanted.cluster}`, { error: redact(String(error)) })
    }
  }
}

async function performJob<Lan>(parts: RunnerParts<Lan>, signed: SignedJob, signal: AbortSignal): Promise<void> {
  const { clock, keys, identity } = parts
  const order = await openOrder(signed, identity.appKey)
  const report = reporter({
    client: parts.client,
    job: order.id,
    fence: signed.fence,
    clock,
    log: parts.log,
  })
  const stop = new AbortController()
  const look = (): void => {
    if (existsSync(keys.path(STOP_FILE)))
      stop.abort(
        new Problem({
          code: 'runner.emergency-stop',
          what: `the file ${keys.path(STOP_FILE)} is there`,
          remedy: 'Remove it to let this runner work again.',
          retry: 'later',
        }),
      )
  }
  // Whatever the app gives although it was told that this runner takes nothing.
  look()
  const looking = setInterval(look, STOP_LOOK_MS)
  const tell: Reporter = {
    ...report,
    emit: (event) => {
      // A runner that is told to end leaves its job running: its next start, or another runner, goes on from here.
      if (signal.aborted && ENDINGS.has(event.kind)) return
      const line = eventLine(event)
      if (line !== undefined) parts.log.info(line, { job: order.id, cluster: order.cluster })
      report.emit(event)
    },
  }
  try {
    const job = await acceptJob(order, signed.fence, {
      identity,
      config: parts.config,
      keys,
      archive: parts.archive,
      mirror: (repository) => mirrorOf(parts, repository),
      now: clock.now(),
    })
    stop.signal.throwIfAborted()
    await performAccepted(parts, job, tell, AbortSignal.any([report.signal, stop.signal, signal]), signal)
  } catch (error) {
    const problem =
      error instanceof Problem
        ? error
        : new Problem(
            {
              code: 'runner.unexpected',
              what: redact(error instanceof Error ? error.message : String(error)),
              remedy: "This is a defect; the runner's log has its place. Comment `/slipway apply` to try again.",
              retry: 'later',
            },
            { cause: error },
          )
    if (!(error instanceof Problem))
      parts.log.error('performing a job', {
        error: redact(error instanceof Error ? (error.stack ?? '') : String(error)),
      })
    tell.emit({ kind: 'refused', problem: problem.toJSON() })
    tell.emit({ kind: 'finished', outcome: 'stopped', notes: [] })
  } finally {
    clearInterval(looking)
    if (signal.aborted) parts.log.info('ending in the middle of a job; it goes on at the next start', { job: order.id })
    await report.close()
  }
}

async function performAccepted<Lan>(
  parts: RunnerParts<Lan>,
  job: AcceptedJob,
  tell: Reporter,
  signal: AbortSignal,
  ending: AbortSignal,
): Promise<void> {
  const { order, spec, plan, fence } = job
  await using lan = await parts.lan.open({
    repository: order.repository,
    spec,
    fence,
    registerDeployKey: (title, publicKey) =>
      parts.client.registerDeployKey({ job: order.id, fence, cluster: order.cluster, title, publicKey }),
  })
  const seen = await parts.lan.gather(spec, lan)
  const fresh = planCluster(spec, job.blueprint, seen)
  const risks = fresh.plan === undefined ? fresh.problems.map((problem) => problem.what) : addedRisk(plan, fresh.plan)
  if (risks.length > 0) {
    // The next plan has to know it, or it would be refused for the same reason.
    await upload(parts, order.repository, seen).catch((error: unknown) =>
      parts.log.warn('uploading facts', { error: redact(String(error)) }),
    )
    throw new Problem({
      code: 'runner.impact-rose',
      what: `the machines are not as they were when this was planned: ${risks.join('; ')}`,
      remedy: 'Comment `/slipway apply`: the plan as it is needed now is shown, and waits for your word.',
      retry: 'later',
    })
  }
  const needed = fresh.plan === undefined ? plan : stillNeeded(plan, fresh.plan)
  tell.emit({ kind: 'started', runner: parts.identity.name, steps: needed.steps.length })
  rememberApplied(job, parts.keys)
  const result = await runPlan({
    job: order.id,
    plan: needed,
    actions: parts.actions,
    lan,
    journal: parts.journal,
    clock: parts.clock,
    emit: (event) => tell.emit(event),
    signal,
  })
  if (ending.aborted) return
  // Who stops a runner at its own machine reads so on the pull, not that somebody cancelled.
  const why: unknown = signal.aborted ? signal.reason : undefined
  if (result.outcome !== 'succeeded' && why instanceof Problem && TOLD.has(why.code))
    tell.emit({ kind: 'refused', problem: why.toJSON() })
  const facts = await parts.lan.gather(spec, lan)
  await upload(parts, order.repository, facts).catch((error: unknown) =>
    parts.log.warn('uploading facts', { error: redact(String(error)) }),
  )
  tell.emit({
    kind: 'finished',
    outcome: result.outcome,
    facts,
    notes: result.outcome === 'succeeded' ? [...parts.lan.notes(spec, facts)] : [],
  })
}

async function upload<Lan>(parts: RunnerParts<Lan>, repository: string, facts: Facts): Promise<void> {
  parts.archive.keep(repository, facts)
  await parts.client.facts(repository, facts)
}

function mirrorOf<Lan>(parts: RunnerParts<Lan>, repository: string): GitMirror {
  const offer = parts.identity.repositories.find((known) => known.repository === repository)
  if (offer === undefined)
    throw new Problem({
      code: 'runner.denied',
      what: `this runner was not enrolled for repository ${repository}`,
      retry: 'never',
    })
  return gitMirror(
    parts.keys.path(`git/${repository}`),
    repositoryOf(offer),
    parts.keys.path(gitKeyFile(repository)),
    parts.keys,
  )
}

async function noRegistration(): Promise<void> {
  throw new Problem({ code: 'runner.no-job', what: 'a deploy key is registered within a job only', retry: 'never' })
}
