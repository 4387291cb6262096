import type { Bundle, BundleChange } from '../bundle.ts'
import { estimate, roughly } from '../estimate.ts'
import type { Instant } from '../facts.ts'
import type { MachineImpact } from '../plan.ts'
import type { FileProblem, ProblemFields } from '../problem.ts'
import type { EngineName } from '../spec/cluster-spec.ts'
import { fenced, inlineCode, plainText } from './escape.ts'
import { fit, folded } from './fit.ts'
import { clusterChange, count, headline, impactWord, isDisruptive, type PlanView } from './plan-summary.ts'
import { problemList } from './problem.ts'

/** What a reader has to do for the plan to run, decided by policy and shown as the `Next:` line. */
export type Next =
  /** Merging runs it. */
  | { readonly kind: 'merge' }
  /** After merging, somebody with write permission has to say `/slipway apply`. */
  | { readonly kind: 'merge-then-apply'; readonly why: string }
  /** Merging does not run it. */
  | { readonly kind: 'blocked'; readonly why: string }
  /** From a fork: planned from its text alone. */
  | { readonly kind: 'fork' }

export interface ClusterPlanReport {
  readonly cluster: string
  /** Absent when there are problems. */
  readonly plan?: PlanView
  readonly problems: readonly (ProblemFields | FileProblem)[]
  /** What the plan was made with; absent when no runner has looked yet, and for forks. */
  readonly facts?: { readonly takenAt: Instant; readonly runner: string }
  readonly bundle?: {
    readonly engine: EngineName
    readonly changes: readonly BundleChange[]
    /** Contents of the files that are added or changed. */
    readonly files: Bundle
    /** Commit that brought the bundle onto the pull's branch, when Slipway made one. */
    readonly commit?: string
  }
  /** The pull takes the cluster's file away. */
  readonly removed?: boolean
  readonly next: Next
}

export interface PlanReport {
  readonly clusters: readonly ClusterPlanReport[]
  /** Head that was planned. */
  readonly commit: string
  /** Milliseconds since the epoch. */
  readonly now: number
  /** Page that explains the words used; https. */
  readonly docsUrl?: string
  /** Longest text that the forge takes, in characters. */
  readonly limit: number
}

/** How much a section says, fullest first. */
const DEPTHS = ['everything', 'without contents', 'without steps', 'summary'] as const
type Depth = (typeof DEPTHS)[number]

/** The plan comment: one section per cluster, what matters first, details folded, within the forge's limit. */
export function reportPlan(report: PlanReport): string {
  return fit(
    DEPTHS.map((depth) => () => {
      const sections = report.clusters.map((cluster) => section(report, cluster, depth))
      return `${sections.join('\n\n---\n\n')}\n`
    }),
    report.limit,
  )
}

/** The title line of a plan without markup, as checks and notifications show it. */
export function planTitle({ cluster, plan, problems, removed }: ClusterPlanReport): string {
  if (removed === true) return `${cluster}: its file goes, its machines stay`
  if (plan === undefined) return `${cluster}: ${count(problems.length, 'problem')}, nothing planned`
  return `${cluster}: ${headline(plan)}`
}

function section(report: PlanReport, input: ClusterPlanReport, depth: Depth): string {
  const { cluster, plan, problems, bundle, removed } = input
  const title = `### ${inlineCode(cluster)}: ${planTitle(input).slice(cluster.length + 2)}`
  if (removed === true)
    return [
      title,
      'This pull takes the cluster file away. Slipway then looks after the cluster no longer; **no machine is touched**.',
      footer(report, input),
    ].join('\n\n')
  if (plan === undefined)
    return [
      title,
      problemList(problems),
      '**Next:** push a commit that settles these, and the plan is made again.',
      footer(report, input),
    ].join('\n\n')
  return [
    title,
    ...destroys(plan),
    lead(plan),
    ...(plan.steps.length === 0 ? [] : [table(plan, depth)]),
    ...(depth === 'everything' || depth === 'without contents' ? [steps(plan)] : []),
    ...(bundle === undefined || depth === 'summary' ? [] : [bundlePart(bundle, depth)]),
    ...(depth === 'summary' || plan.steps.length === 0 ? [] : [order(plan)]),
    ...(depth === 'everything' ? [] : [`*Left out to fit: ${LEFT_OUT[depth]}. \`slipway plan\` shows all of it.*`]),
    `**Next:** ${nextLine(input)}`,
    footer(report, input),
  ]
    .filter((part) => part !== '')
    .join('\n\n')
}

const LEFT_OUT: Readonly<Record<Exclude<Depth, 'everything'>, string>> = {
  'without contents': 'contents of the bundle',
  'without steps': 'the list of steps and contents of the bundle',
  summary: 'machines that are not touched, the list of steps and the bundle',
}

/** What is lost comes before everything else. */
function destroys(plan: PlanView): readonly string[] {
  return plan.destroys.map(
    ({ name, detail }) => `**Destroys ${inlineCode(name)}: ${plainText(detail)}. What is on it is lost for good.**`,
  )
}

/** Most machines whose disruption the lead names; the table has all of them. */
const MAX_NAMED = 5

function lead(plan: PlanView): string {
  if (plan.steps.length === 0) return 'Everything is as the spec says.'
  const { seconds } = estimate(plan)
  const duration = roughly(seconds)
  const disturbed = plan.machines.filter(({ change, impact }) => change === 'changes' && isDisruptive(impact))
  const sentences = disturbed
    .slice(0, MAX_NAMED)
    .map(
      ({ machine, impact, summary }) =>
        `**${inlineCode(machine)} ${DISTURBS[impact as keyof typeof DISTURBS] ?? 'is disturbed'}** (${plainText(summary)}).`,
    )
  const more = disturbed.length - sentences.length
  if (more > 0) sentences.push(`${more} more likewise.`)
  return [`${duration[0]?.toUpperCase()}${duration.slice(1)} once it runs.`, ...sentences].join(' ')
}

const DISTURBS = {
  restart: 'restarts its container runtime and kubelet',
  drain: 'drains',
  reboot: 'reboots',
  replace: 'is made anew',
} as const

/** Most rows of the table; equal rows are one already. */
const MAX_ROWS = 60

function table(plan: PlanView, depth: Depth): string {
  const { machines } = plan
  const groups = new Map<string, MachineImpact[]>()
  for (const machine of machines) {
    if (depth === 'summary' && machine.change === 'untouched') continue
    const key = JSON.stringify([machine.change, machine.impact, machine.summary])
    groups.set(key, [...(groups.get(key) ?? []), machine])
  }
  // Leaving and disturbed machines first, untouched ones last.
  const rank = (machine: MachineImpact | undefined) =>
    machine === undefined
      ? 9
      : machine.change === 'untouched'
        ? 4
        : machine.change === 'leaves'
          ? 0
          : isDisruptive(machine.impact)
            ? 1
            : 2
  const rows = [...groups.values()].sort(([a], [b]) => rank(a) - rank(b))
  const cluster = clusterRow(plan)
  if (rows.length === 0 && cluster.length === 0) return ''
  const shown = rows.slice(0, MAX_ROWS).map((group) => {
    const [first] = group
    if (first === undefined) return ''
    const names = group.map(({ machine }) => inlineCode(machine)).join(' ')
    const word = impactWord(first.change, first.impact)
    return `| ${names} | ${plainText(first.summary)} | ${first.impact === 'data-loss' ? `**${word}**` : word} |`
  })
  const more = rows.length - shown.length
  return [
    '| machine | change | impact |',
    '|---|---|---|',
    ...shown,
    ...(more > 0 ? [`| … | ${more} more rows | |`] : []),
    ...cluster,
  ].join('\n')
}

function clusterRow(plan: PlanView): readonly string[] {
  const change = clusterChange(plan)
  if (change === undefined) return []
  const word = change.impact === 'nothing' ? '' : impactWord('changes', change.impact)
  return [`| the cluster | ${plainText(change.summary, MAX_CLUSTER_TEXT)} | ${word} |`]
}

/** In characters; names of the components of one cluster take about half. */
const MAX_CLUSTER_TEXT = 1000

function steps(plan: PlanView): string {
  if (plan.steps.length === 0) return ''
  const { widest } = estimate(plan)
  const lines = plan.steps.map(({ id, summary, impact }) => {
    const slash = id.indexOf('/')
    const [kind, target] = [id.slice(0, slash), id.slice(slash + 1)]
    return `1. ${inlineCode(kind)} ${inlineCode(target)}: ${plainText(summary)}${isDisruptive(impact) ? ` (${impactWord('changes', impact)})` : ''}`
  })
  return folded(`${count(plan.steps.length, 'step')}${widest > 1 ? `, up to ${widest} at once` : ''}`, lines.join('\n'))
}

function bundlePart(bundle: NonNullable<ClusterPlanReport['bundle']>, depth: Depth): string {
  const name = { flux: 'Flux', argocd: 'Argo CD', fleet: 'Fleet' }[bundle.engine]
  const counts = (['added', 'changed', 'removed'] as const)
    .map((change) => [bundle.changes.filter((c) => c.change === change).length, change] as const)
    .filter(([n]) => n > 0)
    .map(([n, change], at) => (at === 0 ? `${count(n, 'file')} ${change}` : `${n} ${change}`))
  if (counts.length === 0) return ''
  const list = bundle.changes.map(({ path, change }) => {
    const heading = `${change} ${inlineCode(path)}`
    const content = bundle.files.get(path)
    return depth === 'everything' && content !== undefined && change !== 'removed'
      ? `${heading}\n\n${fenced(content, path.endsWith('.yaml') ? 'yaml' : '')}`
      : depth === 'everything'
        ? heading
        : `- ${heading}`
  })
  const commit =
    bundle.commit === undefined ? '' : `In this pull since commit ${inlineCode(bundle.commit.slice(0, 7))}.\n\n`
  return folded(`${name} bundle: ${counts.join(', ')}`, commit + list.join(depth === 'everything' ? '\n\n' : '\n'))
}

function order(plan: PlanView): string {
  const { criticalPath } = estimate(plan)
  const chain = criticalPath.map((id) => inlineCode(id)).join(' → ')
  const reasons = [
    ...(plan.steps.some(({ id }) => id.startsWith('join-node/')) ? ['Machines join as soon as the API answers.'] : []),
    ...(plan.steps.filter(({ id, uses }) => id.startsWith('join-node/') && uses.some((use) => use.startsWith('etcd:')))
      .length > 0
      ? ['Control planes join one at a time, because etcd takes one new member at a time.']
      : []),
    ...(plan.steps.some(({ impact }) => impact === 'reboot' || impact === 'restart')
      ? ['Machines in the cluster restart one after another, never together.']
      : []),
    ...(plan.steps.some(({ id }) => id.startsWith('drain-node/'))
      ? ['Machines leave after new ones have joined, one at a time, so that pods have somewhere to go.']
      : []),
  ]
  return folded(
    'Why this order',
    [`Steps that need nothing from each other run side by side. The longest chain is ${chain}.`, ...reasons].join(
      '\n\n',
    ),
  )
}

function nextLine({ plan, next, bundle }: ClusterPlanReport): string {
  if (plan?.steps.length === 0)
    return bundle === undefined || bundle.changes.length === 0
      ? 'nothing. Merging changes no machine.'
      : 'merge. No machine changes; the engine takes the bundle from the repository.'
  switch (next.kind) {
    case 'merge':
      return 'merge to run it.'
    case 'merge-then-apply':
      return `merge, then comment \`/slipway apply\` to run it: ${plainText(next.why)}.`
    case 'blocked':
      return `${plainText(next.why)}. Merging does not run this plan.`
    case 'fork':
      return 'this pull comes from a fork, so it was planned from its text alone: no runner was asked and no machine was looked at. It is planned against the real machines once merged.'
    default:
      return next satisfies never
  }
}

function footer({ commit, now, docsUrl }: PlanReport, { plan, facts, next }: ClusterPlanReport): string {
  const parts = [
    ...(plan === undefined ? [] : [`plan \`${plan.digest.slice(0, 8)}\``]),
    `commit ${inlineCode(commit.slice(0, 7))}`,
    ...(next.kind === 'fork' ? [] : [factsAge(facts, now)]),
    ...(docsUrl === undefined ? [] : [`[what these words mean](${encodeURI(docsUrl)})`]),
  ]
  return `<sub>${parts.join(' · ')}</sub>`
}

function factsAge(facts: ClusterPlanReport['facts'], now: number): string {
  if (facts === undefined) return 'no runner has looked at it yet'
  return `facts ${age(now - Date.parse(facts.takenAt))} old from runner ${inlineCode(facts.runner)}`
}

/** `40 s`, `12 min`, `3 h`, `2 days`. */
export function age(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000))
  if (seconds < 90) return `${seconds} s`
  if (seconds < 90 * 60) return `${Math.round(seconds / 60)} min`
  if (seconds < 36 * 3600) return `${Math.round(seconds / 3600)} h`
  return `${Math.round(seconds / 86_400)} days`
}
