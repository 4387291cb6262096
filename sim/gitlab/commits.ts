import { Hono } from 'hono'
import * as z from 'zod'
import { fullName, type Repository } from '../git/hosted-repository.ts'
import type { CommitObject, FileChange } from '../git/git-objects.ts'
import { NO_COMMIT, type TreeChange } from '../git/repository.ts'
import { bodyOf, Flag } from './body.ts'
import { actorOf, projectFor } from './caller.ts'
import { pageOf } from './page.ts'
import { notFound, Refusal } from './refusal.ts'
import { instant, type GitlabWorld } from './world.ts'

const Action = z.object({
  action: z.enum(['create', 'update', 'delete', 'move', 'chmod']),
  file_path: z.string().min(1),
  previous_path: z.string().optional(),
  content: z.string().optional(),
  encoding: z.enum(['text', 'base64']).default('text'),
  last_commit_id: z.string().optional(),
  execute_filemode: Flag.optional(),
})
const NewCommit = z.object({
  branch: z.string(),
  commit_message: z.string(),
  start_branch: z.string().optional(),
  start_sha: z.string().optional(),
  force: Flag.default(false),
  author_name: z.string().optional(),
  author_email: z.string().optional(),
  actions: z.array(Action),
})

/** The tree without entries, to which a first commit is compared. */
const EMPTY_TREE = '4b825dc642cb6eb9a060e54bf8d69288fbee4904'

function commitObjectJson(world: GitlabWorld, repository: Repository, commit: CommitObject) {
  return {
    id: commit.sha,
    short_id: commit.sha.slice(0, 8),
    created_at: instant(commit.committer.date),
    parent_ids: commit.parents,
    title: commit.message.split('\n')[0] ?? '',
    message: commit.message,
    author_name: commit.author.name,
    author_email: commit.author.email,
    authored_date: instant(commit.author.date),
    committer_name: commit.committer.name,
    committer_email: commit.committer.email,
    committed_date: instant(commit.committer.date),
    trailers: {},
    extended_trailers: {},
    web_url: `${world.url}/${fullName(repository)}/-/commit/${commit.sha}`,
  }
}

export async function commitJson(world: GitlabWorld, repository: Repository, sha: string) {
  return commitObjectJson(world, repository, await repository.git.commit(sha))
}

export async function commitsJson(world: GitlabWorld, repository: Repository, shas: readonly string[]) {
  return (await repository.git.commits(shas)).map((commit) => commitObjectJson(world, repository, commit))
}

export function diffJson(file: FileChange) {
  return {
    diff: file.hunks ?? '',
    collapsed: false,
    too_large: false,
    new_path: file.path,
    old_path: file.previousPath ?? file.path,
    a_mode: file.modes[0] === '000000' ? '0' : file.modes[0],
    b_mode: file.modes[1] === '000000' ? '0' : file.modes[1],
    new_file: file.status === 'added',
    renamed_file: file.status === 'renamed',
    deleted_file: file.status === 'removed',
    generated_file: false,
  }
}

/** The changed paths that the actions ask for, on top of a commit. */
async function changesOf(
  { git }: Repository,
  parent: string | undefined,
  actions: readonly z.infer<typeof Action>[],
): Promise<readonly TreeChange[]> {
  const changes: TreeChange[] = []
  const at = async (path: string) => (parent === undefined ? undefined : git.objectId(`${parent}:${path}`))
  const blobOf = ({ content = '', encoding }: z.infer<typeof Action>) =>
    git.writeBlob(encoding === 'base64' ? Buffer.from(content, 'base64') : content)
  for (const action of actions) {
    const path = action.file_path
    const existing = await at(path)
    const mode = action.execute_filemode === true ? '100755' : '100644'
    if (action.last_commit_id !== undefined && parent !== undefined) {
      const [newest] = await git.log(parent, { path, limit: 1 })
      if (newest !== action.last_commit_id) {
        throw new Refusal(400, 'You are attempting to update a file that has changed since you started editing it.')
      }
    }
    switch (action.action) {
      case 'create':
        if (existing !== undefined) throw new Refusal(400, 'A file with this name already exists')
        changes.push({ path, mode, sha: await blobOf(action) })
        break
      case 'update':
        if (existing === undefined) throw new Refusal(400, "A file with this name doesn't exist")
        changes.push({ path, mode, sha: await blobOf(action) })
        break
      case 'delete':
        if (existing === undefined) throw new Refusal(400, "A file with this name doesn't exist")
        changes.push({ path, mode, sha: null })
        break
      case 'chmod':
        if (existing === undefined) throw new Refusal(400, "A file with this name doesn't exist")
        changes.push({ path, mode, sha: existing })
        break
      case 'move': {
        const from = action.previous_path ?? ''
        const moved = await at(from)
        if (moved === undefined) throw new Refusal(400, "A file with this name doesn't exist")
        changes.push({ path: from, mode, sha: null })
        changes.push({ path, mode, sha: action.content === undefined ? moved : await blobOf(action) })
        break
      }
      default:
        action.action satisfies never
    }
  }
  return changes
}

export function commitRoutes(world: GitlabWorld): Hono {
  const { hosting } = world
  const shaOf = async (repository: Repository, revision: string) => {
    const sha = await repository.git.resolve(revision)
    if (sha === undefined) throw notFound('Commit')
    return sha
  }
  return new Hono()
    .get('/projects/:id/repository/commits', async (context) => {
      const repository = projectFor(context, world, 'read')
      const { ref_name = repository.defaultBranch, path = '' } = context.req.query()
      const [from, to] = ref_name.split('..')
      const range =
        to === undefined
          ? await shaOf(repository, ref_name)
          : `${await shaOf(repository, from ?? '')}..${await shaOf(repository, to)}`
      const shas = pageOf(context, await repository.git.log(range, { path }))
      return context.json(await commitsJson(world, repository, shas))
    })
    .post('/projects/:id/repository/commits', async (context) => {
      const repository = projectFor(context, world, 'write')
      const request = await bodyOf(context, NewCommit)
      const ref = `refs/heads/${request.branch}`
      const existing = await repository.git.objectId(ref)
      const starts = request.start_branch ?? request.start_sha
      if (existing !== undefined && starts !== undefined && !request.force) {
        throw new Refusal(
          400,
          `A branch called '${request.branch}' already exists. Switch to that branch in order to make changes`,
        )
      }
      const parent = starts === undefined ? existing : await repository.git.resolve(starts)
      if (parent === undefined) {
        throw new Refusal(400, 'You can only create or edit files when you are on a branch')
      }
      const tree = await repository.git.writeTree(parent, await changesOf(repository, parent, request.actions))
      const actor = actorOf(context, world)
      const committer = hosting.signature(actor)
      const sha = await repository.git.writeCommit({
        tree,
        parents: [parent],
        author: {
          ...committer,
          name: request.author_name ?? committer.name,
          email: request.author_email ?? committer.email,
        },
        committer,
        message: request.commit_message,
      })
      if (!(await hosting.moveRef(repository, { ref, before: existing ?? NO_COMMIT, after: sha }, actor))) {
        throw new Refusal(400, 'Could not update branch. Please refresh and try again.')
      }
      return context.json(
        { ...(await commitJson(world, repository, sha)), status: null, project_id: repository.id },
        201,
      )
    })
    .get('/projects/:id/repository/commits/:sha', async (context) => {
      const repository = projectFor(context, world, 'read')
      const sha = await shaOf(repository, context.req.param('sha'))
      const commit = await commitJson(world, repository, sha)
      const files = await repository.git.diff(commit.parent_ids[0] ?? EMPTY_TREE, sha)
      const additions = files.reduce((sum, file) => sum + file.additions, 0)
      const deletions = files.reduce((sum, file) => sum + file.deletions, 0)
      return context.json({
        ...commit,
        stats: { additions, deletions, total: additions + deletions },
        status: null,
        project_id: repository.id,
        last_pipeline: null,
      })
    })
    .get('/projects/:id/repository/commits/:sha/diff', async (context) => {
      const repository = projectFor(context, world, 'read')
      const sha = await shaOf(repository, context.req.param('sha'))
      const { parents } = await repository.git.commit(sha)
      const files = await repository.git.diff(parents[0] ?? EMPTY_TREE, sha)
      return context.json(pageOf(context, files).map(diffJson))
    })
    .get('/projects/:id/repository/compare', async (context) => {
      const repository = projectFor(context, world, 'read')
      const { from = '', to = '', straight = 'false' } = context.req.query()
      const base = await shaOf(repository, from)
      const head = await shaOf(repository, to)
      const start = straight === 'true' ? base : ((await repository.git.mergeBase(base, head)) ?? base)
      const shas = [...(await repository.git.log(`${base}..${head}`))].reverse()
      const commits = await commitsJson(world, repository, shas)
      const files = await repository.git.diff(start, head)
      return context.json({
        commit: commits.at(-1) ?? null,
        commits,
        diffs: files.map(diffJson),
        compare_timeout: false,
        compare_same_ref: base === head,
        web_url: `${world.url}/${fullName(repository)}/-/compare/${base}...${head}`,
      })
    })
    .get('/projects/:id/repository/merge_base', async (context) => {
      const repository = projectFor(context, world, 'read')
      const refs = context.req.queries('refs[]') ?? []
      if (refs.length < 2) throw new Refusal(400, 'Provide at least 2 refs')
      let base = await shaOf(repository, refs[0] ?? '')
      for (const ref of refs.slice(1)) {
        const common = await repository.git.mergeBase(base, await shaOf(repository, ref))
        if (common === undefined) throw notFound('Merge Base')
        base = common
      }
      return context.json(await commitJson(world, repository, base))
    })
}
