import * as z from 'zod'
import { Problem } from '../../core/problem.ts'
import type { ForgeReader, Permission, Pull, PullComment, RepoInfo, RepoRef } from '../../seams/forge.ts'
import { reading } from '../forge-problem.ts'
import { LimitedCache } from '../limited-cache.ts'
import { isProblem, learnRepositories, type GithubClient, type Named } from './client.ts'

/** Files read at once; more would count as abuse at the forge. */
const PARALLEL_READS = 4
/** Largest text file that is read. */
const MAX_FILE_BYTES = 1024 * 1024
/** Trees and blobs remembered; they are small and never change. */
const REMEMBERED = 500

interface TreeEntry {
  readonly path: string
  readonly mode: string
  readonly type: string
  readonly sha: string
}

export function githubReader(client: GithubClient): ForgeReader {
  const trees = new LimitedCache<readonly TreeEntry[]>(REMEMBERED)
  const blobs = new LimitedCache<string>(REMEMBERED)
  let knownHosts: Promise<readonly string[]> | undefined

  const read = async <T>(repo: RepoRef, doing: string, request: (named: Named) => Promise<T>): Promise<T> => {
    const named = await client.named(repo)
    return reading(() => client.ask(`${doing} of ${named.owner}/${named.repo}`, () => request(named)))
  }
  const tree = (repo: RepoRef, sha: string, recursive: boolean): Promise<readonly TreeEntry[]> =>
    trees.get(`${sha}/${recursive}`, async () => {
      const { data } = await read(repo, 'reading a tree', ({ octokit, owner, repo: name }) =>
        octokit.rest.git.getTree({ owner, repo: name, tree_sha: sha, ...(recursive ? { recursive: '1' } : {}) }),
      )
      if (data.truncated)
        throw new Problem({
          code: 'forge.tree-too-large',
          what: 'the forge lists only a part of this folder',
          remedy: 'Keep fewer than 100,000 files under clusters/.',
          retry: 'never',
        })
      return data.tree.flatMap((entry) =>
        entry.path === undefined || entry.sha === undefined || entry.sha === null
          ? []
          : [{ path: entry.path, mode: entry.mode ?? '', type: entry.type ?? '', sha: entry.sha }],
      )
    })

  const reader: ForgeReader = {
    name: 'github',
    async repositories() {
      const listed = await reading(() => learnRepositories(client))
      return Promise.all(listed.slice(0, 1_000).map((repository) => repoInfo(repository)))
    },
    async repository(repo) {
      const { data } = await read(repo, 'reading the repository', ({ octokit, owner, repo: name }) =>
        octokit.rest.repos.get({ owner, repo: name }),
      )
      if (String(data.id) !== repo.id)
        throw new Problem({
          code: 'forge.not-found',
          what: `${data.full_name} is another repository now`,
          retry: 'later',
        })
      return repoInfo(data)
    },
    async branchHead(repo, branch) {
      try {
        const { data } = await read(repo, 'reading a branch', ({ octokit, owner, repo: name }) =>
          octokit.rest.git.getRef({ owner, repo: name, ref: `heads/${branch}` }),
        )
        return data.object.sha
      } catch (error) {
        if (isProblem(error, 'forge.not-found')) return undefined
        throw error
      }
    },
    async listFiles(repo, commit, prefix) {
      const segments = prefix.split('/').filter((segment) => segment !== '')
      let entries = await tree(repo, commit, false)
      for (const [i, segment] of segments.entries()) {
        const entry = entries.find(({ path }) => path === segment)
        const last = i === segments.length - 1
        if (entry === undefined) return new Map()
        if (entry.type !== 'tree') return last && isText(entry) ? new Map([[segments.join('/'), entry.sha]]) : new Map()
        entries = await tree(repo, entry.sha, last)
      }
      if (segments.length === 0) entries = await tree(repo, commit, true)
      const base = segments.length === 0 ? '' : `${segments.join('/')}/`
      return new Map(entries.filter(isText).map(({ path, sha }) => [`${base}${path}`, sha]))
    },
    async readFiles(repo, commit, paths) {
      const files = new Map<string, string>()
      const wanted = [...new Set(paths)]
      for (let i = 0; i < wanted.length; i += PARALLEL_READS) {
        await Promise.all(
          wanted.slice(i, i + PARALLEL_READS).map(async (path) => {
            const folder = path.includes('/') ? path.slice(0, path.lastIndexOf('/')) : ''
            const sha =
              folder === ''
                ? (await tree(repo, commit, false)).filter(isText).find((entry) => entry.path === path)?.sha
                : (await reader.listFiles(repo, commit, folder)).get(path)
            if (sha !== undefined) files.set(path, await blob(repo, sha))
          }),
        )
      }
      return new Map([...files].sort(([a], [b]) => (a < b ? -1 : 1)))
    },
    async mergeBase(repo, a, b) {
      try {
        const { data } = await read(repo, 'comparing commits', ({ octokit, owner, repo: name }) =>
          octokit.rest.repos.compareCommitsWithBasehead({ owner, repo: name, basehead: `${a}...${b}`, per_page: 1 }),
        )
        return data.merge_base_commit.sha
      } catch (error) {
        if (isProblem(error, 'forge.not-found')) return undefined
        throw error
      }
    },
    async pull(repo, number) {
      try {
        const { data } = await read(repo, 'reading a pull', ({ octokit, owner, repo: name }) =>
          octokit.rest.pulls.get({ owner, repo: name, pull_number: number }),
        )
        return pullOf(repo, data)
      } catch (error) {
        if (isProblem(error, 'forge.not-found')) return undefined
        throw error
      }
    },
    async openPulls(repo) {
      const listed = await read(repo, 'listing pulls', ({ octokit, owner, repo: name }) =>
        octokit.paginate(octokit.rest.pulls.list, { owner, repo: name, state: 'open', per_page: 100 }),
      )
      return listed.map((data) => pullOf(repo, data))
    },
    async pullOfCommit(repo, commit) {
      const { data } = await read(repo, 'finding the pull of a commit', ({ octokit, owner, repo: name }) =>
        octokit.rest.repos.listPullRequestsAssociatedWithCommit({ owner, repo: name, commit_sha: commit }),
      )
      const merged = data.find((pull) => pull.merged_at !== null && pull.merge_commit_sha === commit)
      return merged === undefined ? undefined : pullOf(repo, merged)
    },
    async comment(repo, _number, commentId) {
      try {
        const { data } = await read(repo, 'reading a comment', ({ octokit, owner, repo: name }) =>
          octokit.rest.issues.getComment({ owner, repo: name, comment_id: Number(commentId) }),
        )
        return commentOf(data)
      } catch (error) {
        if (isProblem(error, 'forge.not-found')) return undefined
        throw error
      }
    },
    permission: (repo, login) => permissionOf(client, repo, login),
  }

  function blob(repo: RepoRef, sha: string): Promise<string> {
    return blobs.get(sha, async () => {
      const { data } = await read(repo, 'reading a file', ({ octokit, owner, repo: name }) =>
        octokit.rest.git.getBlob({ owner, repo: name, file_sha: sha }),
      )
      if ((data.size ?? 0) > MAX_FILE_BYTES)
        throw new Problem({
          code: 'forge.file-too-large',
          what: `a file has ${data.size} bytes, at most ${MAX_FILE_BYTES} are read`,
          retry: 'never',
        })
      const bytes = Uint8Array.from(atob(data.content.replace(/\s/g, '')), (char) => char.charCodeAt(0))
      return new TextDecoder().decode(bytes)
    })
  }

  /** `ssh_url` is `git@host:owner/repo.git` or, with a port, already an address. */
  async function repoInfo(data: {
    readonly id: number
    readonly full_name: string
    readonly html_url: string
    readonly default_branch: string
    readonly ssh_url: string
  }): Promise<RepoInfo> {
    const sshUrl = data.ssh_url.startsWith('ssh://')
      ? data.ssh_url
      : data.ssh_url.replace(/^([^@]+@[^:]+):(.*)$/, 'ssh://$1/$2')
    knownHosts ??= hostKeys(String(data.id), new URL(sshUrl)).catch((error: unknown) => {
      knownHosts = undefined
      throw error
    })
    return {
      forge: 'github',
      id: String(data.id),
      fullName: data.full_name,
      webUrl: data.html_url,
      defaultBranch: data.default_branch,
      git: { sshUrl, branch: data.default_branch, knownHosts: await knownHosts },
    }
  }

  /** GitHub publishes its SSH host keys at `/meta`; RSA is left out, every client of today takes one of the others. */
  async function hostKeys(repo: string, url: URL): Promise<readonly string[]> {
    if (client.config.sshKnownHosts !== undefined) return client.config.sshKnownHosts
    const { octokit } = await client.named({ forge: 'github', id: repo })
    const { data } = await reading(() => client.ask('reading the SSH host keys', () => octokit.rest.meta.get()))
    const host = url.port === '' || url.port === '22' ? url.hostname : `[${url.hostname}]:${url.port}`
    const keys = z.array(z.string()).parse(data.ssh_keys ?? [])
    return keys.filter((key) => !key.startsWith('ssh-rsa')).map((key) => `${host} ${key}`)
  }

  return reader
}

function isText(entry: TreeEntry): boolean {
  return entry.type === 'blob' && (entry.mode === '100644' || entry.mode === '100755')
}

interface PullData {
  readonly number: number
  readonly title: string
  readonly user: { readonly login: string } | null
  readonly state: string
  readonly merged_at: string | null
  readonly draft?: boolean | undefined
  readonly base: { readonly ref: string; readonly repo: { readonly id: number } }
  readonly head: { readonly ref: string; readonly sha: string; readonly repo: { readonly id: number } | null }
  readonly merge_commit_sha: string | null
  readonly html_url: string
}

function pullOf(repo: RepoRef, data: PullData): Pull {
  const merged = data.merged_at !== null
  return {
    repo: { forge: 'github', id: repo.id },
    number: data.number,
    title: data.title,
    author: data.user?.login ?? 'ghost',
    state: merged ? 'merged' : data.state === 'open' ? 'open' : 'closed',
    draft: data.draft === true,
    baseBranch: data.base.ref,
    headBranch: data.head.ref,
    head: data.head.sha,
    // Before the merge this field holds a test merge.
    ...(merged && data.merge_commit_sha !== null ? { mergeCommit: data.merge_commit_sha } : {}),
    fork: data.head.repo === null || data.head.repo.id !== data.base.repo.id,
    webUrl: data.html_url,
  }
}

export function commentOf(data: {
  readonly id: number
  readonly user: { readonly login: string; readonly type?: string } | null
  readonly body?: string | null | undefined
  readonly created_at: string
  readonly updated_at: string
  readonly performed_via_github_app?: unknown
}): PullComment {
  const via = data.performed_via_github_app
  return {
    id: String(data.id),
    author: data.user?.login ?? 'ghost',
    authorIsBot: data.user?.type === 'Bot' || (via !== null && via !== undefined),
    body: data.body ?? '',
    edited: data.updated_at !== data.created_at,
  }
}

/** Asked at the moment of acting; everything but a clear yes is a no. */
async function permissionOf(client: GithubClient, repo: RepoRef, login: string): Promise<Permission> {
  const none: Permission = { login, level: 'none', bot: login.endsWith('[bot]') }
  if (!/^[\w.[\]-]+$/.test(login) || none.bot) return none
  const { octokit, owner, repo: name } = await client.named(repo)
  try {
    const { data } = await reading(() =>
      client.ask(`reading the permission of ${login}`, () =>
        octokit.rest.repos.getCollaboratorPermissionLevel({ owner, repo: name, username: login }),
      ),
    )
    const role = data.permission
    return {
      ...none,
      level:
        role === 'admin'
          ? 'admin'
          : role === 'write' || role === 'maintain'
            ? 'write'
            : role === 'read' || role === 'triage'
              ? 'read'
              : 'none',
    }
  } catch (error) {
    if (isProblem(error, 'forge.not-found') || isProblem(error, 'forge.forbidden')) return none
    throw error
  }
}
