import { Hono, type Context } from 'hono'
import * as z from 'zod'
import { fullName, type Repository } from '../git/hosted-repository.ts'
import type { TreeEntry } from '../git/git-objects.ts'
import { NO_COMMIT } from '../git/repository.ts'
import { bodyOf } from './body.ts'
import { actorOf, repositoryFor } from './caller.ts'
import { resolveOr } from './commits.ts'
import { gitCommitJson, inLines } from './git-data.ts'
import { notFound, Refusal } from './refusal.ts'
import type { GithubWorld } from './world.ts'

/** Larger files come without content unless asked for raw. */
const MAX_INLINE_BYTES = 1024 * 1024

const FileRequest = z.object({
  message: z.string(),
  content: z.string(),
  sha: z.string().optional(),
  branch: z.string().optional(),
  author: z.object({ name: z.string(), email: z.string() }).optional(),
  committer: z.object({ name: z.string(), email: z.string() }).optional(),
})

function entryJson(
  world: GithubWorld,
  repository: Repository,
  ref: string,
  path: string,
  entry: Omit<TreeEntry, 'path'>,
) {
  const encoded = path.split('/').map(encodeURIComponent).join('/')
  const self = `${world.url}/repos/${fullName(repository)}/contents/${encoded}?ref=${encodeURIComponent(ref)}`
  const git = `${world.url}/repos/${fullName(repository)}/git/${entry.type === 'tree' ? 'trees' : 'blobs'}/${entry.sha}`
  const html = `${world.url}/${fullName(repository)}/${entry.type === 'tree' ? 'tree' : 'blob'}/${ref}/${encoded}`
  return {
    name: path.slice(path.lastIndexOf('/') + 1),
    path,
    sha: entry.sha,
    size: entry.size ?? 0,
    url: self,
    html_url: html,
    git_url: git,
    download_url: entry.type === 'blob' ? `${world.url}/${fullName(repository)}/raw/${ref}/${encoded}` : null,
    type: entryType(entry),
    _links: { self, git, html },
  }
}

function entryType({ type, mode }: Omit<TreeEntry, 'path'>): 'dir' | 'submodule' | 'symlink' | 'file' {
  if (type === 'tree') return 'dir'
  if (type === 'commit') return 'submodule'
  return mode === '120000' ? 'symlink' : 'file'
}

async function findEntry(repository: Repository, sha: string, path: string): Promise<TreeEntry | undefined> {
  const slash = path.lastIndexOf('/')
  const folder = slash === -1 ? '' : path.slice(0, slash)
  if (folder !== '' && (await repository.git.objectId(`${sha}:${folder}`)) === undefined) return undefined
  const entries = await repository.git.tree(sha, { path: folder })
  return entries.find((entry) => entry.path === path.slice(slash + 1))
}

export function contentsRoutes(world: GithubWorld): Hono {
  const read = async (context: Context) => {
    const repository = repositoryFor(context, world, 'contents', 'read')
    const path = (context.req.param('path') ?? '').replace(/\/$/, '')
    const ref = context.req.query('ref') ?? repository.defaultBranch
    const sha = await resolveOr(repository, ref, () => new Refusal(404, `No commit found for the ref ${ref}`))
    const entry = path === '' ? undefined : await findEntry(repository, sha, path)
    if (path === '' || entry?.type === 'tree') {
      const entries = await repository.git.tree(sha, { path })
      return context.json(
        entries.map((child) =>
          entryJson(world, repository, ref, path === '' ? child.path : `${path}/${child.path}`, child),
        ),
      )
    }
    if (entry === undefined) throw notFound()
    const described = entryJson(world, repository, ref, path, entry)
    if (described.type === 'submodule') return context.json({ ...described, submodule_git_url: null })
    const content = await repository.git.blob(entry.sha)
    if (described.type === 'symlink') return context.json({ ...described, target: content.toString('utf8') })
    if (/application\/vnd\.github(\.v3)?\.raw/.test(context.req.header('accept') ?? '')) {
      return context.body(new Uint8Array(content), 200, {
        'content-type': 'application/vnd.github.raw+json; charset=utf-8',
      })
    }
    const inline = content.length <= MAX_INLINE_BYTES
    return context.json({
      ...described,
      content: inline ? inLines(content.toString('base64')) : '',
      encoding: inline ? 'base64' : 'none',
    })
  }
  return new Hono()
    .get('/repos/:owner/:repo/contents', read)
    .get('/repos/:owner/:repo/contents/', read)
    .get('/repos/:owner/:repo/contents/:path{.+}', read)
    .put('/repos/:owner/:repo/contents/:path{.+}', async (context) => {
      const repository = repositoryFor(context, world, 'contents', 'write')
      const path = context.req.param('path')
      const request = await bodyOf(context, FileRequest, 'Content')
      const branch = request.branch ?? repository.defaultBranch
      const ref = `refs/heads/${branch}`
      const parent = await repository.git.objectId(ref)
      if (parent === undefined) throw new Refusal(404, `Branch ${branch} not found`)
      const existing = await findEntry(repository, parent, path)
      if (existing !== undefined && request.sha === undefined) {
        throw new Refusal(422, `Invalid request.\n\n"sha" wasn't supplied.`)
      }
      if (request.sha !== undefined && existing?.sha !== request.sha) {
        throw new Refusal(409, `${path} does not match ${request.sha}`)
      }
      const actor = actorOf(context, world)
      const self = world.hosting.signature(actor)
      const blob = await repository.git.writeBlob(Buffer.from(request.content, 'base64'))
      const tree = await repository.git.writeTree(parent, [{ path, mode: existing?.mode ?? '100644', sha: blob }])
      const sha = await repository.git.writeCommit({
        tree,
        parents: [parent],
        message: request.message,
        author: { ...self, ...request.author },
        committer: { ...self, ...(request.committer ?? request.author) },
      })
      if (!(await world.hosting.moveRef(repository, { ref, before: parent ?? NO_COMMIT, after: sha }, actor))) {
        throw new Refusal(409, `is at ${parent} but expected another commit`)
      }
      const entry = await findEntry(repository, sha, path)
      if (entry === undefined) throw new Error(`${path} is missing right after it was written`)
      const commit = gitCommitJson(world, repository, await repository.git.commit(sha))
      return context.json(
        { content: entryJson(world, repository, branch, path, entry), commit },
        existing === undefined ? 201 : 200,
      )
    })
}
