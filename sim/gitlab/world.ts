import type { Deliveries } from '../git/deliveries.ts'
import type { Account } from '../git/account.ts'
import type { Repository } from '../git/hosted-repository.ts'
import type { Hosting } from '../git/hosting.ts'

/** Where a note on the diff stands. */
export interface Position {
  readonly base_sha: string
  readonly start_sha: string
  readonly head_sha: string
  readonly position_type: 'text' | 'image' | 'file'
  readonly old_path: string
  readonly new_path: string
  readonly old_line: number | null
  readonly new_line: number | null
}

/** What a discussion adds to its notes; a plain note has a thread of its own that cannot be resolved. */
export interface Thread {
  readonly id: string
  readonly notes: number[]
  readonly individual: boolean
  readonly position: Position | undefined
  resolved: { readonly by: Account; readonly at: string } | undefined
}

export interface CommitStatus {
  readonly id: number
  readonly repository: Repository
  readonly sha: string
  readonly ref: string
  readonly name: string
  readonly pipelineId: number
  state: 'pending' | 'running' | 'success' | 'failed' | 'canceled' | 'skipped'
  description: string | null
  targetUrl: string | null
  readonly author: Account
  readonly createdAt: string
  startedAt: string | null
  finishedAt: string | null
}

export interface Environment {
  readonly id: number
  readonly repository: Repository
  readonly name: string
  readonly createdAt: string
  externalUrl: string | null
  tier: string
  state: 'available' | 'stopped'
}

export interface Deployment {
  readonly id: number
  readonly iid: number
  readonly repository: Repository
  readonly environment: Environment
  readonly sha: string
  readonly ref: string
  readonly user: Account
  readonly createdAt: string
  updatedAt: string
  status: 'created' | 'running' | 'success' | 'failed' | 'canceled'
}

export interface Hook {
  readonly id: number
  readonly uuid: string
  /** `undefined`: a group's hook, called for each of its projects. */
  readonly repository: Repository | undefined
  readonly createdAt: string
  url: string
  token: string
  signingToken: string | undefined
  events: { push: boolean; mergeRequests: boolean; notes: boolean }
}

/** Everything that the simulated GitLab knows. */
export interface GitlabWorld {
  /** Base of the instance, without a slash at the end; the API is below `/api/v4`. */
  readonly url: string
  readonly hosting: Hosting
  readonly deliveries: Deliveries
  /** User of the group access token. */
  readonly bot: Account
  /** Threads by note id. */
  readonly threads: Map<number, Thread>
  readonly statuses: CommitStatus[]
  readonly environments: Environment[]
  readonly deployments: Deployment[]
  readonly hooks: Hook[]
  readonly ssh: { readonly port: number }
}

/** Milliseconds in GitLab's times, which always carry them. */
export function instant(time: string): string {
  return new Date(time).toISOString()
}
