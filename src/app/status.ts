import type { Job } from '../core/job.ts'
import type { Instant } from '../core/facts.ts'
import type { RepoRef } from '../seams/forge.ts'
import type { App } from './app.ts'
import { listAll } from './change-document.ts'
import { type ClusterDocument, type FactsDocument, type JobDocument, keys, type RunnerDocument } from './documents.ts'

export interface ClusterStatus {
  readonly repo: RepoRef
  readonly cluster: string
  readonly orphaned: boolean
  readonly commit?: string
  readonly pull?: number
  readonly job?: Job
  readonly facts?: { readonly takenAt: Instant; readonly runner: string; readonly hash: string }
}

/** Every cluster that the app knows, in order of repository and name. */
export async function clusterStatus(app: Pick<App, 'store'>): Promise<readonly ClusterStatus[]> {
  const found: ClusterStatus[] = []
  for (const { value } of await listAll<ClusterDocument>(app.store, 'cluster/')) {
    const job = value.job === undefined ? undefined : await app.store.get<JobDocument>(keys.job(value.job))
    const facts = (await app.store.get<FactsDocument>(keys.facts(value.repo, value.cluster)))?.value
    found.push({
      repo: value.repo,
      cluster: value.cluster,
      orphaned: value.orphaned,
      ...(value.wanted === undefined ? {} : { commit: value.wanted.commit }),
      ...(value.wanted?.pull === undefined ? {} : { pull: value.wanted.pull }),
      ...(job === undefined ? {} : { job: job.value.job }),
      ...(facts && { facts: { takenAt: facts.facts.takenAt, runner: facts.runner, hash: facts.hash } }),
    })
  }
  return found
}

export interface RunnerStatus {
  readonly id: string
  readonly repositories: readonly RepoRef[]
  readonly enrolledAt: Instant
  readonly lastSeen?: Instant
  readonly version?: string
  readonly revoked?: Instant
}

/** Every runner that ever enrolled, revoked ones included; public keys are left out because nobody reads them here. */
export async function runnerStatus(app: Pick<App, 'store'>): Promise<readonly RunnerStatus[]> {
  const runners = await listAll<RunnerDocument>(app.store, 'runner/')
  return runners.map(({ value: { id, repositories, enrolledAt, lastSeen, version, revoked } }) => ({
    id,
    repositories,
    enrolledAt,
    ...(lastSeen === undefined ? {} : { lastSeen }),
    ...(version === undefined ? {} : { version }),
    ...(revoked === undefined ? {} : { revoked }),
  }))
}
