import { join } from 'node:path'
import type { SimClock } from '../clock.ts'
import type { Files, Role } from '../forge.ts'
import { hex, type Random } from '../random.ts'
import type { Account } from './account.ts'
import { fullName, type DeployKey, type Repository } from './hosted-repository.ts'
import type { HostingEvent } from './hosting-event.ts'
import type { Comment, Pull, Review } from './pull.ts'
import { fingerprint, publicKeyLine, type PublicKey } from './public-key.ts'
import type { Signature } from './git-objects.ts'
import { GitRepository, NO_COMMIT } from './repository.ts'
import type { RefUpdate } from './ssh-server.ts'

type MergeRefusal = 'not-open' | 'head-moved' | 'conflict' | 'base-moved'

/**
 * People, repositories and pulls of a forge, whatever its API looks like: what GitHub and GitLab agree on.
 * Ids count up from a start that differs per kind, so that one kind's id never passes for another's.
 */
export class Hosting {
  readonly clock: SimClock
  readonly random: Random
  readonly #directory: string
  /** Where heads of pulls are kept in the base repository: `refs/pull` or `refs/merge-requests`. */
  readonly #pullRefs: string
  readonly #onEvent: (event: HostingEvent) => void
  readonly #accounts: Account[] = []
  readonly #repositories: Repository[] = []
  #lastAccount = 1_000
  #lastRepository = 700_000
  #lastObject = 4_000_000

  constructor(options: {
    readonly clock: SimClock
    readonly random: Random
    readonly directory: string
    readonly pullRefs: string
    readonly onEvent: (event: HostingEvent) => void
  }) {
    this.clock = options.clock
    this.random = options.random
    this.#directory = options.directory
    this.#pullRefs = options.pullRefs
    this.#onEvent = options.onEvent
  }

  /** ISO 8601 to the second, as both forges write it. */
  now(): string {
    return `${new Date(this.clock.now()).toISOString().slice(0, 19)}Z`
  }

  nextId(): number {
    this.#lastObject += 1 + Math.floor(this.random() * 9)
    return this.#lastObject
  }

  createAccount(login: string, kind: Account['kind'], tokenPrefix: string): Account {
    const known = this.account(login)
    if (known !== undefined) return known
    this.#lastAccount += 1
    const account: Account = {
      id: this.#lastAccount,
      login,
      name: login,
      email: `${this.#lastAccount}+${login.replaceAll(/[[\]]/g, '-')}@users.noreply.example`,
      kind,
      token: `${tokenPrefix}${hex(this.random, 36)}`,
      createdAt: this.now(),
      sshKeys: [],
    }
    this.#accounts.push(account)
    return account
  }

  account(login: string): Account | undefined {
    return this.#accounts.find((account) => account.login.toLowerCase() === login.toLowerCase())
  }

  accountById(id: number): Account | undefined {
    return this.#accounts.find((account) => account.id === id)
  }

  accountByToken(token: string): Account | undefined {
    return this.#accounts.find((account) => account.kind !== 'organization' && account.token === token)
  }

  get accounts(): readonly Account[] {
    return this.#accounts
  }

  get repositories(): readonly Repository[] {
    return this.#repositories
  }

  repository(name: string): Repository | undefined {
    return this.#repositories.find((repository) => fullName(repository).toLowerCase() === name.toLowerCase())
  }

  repositoryById(id: number): Repository | undefined {
    return this.#repositories.find((repository) => repository.id === id)
  }

  async createRepository(owner: Account, name: string, files: Files, isPrivate: boolean): Promise<Repository> {
    const git = await GitRepository.create(this.#path(owner, name), 'main', this.#pullRefs)
    const repository = this.#add(owner, name, isPrivate, git, undefined)
    const author = this.signature(owner)
    const commit = await git.writeCommit({
      tree: await this.#treeWith(repository, undefined, files),
      parents: [],
      author,
      committer: author,
      message: 'Initial commit\n',
    })
    await git.updateRef('refs/heads/main', commit, NO_COMMIT)
    return repository
  }

  async fork(parent: Repository, owner: Account): Promise<Repository> {
    const known = this.repository(`${owner.login}/${parent.name}`)
    if (known !== undefined) return known
    const git = await GitRepository.clone(parent.git, this.#path(owner, parent.name), this.#pullRefs)
    return this.#add(owner, parent.name, parent.private, git, parent)
  }

  /** Commits of its pulls stay in the repositories that the pulls ask to change. */
  deleteRepository(repository: Repository): void {
    this.#repositories.splice(this.#repositories.indexOf(repository), 1)
    for (const pull of this.#repositories.flatMap(({ pulls }) => pulls)) {
      if (pull.headRepository === repository) pull.headRepository = undefined
    }
  }

  #path(owner: Account, name: string): string {
    return join(this.#directory, owner.login, `${name}.git`)
  }

  #add(
    owner: Account,
    name: string,
    isPrivate: boolean,
    git: GitRepository,
    parent: Repository | undefined,
  ): Repository {
    this.#lastRepository += 1
    const repository: Repository = {
      id: this.#lastRepository,
      owner,
      name,
      private: isPrivate,
      archived: false,
      defaultBranch: parent?.defaultBranch ?? 'main',
      git,
      parent,
      roles: new Map(),
      deployKeys: [],
      pulls: [],
      createdAt: this.now(),
      pushedAt: this.now(),
    }
    this.#repositories.push(repository)
    return repository
  }

  /** What this account may do; everyone may read a public repository. */
  role(repository: Repository, account: Account | undefined): Role {
    if (account !== undefined && account.id === repository.owner.id) return 'admin'
    const granted = account === undefined ? undefined : repository.roles.get(account.id)
    return granted ?? (repository.private ? 'none' : 'read')
  }

  signature(account: Account): Signature {
    return { name: account.name, email: account.email, date: this.now() }
  }

  async #treeWith(repository: Repository, base: string | undefined, files: Files): Promise<string> {
    const changes = await Promise.all(
      Object.entries(files).map(async ([path, text]) => ({
        path,
        mode: '100644',
        sha: text === null ? null : await repository.git.writeBlob(text),
      })),
    )
    return repository.git.writeTree(base, changes)
  }

  /** Commits files on top of a branch, which starts at the default branch when it is new, as a `git push` would. */
  async commitFiles(
    repository: Repository,
    change: { readonly branch: string; readonly files: Files; readonly author: Account; readonly message: string },
  ): Promise<string> {
    const { git } = repository
    const ref = `refs/heads/${change.branch}`
    const existing = await git.objectId(ref)
    const parent = existing ?? (await git.resolve(repository.defaultBranch))
    const author = this.signature(change.author)
    const sha = await git.writeCommit({
      tree: await this.#treeWith(repository, parent, change.files),
      parents: parent === undefined ? [] : [parent],
      author,
      committer: author,
      message: `${change.message}\n`,
    })
    await this.moveRef(repository, { ref, before: existing ?? NO_COMMIT, after: sha }, change.author)
    return sha
  }

  /** Moves a ref and tells the world; `false` when it was moved by someone else meanwhile. */
  async moveRef(repository: Repository, update: RefUpdate, actor: Account): Promise<boolean> {
    if (!(await repository.git.updateRef(update.ref, update.after, update.before))) return false
    await this.pushed(repository, [update], actor)
    return true
  }

  /** Refs have moved: pulls follow their branches, and webhooks go out. */
  async pushed(repository: Repository, updates: readonly RefUpdate[], actor: Account): Promise<void> {
    repository.pushedAt = this.now()
    for (const update of updates) {
      const forced =
        update.before !== NO_COMMIT &&
        update.after !== NO_COMMIT &&
        !(await repository.git.isAncestor(update.before, update.after))
      this.#onEvent({ kind: 'push', repository, actor, update, forced })
      if (update.ref.startsWith('refs/heads/')) await this.#pullsFollow(repository, update, actor)
    }
  }

  async #pullsFollow(repository: Repository, { ref, after }: RefUpdate, actor: Account): Promise<void> {
    const branch = ref.slice('refs/heads/'.length)
    for (const pull of this.#repositories.flatMap(({ pulls }) => pulls)) {
      if (pull.state !== 'open') continue
      if (pull.headRepository === repository && pull.headBranch === branch && pull.headSha !== after) {
        if (after === NO_COMMIT) this.#end(pull, 'closed', actor)
        else await this.#advance(pull, after, actor)
      } else if (pull.repository === repository && pull.baseBranch === branch && after !== NO_COMMIT) {
        if (await repository.git.isAncestor(pull.headSha, after)) {
          pull.merge = { sha: after, by: actor, at: this.now() }
          this.#end(pull, 'merged', actor)
        }
      }
    }
  }

  async #advance(pull: Pull, headSha: string, actor: Account): Promise<void> {
    const before = { headSha: pull.headSha }
    pull.headSha = headSha
    pull.updatedAt = this.now()
    await this.#keepHead(pull)
    this.#onEvent({ kind: 'pull', action: 'synchronize', pull, actor, before })
  }

  async #keepHead(pull: Pull): Promise<void> {
    const from = pull.headRepository ?? pull.repository
    await pull.repository.git.fetch(from.git, pull.headSha, `${this.#pullRefs}/${pull.number}/head`)
    const start = (await pull.repository.git.resolve(pull.baseBranch)) ?? pull.baseSha
    const base = (await pull.repository.git.mergeBase(start, pull.headSha)) ?? start
    pull.versions.push({ id: this.nextId(), head: pull.headSha, base, start, at: this.now() })
  }

  /** The pull, or why there is none: one of this branch is open already, a branch is missing, or nothing differs. */
  async openPull(
    repository: Repository,
    pull: {
      readonly headRepository: Repository
      readonly headBranch: string
      readonly baseBranch: string
      readonly title: string
      readonly body: string | null
      readonly author: Account
    },
  ): Promise<Pull | 'exists' | 'no-head' | 'no-base' | 'no-commits'> {
    const headSha = await pull.headRepository.git.objectId(`refs/heads/${pull.headBranch}`)
    const baseSha = await repository.git.objectId(`refs/heads/${pull.baseBranch}`)
    if (headSha === undefined) return 'no-head'
    if (baseSha === undefined) return 'no-base'
    const same = (open: Pull) =>
      open.state === 'open' &&
      open.headRepository === pull.headRepository &&
      open.headBranch === pull.headBranch &&
      open.baseBranch === pull.baseBranch
    if (repository.pulls.some(same)) return 'exists'
    if (headSha === baseSha) return 'no-commits'
    const at = this.now()
    const opened: Pull = {
      ...pull,
      id: this.nextId(),
      number: repository.pulls.length + 1,
      repository,
      headSha,
      baseSha,
      state: 'open',
      merge: undefined,
      closedBy: undefined,
      closedAt: undefined,
      createdAt: at,
      updatedAt: at,
      comments: [],
      reviews: [],
      versions: [],
    }
    repository.pulls.push(opened)
    await this.#keepHead(opened)
    this.#onEvent({ kind: 'pull', action: 'opened', pull: opened, actor: pull.author })
    return opened
  }

  editPull(pull: Pull, change: { readonly title?: string; readonly body?: string | null }, actor: Account): void {
    const before = {
      ...(change.title !== undefined && change.title !== pull.title ? { title: pull.title } : {}),
      ...(change.body !== undefined && change.body !== pull.body ? { body: pull.body } : {}),
    }
    if (Object.keys(before).length === 0) return
    pull.title = change.title ?? pull.title
    pull.body = change.body === undefined ? pull.body : change.body
    pull.updatedAt = this.now()
    this.#onEvent({ kind: 'pull', action: 'edited', pull, actor, before })
  }

  closePull(pull: Pull, actor: Account): void {
    if (pull.state === 'open') this.#end(pull, 'closed', actor)
  }

  reopenPull(pull: Pull, actor: Account): void {
    if (pull.state !== 'closed') return
    pull.state = 'open'
    pull.closedAt = undefined
    pull.closedBy = undefined
    pull.updatedAt = this.now()
    this.#onEvent({ kind: 'pull', action: 'reopened', pull, actor })
  }

  #end(pull: Pull, state: 'closed' | 'merged', actor: Account): void {
    pull.state = state
    pull.closedAt = this.now()
    pull.closedBy = actor
    pull.updatedAt = this.now()
    this.#onEvent({ kind: 'pull', action: state, pull, actor })
  }

  /** Whether the pull could be merged now, and the tree that this would give. */
  async mergeable(pull: Pull): Promise<string | undefined> {
    const base = await pull.repository.git.resolve(pull.baseBranch)
    return base === undefined ? undefined : pull.repository.git.mergedTree(base, pull.headSha)
  }

  /**
   * @param expectedHead - The head that was reviewed; another head refuses.
   * @param method - `squash` and `rebase` make new commits; both end as one commit here.
   */
  async mergePull(
    pull: Pull,
    actor: Account,
    options: {
      readonly expectedHead?: string
      readonly method?: 'merge' | 'squash' | 'rebase'
      readonly message: string
    },
  ): Promise<{ readonly sha: string } | { readonly refused: MergeRefusal }> {
    if (pull.state !== 'open') return { refused: 'not-open' }
    if (options.expectedHead !== undefined && options.expectedHead !== pull.headSha) return { refused: 'head-moved' }
    const { git } = pull.repository
    const base = await git.resolve(pull.baseBranch)
    if (base === undefined) return { refused: 'conflict' }
    const tree = await git.mergedTree(base, pull.headSha)
    if (tree === undefined) return { refused: 'conflict' }
    const author = this.signature(actor)
    const sha = await git.writeCommit({
      tree,
      parents: (options.method ?? 'merge') === 'merge' ? [base, pull.headSha] : [base],
      author,
      committer: author,
      message: options.message,
    })
    const ref = `refs/heads/${pull.baseBranch}`
    if (!(await git.updateRef(ref, sha, base))) return { refused: 'base-moved' }
    pull.baseSha = base
    pull.merge = { sha, by: actor, at: this.now() }
    this.#end(pull, 'merged', actor)
    await this.pushed(pull.repository, [{ ref, before: base, after: sha }], actor)
    return { sha }
  }

  addComment(pull: Pull, author: Account, body: string): Comment {
    const at = this.now()
    const comment: Comment = { id: this.nextId(), author, body, createdAt: at, updatedAt: at }
    pull.comments.push(comment)
    this.#onEvent({ kind: 'comment', action: 'created', pull, comment, actor: author })
    return comment
  }

  editComment(pull: Pull, comment: Comment, actor: Account, body: string): void {
    const before = comment.body
    comment.body = body
    comment.updatedAt = this.now()
    this.#onEvent({ kind: 'comment', action: 'edited', pull, comment, actor, before })
  }

  deleteComment(pull: Pull, comment: Comment, actor: Account): void {
    pull.comments = pull.comments.filter((kept) => kept !== comment)
    this.#onEvent({ kind: 'comment', action: 'deleted', pull, comment, actor })
  }

  findComment(repository: Repository, id: number): { readonly pull: Pull; readonly comment: Comment } | undefined {
    for (const pull of repository.pulls) {
      const comment = pull.comments.find((candidate) => candidate.id === id)
      if (comment !== undefined) return { pull, comment }
    }
    return undefined
  }

  addReview(pull: Pull, author: Account, state: Review['state'], body: string): Review {
    const review: Review = { id: this.nextId(), author, state, body, commit: pull.headSha, at: this.now() }
    pull.reviews.push(review)
    if (state === 'APPROVED') this.#onEvent({ kind: 'pull', action: 'approved', pull, actor: author })
    return review
  }

  /** Everyone and everything that has registered this key. */
  keyHolders(
    key: PublicKey,
  ): readonly (Account | { readonly repository: Repository; readonly deployKey: DeployKey })[] {
    const print = fingerprint(key)
    const same = (other: PublicKey) => fingerprint(other) === print
    return [
      ...this.#accounts.filter(({ sshKeys }) => sshKeys.some(same)),
      ...this.#repositories.flatMap((repository) =>
        repository.deployKeys.filter((held) => same(held.key)).map((deployKey) => ({ repository, deployKey })),
      ),
    ]
  }

  addDeployKey(
    repository: Repository,
    key: PublicKey,
    options: {
      readonly title: string
      readonly readOnly: boolean
      readonly addedBy: Account
      readonly expiresAt?: string
      readonly id?: number
    },
  ): DeployKey {
    const deployKey: DeployKey = {
      id: options.id ?? this.nextId(),
      title: options.title === '' ? publicKeyLine(key).slice(0, 40) : options.title,
      key,
      readOnly: options.readOnly,
      addedBy: options.addedBy,
      createdAt: this.now(),
      expiresAt: options.expiresAt,
      lastUsed: undefined,
    }
    repository.deployKeys.push(deployKey)
    return deployKey
  }
}
