import { spawn } from 'node:child_process'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  parseCommit,
  parseNumstat,
  parseRaw,
  signatureLine,
  type CommitObject,
  type FileChange,
  type TreeEntry,
} from './git-objects.ts'

/** Longest answer of one `git` command that is kept in memory. */
const MAX_OUTPUT_BYTES = 256 * 1024 * 1024

/** Answers about objects kept per repository; objects never change, so these stay true. */
const MAX_REMEMBERED = 2_000
const WHOLE_ID = /^[0-9a-f]{40}$/

export const NO_COMMIT = '0'.repeat(40)

/** A changed path of a tree; `sha: null` takes the path away. */
export interface TreeChange {
  readonly path: string
  readonly mode: string
  readonly sha: string | null
}

/** The system's `git` ended with another status than 0. */
class GitFailed extends Error {
  readonly exit: number
  readonly stderr: string

  constructor(args: readonly string[], exit: number, stderr: string) {
    super(`git ${args[0] ?? ''} ended with ${exit}: ${stderr.trim()}`)
    this.exit = exit
    this.stderr = stderr
  }
}

/** What `git` sees of the environment: nobody's configuration, no prompts, English messages. */
export function gitEnvironment(extra: Readonly<Record<string, string>> = {}): Record<string, string> {
  return {
    PATH: process.env['PATH'] ?? '/usr/bin:/bin',
    HOME: '/nonexistent',
    LC_ALL: 'C',
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_CONFIG_GLOBAL: '/dev/null',
    GIT_TERMINAL_PROMPT: '0',
    ...extra,
  }
}

async function runGit(
  directory: string,
  args: readonly string[],
  { stdin = '', env = {} }: { readonly stdin?: string | Buffer; readonly env?: Readonly<Record<string, string>> } = {},
): Promise<Buffer> {
  const child = spawn('git', args, { cwd: directory, env: gitEnvironment(env), stdio: 'pipe' })
  const chunks: Buffer[] = []
  let bytes = 0
  let stderr = ''
  child.stdout.on('data', (chunk: Buffer) => {
    bytes += chunk.length
    if (bytes > MAX_OUTPUT_BYTES) child.kill()
    else chunks.push(chunk)
  })
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString('utf8')))
  // A command that refuses its input closes the pipe early; its exit status says why.
  child.stdin.on('error', () => undefined)
  child.stdin.end(stdin)
  const exit = await new Promise<number>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code) => resolve(code ?? -1))
  })
  if (exit !== 0) throw new GitFailed(args, exit, stderr)
  return Buffer.concat(chunks)
}

/** A bare repository on disk, read and written through the system's `git`. */
export class GitRepository {
  readonly directory: string
  readonly #remembered = new Map<string, Promise<unknown>>()

  constructor(directory: string) {
    this.directory = directory
  }

  /** Asks once; only for questions whose answer follows from the ids in the key. */
  #remember<Answer>(key: string, ask: () => Promise<Answer>): Promise<Answer> {
    const known = this.#remembered.get(key)
    // A key starts with the name of one method, so the answer is of that method's type.
    if (known !== undefined) return known as Promise<Answer>
    const asked = ask()
    this.#remembered.set(key, asked)
    asked.catch(() => this.#remembered.delete(key))
    const [oldest] = this.#remembered.keys()
    if (this.#remembered.size > MAX_REMEMBERED && oldest !== undefined) this.#remembered.delete(oldest)
    return asked
  }

  /** @param hiddenRefs - Refs that clients may fetch and never push, e.g. `refs/pull`. */
  static async create(directory: string, defaultBranch: string, hiddenRefs: string): Promise<GitRepository> {
    await mkdir(directory, { recursive: true })
    await runGit(directory, ['init', '--quiet', '--bare', `--initial-branch=${defaultBranch}`])
    return GitRepository.#configured(directory, hiddenRefs)
  }

  static async clone(from: GitRepository, directory: string, hiddenRefs: string): Promise<GitRepository> {
    await mkdir(directory, { recursive: true })
    await runGit(directory, ['clone', '--quiet', '--bare', from.directory, directory])
    return GitRepository.#configured(directory, hiddenRefs)
  }

  static async #configured(directory: string, hiddenRefs: string): Promise<GitRepository> {
    await runGit(directory, ['config', 'uploadpack.allowAnySHA1InWant', 'true'])
    await runGit(directory, ['config', 'uploadpack.allowFilter', 'true'])
    await runGit(directory, ['config', 'receive.hideRefs', hiddenRefs])
    await runGit(directory, ['config', 'gc.auto', '0'])
    return new GitRepository(directory)
  }

  async #text(args: readonly string[], options?: Parameters<typeof runGit>[2]): Promise<string> {
    return (await runGit(this.directory, args, options)).toString('utf8')
  }

  /** Commit that a branch, tag, full ref or (abbreviated) id names. */
  async resolve(revision: string): Promise<string | undefined> {
    if (revision === '' || revision.startsWith('-')) return undefined
    const names = [`refs/heads/${revision}`, `refs/tags/${revision}`, revision]
    for (const name of WHOLE_ID.test(revision) ? [revision] : names) {
      try {
        return (await this.#text(['rev-parse', '--verify', '--quiet', '--end-of-options', `${name}^{commit}`])).trim()
      } catch (error) {
        if (!(error instanceof GitFailed)) throw error
      }
    }
    return undefined
  }

  /** Id of any object below a revision, e.g. `main:docs/a.md`; `undefined` when there is none. */
  async objectId(expression: string): Promise<string | undefined> {
    if (expression.startsWith('-')) return undefined
    try {
      return (await this.#text(['rev-parse', '--verify', '--quiet', '--end-of-options', expression])).trim()
    } catch (error) {
      if (error instanceof GitFailed) return undefined
      throw error
    }
  }

  async objectType(sha: string): Promise<'blob' | 'tree' | 'commit' | 'tag' | undefined> {
    try {
      return (await this.#text(['cat-file', '-t', sha])).trim() as 'blob' | 'tree' | 'commit' | 'tag'
    } catch (error) {
      if (error instanceof GitFailed) return undefined
      throw error
    }
  }

  /** Refs below a prefix, e.g. `refs/heads/`, with the objects they point at, sorted by name. */
  async refs(prefix: string): Promise<ReadonlyMap<string, string>> {
    const lines = await this.#text(['for-each-ref', '--format=%(objectname) %(refname)', '--', ...forEachRef(prefix)])
    const pairs = lines
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => [line.slice(41), line.slice(0, 40)] as const)
    return new Map(pairs.filter(([name]) => name.startsWith(prefix)))
  }

  /**
   * Moves, makes (`before` is {@link NO_COMMIT}) or deletes (`after` is) a ref.
   * @returns `false` when the ref was not at `before`.
   */
  async updateRef(ref: string, after: string, before?: string): Promise<boolean> {
    const args = after === NO_COMMIT ? ['update-ref', '-d', ref] : ['update-ref', ref, after]
    try {
      await runGit(this.directory, before === undefined ? args : [...args, before])
      return true
    } catch (error) {
      if (error instanceof GitFailed) return false
      throw error
    }
  }

  async commits(shas: readonly string[]): Promise<readonly CommitObject[]> {
    if (shas.length === 0) return []
    const output = await runGit(this.directory, ['cat-file', '--batch'], { stdin: `${shas.join('\n')}\n` })
    const commits: CommitObject[] = []
    let at = 0
    for (const sha of shas) {
      const headerEnd = output.indexOf(10, at)
      const size = Number(output.subarray(at, headerEnd).toString('utf8').split(' ')[2])
      if (!Number.isInteger(size)) throw new Error(`${sha} is not an object of ${this.directory}`)
      commits.push(parseCommit(sha, output.subarray(headerEnd + 1, headerEnd + 1 + size).toString('utf8')))
      at = headerEnd + 1 + size + 1
    }
    return commits
  }

  commit(sha: string): Promise<CommitObject> {
    return this.#remember(`commit ${sha}`, async () => {
      const [commit] = await this.commits([sha])
      if (commit === undefined) throw new Error(`no commit ${sha}`)
      return commit
    })
  }

  /** Commit ids of a range or revision, newest first. */
  async log(range: string, { path, limit = 1000 }: { path?: string; limit?: number } = {}): Promise<readonly string[]> {
    const paths = path === undefined || path === '' ? [] : [path]
    const text = await this.#text(['rev-list', `--max-count=${limit}`, '--end-of-options', range, '--', ...paths])
    return text.split('\n').filter((line) => line !== '')
  }

  async count(range: string): Promise<number> {
    return Number(await this.#text(['rev-list', '--count', '--end-of-options', range, '--']))
  }

  async mergeBase(one: string, other: string): Promise<string | undefined> {
    try {
      return (await this.#text(['merge-base', one, other])).trim()
    } catch (error) {
      if (error instanceof GitFailed) return undefined
      throw error
    }
  }

  async isAncestor(ancestor: string, descendant: string): Promise<boolean> {
    try {
      await runGit(this.directory, ['merge-base', '--is-ancestor', ancestor, descendant])
      return true
    } catch (error) {
      if (error instanceof GitFailed) return false
      throw error
    }
  }

  /** Tree of the two commits (whole ids) merged, or `undefined` where they conflict. */
  mergedTree(one: string, other: string): Promise<string | undefined> {
    return this.#remember(`mergedTree ${one} ${other}`, async () => {
      try {
        return (await this.#text(['merge-tree', '--write-tree', one, other])).split('\n')[0]
      } catch (error) {
        if (error instanceof GitFailed && error.exit === 1) return undefined
        throw error
      }
    })
  }

  /** @param path - Folder to list, `''` for the root; nothing is returned for a path that is not there. */
  async tree(treeish: string, { path = '', recursive = false } = {}): Promise<readonly TreeEntry[]> {
    const within = path === '' ? treeish : `${treeish}:${path}`
    const flags = recursive ? ['-r', '-t'] : []
    const text = await this.#text(['ls-tree', '-z', '-l', ...flags, within])
    return text
      .split('\0')
      .filter((line) => line !== '')
      .map((line) => {
        const tab = line.indexOf('\t')
        const [mode = '', type = '', sha = '', size = '-'] = line.slice(0, tab).split(/ +/)
        const entry = { mode, type: type as TreeEntry['type'], sha, path: line.slice(tab + 1) }
        return size === '-' ? entry : { ...entry, size: Number(size) }
      })
  }

  blob(sha: string): Promise<Buffer> {
    return runGit(this.directory, ['cat-file', 'blob', sha])
  }

  async writeBlob(content: string | Buffer): Promise<string> {
    return (await this.#text(['hash-object', '-w', '--stdin'], { stdin: content })).trim()
  }

  /** Tree that is `base` with these paths changed. */
  async writeTree(base: string | undefined, changes: readonly TreeChange[]): Promise<string> {
    const scratch = await mkdtemp(join(tmpdir(), 'sim-git-index-'))
    const env = { GIT_INDEX_FILE: join(scratch, 'index') }
    try {
      await runGit(this.directory, base === undefined ? ['read-tree', '--empty'] : ['read-tree', base], { env })
      const lines = changes.map(({ path, mode, sha }) =>
        sha === null ? `0 ${NO_COMMIT}\t${path}\0` : `${mode} ${sha}\t${path}\0`,
      )
      await runGit(this.directory, ['update-index', '-z', '--index-info'], { env, stdin: lines.join('') })
      return (await this.#text(['write-tree'], { env })).trim()
    } finally {
      await rm(scratch, { recursive: true, force: true })
    }
  }

  async writeCommit(commit: Omit<CommitObject, 'sha'>): Promise<string> {
    const stdin = [
      `tree ${commit.tree}`,
      ...commit.parents.map((parent) => `parent ${parent}`),
      `author ${signatureLine(commit.author)}`,
      `committer ${signatureLine(commit.committer)}`,
      '',
      commit.message,
    ].join('\n')
    return (await this.#text(['hash-object', '-w', '-t', 'commit', '--stdin'], { stdin })).trim()
  }

  /** Files changed from one tree or commit (whole ids) to another, with renames found, in path order. */
  diff(from: string, to: string): Promise<readonly FileChange[]> {
    return this.#remember(`diff ${from} ${to}`, () => this.#diff(from, to))
  }

  async #diff(from: string, to: string): Promise<readonly FileChange[]> {
    const common = ['diff', '--no-color', '--no-ext-diff', '-M', '--no-abbrev']
    const [raw, numbers, patch] = await Promise.all([
      this.#text([...common, '--raw', '-z', from, to]),
      this.#text([...common, '--numstat', '-z', from, to]),
      this.#text([...common, from, to]),
    ])
    const counts = parseNumstat(numbers)
    const patches = patch.split(/^(?=diff --git )/m).filter((part) => part !== '')
    return parseRaw(raw).map((file, index) => {
      const [additions, deletions] = counts[index] ?? [0, 0]
      const text = patches[index] ?? ''
      const start = text.search(/^@@ /m)
      const change = { ...file, additions, deletions }
      return start === -1 ? change : { ...change, hunks: text.slice(start) }
    })
  }

  /** Brings a commit and its history in from another repository. */
  async fetch(from: GitRepository, sha: string, ref: string): Promise<void> {
    await runGit(this.directory, ['fetch', '--quiet', '--no-tags', from.directory, `+${sha}:${ref}`])
  }
}

/** `for-each-ref` takes whole path parts, so a partial name lists its folder. */
function forEachRef(prefix: string): readonly string[] {
  const folder = prefix.slice(0, prefix.lastIndexOf('/'))
  return folder === '' ? [] : [folder]
}
