import type { Faults } from './faults.ts'

/** What can go wrong between a client, a simulated forge and its webhooks. */
export type ForgeFault =
  /** The request has its effect, then the connection breaks before an answer. */
  | 'timeoutAfterEffect'
  /** 502 before any effect. */
  | 'serverError'
  /** 403 or 429 with `retry-after`. */
  | 'rateLimited'
  /** The connection breaks before any effect. */
  | 'closedConnection'
  | 'dropWebhook'
  /** Sent twice with the same delivery id. */
  | 'duplicateWebhook'
  /** Sent after the one that follows it. */
  | 'reorderWebhook'
  /** Sent 5 s late, in the simulator's own time. */
  | 'delayWebhook'

export type ForgeFaults = Faults<ForgeFault>

export type Role = 'none' | 'read' | 'triage' | 'write' | 'maintain' | 'admin'

/** Text by path; `null` takes a file away. */
export type Files = Readonly<Record<string, string | null>>

export interface SimUser {
  readonly id: number
  readonly login: string
  /** For the forge's REST API, as this person. */
  readonly token: string
}

export interface SimRepo {
  readonly id: number
  /** `owner/name` */
  readonly fullName: string
  readonly defaultBranch: string
  readonly htmlUrl: string
}

export interface SimPull {
  /** `owner/name` of the repository that the pull asks to change. */
  readonly repo: string
  readonly number: number
  readonly title: string
  readonly state: 'open' | 'closed' | 'merged'
  readonly headRepo: string | undefined
  readonly headBranch: string
  readonly headSha: string
  readonly baseBranch: string
  readonly mergeCommit: string | undefined
  readonly htmlUrl: string
}

export interface SimComment {
  readonly id: number
  readonly author: string
  /** Written by the app (GitHub) or its bot user (GitLab). */
  readonly byApp: boolean
  /** Markdown, as a person's browser would render it. */
  readonly body: string
  readonly createdAt: string
  readonly updatedAt: string
}

/** A check run (GitHub) or a commit status (GitLab). */
export interface SimCheck {
  readonly name: string
  readonly sha: string
  readonly state: 'queued' | 'running' | 'success' | 'failure' | 'neutral' | 'cancelled'
  readonly title: string
  readonly summary: string
  readonly detailsUrl: string | undefined
}

/** A check run's annotation (GitHub) or an unresolved discussion on a line of the diff (GitLab). */
export interface SimAnnotation {
  readonly path: string
  readonly line: number
  readonly column: number | undefined
  readonly level: 'notice' | 'warning' | 'failure'
  readonly message: string
}

export interface SimDeployKey {
  readonly id: number
  readonly title: string
  /** `ssh-ed25519 AAAA…`, without comment. */
  readonly key: string
  readonly readOnly: boolean
  readonly lastUsed: string | undefined
}

export interface SimDeployment {
  readonly id: number
  readonly environment: string
  readonly sha: string
  /** Newest status in the forge's own word, e.g. `in_progress` or `running`. */
  readonly state: string
  readonly description: string
}

export interface SimDelivery {
  readonly id: number
  /** The id that a receiver removes duplicates by. */
  readonly guid: string
  /** As the event header says it, e.g. `pull_request` or `Merge Request Hook`. */
  readonly event: string
  readonly action: string | undefined
  /** Of the answer; 0 when there was none. */
  readonly status: number
  readonly at: string
}

/** What the app needs to talk to the forge. Made fresh by every simulator; worth nothing elsewhere. */
export type AppCredentials =
  | {
      readonly kind: 'github'
      readonly apiUrl: string
      readonly appId: number
      readonly slug: string
      readonly clientId: string
      readonly privateKeyPem: string
      readonly webhookSecret: string
    }
  | {
      readonly kind: 'gitlab'
      /** e.g. `http://127.0.0.1:4000`, without `/api/v4`. */
      readonly url: string
      readonly token: string
      readonly username: string
      readonly webhookSecret: string
      /** `whsec_…`, set when webhooks are signed as well. */
      readonly signingToken: string | undefined
    }

/**
 * People and repositories of a simulated forge, seen from outside: what a person does in a browser or with `git`, and
 * what a page would show. The same on every forge, so that one story runs on all. Everything is plain data, so the
 * control port of the process form offers the same calls.
 */
export interface SimForge extends AsyncDisposable {
  readonly kind: 'github' | 'gitlab'
  /** Base of the REST API as its clients want it: GitHub's `baseUrl`, GitLab's `host`. */
  readonly apiUrl: string
  /** Line for a known_hosts file. */
  readonly knownHosts: string
  credentials(): Promise<AppCredentials>
  createUser(login: string): Promise<SimUser>
  /** Registers a public key for `git push` as this person. */
  addUserKey(login: string, publicKey: string): Promise<void>
  /**
   * @param fullName - `owner/name`; an owner that is nobody yet becomes an organisation or group with the app installed.
   * @param files - Content of the first commit.
   */
  createRepo(fullName: string, files: Files, options?: { readonly private?: boolean }): Promise<SimRepo>
  /** Copies a repository to a person's own account, where the app is not installed. */
  fork(fullName: string, login: string): Promise<SimRepo>
  grant(fullName: string, login: string, role: Role): Promise<void>
  /** Makes a repository read-only. */
  archive(fullName: string): Promise<void>
  /** Takes a repository away; pulls from it stay, without a head repository. */
  deleteRepo(fullName: string): Promise<void>
  /** Commits to a branch without a pull; a new branch starts at the default branch. Returns the commit. */
  commit(
    fullName: string,
    change: { readonly branch: string; readonly files: Files; readonly author: string; readonly message?: string },
  ): Promise<string>
  /** Pushes a branch with these files and asks for it to be merged; `from` is a fork. */
  openPull(
    fullName: string,
    pull: {
      readonly branch: string
      readonly files: Files
      readonly title: string
      readonly author: string
      readonly body?: string
      readonly from?: string
    },
  ): Promise<SimPull>
  pushToPull(
    fullName: string,
    number: number,
    change: { readonly files: Files; readonly author: string; readonly message?: string },
  ): Promise<SimPull>
  pull(fullName: string, number: number): Promise<SimPull>
  pulls(fullName: string): Promise<readonly SimPull[]>
  /** Merges as a person with write access would; throws when the forge would refuse. */
  merge(fullName: string, number: number, login: string): Promise<SimPull>
  close(fullName: string, number: number, login: string): Promise<SimPull>
  reopen(fullName: string, number: number, login: string): Promise<SimPull>
  comment(fullName: string, number: number, login: string, body: string): Promise<SimComment>
  editComment(fullName: string, commentId: number, login: string, body: string): Promise<SimComment>
  approve(fullName: string, number: number, login: string): Promise<void>
  comments(fullName: string, number: number): Promise<readonly SimComment[]>
  checks(fullName: string, sha: string): Promise<readonly SimCheck[]>
  annotations(fullName: string, sha: string): Promise<readonly SimAnnotation[]>
  deployKeys(fullName: string): Promise<readonly SimDeployKey[]>
  deployments(fullName: string): Promise<readonly SimDeployment[]>
  /** `ssh://git@127.0.0.1:PORT/owner/repo.git` */
  sshUrl(fullName: string): Promise<string>
  /** Text of a file at a branch or commit; `undefined` when there is none. */
  readFile(fullName: string, revision: string, path: string): Promise<string | undefined>
  setWebhook(url: string, secret: string): Promise<void>
  /** Newest last. */
  lastDeliveries(): Promise<readonly SimDelivery[]>
  redeliver(id: number): Promise<void>
  /** Until every webhook caused so far has been answered, dropped or given up. */
  webhooksSettled(): Promise<void>
  setFaults(faults: ForgeFaults): Promise<void>
  stop(): Promise<void>
}
