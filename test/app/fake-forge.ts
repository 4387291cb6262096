import { createHash } from 'node:crypto'
import { Problem } from '../../src/core/problem.ts'
import type {
  Check,
  DeployKey,
  DeploymentState,
  Forge,
  ForgeEvent,
  ForgeName,
  Permission,
  Pull,
  PullComment,
  RepoInfo,
  RepoRef,
  Topic,
} from '../../src/seams/forge.ts'

interface Commit {
  readonly parents: readonly string[]
  readonly files: ReadonlyMap<string, string>
}

/** A forge in memory with one repository: branches and commits as Git has them, pulls, comments and people. */
export interface FakeForge extends Forge {
  readonly info: RepoInfo
  readonly repo: RepoRef
  readonly comments: Map<string, string>
  readonly checks: Map<string, Check>
  readonly deployments: { environment: string; commit: string; state: DeploymentState; description: string }[]
  readonly keys: (DeployKey & { repo: string })[]
  readonly people: Map<string, Permission['level']>
  /** Calls that reached the forge and changed something there. */
  readonly writes: string[]
  /** Commits on top of a branch; `null` deletes. A branch that does not exist starts at the default branch. */
  push(branch: string, files: Readonly<Record<string, string | null>>, from?: string): string
  open(branch: string, options?: { readonly fork?: boolean; readonly author?: string }): number
  /** Merges a pull and returns the merge commit. */
  merge(number: number): string
  say(
    number: number,
    author: string,
    body: string,
    options?: { readonly edited?: boolean; readonly bot?: boolean },
  ): string
  text(commit: string, path: string): string | undefined
  head(branch: string): string
  /** Makes the next call of this method fail with the error. */
  failNext(method: keyof Forge, error: Error): void
}

const blobId = (text: string): string =>
  createHash('sha1')
    .update(`blob ${Buffer.byteLength(text)}\0`)
    .update(text)
    .digest('hex')

export const WEBHOOK_SECRET = 'a webhook secret for tests only'
const KNOWN_HOST = 'forge.test ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB9mO3OLZwsm6Cn9Hc9gIJPJLzqPzzkqCkSNzAcEyyJ9'

export function fakeForge(name: ForgeName = 'github', id = '4711'): FakeForge {
  const repo: RepoRef = { forge: name, id }
  const info: RepoInfo = {
    ...repo,
    fullName: 'ada/homelab',
    webUrl: 'https://forge.test/ada/homelab',
    defaultBranch: 'main',
    git: { sshUrl: 'ssh://git@forge.test/ada/homelab.git', branch: 'main', knownHosts: [KNOWN_HOST] },
  }
  const commits = new Map<string, Commit>()
  const branches = new Map<string, string>()
  const pulls = new Map<number, Pull>()
  const said = new Map<string, PullComment & { number: number }>()
  const failures = new Map<string, Error[]>()
  let counter = 0

  const add = (parents: readonly string[], files: ReadonlyMap<string, string>): string => {
    counter += 1
    const commit = createHash('sha1')
      .update(`${counter} ${parents.join(' ')}`)
      .digest('hex')
    commits.set(commit, { parents, files })
    return commit
  }
  const ancestors = (commit: string): string[] => {
    const found: string[] = []
    const queue = [commit]
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      if (found.includes(next)) continue
      found.push(next)
      queue.push(...(commits.get(next)?.parents ?? []))
    }
    return found
  }
  const changed = (files: ReadonlyMap<string, string>, changes: Iterable<readonly [string, string | null]>) => {
    const next = new Map(files)
    for (const [path, text] of changes) {
      if (text === null) next.delete(path)
      else next.set(path, text)
    }
    return next
  }
  branches.set('main', add([], new Map([['README.md', '# homelab\n']])))
  const follow = (branch: string): void => {
    for (const [number, pull] of pulls) {
      if (pull.headBranch === branch && pull.state === 'open') {
        pulls.set(number, { ...pull, head: branches.get(branch)! })
      }
    }
  }
  const check = (method: keyof Forge): void => {
    const error = failures.get(method)?.shift()
    if (error) throw error
  }
  const ours = (asked: RepoRef): void => {
    if (asked.forge !== repo.forge || asked.id !== repo.id) {
      throw new Problem({ code: 'forge.repository', what: `no repository ${asked.id}`, retry: 'never' })
    }
  }

  const forge: FakeForge = {
    name,
    info,
    repo,
    commentLimit: 60_000,
    comments: new Map(),
    checks: new Map(),
    deployments: [],
    keys: [],
    people: new Map([['ada', 'admin']]),
    writes: [],

    push(branch, files, from) {
      const parent = branches.get(branch) ?? branches.get(from ?? 'main')!
      const commit = add([parent], changed(commits.get(parent)!.files, Object.entries(files)))
      branches.set(branch, commit)
      follow(branch)
      return commit
    },
    open(branch, options = {}) {
      const number = pulls.size + 1
      const head = branches.get(branch)!
      pulls.set(number, {
        repo,
        number,
        title: `pull ${number}`,
        author: options.author ?? 'ada',
        state: 'open',
        draft: false,
        baseBranch: 'main',
        headBranch: branch,
        head,
        fork: options.fork ?? false,
        webUrl: `https://forge.test/ada/homelab/pull/${number}`,
      })
      return number
    },
    merge(number) {
      const pull = pulls.get(number)!
      const base = branches.get('main')!
      const at = ancestors(base).find((commit) => ancestors(pull.head).includes(commit))
      const before = commits.get(at!)!.files
      const theirs = commits.get(pull.head)!.files
      const changes: [string, string | null][] = []
      for (const [path, text] of theirs) if (before.get(path) !== text) changes.push([path, text])
      for (const path of before.keys()) if (!theirs.has(path)) changes.push([path, null])
      const commit = add([base, pull.head], changed(commits.get(base)!.files, changes))
      branches.set('main', commit)
      pulls.set(number, { ...pull, state: 'merged', mergeCommit: commit })
      return commit
    },
    say(number, author, body, options = {}) {
      const comment = String(said.size + 1)
      const { edited = false, bot = false } = options
      said.set(comment, { id: comment, number, author, body, edited, authorIsBot: bot })
      return comment
    },
    text: (commit, path) => commits.get(commit)?.files.get(path),
    head: (branch) => branches.get(branch)!,
    failNext(method, error) {
      failures.set(method, [...(failures.get(method) ?? []), error])
    },

    async repositories() {
      check('repositories')
      return [info]
    },
    async repository(asked) {
      ours(asked)
      check('repository')
      return info
    },
    async branchHead(asked, branch) {
      ours(asked)
      check('branchHead')
      return branches.get(branch)
    },
    async listFiles(asked, commit, prefix) {
      ours(asked)
      check('listFiles')
      const files = [...commits.get(commit)!.files].filter(([path]) => path.startsWith(prefix))
      return new Map(files.map(([path, text]) => [path, blobId(text)]))
    },
    async readFiles(asked, commit, paths) {
      ours(asked)
      check('readFiles')
      const files = commits.get(commit)!.files
      return new Map(paths.flatMap((path) => (files.has(path) ? [[path, files.get(path)!]] : [])))
    },
    async mergeBase(asked, a, b) {
      ours(asked)
      check('mergeBase')
      const other = ancestors(b)
      return ancestors(a).find((commit) => other.includes(commit))
    },
    async pull(asked, number) {
      ours(asked)
      check('pull')
      return pulls.get(number)
    },
    async openPulls() {
      check('openPulls')
      return [...pulls.values()].filter(({ state }) => state === 'open')
    },
    async pullOfCommit(_asked, commit) {
      return [...pulls.values()].find(({ mergeCommit }) => mergeCommit === commit)
    },
    async comment(_asked, number, comment) {
      const found = said.get(comment)
      return found?.number === number ? found : undefined
    },
    async permission(_asked, login) {
      check('permission')
      return { login, level: forge.people.get(login) ?? 'none', bot: false }
    },
    async upsertComment(_asked, number, topic: Topic, markdown) {
      check('upsertComment')
      const key = `${number}/${topic}`
      if (forge.comments.get(key) !== markdown) forge.writes.push(`comment ${key}`)
      forge.comments.set(key, markdown)
      return `${info.webUrl}/pull/${number}#${topic}`
    },
    async upsertCheck(_asked, _number, wanted) {
      check('upsertCheck')
      forge.writes.push(`check ${wanted.commit.slice(0, 7)}`)
      forge.checks.set(wanted.commit, wanted)
    },
    async deployment(_asked, { environment, commit, state, description }) {
      check('deployment')
      forge.writes.push(`deployment ${environment} ${state}`)
      forge.deployments.push({ environment, commit, state, description })
    },
    async commitFiles(_asked, branch, expectedHead, files) {
      check('commitFiles')
      if (branches.get(branch) !== expectedHead) return undefined
      forge.writes.push(`commit ${branch}`)
      const commit = add([expectedHead], changed(commits.get(expectedHead)!.files, files))
      branches.set(branch, commit)
      follow(branch)
      return commit
    },
    async openPull(_asked, { branch, title }) {
      check('openPull')
      const known = [...pulls.values()].find((pull) => pull.headBranch === branch && pull.state === 'open')
      if (known) return known
      forge.writes.push(`pull ${branch}`)
      const number = forge.open(branch, { author: 'slipway[bot]' })
      const pull = { ...pulls.get(number)!, title }
      pulls.set(number, pull)
      return pull
    },
    async createBranch(_asked, branch, commit) {
      check('createBranch')
      forge.writes.push(`branch ${branch}`)
      branches.set(branch, commit)
    },
    async deployKeys() {
      return forge.keys
    },
    async registerDeployKey(asked, title, publicKey) {
      check('registerDeployKey')
      const blob = publicKey.split(' ')[1]
      const known = forge.keys.find((key) => key.publicKey.split(' ')[1] === blob)
      if (known) return known
      const key = { id: String(forge.keys.length + 1), title, publicKey, readOnly: true, repo: asked.id }
      forge.keys.push(key)
      return key
    },
    async receive(request) {
      if (request.headers['x-signature'] !== WEBHOOK_SECRET) return { kind: 'refused', why: 'wrong signature' }
      const event = JSON.parse(new TextDecoder().decode(request.body)) as ForgeEvent | { ignored: string }
      return 'ignored' in event ? { kind: 'ignored', delivery: event.ignored } : { kind: 'event', event }
    },
  }
  return forge
}
