import { estimateLeft, roughly } from '../estimate.ts'
import type { Facts, Instant } from '../facts.ts'
import type { Job, Progress } from '../job.ts'
import type { ProblemFields } from '../problem.ts'
import type { PlannedStep, StepId } from '../step.ts'
import { inlineCode, plainText } from './escape.ts'
import { fit, folded } from './fit.ts'
import { age } from './plan.ts'
import { count } from './plan-summary.ts'
import { placeOf } from './problem.ts'
import { stepWords } from './step-words.ts'

/** One cluster's run as its comment shows it. */
export interface ClusterRunReport {
  readonly cluster: string
  readonly job: Job
  /** Steps of the plan, when it is still kept: for the time left and what is behind a failure. */
  readonly steps?: readonly Omit<PlannedStep, 'step'>[]
  /** What a runner saw at the end. */
  readonly facts?: Facts
  /** When any runner of the repository was last heard of; absent when none is enrolled or none has called yet. */
  readonly runnerSeen?: Instant
  /** Runners that may take this job. */
  readonly runners: number
  /** Page with the kept output; https. */
  readonly logUrl?: string
}

export interface RunReport {
  readonly runs: readonly ClusterRunReport[]
  /** Answer to the last command, Markdown of ours. */
  readonly answer?: string
  /** Milliseconds since the epoch. */
  readonly now: number
  /** Longest text that the forge takes, in characters. */
  readonly limit: number
}

/** A runner polls every few seconds; after this it is named as the reason why nothing moves. */
const RUNNER_GONE_MS = 60_000
/** Machines and things shown with what they have behind them, the newest last. */
const RECENT = 6

/** The run comment, edited in place: where each cluster's run stands, and what to do next when it does not move. */
export function reportRun(report: RunReport): string {
  const text = (full: boolean) => () =>
    [
      ...report.runs.map((run) => section(run, report.now, full)),
      ...(report.answer === undefined ? [] : [report.answer]),
    ]
      .join('\n\n---\n\n')
      .concat('\n')
  return fit([text(true), text(false)], report.limit)
}

/** `running, 9 of 23 steps, about 8 minutes left`: the state of a run in one line. */
function runTitle(run: Pick<ClusterRunReport, 'job' | 'steps' | 'runnerSeen' | 'runners'>, now: number): string {
  const { job } = run
  switch (job.state) {
    case 'waiting':
      return 'waiting'
    case 'queued':
      return `queued${silence(run, now)}`
    case 'running':
      return job.cancelAsked
        ? `stopping, ${done(job.progress)}`
        : `running, ${done(job.progress)}${timeLeft(run, job.progress)}`
    case 'stopped':
      return `stopped after ${done(job.progress)}`
    case 'succeeded':
      return `done, ${count(job.progress.total, 'step')}${took(job.progress)}`
    case 'cancelled':
      return `cancelled after ${done(job.progress)}`
    case 'superseded':
      return 'replaced by a newer plan'
    default:
      return job satisfies never
  }
}

function section(run: ClusterRunReport, now: number, full: boolean): string {
  const { cluster, job } = run
  const parts = [`### ${inlineCode(cluster)}: ${runTitle(run, now)}`]
  switch (job.state) {
    case 'waiting':
      parts.push(sentence(job.why), next(job.why, 'Comment `/slipway apply` to run it as it is now.'))
      break
    case 'queued':
      parts.push(queuedText(run, now))
      break
    case 'running':
      parts.push(progressLines(job.progress, now), everything(job.progress, full))
      if (job.progress.lastSeq === 0) parts.push('The runner has taken it and is working out the plan for itself.')
      break
    case 'stopped':
      parts.push(...stopped(run, job.problem, job.progress), everything(job.progress, full))
      break
    case 'succeeded':
      parts.push(...result(run), ...job.notes.map((note) => `- ${plainText(note)}`), everything(job.progress, full))
      break
    case 'cancelled':
      parts.push(
        `${plainText(job.by)} asked for it. What was done stands.`,
        '**Next:** comment `/slipway apply` to go on from there.',
        everything(job.progress, full),
      )
      break
    case 'superseded':
      parts.push('The newer plan covers what this one had left.')
      break
    default:
      job satisfies never
  }
  parts.push(footer(run))
  return parts.filter((part) => part !== '').join('\n\n')
}

function queuedText(run: ClusterRunReport, now: number): string {
  if (run.runners === 0)
    return 'No runner is enrolled for this repository.\n\n**Next:** `slipway token create`, then `slipway runner enroll` on a machine in that network.'
  return silence(run, now) === ''
    ? 'The next free runner takes it.'
    : '**Next:** start the runner (`slipway runner start`); it takes the job by itself.'
}

function silence({ runners, runnerSeen }: Pick<ClusterRunReport, 'runners' | 'runnerSeen'>, now: number): string {
  if (runners === 0) return ': no runner is enrolled'
  if (runnerSeen === undefined) return ': no runner has been seen yet'
  return now - Date.parse(runnerSeen) > RUNNER_GONE_MS ? `: no runner seen since ${clock(runnerSeen, now)}` : ''
}

function progressLines(progress: Progress, now: number): string {
  return [
    ...doneByTarget(progress).slice(-RECENT),
    ...progress.running.map(({ step, since, text }) => {
      const { target, doing } = stepWords(step)
      const said = text === undefined ? '' : `: ${plainText(text)}`
      return `◐ ${inlineCode(target)} ${doing}${said} (${age(now - Date.parse(since))})`
    }),
  ].join('<br>\n')
}

/** `✔ w-2 created, switched on, booted in 41 s`: one line per machine or thing, the one that moved last at the end. */
function doneByTarget({ done: finished }: Progress): readonly string[] {
  const targets = new Map<string, { readonly words: string[]; tookMs: number }>()
  for (const { step, outcome, tookMs } of finished) {
    const { target, done: word } = stepWords(step)
    const line = targets.get(target) ?? { words: [], tookMs: 0 }
    targets.delete(target)
    line.words.push(word)
    if (outcome === 'applied') line.tookMs += tookMs
    targets.set(target, line)
  }
  return [...targets].map(([target, { words, tookMs }]) => {
    return `✔ ${inlineCode(target)} ${words.join(', ')}${tookMs === 0 ? ', was so already' : ` in ${age(tookMs)}`}`
  })
}

function doneLine({ step, outcome, tookMs }: Progress['done'][number]): string {
  const words = stepWords(step)
  const how = outcome === 'already' ? ', was so already' : ` in ${age(tookMs)}`
  return `✔ ${inlineCode(words.target)} ${words.done}${how}`
}

/** All steps so far, folded; without them when the comment would grow too long. */
function everything({ done: finished, failed }: Progress, full: boolean): string {
  if (!full || finished.length === 0) return ''
  const lines = [
    ...finished.map(doneLine),
    ...failed.map(({ step, problem }) => `✖ ${inlineCode(step)}: ${plainText(problem.what)}`),
  ]
  return folded('everything so far', lines.map((line) => `- ${line}`).join('\n'))
}

function stopped({ steps }: ClusterRunReport, problem: ProblemFields, progress: Progress): readonly string[] {
  const failures = progress.failed.length === 0 ? [{ step: undefined, problem }] : progress.failed
  const lines = failures.map(({ step, problem: failure }) => {
    const { target, doing } = step === undefined ? { target: '', doing: '' } : stepWords(step)
    const subject = step === undefined ? '' : `✖ **${inlineCode(target)} (${doing}):** `
    const place = placeOf(failure)
    return `${subject}${sentence(failure)}${place === undefined || place === target ? '' : ` At ${inlineCode(place)}.`}`
  })
  const standing = progress.done.length
  const remaining = behind(steps, progress)
  const first = failures.find(({ problem: { remedy } }) => remedy !== undefined)?.problem.remedy
  return [
    ...lines,
    `${standing === 0 ? 'Nothing was done before it' : `The other ${count(standing, 'step')} ${standing === 1 ? 'stands' : 'stand'}`}.${remaining}`,
    `**Next:** ${first === undefined ? '' : `${plainText(first)} Then comment `}${first === undefined ? 'comment ' : ''}\`/slipway apply\` to go on where it stopped, or merge a pull that takes the change back.`,
  ]
}

function behind(steps: ClusterRunReport['steps'], progress: Progress): string {
  if (steps === undefined) return ''
  const over = new Set([...progress.done, ...progress.failed].map(({ step }) => step))
  const left = steps.filter(({ id }) => !over.has(id)).length
  return left === 0 ? '' : ` ${count(left, 'step')} did not start.`
}

/** What exists now: what a person would look up first. */
function result({ facts }: ClusterRunReport): readonly string[] {
  if (facts === undefined) return []
  const nodes = Object.entries(facts.kubernetes?.nodes ?? {}).sort(([a], [b]) => (a < b ? -1 : 1))
  const rows = [
    ...(nodes.length === 0
      ? []
      : [
          `- ${count(nodes.length, 'node')} on Kubernetes ${plainText(facts.kubernetes?.version ?? '')}: ${nodes
            .slice(0, MAX_NODES)
            .map(([name, { ready }]) => `${inlineCode(name)}${ready ? '' : ' (not ready)'}`)
            .join(' ')}${nodes.length > MAX_NODES ? ' …' : ''}`,
        ]),
    ...gitopsRows(facts.gitops),
  ]
  return rows.length === 0 ? [] : [rows.join('\n')]
}

/** Node names in the result; a cluster with more is looked at elsewhere. */
const MAX_NODES = 30

function gitopsRows(gitops: Facts['gitops']): readonly string[] {
  if (gitops === undefined) return []
  const name = { flux: 'Flux', argocd: 'Argo CD', fleet: 'Fleet' }[gitops.engine]
  const { status, deployKey, recipient, version } = gitops
  const at = status?.commit === undefined ? '' : ` at commit ${inlineCode(status.commit.slice(0, 7))}`
  const said =
    status === undefined || status.state === 'ready'
      ? ''
      : `, ${status.state}${status.message === undefined ? '' : `: ${plainText(status.message)}`}`
  return [
    `- ${name}${version === undefined ? '' : ` ${plainText(version)}`} follows the repository${at}${said}`,
    ...(deployKey === undefined || deployKey.fingerprint === ''
      ? []
      : [
          `- deploy key ${inlineCode(deployKey.fingerprint)}, ${deployKey.registered ? 'registered read-only' : 'not registered'}`,
        ]),
    ...(recipient === undefined ? [] : [`- secrets are sealed to ${inlineCode(recipient)}`]),
  ]
}

function footer({ job, logUrl }: ClusterRunReport): string {
  const parts = [
    `plan \`${job.order.planDigest.slice(0, 8)}\``,
    `commit ${inlineCode(job.order.commit.slice(0, 7))}`,
    ...(job.state === 'running' ? [`runner ${inlineCode(job.runner)}`] : []),
    ...(logUrl === undefined ? [] : [`[output](${encodeURI(logUrl)})`]),
  ]
  return `<sub>${parts.join(' · ')}</sub>`
}

function sentence({ what }: ProblemFields): string {
  const text = plainText(what, MAX_WHAT)
  return /[.!?…]$/.test(text) ? text : `${text}.`
}

/** A failure may quote what a host said; in characters. */
const MAX_WHAT = 1500

function next({ remedy }: ProblemFields, otherwise: string): string {
  return `**Next:** ${remedy === undefined ? otherwise : plainText(remedy)}`
}

function done({ done: finished, total }: Progress): string {
  return `${finished.length} of ${count(Math.max(total, finished.length), 'step')}`
}

function timeLeft({ steps }: Pick<ClusterRunReport, 'steps'>, progress: Progress): string {
  if (steps === undefined || progress.total === 0) return ''
  const finished = new Set<StepId>(progress.done.map(({ step }) => step))
  return `, ${roughly(estimateLeft(steps, finished))} left`
}

function took({ startedAt, endedAt }: Progress): string {
  if (startedAt === undefined || endedAt === undefined) return ''
  return ` in ${age(Date.parse(endedAt) - Date.parse(startedAt))}`
}

/** `14:02 UTC`, with its date when that is not today. */
function clock(instant: Instant, now: number): string {
  const today = new Date(now).toISOString().slice(0, 10)
  const date = instant.slice(0, 10)
  return `${date === today ? '' : `${date} `}${instant.slice(11, 16)} UTC`
}
