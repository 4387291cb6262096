import type { KeyObject } from 'node:crypto'
import type { Account } from '../git/account.ts'
import type { Repository } from '../git/hosted-repository.ts'
import type { Hosting } from '../git/hosting.ts'
import type { Deliveries } from '../git/deliveries.ts'

export type Level = 'read' | 'write' | 'admin'
export type Permissions = Readonly<Record<string, Level>>

export interface GithubApp {
  readonly id: number
  readonly slug: string
  readonly clientId: string
  readonly publicKey: KeyObject
  readonly privateKeyPem: string
  readonly owner: Account
  readonly bot: Account
  readonly permissions: Permissions
  readonly events: readonly string[]
  readonly createdAt: string
  webhook: { url: string; secret: string }
}

export interface Installation {
  readonly id: number
  readonly account: Account
  readonly createdAt: string
  suspendedAt: string | undefined
}

export interface InstallationToken {
  readonly token: string
  readonly installation: Installation
  readonly permissions: Permissions
  /** `undefined`: every repository of the account. */
  readonly repositories: readonly Repository[] | undefined
  /** Milliseconds since the epoch. */
  readonly expiresAt: number
}

interface Annotation {
  readonly path: string
  readonly start_line: number
  readonly end_line: number
  readonly start_column?: number | undefined
  readonly end_column?: number | undefined
  readonly annotation_level: 'notice' | 'warning' | 'failure'
  readonly message: string
  readonly title?: string | undefined
  readonly raw_details?: string | undefined
}

export interface CheckRun {
  readonly id: number
  readonly suiteId: number
  readonly repository: Repository
  readonly headSha: string
  name: string
  externalId: string
  detailsUrl: string | undefined
  status: 'queued' | 'in_progress' | 'completed'
  conclusion: string | null
  startedAt: string
  completedAt: string | null
  title: string | null
  summary: string | null
  text: string | null
  annotations: Annotation[]
}

export interface CommitStatus {
  readonly id: number
  readonly repository: Repository
  readonly sha: string
  readonly state: 'error' | 'failure' | 'pending' | 'success'
  readonly context: string
  readonly description: string | null
  readonly targetUrl: string | null
  readonly creator: Account
  readonly at: string
}

export interface DeploymentStatus {
  readonly id: number
  readonly state: string
  readonly description: string
  readonly targetUrl: string
  readonly environmentUrl: string
  readonly creator: Account
  readonly at: string
}

export interface Deployment {
  readonly id: number
  readonly repository: Repository
  readonly sha: string
  readonly ref: string
  readonly task: string
  readonly environment: string
  readonly description: string | null
  readonly payload: unknown
  readonly creator: Account
  readonly createdAt: string
  readonly transient: boolean
  readonly production: boolean
  readonly statuses: DeploymentStatus[]
}

export interface Environment {
  readonly id: number
  readonly repository: Repository
  readonly name: string
  readonly createdAt: string
}

/** Everything that the simulated GitHub knows. */
export interface GithubWorld {
  /** Base of the REST API, without a slash at the end. Also the base of pages, which nobody serves. */
  readonly url: string
  readonly hosting: Hosting
  readonly deliveries: Deliveries
  readonly app: GithubApp
  readonly installations: Installation[]
  readonly tokens: InstallationToken[]
  readonly checks: CheckRun[]
  readonly statuses: CommitStatus[]
  readonly deployments: Deployment[]
  readonly environments: Environment[]
  /** Port and host key of Git over SSH. */
  readonly ssh: { readonly port: number; readonly hostKey: string }
}

/** GitHub's opaque object ids, in the shape of the newer ones: a prefix of the kind and base64url. */
export function nodeId(kind: string, id: number): string {
  return `${kind}_${Buffer.from(`0:${id}`).toString('base64url')}`
}
