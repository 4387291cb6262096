import { Hono } from 'hono'
import * as z from 'zod'
import { fullName, type Repository } from '../git/hosted-repository.ts'
import type { CommitObject } from '../git/git-objects.ts'
import { NO_COMMIT, type TreeChange } from '../git/repository.ts'
import { bodyOf } from './body.ts'
import { actorOf, repositoryFor } from './caller.ts'
import { pageOf } from './page.ts'
import { invalid, notFound, Refusal } from './refusal.ts'
import { nodeId, type GithubWorld } from './world.ts'

/** GitHub's bound of a recursive listing; the rest is left out with `truncated: true`. */
const MAX_TREE_ENTRIES = 100_000
/** Larger blobs are not served. */
const MAX_BLOB_BYTES = 100 * 1024 * 1024

const Sha = z.string().regex(/^[0-9a-f]{40}$/)
const Person = z.object({ name: z.string(), email: z.string(), date: z.iso.datetime({ offset: true }).optional() })

const BlobRequest = z.object({ content: z.string(), encoding: z.enum(['utf-8', 'base64']).default('utf-8') })
const TreeRequest = z.object({
  base_tree: z.string().optional(),
  tree: z.array(
    z.object({
      path: z.string().min(1),
      mode: z.enum(['100644', '100755', '040000', '160000', '120000']).default('100644'),
      type: z.enum(['blob', 'tree', 'commit']).optional(),
      sha: Sha.nullish(),
      content: z.string().optional(),
    }),
  ),
})
const CommitRequest = z.object({
  message: z.string(),
  tree: z.string(),
  parents: z.array(z.string()).default([]),
  author: Person.optional(),
  committer: Person.optional(),
})
const NewRef = z.object({ ref: z.string(), sha: z.string() })
const MovedRef = z.object({ sha: z.string(), force: z.boolean().default(false) })

/** A commit as Git stores it (`git-commit`). */
export function gitCommitJson(world: GithubWorld, repository: Repository, commit: CommitObject) {
  const api = `${world.url}/repos/${fullName(repository)}/git`
  const html = (sha: string) => `${world.url}/${fullName(repository)}/commit/${sha}`
  return {
    sha: commit.sha,
    node_id: nodeId('C', repository.id),
    url: `${api}/commits/${commit.sha}`,
    html_url: html(commit.sha),
    author: commit.author,
    committer: commit.committer,
    message: commit.message.trimEnd(),
    tree: { sha: commit.tree, url: `${api}/trees/${commit.tree}` },
    parents: commit.parents.map((sha) => ({ sha, url: `${api}/commits/${sha}`, html_url: html(sha) })),
    verification: { verified: false, reason: 'unsigned', signature: null, payload: null, verified_at: null },
  }
}

async function treeJson(world: GithubWorld, repository: Repository, sha: string, recursive: boolean) {
  const entries = await repository.git.tree(sha, { recursive })
  const api = `${world.url}/repos/${fullName(repository)}/git`
  return {
    sha,
    url: `${api}/trees/${sha}`,
    tree: entries.slice(0, MAX_TREE_ENTRIES).map((entry) => ({
      path: entry.path,
      mode: entry.mode,
      type: entry.type,
      sha: entry.sha,
      ...(entry.size === undefined ? {} : { size: entry.size }),
      ...(entry.type === 'commit' ? {} : { url: `${api}/${entry.type}s/${entry.sha}` }),
    })),
    truncated: entries.length > MAX_TREE_ENTRIES,
  }
}

function refJson(world: GithubWorld, repository: Repository, ref: string, sha: string) {
  const api = `${world.url}/repos/${fullName(repository)}/git`
  return {
    ref,
    node_id: nodeId('REF', repository.id),
    url: `${api}/${ref}`,
    object: { type: 'commit', sha, url: `${api}/commits/${sha}` },
  }
}

export function gitDataRoutes(world: GithubWorld): Hono {
  const { hosting } = world
  return new Hono()
    .get('/repos/:owner/:repo/git/blobs/:sha', async (context) => {
      const repository = repositoryFor(context, world, 'contents', 'read')
      const sha = context.req.param('sha')
      if ((await repository.git.objectType(sha)) !== 'blob') throw notFound()
      const content = await repository.git.blob(sha)
      if (content.length > MAX_BLOB_BYTES)
        throw new Refusal(403, 'The requested blob is too large to fetch via the API.')
      return context.json({
        sha,
        node_id: nodeId('B', repository.id),
        size: content.length,
        url: `${world.url}/repos/${fullName(repository)}/git/blobs/${sha}`,
        content: inLines(content.toString('base64')),
        encoding: 'base64',
      })
    })
    .post('/repos/:owner/:repo/git/blobs', async (context) => {
      const repository = repositoryFor(context, world, 'contents', 'write')
      const { content, encoding } = await bodyOf(context, BlobRequest, 'Blob')
      const sha = await repository.git.writeBlob(encoding === 'base64' ? Buffer.from(content, 'base64') : content)
      return context.json({ sha, url: `${world.url}/repos/${fullName(repository)}/git/blobs/${sha}` }, 201)
    })
    .get('/repos/:owner/:repo/git/trees/:sha', async (context) => {
      const repository = repositoryFor(context, world, 'contents', 'read')
      const named = context.req.param('sha')
      const sha =
        (await repository.git.objectId(`refs/heads/${named}^{tree}`)) ??
        (await repository.git.objectId(`${named}^{tree}`))
      if (sha === undefined) throw notFound()
      return context.json(await treeJson(world, repository, sha, context.req.query('recursive') !== undefined))
    })
    .post('/repos/:owner/:repo/git/trees', async (context) => {
      const repository = repositoryFor(context, world, 'contents', 'write')
      const request = await bodyOf(context, TreeRequest, 'Tree')
      const base = request.base_tree
      if (base !== undefined && (await repository.git.objectId(`${base}^{tree}`)) === undefined) {
        throw new Refusal(422, 'base_tree is not a valid tree oid')
      }
      const changes: TreeChange[] = []
      for (const { path, mode, sha, content } of request.tree) {
        if (sha !== undefined && content !== undefined) {
          throw new Refusal(422, 'Must supply either tree.sha or tree.content, not both')
        }
        if (content !== undefined) changes.push({ path, mode, sha: await repository.git.writeBlob(content) })
        else if (sha === null) changes.push({ path, mode, sha })
        else if (sha === undefined) throw new Refusal(422, 'Must supply either tree.sha or tree.content')
        else if ((await repository.git.objectType(sha)) === undefined && mode !== '160000') {
          throw new Refusal(422, `tree.sha ${sha} is not a valid blob`)
        } else changes.push({ path, mode, sha })
      }
      const sha = await repository.git.writeTree(base, changes)
      return context.json(await treeJson(world, repository, sha, false), 201)
    })
    .get('/repos/:owner/:repo/git/commits/:sha', async (context) => {
      const repository = repositoryFor(context, world, 'contents', 'read')
      const sha = context.req.param('sha')
      if ((await repository.git.objectType(sha)) !== 'commit') throw notFound()
      return context.json(gitCommitJson(world, repository, await repository.git.commit(sha)))
    })
    .post('/repos/:owner/:repo/git/commits', async (context) => {
      const repository = repositoryFor(context, world, 'contents', 'write')
      const { message, tree, parents, author, committer } = await bodyOf(context, CommitRequest, 'Commit')
      if ((await repository.git.objectType(tree)) !== 'tree') throw new Refusal(422, 'Tree SHA does not exist')
      for (const parent of parents) {
        if ((await repository.git.objectType(parent)) !== 'commit')
          throw new Refusal(422, 'Parent SHA does not exist or is not a commit object')
      }
      const self = hosting.signature(actorOf(context, world))
      const person = (given: z.infer<typeof Person> | undefined) =>
        given === undefined ? self : { ...given, date: given.date ?? self.date }
      const sha = await repository.git.writeCommit({
        tree,
        parents,
        message,
        author: person(author),
        committer: person(committer ?? author),
      })
      return context.json(gitCommitJson(world, repository, await repository.git.commit(sha)), 201)
    })
    .get('/repos/:owner/:repo/git/matching-refs/:ref{.*}', async (context) => {
      const repository = repositoryFor(context, world, 'contents', 'read')
      const refs = await repository.git.refs(`refs/${context.req.param('ref')}`)
      return context.json(pageOf(context, [...refs]).map(([ref, sha]) => refJson(world, repository, ref, sha)))
    })
    .get('/repos/:owner/:repo/git/ref/:ref{.+}', async (context) => {
      const repository = repositoryFor(context, world, 'contents', 'read')
      const ref = `refs/${context.req.param('ref')}`
      const sha = (await repository.git.refs(ref)).get(ref)
      if (sha === undefined) throw notFound()
      return context.json(refJson(world, repository, ref, sha))
    })
    .post('/repos/:owner/:repo/git/refs', async (context) => {
      const repository = repositoryFor(context, world, 'contents', 'write')
      const { ref, sha } = await bodyOf(context, NewRef, 'Reference')
      if (!/^refs\/(heads|tags)\/[^\s~^:?*[\\]+$/.test(ref) || ref.includes('..') || ref.endsWith('.lock')) {
        throw new Refusal(422, 'Reference name must start with "refs/" and have at least two slashes.')
      }
      if ((await repository.git.objectType(sha)) !== 'commit') throw new Refusal(422, 'Object does not exist')
      if (!(await hosting.moveRef(repository, { ref, before: NO_COMMIT, after: sha }, actorOf(context, world)))) {
        throw new Refusal(422, 'Reference already exists')
      }
      return context.json(refJson(world, repository, ref, sha), 201)
    })
    .patch('/repos/:owner/:repo/git/refs/:ref{.+}', async (context) => {
      const repository = repositoryFor(context, world, 'contents', 'write')
      const ref = `refs/${context.req.param('ref')}`
      const { sha, force } = await bodyOf(context, MovedRef, 'Reference')
      const before = (await repository.git.refs(ref)).get(ref)
      if (before === undefined) throw new Refusal(422, 'Reference does not exist')
      if ((await repository.git.objectType(sha)) !== 'commit') throw new Refusal(422, 'Object does not exist')
      if (!force && !(await repository.git.isAncestor(before, sha)))
        throw new Refusal(422, 'Update is not a fast forward')
      if (
        before !== sha &&
        !(await hosting.moveRef(repository, { ref, before, after: sha }, actorOf(context, world)))
      ) {
        throw new Refusal(422, 'Reference cannot be updated')
      }
      return context.json(refJson(world, repository, ref, sha))
    })
    .delete('/repos/:owner/:repo/git/refs/:ref{.+}', async (context) => {
      const repository = repositoryFor(context, world, 'contents', 'write')
      const ref = `refs/${context.req.param('ref')}`
      const before = (await repository.git.refs(ref)).get(ref)
      if (before === undefined) throw invalid({ resource: 'Reference', code: 'missing' })
      await hosting.moveRef(repository, { ref, before, after: NO_COMMIT }, actorOf(context, world))
      return context.body(null, 204)
    })
}

/** Base64 as GitHub sends it: a line break after every 60 characters. */
export function inLines(base64: string): string {
  return base64.replaceAll(/.{1,60}/g, '$&\n')
}
