import type { FileProblem } from '../core/problem.ts'
import type { Repository } from '../core/spec/cluster-spec.ts'

export type ForgeName = 'github' | 'gitlab' | 'local'

/** A repository at a forge. The id is the forge's numeric one as text: names can be transferred and re-registered. */
export interface RepoRef {
  readonly forge: ForgeName
  readonly id: string
}

export interface RepoInfo extends RepoRef {
  /** `owner/name` for people. */
  readonly fullName: string
  readonly webUrl: string
  readonly defaultBranch: string
  readonly git: Repository
}

/** Text of one pull or merge request as it is now; always re-read, never taken from a webhook. */
export interface Pull {
  readonly repo: RepoRef
  readonly number: number
  readonly title: string
  readonly author: string
  readonly state: 'open' | 'closed' | 'merged'
  readonly draft: boolean
  readonly baseBranch: string
  readonly headBranch: string
  readonly head: string
  /** Commit of the merge on the base branch, when merged. */
  readonly mergeCommit?: string
  /** From another repository (or one that is gone): planned from text only. */
  readonly fork: boolean
  readonly webUrl: string
}

export interface Permission {
  readonly login: string
  readonly level: 'none' | 'read' | 'write' | 'admin'
  readonly bot: boolean
}

export type Topic = 'plan' | 'run'

/** Outcome of Slipway's check on a commit. */
export interface Check {
  readonly name: string
  readonly commit: string
  readonly state: 'pending' | 'success' | 'failure' | 'action-required'
  readonly title: string
  /** Markdown. */
  readonly summary: string
  readonly detailsUrl?: string
  readonly annotations: readonly FileProblem[]
}

export type DeploymentState = 'queued' | 'in-progress' | 'success' | 'failure' | 'inactive'

export interface DeployKey {
  readonly id: string
  readonly title: string
  /** `ssh-ed25519 AAAA…`, without comment. */
  readonly publicKey: string
  readonly readOnly: boolean
}

export interface PullComment {
  readonly id: string
  readonly author: string
  readonly authorIsBot: boolean
  readonly body: string
  readonly edited: boolean
}

/** Something a webhook hints at. State is re-read from the API before anything is decided. */
export type ForgeEvent = { readonly repo: RepoRef; readonly delivery: string } & (
  | { readonly kind: 'pull-changed'; readonly number: number }
  | { readonly kind: 'comment-added'; readonly number: number; readonly commentId: string }
  | { readonly kind: 'branch-pushed'; readonly branch: string; readonly commit: string }
  | { readonly kind: 'check-rerequested'; readonly commit: string; readonly number?: number }
  | { readonly kind: 'ping' }
)

/** A webhook request as received: raw bytes, header names in lower case. */
export interface WebhookRequest {
  readonly headers: Readonly<Record<string, string>>
  readonly body: Uint8Array
}

/** Reading what the repository and its pulls hold. */
export interface ForgeReader {
  readonly name: ForgeName
  /** Repositories that the app was given. At most 1,000. */
  repositories(): Promise<readonly RepoInfo[]>
  repository(repo: RepoRef): Promise<RepoInfo>
  /** Commit at the tip of a branch; `undefined` when there is no such branch. */
  branchHead(repo: RepoRef, branch: string): Promise<string | undefined>
  /** Paths of regular text files under `prefix` at `commit`, with blob ids. Symbolic links and submodules are left out. */
  listFiles(repo: RepoRef, commit: string, prefix: string): Promise<ReadonlyMap<string, string>>
  /** Text files at `commit`; a path that does not exist is absent from the map, not an error. */
  readFiles(repo: RepoRef, commit: string, paths: readonly string[]): Promise<ReadonlyMap<string, string>>
  /** The commit where two histories parted; `undefined` when they have nothing in common. */
  mergeBase(repo: RepoRef, a: string, b: string): Promise<string | undefined>
  pull(repo: RepoRef, number: number): Promise<Pull | undefined>
  openPulls(repo: RepoRef): Promise<readonly Pull[]>
  /** The merged pull that brought `commit` to the default branch, if one did. */
  pullOfCommit(repo: RepoRef, commit: string): Promise<Pull | undefined>
  comment(repo: RepoRef, number: number, commentId: string): Promise<PullComment | undefined>
  /** Right of a person at this moment; unknown people and errors that mean "no" give `none`. */
  permission(repo: RepoRef, login: string): Promise<Permission>
}

/** Showing people what is going on. */
export interface ForgePublisher {
  /** Longest comment in characters that the forge takes, with headroom kept. */
  readonly commentLimit: number
  /**
   * Keeps one comment per topic: creates it, edits it, or does nothing when the text is already there. The comment is
   * found by its hidden marker and our own author id; returns its web address.
   */
  upsertComment(repo: RepoRef, number: number, topic: Topic, markdown: string): Promise<string>
  /** One check per name and commit: GitHub check run with annotations; GitLab commit status and discussions on lines. */
  upsertCheck(repo: RepoRef, number: number | undefined, check: Check): Promise<void>
  /** The deployment of a cluster (environment `slipway/<cluster>`) at a commit, created or moved on. */
  deployment(
    repo: RepoRef,
    input: {
      readonly environment: string
      readonly commit: string
      readonly branch: string
      readonly state: DeploymentState
      readonly description: string
    },
  ): Promise<void>
  /**
   * Commits files onto a branch on top of `expectedHead`; `null` deletes. Returns the new commit, or `undefined` when
   * the branch had moved on.
   */
  commitFiles(
    repo: RepoRef,
    branch: string,
    expectedHead: string,
    files: ReadonlyMap<string, string | null>,
    message: string,
  ): Promise<string | undefined>
  /** Opens a pull from a branch of the repository, or returns the open one from that branch. */
  openPull(
    repo: RepoRef,
    input: { readonly branch: string; readonly base: string; readonly title: string; readonly body: string },
  ): Promise<Pull>
  /** Makes a branch at a commit; harmless when it is there already at that commit. */
  createBranch(repo: RepoRef, branch: string, commit: string): Promise<void>
}

/** Deploy keys: public halves only. */
export interface ForgeKeys {
  deployKeys(repo: RepoRef): Promise<readonly DeployKey[]>
  /**
   * Registers a public key read-only if its blob is not there yet, and returns the registered key.
   * @throws Problem `forge.deploy-key-elsewhere` when the forge has it on another repository.
   */
  registerDeployKey(repo: RepoRef, title: string, publicKey: string): Promise<DeployKey>
}

/** Webhooks of the forge: who sent this, and what does it hint at. */
export interface ForgeWebhooks {
  /**
   * Checks the sender over the raw bytes in constant time and reads the event.
   * @returns `refused` when the signature is wrong or missing, `ignored` for events that mean nothing to us.
   */
  receive(
    request: WebhookRequest,
  ): Promise<
    | { readonly kind: 'refused'; readonly why: string }
    | { readonly kind: 'ignored'; readonly delivery: string }
    | { readonly kind: 'event'; readonly event: ForgeEvent }
  >
}

export interface Forge extends ForgeReader, ForgePublisher, ForgeKeys, ForgeWebhooks {}
