import * as z from 'zod'
import { Problem } from '../../core/problem.ts'
import type { ForgeReader, Pull, PullComment, RepoInfo, RepoRef } from '../../seams/forge.ts'
import { reading } from '../forge-problem.ts'
import { LimitedCache } from '../limited-cache.ts'
import { unlessMissing, type GitlabClient } from './client.ts'

/** Host keys of gitlab.com as it publishes them; its RSA key is left out, every client of today takes one of these. */
const GITLAB_COM_KEYS = [
  'gitlab.com ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAfuCHKVTjquxvt6CM6tdG4SLp1Btn/nOeHHE5UOzRdf',
  'gitlab.com ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBFSMqzJeV9rUzU4kWitGjeR4PWSa29SPqJ1fVkhtj3Hw9xjLVXVYrU9QlYWrOLXBpQ6KWjbjTDTdDkoohFzgbEY=',
]
const PARALLEL_READS = 4
const MAX_FILE_BYTES = 1024 * 1024
const REMEMBERED = 500
/** Pages of 100 that a listing may have. */
const MAX_PAGES = 100

const Project = z.looseObject({
  id: z.int(),
  path_with_namespace: z.string(),
  web_url: z.string(),
  default_branch: z.string().nullish(),
  ssh_url_to_repo: z.string(),
})
const Branch = z.looseObject({ commit: z.looseObject({ id: z.string() }) })
const Tree = z.array(z.looseObject({ path: z.string(), type: z.string(), mode: z.string(), id: z.string() }))
const File_ = z.looseObject({ size: z.int(), content: z.string() })
const Commit = z.looseObject({ id: z.string() })
export const MergeRequest = z.looseObject({
  iid: z.int(),
  title: z.string(),
  state: z.string(),
  draft: z.boolean().nullish(),
  author: z.looseObject({ username: z.string() }).nullish(),
  source_branch: z.string(),
  target_branch: z.string(),
  source_project_id: z.int().nullish(),
  target_project_id: z.int(),
  sha: z.string().nullish(),
  merge_commit_sha: z.string().nullish(),
  squash_commit_sha: z.string().nullish(),
  web_url: z.string(),
  diff_refs: z
    .looseObject({ base_sha: z.string().nullish(), start_sha: z.string().nullish(), head_sha: z.string().nullish() })
    .nullish(),
})
const Note = z.looseObject({
  id: z.int(),
  body: z.string(),
  author: z.looseObject({ id: z.int(), username: z.string(), bot: z.boolean().nullish() }),
  created_at: z.string(),
  updated_at: z.string(),
  system: z.boolean().nullish(),
})
const Users = z.array(z.looseObject({ id: z.int(), username: z.string(), bot: z.boolean().nullish() }))
const Member = z.looseObject({ access_level: z.int() })

export function gitlabReader(client: GitlabClient): ForgeReader {
  const { api } = client
  const folders = new LimitedCache<ReadonlyMap<string, string>>(REMEMBERED)
  const blobs = new LimitedCache<string>(REMEMBERED)
  const read = <T>(doing: string, schema: z.ZodType<T>, request: () => Promise<unknown>): Promise<T> =>
    reading(() => client.ask(doing, schema, request))
  const id = (repo: RepoRef): number => Number(repo.id)

  const listFolder = (repo: RepoRef, commit: string, prefix: string): Promise<ReadonlyMap<string, string>> =>
    folders.get(`${repo.id}/${commit}/${prefix}`, async () => {
      const listed = await unlessMissing(
        read('listing files', Tree, () =>
          api.Repositories.allRepositoryTrees(id(repo), {
            ref: commit,
            path: prefix,
            recursive: prefix !== '',
            perPage: 100,
            pagination: 'keyset',
            maxPages: MAX_PAGES,
          }),
        ),
      )
      const files = (listed ?? []).filter(
        (entry) => entry.type === 'blob' && (entry.mode === '100644' || entry.mode === '100755'),
      )
      return new Map(files.map((entry) => [entry.path, entry.id]))
    })

  const reader: ForgeReader = {
    name: 'gitlab',
    async repositories() {
      const listed = await read('listing projects', z.array(Project), () =>
        api.Projects.all({ membership: true, minAccessLevel: 30, archived: false, perPage: 100, maxPages: 10 }),
      )
      return listed
        .filter((project) => project.default_branch)
        .slice(0, 1_000)
        .map((project) => repoInfo(project))
    },
    async repository(repo) {
      return repoInfo(await read('reading the project', Project, () => api.Projects.show(id(repo))))
    },
    async branchHead(repo, branch) {
      return (await unlessMissing(read('reading a branch', Branch, () => api.Branches.show(id(repo), branch))))?.commit
        .id
    },
    async listFiles(repo, commit, prefix) {
      const path = prefix.replace(/\/+$/, '')
      const inside = await listFolder(repo, commit, path)
      if (inside.size > 0 || path === '') return inside
      const parent = path.includes('/') ? path.slice(0, path.lastIndexOf('/')) : ''
      const blob = (await listFolder(repo, commit, parent)).get(path)
      return blob === undefined ? new Map() : new Map([[path, blob]])
    },
    async readFiles(repo, commit, paths) {
      const files = new Map<string, string>()
      const wanted = [...new Set(paths)]
      for (let i = 0; i < wanted.length; i += PARALLEL_READS)
        await Promise.all(
          wanted.slice(i, i + PARALLEL_READS).map(async (path) => {
            const folder = path.includes('/') ? path.slice(0, path.lastIndexOf('/')) : ''
            const blob = (await listFolder(repo, commit, folder)).get(path)
            if (blob !== undefined) files.set(path, await readFile(repo, commit, path, blob))
          }),
        )
      return new Map([...files].sort(([a], [b]) => (a < b ? -1 : 1)))
    },
    async mergeBase(repo, a, b) {
      return (
        await unlessMissing(read('comparing commits', Commit, () => api.Repositories.mergeBase(id(repo), [a, b])))
      )?.id
    },
    async pull(repo, number) {
      const merge = await unlessMissing(
        read('reading a merge request', MergeRequest, () => api.MergeRequests.show(id(repo), number)),
      )
      return merge === undefined ? undefined : pullOf(repo, merge)
    },
    async openPulls(repo) {
      const listed = await read('listing merge requests', z.array(MergeRequest), () =>
        api.MergeRequests.all({ projectId: id(repo), state: 'opened', perPage: 100, maxPages: 10 }),
      )
      return listed.map((merge) => pullOf(repo, merge))
    },
    async pullOfCommit(repo, commit) {
      const listed = await unlessMissing(
        read('finding the merge request of a commit', z.array(MergeRequest), () =>
          api.Commits.allMergeRequests(id(repo), commit),
        ),
      )
      const merged = listed
        ?.map((merge) => pullOf(repo, merge))
        .find((pull) => pull.state === 'merged' && pull.mergeCommit === commit)
      return merged
    },
    async comment(repo, number, commentId) {
      const note = await unlessMissing(
        read('reading a note', Note, () => api.MergeRequestNotes.show(id(repo), number, Number(commentId))),
      )
      return note === undefined ? undefined : commentOf(note)
    },
    /** Asked at the moment of acting; everything but a clear yes is a no. */
    async permission(repo, login) {
      const none = { login, level: 'none', bot: false } as const
      if (!/^[\w.-]+$/.test(login)) return none
      const [user] = (await read('finding a user', Users, () => api.Users.all({ username: login }))).filter(
        (found) => found.username === login,
      )
      if (user === undefined) return none
      const bot = user.bot === true || user.id === (await client.self()).id
      const member = await unlessMissing(
        read('reading a member', Member, () => api.ProjectMembers.show(id(repo), user.id, { includeInherited: true })),
      )
      const access = member?.access_level ?? 0
      return { login, level: access >= 40 ? 'admin' : access >= 30 ? 'write' : access >= 10 ? 'read' : 'none', bot }
    },
  }

  function readFile(repo: RepoRef, commit: string, path: string, blobId: string): Promise<string> {
    return blobs.get(blobId, async () => {
      const file = await read('reading a file', File_, () => api.RepositoryFiles.show(id(repo), path, commit))
      if (file.size > MAX_FILE_BYTES)
        throw new Problem({
          code: 'forge.file-too-large',
          what: `${path} has ${file.size} bytes, at most ${MAX_FILE_BYTES} are read`,
          retry: 'never',
        })
      return new TextDecoder().decode(
        Uint8Array.from(atob(file.content.replace(/\s/g, '')), (char) => char.charCodeAt(0)),
      )
    })
  }

  function repoInfo(project: z.infer<typeof Project>): RepoInfo {
    const ssh = project.ssh_url_to_repo
    const sshUrl = ssh.startsWith('ssh://') ? ssh : ssh.replace(/^([^@]+@[^:]+):(.*)$/, 'ssh://$1/$2')
    const branch = project.default_branch ?? 'main'
    const knownHosts =
      client.config.sshKnownHosts ?? (new URL(sshUrl).hostname === 'gitlab.com' ? GITLAB_COM_KEYS : undefined)
    if (knownHosts === undefined)
      throw new Problem({
        code: 'forge.known-hosts',
        what: `the SSH host keys of ${new URL(sshUrl).hostname} are not known`,
        remedy: 'Set SLIPWAY_GITLAB_KNOWN_HOSTS to its known_hosts lines, taken from a source that you trust.',
        retry: 'later',
      })
    return {
      forge: 'gitlab',
      id: String(project.id),
      fullName: project.path_with_namespace,
      webUrl: project.web_url,
      defaultBranch: branch,
      git: { sshUrl, branch, knownHosts },
    }
  }

  return reader
}

function pullOf(repo: RepoRef, merge: z.infer<typeof MergeRequest>): Pull {
  const merged = merge.state === 'merged'
  // A fast-forward merge makes no commit of its own: the head itself is on the branch.
  const mergeCommit = merge.merge_commit_sha ?? merge.squash_commit_sha ?? merge.sha
  return {
    repo: { forge: 'gitlab', id: repo.id },
    number: merge.iid,
    title: merge.title,
    author: merge.author?.username ?? 'ghost',
    state: merged ? 'merged' : merge.state === 'opened' || merge.state === 'locked' ? 'open' : 'closed',
    draft: merge.draft === true,
    baseBranch: merge.target_branch,
    headBranch: merge.source_branch,
    head: merge.sha ?? '',
    ...(merged && mergeCommit ? { mergeCommit } : {}),
    fork: merge.source_project_id !== merge.target_project_id,
    webUrl: merge.web_url,
  }
}

function commentOf(note: z.infer<typeof Note>): PullComment {
  const bot = note.author.bot === true || /^(project|group)_\d+_bot/.test(note.author.username)
  return {
    id: String(note.id),
    author: note.author.username,
    authorIsBot: bot,
    body: note.body,
    edited: note.updated_at !== note.created_at,
  }
}
