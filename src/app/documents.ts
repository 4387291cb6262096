import { sha256Hex } from '../core/canonical.ts'
import type { Facts, Instant } from '../core/facts.ts'
import type { Job } from '../core/job.ts'
import type { Plan } from '../core/plan.ts'
import type { Check, ForgeEvent, ForgeName, RepoRef } from '../seams/forge.ts'

/** A webhook that was received and is not processed yet. `inbox/<forge>/<delivery>` */
export interface InboxDocument {
  readonly event: ForgeEvent
  readonly receivedAt: Instant
  readonly attempts: number
  readonly notBefore: Instant
}

/** A delivery that was processed: it has no effect again. `delivery/<forge>/<delivery>` */
export interface DeliveryDocument {
  readonly processedAt: Instant
  readonly outcome: 'processed' | 'given-up'
}

/** What a person approves when they approve a pull: one cluster's plan at one head. */
export interface Review extends Pick<Plan, 'digest' | 'machines' | 'destroys'> {
  /** Blob id of the cluster file that was planned; the same blob on the default branch is the same request. */
  readonly specBlob: string
  readonly factsHash?: string
}

/** What Slipway last said about a pull. `pull/<forge>/<repository>/<number>` */
export interface PullDocument {
  readonly repo: RepoRef
  readonly number: number
  readonly state: 'open' | 'closed' | 'merged'
  readonly head: string
  readonly fork: boolean
  readonly plannedAt: Instant
  /** Markdown of the plan comment; absent when the pull touches no cluster. */
  readonly comment?: string
  readonly check: Check
  /** Commit of ours that brought the bundle to this head. */
  readonly bundleCommit?: string
  /** Clusters that it touches, valid or not, with the blob id of their file; empty where the pull removes it. */
  readonly clusters: Readonly<Record<string, string>>
  /** Of a pull from the same repository: what was planned for each cluster that could be planned. */
  readonly reviews: Readonly<Record<string, Review>>
  /** The job that each cluster got from this pull. */
  readonly jobs: Readonly<Record<string, string>>
  /** What to say to the last command, in Markdown. */
  readonly answer?: string
}

/** An open pull of the repository's own, for the questions that runners ask all the time. `open-pull/…` */
export interface OpenPullDocument {
  readonly number: number
  readonly plannedAt: Instant
  readonly clusters: readonly string[]
}

/** What the default branch asks of a cluster. */
export interface Wanted {
  readonly commit: string
  readonly specBlob: string
  /** The merged pull that brought it, when one did. */
  readonly pull?: number
  /** What was reviewed on that pull. */
  readonly review?: Review
  /**
   * Rises with every merge and with every request to go on; each number gets at most one job. 0 for what was there
   * before Slipway was: nobody has asked for anything yet.
   */
  readonly asked: number
  readonly approval?: Approval
}

/** People's word for one plan after its merge, and for later ones that ask for nothing worse. */
export interface Approval {
  readonly plan: Pick<Plan, 'digest' | 'machines' | 'destroys'>
  readonly people: readonly { readonly login: string; readonly at: Instant }[]
}

/** Who may work on a cluster, and what for. `cluster/<forge>/<repository>/<cluster>` */
export interface ClusterDocument {
  readonly repo: RepoRef
  readonly cluster: string
  readonly wanted?: Wanted
  /** The newest job. */
  readonly job?: string
  /** `asked` of the newest job: it outlives the job, which is forgotten in the end. */
  readonly served?: number
  /** The number of the newest lease; rises with every claim and never falls. */
  readonly fence: number
  readonly lease?: { readonly job: string; readonly runner: string; readonly fence: number; readonly until: Instant }
  /** Digest over every blob below `clusters/<name>/` at the commit that was last looked at. */
  readonly tree?: string
  /** The cluster file left the default branch: nothing is done to the machines. */
  readonly orphaned: boolean
}

/** A plan as kept with its job: what reports need, without the contents of its steps. */
export type KeptPlan = Omit<Plan, 'steps'> & {
  readonly steps: readonly (Omit<Plan['steps'][number], 'step'> & { readonly kind: string })[]
}

/** `job/<id>` */
export interface JobDocument {
  readonly repo: RepoRef
  readonly job: Job
  /** `asked` of the request that it serves. */
  readonly asked: number
  /** Fence of its newest lease, 0 before the first, and who held it. */
  readonly fence: number
  readonly runner?: string
  readonly plan?: KeptPlan
  /** Digest of what its state was decided from: request and facts. */
  readonly decidedFrom?: string
  /** Kept output: `log/<job>/…` */
  readonly log: { readonly chunks: number; readonly characters: number; readonly dropped: number }
  /** Since when it has been in its state, by the store's clock. */
  readonly since: Instant
}

/** Part of a run's output, redacted. `log/<job>/<fence>-<sequence>-<digest>` */
export interface LogDocument {
  readonly text: string
}

/** The newest facts of a cluster. `facts/<forge>/<repository>/<cluster>` */
export interface FactsDocument {
  readonly facts: Facts
  readonly hash: string
  readonly runner: string
  readonly receivedAt: Instant
}

/** `runner/<id>` */
export interface RunnerDocument {
  readonly id: string
  readonly name: string
  readonly signingKey: string
  readonly gitKey: string
  readonly repositories: readonly RepoRef[]
  readonly enrolledAt: Instant
  readonly lastSeen?: Instant
  readonly version?: string
  readonly planners?: readonly number[]
  readonly revoked?: Instant
}

/** A one-time enrolment token. `token/<SHA-256 of the token>` */
export interface TokenDocument {
  readonly repositories: readonly RepoRef[]
  readonly createdAt: Instant
  /** Signing key of the runner that used it: the same one may ask again when the answer was lost. */
  readonly usedBy?: string
}

/** What the app last saw at the tip of a default branch. `branch/<forge>/<repository>` */
export interface BranchDocument {
  readonly commit: string
}

/** Ids come from forges and people: what could not stand in a key is written in its place as a digest. */
function segment(text: string): string {
  return /^[A-Za-z0-9._~-]{1,100}$/.test(text) ? text : `h.${sha256Hex(text)}`
}

const of = (repo: RepoRef): string => `${repo.forge}/${segment(repo.id)}`

/** Every key of the store, in one place. */
export const keys = {
  inbox: (forge: ForgeName, delivery: string) => `inbox/${forge}/${segment(delivery)}`,
  delivery: (forge: ForgeName, delivery: string) => `delivery/${forge}/${segment(delivery)}`,
  command: (repo: RepoRef, number: number, comment: string) => `command/${of(repo)}/${number}/${segment(comment)}`,
  pulls: (repo: RepoRef) => `pull/${of(repo)}/`,
  pull: (repo: RepoRef, number: number) => `pull/${of(repo)}/${number}`,
  openPulls: (repo: RepoRef) => `open-pull/${of(repo)}/`,
  openPull: (repo: RepoRef, number: number) => `open-pull/${of(repo)}/${number}`,
  clusters: (repo: RepoRef) => `cluster/${of(repo)}/`,
  cluster: (repo: RepoRef, cluster: string) => `cluster/${of(repo)}/${segment(cluster)}`,
  job: (id: string) => `job/${segment(id)}`,
  logs: (job: string) => `log/${segment(job)}/`,
  facts: (repo: RepoRef, cluster: string) => `facts/${of(repo)}/${segment(cluster)}`,
  factsAsked: (repo: RepoRef, cluster: string) => `facts-asked/${of(repo)}/${segment(cluster)}`,
  runner: (id: string) => `runner/${segment(id)}`,
  nonce: (runner: string, nonce: string) => `nonce/${segment(runner)}/${segment(nonce)}`,
  token: (hash: string) => `token/${hash}`,
  branch: (repo: RepoRef) => `branch/${of(repo)}`,
  repoPath: of,
} as const

/** How long jobs, their output and closed pulls are kept. */
export const KEEP_MS = 90 * 24 * 3_600_000

/** The parts of a plan that a person approves. */
export function reviewOf(plan: Plan, specBlob: string, factsHash: string | undefined): Review {
  return {
    specBlob,
    digest: plan.digest,
    machines: plan.machines,
    destroys: plan.destroys,
    ...(factsHash === undefined ? {} : { factsHash }),
  }
}
