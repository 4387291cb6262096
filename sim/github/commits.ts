import { Hono } from 'hono'
import { fullName, type Repository } from '../git/hosted-repository.ts'
import type { CommitObject, FileChange, Signature } from '../git/git-objects.ts'
import { accountJson } from './accounts.ts'
import { repositoryFor } from './caller.ts'
import { pageOf } from './page.ts'
import { notFound, Refusal } from './refusal.ts'
import { nodeId, type GithubWorld } from './world.ts'

/** A comparison shows no more files; further pages do not add any. */
const MAX_COMPARED_FILES = 300
/** A pull's file list ends here. */
export const MAX_PULL_FILES = 3_000

const UNSIGNED = { verified: false, reason: 'unsigned', signature: null, payload: null, verified_at: null }

function personJson(world: GithubWorld, { email }: Signature) {
  const account = world.hosting.accounts.find((candidate) => candidate.email === email)
  return account === undefined ? null : accountJson(world, account)
}

/** A commit with its people (`commit`). */
function commitObjectJson(world: GithubWorld, repository: Repository, commit: CommitObject) {
  const self = `${world.url}/repos/${fullName(repository)}/commits/${commit.sha}`
  const html = `${world.url}/${fullName(repository)}/commit/${commit.sha}`
  return {
    sha: commit.sha,
    node_id: nodeId('C', repository.id),
    commit: {
      author: commit.author,
      committer: commit.committer,
      message: commit.message.trimEnd(),
      tree: { sha: commit.tree, url: `${world.url}/repos/${fullName(repository)}/git/trees/${commit.tree}` },
      url: `${world.url}/repos/${fullName(repository)}/git/commits/${commit.sha}`,
      comment_count: 0,
      verification: UNSIGNED,
    },
    url: self,
    html_url: html,
    comments_url: `${self}/comments`,
    author: personJson(world, commit.author),
    committer: personJson(world, commit.committer),
    parents: commit.parents.map((sha) => ({
      sha,
      url: `${world.url}/repos/${fullName(repository)}/commits/${sha}`,
      html_url: `${world.url}/${fullName(repository)}/commit/${sha}`,
    })),
  }
}

export async function commitJson(world: GithubWorld, repository: Repository, sha: string) {
  return commitObjectJson(world, repository, await repository.git.commit(sha))
}

export async function commitsJson(world: GithubWorld, repository: Repository, shas: readonly string[]) {
  const commits = await repository.git.commits(shas)
  return commits.map((commit) => commitObjectJson(world, repository, commit))
}

/** A changed file of a pull, commit or comparison (`diff-entry`). */
export function fileJson(world: GithubWorld, repository: Repository, head: string, file: FileChange) {
  const path = file.path.split('/').map(encodeURIComponent).join('/')
  return {
    sha: file.sha,
    filename: file.path,
    status: file.status,
    additions: file.additions,
    deletions: file.deletions,
    changes: file.additions + file.deletions,
    blob_url: `${world.url}/${fullName(repository)}/blob/${head}/${path}`,
    raw_url: `${world.url}/${fullName(repository)}/raw/${head}/${path}`,
    contents_url: `${world.url}/repos/${fullName(repository)}/contents/${path}?ref=${head}`,
    ...(file.hunks === undefined ? {} : { patch: file.hunks.replace(/\n$/, '') }),
    ...(file.previousPath === undefined ? {} : { previous_filename: file.previousPath }),
  }
}

export async function resolveOr(
  repository: Repository,
  revision: string,
  refusal: () => Refusal = notFound,
): Promise<string> {
  const sha = await repository.git.resolve(revision)
  if (sha === undefined) throw refusal()
  return sha
}

export function commitRoutes(world: GithubWorld): Hono {
  return new Hono()
    .get('/repos/:owner/:repo/commits', async (context) => {
      const repository = repositoryFor(context, world, 'contents', 'read')
      const start = await resolveOr(repository, context.req.query('sha') ?? repository.defaultBranch)
      const shas = await repository.git.log(start, { path: context.req.query('path') ?? '' })
      return context.json(await commitsJson(world, repository, pageOf(context, shas)))
    })
    .get('/repos/:owner/:repo/commits/:ref{.+}', async (context) => {
      const repository = repositoryFor(context, world, 'contents', 'read')
      const revision = context.req.param('ref')
      const missing = () => new Refusal(422, `No commit found for SHA: ${revision}`)
      const sha = await resolveOr(repository, revision, missing)
      if (context.req.header('accept')?.includes('application/vnd.github.sha') === true) return context.text(sha)
      const commit = await repository.git.commit(sha)
      const files = await repository.git.diff(commit.parents[0] ?? EMPTY_TREE, sha)
      const additions = files.reduce((sum, file) => sum + file.additions, 0)
      const deletions = files.reduce((sum, file) => sum + file.deletions, 0)
      return context.json({
        ...commitObjectJson(world, repository, commit),
        stats: { total: additions + deletions, additions, deletions },
        files: pageOf(context, files).map((file) => fileJson(world, repository, sha, file)),
      })
    })
    .get('/repos/:owner/:repo/compare/:basehead{.+}', async (context) => {
      const repository = repositoryFor(context, world, 'contents', 'read')
      const [baseName = '', headName = ''] = context.req.param('basehead').split('...')
      const base = await resolveAcross(world, repository, baseName)
      const head = await resolveAcross(world, repository, headName)
      const merging = await repository.git.mergeBase(base, head)
      if (merging === undefined) throw new Refusal(404, `No common ancestor between ${baseName} and ${headName}.`)
      const ahead = await repository.git.log(`${base}..${head}`)
      const behind = await repository.git.count(`${head}..${base}`)
      const files = await repository.git.diff(merging, head)
      const html = `${world.url}/${fullName(repository)}/compare/${baseName}...${headName}`
      return context.json({
        url: `${world.url}/repos/${fullName(repository)}/compare/${baseName}...${headName}`,
        html_url: html,
        permalink_url: html,
        diff_url: `${html}.diff`,
        patch_url: `${html}.patch`,
        base_commit: await commitJson(world, repository, base),
        merge_base_commit: await commitJson(world, repository, merging),
        status: comparison(ahead.length, behind),
        ahead_by: ahead.length,
        behind_by: behind,
        total_commits: ahead.length,
        commits: await commitsJson(world, repository, pageOf(context, [...ahead].reverse())),
        files: files.slice(0, MAX_COMPARED_FILES).map((file) => fileJson(world, repository, head, file)),
      })
    })
}

/** The id of the tree without entries. */
const EMPTY_TREE = '4b825dc642cb6eb9a060e54bf8d69288fbee4904'

/** `owner:branch` names a branch of a fork. Its commits are here too once a pull has brought them. */
async function resolveAcross(world: GithubWorld, repository: Repository, name: string): Promise<string> {
  const colon = name.indexOf(':')
  if (colon === -1) return resolveOr(repository, name)
  const network = (candidate: Repository) => candidate.parent ?? candidate
  const owner = name.slice(0, colon)
  const fork = world.hosting.repositories.find(
    (candidate) => candidate.owner.login === owner && network(candidate) === network(repository),
  )
  if (fork === undefined) throw notFound()
  return resolveOr(repository, await resolveOr(fork, name.slice(colon + 1)))
}

function comparison(ahead: number, behind: number): string {
  if (ahead > 0 && behind > 0) return 'diverged'
  if (ahead > 0) return 'ahead'
  return behind > 0 ? 'behind' : 'identical'
}
