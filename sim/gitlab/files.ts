import { createHash } from 'node:crypto'
import { Hono, type Context } from 'hono'
import { projectFor } from './caller.ts'
import { keysetOf, pageOf } from './page.ts'
import { notFound } from './refusal.ts'
import type { Repository } from '../git/hosted-repository.ts'
import type { GitlabWorld } from './world.ts'

export function fileRoutes(world: GitlabWorld): Hono {
  const commitAt = async (context: Context, repository: Repository) => {
    const ref = context.req.query('ref')
    const sha = await repository.git.resolve(ref === undefined || ref === 'HEAD' ? repository.defaultBranch : ref)
    if (sha === undefined) throw notFound('Commit')
    return sha
  }
  const fileAt = async (context: Context) => {
    const repository = projectFor(context, world, 'read')
    const commit = await commitAt(context, repository)
    const path = context.req.param('path') ?? ''
    const blob = await repository.git.objectId(`${commit}:${path}`)
    if (blob === undefined || (await repository.git.objectType(blob)) !== 'blob') throw notFound('File')
    return { repository, commit, path, blob, content: await repository.git.blob(blob) }
  }
  return new Hono()
    .get('/projects/:id/repository/tree', async (context) => {
      const repository = projectFor(context, world, 'read')
      const { path = '', recursive = 'false', pagination } = context.req.query()
      const sha = await repository.git.resolve(context.req.query('ref') ?? repository.defaultBranch)
      if (sha === undefined) throw notFound('Tree')
      const folder = path === '' ? undefined : await repository.git.objectId(`${sha}:${path}`)
      if (path !== '' && (folder === undefined || (await repository.git.objectType(folder)) !== 'tree')) {
        throw notFound('invalid revision or path')
      }
      const entries = await repository.git.tree(sha, { path, recursive: recursive === 'true' })
      const trees = entries.filter(({ type }) => type === 'tree')
      // Folders come first, as GitLab lists them.
      const all = [...trees, ...entries.filter(({ type }) => type !== 'tree')].map((entry) => ({
        id: entry.sha,
        name: entry.path.slice(entry.path.lastIndexOf('/') + 1),
        type: entry.type,
        path: path === '' ? entry.path : `${path}/${entry.path}`,
        mode: entry.mode,
      }))
      const shown = pagination === 'keyset' ? keysetOf(context, all, (entry) => entry.path) : pageOf(context, all)
      return context.json(shown)
    })
    .get('/projects/:id/repository/files/:path/raw', async (context) => {
      const { content } = await fileAt(context)
      return context.body(new Uint8Array(content), 200, { 'content-type': 'text/plain; charset=utf-8' })
    })
    .get('/projects/:id/repository/files/:path', async (context) => {
      const { repository, commit, path, blob, content } = await fileAt(context)
      const [last = commit] = await repository.git.log(commit, { path, limit: 1 })
      const entries = await repository.git.tree(commit, { recursive: true })
      return context.json({
        file_name: path.slice(path.lastIndexOf('/') + 1),
        file_path: path,
        size: content.length,
        encoding: 'base64',
        content_sha256: createHash('sha256').update(content).digest('hex'),
        ref: context.req.query('ref') ?? repository.defaultBranch,
        blob_id: blob,
        commit_id: commit,
        last_commit_id: last,
        execute_filemode: entries.find((entry) => entry.path === path)?.mode === '100755',
        content: content.toString('base64'),
      })
    })
    .get('/projects/:id/repository/blobs/:sha/raw', async (context) => {
      const repository = projectFor(context, world, 'read')
      const sha = context.req.param('sha')
      if ((await repository.git.objectType(sha)) !== 'blob') throw notFound('Blob')
      return context.body(new Uint8Array(await repository.git.blob(sha)), 200, { 'content-type': 'text/plain' })
    })
}
