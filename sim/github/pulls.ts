import { Hono, type Context } from 'hono'
import * as z from 'zod'
import type { Account } from '../git/account.ts'
import { atLeast, fullName, type Repository } from '../git/hosted-repository.ts'
import type { Pull, Review } from '../git/pull.ts'
import { accountJson } from './accounts.ts'
import { bodyOf } from './body.ts'
import { actorOf, callerOf, repositoryFor } from './caller.ts'
import { commitsJson, fileJson, MAX_PULL_FILES, resolveOr } from './commits.ts'
import { pageOf } from './page.ts'
import { invalid, notFound, Refusal } from './refusal.ts'
import { repositoryJson } from './repositories.ts'
import { nodeId, type GithubWorld } from './world.ts'

const NewPull = z.object({
  title: z.string().min(1),
  head: z.string(),
  base: z.string(),
  body: z.string().nullish(),
  head_repo: z.string().optional(),
  draft: z.boolean().optional(),
  maintainer_can_modify: z.boolean().optional(),
})
const ChangedPull = z.object({
  title: z.string().min(1).optional(),
  body: z.string().nullish(),
  state: z.enum(['open', 'closed']).optional(),
  base: z.string().optional(),
})
const MergeRequest = z
  .object({
    commit_title: z.string().optional(),
    commit_message: z.string().optional(),
    sha: z.string().optional(),
    merge_method: z.enum(['merge', 'squash', 'rebase']).default('merge'),
  })
  .nullable()
const NewReview = z.object({
  commit_id: z.string().optional(),
  body: z.string().default(''),
  event: z.enum(['APPROVE', 'REQUEST_CHANGES', 'COMMENT']),
})

/** How the author relates to the repository. Says nothing of write access; see the permission endpoint for that. */
export function authorAssociation(world: GithubWorld, repository: Repository, account: Account): string {
  const role = world.hosting.role(repository, account)
  if (account === repository.owner) return 'OWNER'
  if (atLeast(role, 'triage')) return 'COLLABORATOR'
  return repository.pulls.some(({ author, state }) => author === account && state === 'merged') ? 'CONTRIBUTOR' : 'NONE'
}

/** A pull as lists carry it (`pull-request-simple`). */
function pullListJson(world: GithubWorld, pull: Pull) {
  const { repository } = pull
  const self = `${world.url}/repos/${fullName(repository)}/pulls/${pull.number}`
  const issue = `${world.url}/repos/${fullName(repository)}/issues/${pull.number}`
  const html = pullUrl(world, pull)
  const statuses = `${world.url}/repos/${fullName(repository)}/statuses/${pull.headSha}`
  const headOwner = pull.headRepository?.owner ?? pull.author
  return {
    url: self,
    id: pull.id,
    node_id: nodeId('PR', pull.id),
    html_url: html,
    diff_url: `${html}.diff`,
    patch_url: `${html}.patch`,
    issue_url: issue,
    commits_url: `${self}/commits`,
    review_comments_url: `${self}/comments`,
    review_comment_url: `${world.url}/repos/${fullName(repository)}/pulls/comments{/number}`,
    comments_url: `${issue}/comments`,
    statuses_url: statuses,
    number: pull.number,
    state: pull.state === 'open' ? 'open' : 'closed',
    locked: false,
    active_lock_reason: null,
    title: pull.title,
    user: accountJson(world, pull.author),
    body: pull.body,
    labels: [],
    milestone: null,
    created_at: pull.createdAt,
    updated_at: pull.updatedAt,
    closed_at: pull.closedAt ?? null,
    merged_at: pull.merge?.at ?? null,
    merge_commit_sha: pull.merge?.sha ?? null,
    assignee: null,
    assignees: [],
    requested_reviewers: [],
    requested_teams: [],
    draft: false,
    head: {
      label: `${headOwner.login}:${pull.headBranch}`,
      ref: pull.headBranch,
      sha: pull.headSha,
      user: accountJson(world, headOwner),
      repo: pull.headRepository === undefined ? null : repositoryJson(world, pull.headRepository),
    },
    base: {
      label: `${repository.owner.login}:${pull.baseBranch}`,
      ref: pull.baseBranch,
      sha: pull.baseSha,
      user: accountJson(world, repository.owner),
      repo: repositoryJson(world, repository),
    },
    _links: {
      self: { href: self },
      html: { href: html },
      issue: { href: issue },
      comments: { href: `${issue}/comments` },
      review_comments: { href: `${self}/comments` },
      review_comment: { href: `${world.url}/repos/${fullName(repository)}/pulls/comments{/number}` },
      commits: { href: `${self}/commits` },
      statuses: { href: statuses },
    },
    author_association: authorAssociation(world, repository, pull.author),
    auto_merge: null,
  }
}

/** A pull's own page (`pull-request`). */
export async function pullJson(world: GithubWorld, pull: Pull) {
  const { git } = pull.repository
  const files = await changedFiles(pull)
  const mergeable = pull.state === 'open' ? (await world.hosting.mergeable(pull)) !== undefined : null
  return {
    ...pullListJson(world, pull),
    merged: pull.state === 'merged',
    mergeable,
    rebaseable: mergeable,
    mergeable_state: mergeable === null ? 'unknown' : mergeable ? 'clean' : 'dirty',
    merged_by: pull.merge === undefined ? null : accountJson(world, pull.merge.by),
    comments: pull.comments.length,
    review_comments: 0,
    maintainer_can_modify: pull.headRepository !== pull.repository,
    commits: await git.count(`${pull.baseSha}..${pull.headSha}`),
    additions: files.reduce((sum, file) => sum + file.additions, 0),
    deletions: files.reduce((sum, file) => sum + file.deletions, 0),
    changed_files: files.length,
  }
}

async function changedFiles(pull: Pull) {
  const { git } = pull.repository
  const start = (await git.mergeBase(pull.baseSha, pull.headSha)) ?? pull.baseSha
  return git.diff(start, pull.headSha)
}

export function pullUrl(world: Pick<GithubWorld, 'url'>, pull: Pull): string {
  return `${world.url}/${fullName(pull.repository)}/pull/${pull.number}`
}

export function mergeMessage(pull: Pull): string {
  const from = `${(pull.headRepository ?? pull.repository).owner.login}/${pull.headBranch}`
  return `Merge pull request #${pull.number} from ${from}\n\n${pull.title}\n`
}

function reviewJson(world: GithubWorld, pull: Pull, review: Review) {
  const html = `${pullUrl(world, pull)}#pullrequestreview-${review.id}`
  const api = `${world.url}/repos/${fullName(pull.repository)}/pulls/${pull.number}`
  return {
    id: review.id,
    node_id: nodeId('PRR', review.id),
    user: accountJson(world, review.author),
    body: review.body,
    state: review.state,
    html_url: html,
    pull_request_url: api,
    author_association: authorAssociation(world, pull.repository, review.author),
    _links: { html: { href: html }, pull_request: { href: api } },
    submitted_at: review.at,
    commit_id: review.commit,
  }
}

export function pullOf(context: Context, repository: Repository): Pull {
  const number = Number(context.req.param('number'))
  const pull = repository.pulls.find((candidate) => candidate.number === number)
  if (pull === undefined) throw notFound()
  return pull
}

/** Authors change their own pulls, everyone else needs write access. */
function checkMayChange(context: Context, world: GithubWorld, pull: Pull): void {
  const caller = callerOf(context, world)
  if (caller.kind !== 'user' || caller.user === pull.author) return
  if (!atLeast(world.hosting.role(pull.repository, caller.user), 'triage')) {
    throw new Refusal(403, 'Must have admin rights to Repository.')
  }
}

function headOf(world: GithubWorld, repository: Repository, head: string): { repository: Repository; branch: string } {
  const colon = head.indexOf(':')
  if (colon === -1) return { repository, branch: head }
  const owner = head.slice(0, colon)
  const found = world.hosting.repositories.find(
    (candidate) => candidate.owner.login === owner && (candidate === repository || candidate.parent === repository),
  )
  if (found === undefined) throw invalid({ resource: 'PullRequest', field: 'head', code: 'invalid' })
  return { repository: found, branch: head.slice(colon + 1) }
}

export function pullRoutes(world: GithubWorld): Hono {
  const { hosting } = world
  return new Hono()
    .get('/repos/:owner/:repo/pulls', (context) => {
      const repository = repositoryFor(context, world, 'pull_requests', 'read')
      const { state = 'open', head, base, direction = 'desc' } = context.req.query()
      const matching = repository.pulls.filter(
        (pull) =>
          (state === 'all' || (state === 'open') === (pull.state === 'open')) &&
          (base === undefined || base === pull.baseBranch) &&
          (head === undefined || head === `${(pull.headRepository?.owner ?? pull.author).login}:${pull.headBranch}`),
      )
      const sorted = direction === 'asc' ? matching : matching.reverse()
      return context.json(pageOf(context, sorted).map((pull) => pullListJson(world, pull)))
    })
    .post('/repos/:owner/:repo/pulls', async (context) => {
      const repository = repositoryFor(context, world, 'pull_requests', 'write')
      const { title, head, base, body } = await bodyOf(context, NewPull, 'PullRequest')
      const { repository: headRepository, branch: headBranch } = headOf(world, repository, head)
      const author = actorOf(context, world)
      const opened = await hosting.openPull(repository, {
        headRepository,
        headBranch,
        baseBranch: base,
        title,
        body: body ?? null,
        author,
      })
      switch (opened) {
        case 'exists':
          throw invalid({
            resource: 'PullRequest',
            code: 'custom',
            message: `A pull request already exists for ${headRepository.owner.login}:${headBranch}.`,
          })
        case 'no-commits':
          throw invalid({ resource: 'PullRequest', code: 'custom', message: `No commits between ${base} and ${head}` })
        case 'no-head':
          throw invalid({ resource: 'PullRequest', field: 'head', code: 'invalid' })
        case 'no-base':
          throw invalid({ resource: 'PullRequest', field: 'base', code: 'invalid' })
        default:
          return context.json(await pullJson(world, opened), 201)
      }
    })
    .get('/repos/:owner/:repo/pulls/:number', async (context) => {
      const pull = pullOf(context, repositoryFor(context, world, 'pull_requests', 'read'))
      return context.json(await pullJson(world, pull))
    })
    .patch('/repos/:owner/:repo/pulls/:number', async (context) => {
      const pull = pullOf(context, repositoryFor(context, world, 'pull_requests', 'write'))
      checkMayChange(context, world, pull)
      const { title, body, state, base } = await bodyOf(context, ChangedPull, 'PullRequest')
      if (base !== undefined && (await pull.repository.git.objectId(`refs/heads/${base}`)) === undefined) {
        throw invalid({ resource: 'PullRequest', field: 'base', code: 'invalid' })
      }
      const actor = actorOf(context, world)
      if (base !== undefined) pull.baseBranch = base
      hosting.editPull(
        pull,
        { ...(title === undefined ? {} : { title }), ...(body === undefined ? {} : { body }) },
        actor,
      )
      if (state === 'closed') hosting.closePull(pull, actor)
      if (state === 'open') hosting.reopenPull(pull, actor)
      return context.json(await pullJson(world, pull))
    })
    .get('/repos/:owner/:repo/commits/:sha/pulls', async (context) => {
      const repository = repositoryFor(context, world, 'pull_requests', 'read')
      const sha = await resolveOr(repository, context.req.param('sha'))
      const within = async (pull: Pull) =>
        pull.merge?.sha === sha ||
        ((await repository.git.isAncestor(sha, pull.headSha)) && !(await repository.git.isAncestor(sha, pull.baseSha)))
      const found: Pull[] = []
      for (const pull of repository.pulls) if (await within(pull)) found.push(pull)
      return context.json(pageOf(context, found).map((pull) => pullListJson(world, pull)))
    })
    .get('/repos/:owner/:repo/pulls/:number/commits', async (context) => {
      const pull = pullOf(context, repositoryFor(context, world, 'pull_requests', 'read'))
      const shas = [...(await pull.repository.git.log(`${pull.baseSha}..${pull.headSha}`))].reverse()
      return context.json(await commitsJson(world, pull.repository, pageOf(context, shas)))
    })
    .get('/repos/:owner/:repo/pulls/:number/files', async (context) => {
      const pull = pullOf(context, repositoryFor(context, world, 'pull_requests', 'read'))
      const files = (await changedFiles(pull)).slice(0, MAX_PULL_FILES)
      return context.json(pageOf(context, files).map((file) => fileJson(world, pull.repository, pull.headSha, file)))
    })
    .put('/repos/:owner/:repo/pulls/:number/merge', async (context) => {
      const pull = pullOf(context, repositoryFor(context, world, 'contents', 'write'))
      const request = (await bodyOf(context, MergeRequest, 'PullRequest')) ?? { merge_method: 'merge' as const }
      const title = request.commit_title ?? mergeMessage(pull)
      const merged = await hosting.mergePull(pull, actorOf(context, world), {
        method: request.merge_method,
        message: request.commit_message === undefined ? title : `${title.trimEnd()}\n\n${request.commit_message}\n`,
        ...(request.sha === undefined ? {} : { expectedHead: request.sha }),
      })
      if ('sha' in merged) {
        return context.json({ sha: merged.sha, merged: true, message: 'Pull Request successfully merged' })
      }
      switch (merged.refused) {
        case 'head-moved':
          throw new Refusal(409, 'Head branch was modified. Review and try the merge again.')
        case 'base-moved':
          throw new Refusal(405, 'Base branch was modified. Review and try the merge again.')
        case 'conflict':
        case 'not-open':
          throw new Refusal(405, 'Pull Request is not mergeable')
        default:
          return merged.refused satisfies never
      }
    })
    .get('/repos/:owner/:repo/pulls/:number/reviews', (context) => {
      const pull = pullOf(context, repositoryFor(context, world, 'pull_requests', 'read'))
      return context.json(pageOf(context, pull.reviews).map((review) => reviewJson(world, pull, review)))
    })
    .post('/repos/:owner/:repo/pulls/:number/reviews', async (context) => {
      const pull = pullOf(context, repositoryFor(context, world, 'pull_requests', 'write'))
      const { event, body } = await bodyOf(context, NewReview, 'PullRequestReview')
      const states = { APPROVE: 'APPROVED', REQUEST_CHANGES: 'CHANGES_REQUESTED', COMMENT: 'COMMENTED' } as const
      const author = actorOf(context, world)
      if (author === pull.author && event === 'APPROVE') {
        throw new Refusal(422, 'Unprocessable Entity: Can not approve your own pull request')
      }
      return context.json(reviewJson(world, pull, hosting.addReview(pull, author, states[event], body)))
    })
}
