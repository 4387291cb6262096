import type { PlannedStep, StepId, StepKind } from './step.ts'

/**
 * How long steps take on ordinary home hardware with SSDs, in seconds: planning values from public measurements and
 * experience, shown as an estimate only. Nothing waits by them.
 */
const SECONDS: { readonly [K in StepKind]: number } = {
  'fetch-image': 60,
  'create-vm': 30,
  'resize-vm': 15,
  'start-vm': 5,
  'destroy-vm': 15,
  'await-host': 45,
  'prepare-host': 100,
  'init-control-plane': 75,
  'join-node': 30,
  'drain-node': 60,
  'remove-node': 10,
  'label-node': 2,
  'apply-component': 60,
  'register-deploy-key': 3,
  'install-engine': 60,
  'point-engine': 20,
  'await-cluster': 30,
}

/** Image downloads to one storage, and disks written to it, go one or two at a time. */
const AT_ONCE: readonly (readonly [prefix: string, limit: number])[] = [
  ['etcd:', 1],
  ['image:', 1],
  ['storage:', 2],
]

/** A step without what it does: enough to tell how long it takes. Its kind is the first part of its id. */
export type StepOutline = Pick<PlannedStep, 'id' | 'after' | 'uses'>

export interface Estimate {
  readonly seconds: number
  /** The chain that decides how long it takes, in order. */
  readonly criticalPath: readonly StepId[]
  /** Most steps that run side by side. */
  readonly widest: number
}

/** Plays the plan through with the planning values above, as a runner would: each step as early as it may start. */
export function estimate(plan: { readonly steps: readonly StepOutline[] }): Estimate {
  const runs = new Map<StepId, { readonly start: number; readonly end: number; readonly behind?: StepId }>()
  const lanes = new Map<string, { end: number; id?: StepId }[]>()
  for (const step of plan.steps) {
    let start = 0
    let behind: StepId | undefined
    const wait = (end: number, id: StepId | undefined) => {
      if (end > start && id !== undefined) [start, behind] = [end, id]
    }
    for (const id of step.after) wait(runs.get(id)?.end ?? 0, id)
    const taken = step.uses.map((resource) => freest(lanes, resource))
    for (const lane of taken) wait(lane.end, lane.id)
    const end = start + secondsOf(step.id)
    for (const lane of taken) Object.assign(lane, { end, id: step.id })
    runs.set(step.id, { start, end, ...(behind === undefined ? {} : { behind }) })
  }
  return {
    seconds: Math.max(0, ...[...runs.values()].map(({ end }) => end)),
    criticalPath: criticalPath(runs),
    widest: widest([...runs.values()]),
  }
}

/** What is left when some steps are done; those that run count in full. */
export function estimateLeft(steps: readonly StepOutline[], done: ReadonlySet<StepId>): number {
  return estimate({ steps: steps.filter(({ id }) => !done.has(id)) }).seconds
}

/** `about 14 minutes`, `less than a minute`, `about 2 hours`: no more exact than the values behind it. */
export function roughly(seconds: number): string {
  if (seconds < 50) return 'less than a minute'
  const minutes = Math.round(seconds / 60)
  if (minutes < 90) return `about ${minutes} minute${minutes === 1 ? '' : 's'}`
  return `about ${Math.round(minutes / 60)} hours`
}

function secondsOf(id: StepId): number {
  const kind = id.split('/')[0] ?? ''
  return Object.hasOwn(SECONDS, kind) ? SECONDS[kind as StepKind] : UNKNOWN_SECONDS
}

/** For a kind that a newer runner knows. */
const UNKNOWN_SECONDS = 30

function freest(lanes: Map<string, { end: number; id?: StepId }[]>, resource: string): { end: number; id?: StepId } {
  const limit = AT_ONCE.find(([prefix]) => resource.startsWith(prefix))?.[1] ?? 1
  const present = lanes.get(resource) ?? Array.from({ length: limit }, () => ({ end: 0 }))
  lanes.set(resource, present)
  return present.reduce((best, lane) => (lane.end < best.end ? lane : best))
}

function criticalPath(runs: ReadonlyMap<StepId, { readonly end: number; readonly behind?: StepId }>): StepId[] {
  let last: StepId | undefined
  let latest = -1
  for (const [id, { end }] of runs) if (end > latest) [last, latest] = [id, end]
  const path: StepId[] = []
  for (; last !== undefined; last = runs.get(last)?.behind) path.unshift(last)
  return path
}

function widest(runs: readonly { readonly start: number; readonly end: number }[]): number {
  const moments = runs.flatMap(({ start, end }) => [[start, 1] as const, [end, -1] as const])
  moments.sort(([at, change], [otherAt, otherChange]) => at - otherAt || change - otherChange)
  let now = 0
  let most = 0
  for (const [, change] of moments) most = Math.max(most, (now += change))
  return most
}
