import { Hono, type Context } from 'hono'
import * as z from 'zod'
import { atLeast, fullName, type Repository } from '../git/hosted-repository.ts'
import type { Comment, Pull } from '../git/pull.ts'
import { accountJson, appJson } from './accounts.ts'
import { bodyOf } from './body.ts'
import { actorOf, callerOf, repositoryFor } from './caller.ts'
import { pageOf } from './page.ts'
import { authorAssociation, pullOf, pullUrl } from './pulls.ts'
import { invalid, notAccessible, notFound, Refusal } from './refusal.ts'
import { nodeId, type GithubWorld } from './world.ts'

/** Characters, as GitHub counts them. */
const MAX_COMMENT_CHARACTERS = 65_536
/** Comments of pulls belong to issues too; either permission will do. */
const AREAS = ['issues', 'pull_requests'] as const

const Body = z.object({ body: z.string() })

/** A comment of a pull's conversation (`issue-comment`). */
export function commentJson(world: GithubWorld, pull: Pull, comment: Comment) {
  const api = `${world.url}/repos/${fullName(pull.repository)}/issues`
  const url = `${api}/comments/${comment.id}`
  return {
    url,
    html_url: `${pullUrl(world, pull)}#issuecomment-${comment.id}`,
    issue_url: `${api}/${pull.number}`,
    id: comment.id,
    node_id: nodeId('IC', comment.id),
    user: accountJson(world, comment.author),
    created_at: comment.createdAt,
    updated_at: comment.updatedAt,
    body: comment.body,
    author_association: authorAssociation(world, pull.repository, comment.author),
    reactions: reactionsJson(url),
    performed_via_github_app: comment.author === world.app.bot ? appJson(world, world.app) : null,
  }
}

export function reactionsJson(url: string) {
  const counts = { '+1': 0, '-1': 0, laugh: 0, hooray: 0, confused: 0, heart: 0, rocket: 0, eyes: 0 }
  return { url: `${url}/reactions`, total_count: 0, ...counts }
}

async function commentBody(context: Context): Promise<string> {
  const { body } = await bodyOf(context, Body, 'IssueComment')
  if (body.trim() === '')
    throw invalid({ resource: 'IssueComment', code: 'unprocessable', field: 'data', message: "Body can't be blank" })
  if (Array.from(body).length > MAX_COMMENT_CHARACTERS) {
    throw invalid({
      resource: 'IssueComment',
      code: 'unprocessable',
      field: 'data',
      message: 'Body is too long (maximum is 65536 characters)',
    })
  }
  return body
}

export function commentRoutes(world: GithubWorld): Hono {
  const { hosting } = world
  const found = (context: Context, repository: Repository) => {
    const match = hosting.findComment(repository, Number(context.req.param('comment')))
    if (match === undefined) throw notFound()
    return match
  }
  /** Apps change what they wrote; people too, and others' comments with write access. */
  const changeable = (context: Context) => {
    const repository = repositoryFor(context, world, AREAS, 'write')
    const match = found(context, repository)
    const caller = callerOf(context, world)
    const actor = actorOf(context, world)
    if (match.comment.author === actor) return { ...match, actor }
    if (caller.kind === 'installation') throw notAccessible()
    if (!atLeast(hosting.role(repository, actor), 'write'))
      throw new Refusal(403, 'Must have admin rights to Repository.')
    return { ...match, actor }
  }
  return new Hono()
    .get('/repos/:owner/:repo/issues/:number/comments', (context) => {
      const pull = pullOf(context, repositoryFor(context, world, AREAS, 'read'))
      const since = context.req.query('since')
      const comments = since === undefined ? pull.comments : pull.comments.filter(({ updatedAt }) => updatedAt >= since)
      return context.json(pageOf(context, comments).map((comment) => commentJson(world, pull, comment)))
    })
    .post('/repos/:owner/:repo/issues/:number/comments', async (context) => {
      const pull = pullOf(context, repositoryFor(context, world, AREAS, 'write'))
      const comment = hosting.addComment(pull, actorOf(context, world), await commentBody(context))
      return context.json(commentJson(world, pull, comment), 201)
    })
    .get('/repos/:owner/:repo/issues/comments/:comment', (context) => {
      const { pull, comment } = found(context, repositoryFor(context, world, AREAS, 'read'))
      return context.json(commentJson(world, pull, comment))
    })
    .patch('/repos/:owner/:repo/issues/comments/:comment', async (context) => {
      const { pull, comment, actor } = changeable(context)
      hosting.editComment(pull, comment, actor, await commentBody(context))
      return context.json(commentJson(world, pull, comment))
    })
    .delete('/repos/:owner/:repo/issues/comments/:comment', (context) => {
      const { pull, comment, actor } = changeable(context)
      hosting.deleteComment(pull, comment, actor)
      return context.body(null, 204)
    })
}
