import { Hono, type Context } from 'hono'
import * as z from 'zod'
import type { Account } from '../git/account.ts'
import { atLeast } from '../git/hosted-repository.ts'
import type { Comment, Pull } from '../git/pull.ts'
import type { FileChange } from '../git/git-objects.ts'
import { hex } from '../random.ts'
import { bodyOf, Flag } from './body.ts'
import { actorOf, projectFor } from './caller.ts'
import { mergeRequestOf } from './merge-requests.ts'
import { pageOf } from './page.ts'
import { forbidden, notFound, Refusal } from './refusal.ts'
import { userJson } from './users.ts'
import { instant, type GitlabWorld, type Position, type Thread } from './world.ts'

const MAX_NOTE_CHARACTERS = 1_000_000

const Body = z.object({ body: z.string() })
const PositionShape = z.object({
  base_sha: z.string(),
  start_sha: z.string(),
  head_sha: z.string(),
  position_type: z.enum(['text', 'image', 'file']),
  old_path: z.string().optional(),
  new_path: z.string().optional(),
  old_line: z.coerce.number().int().optional(),
  new_line: z.coerce.number().int().optional(),
})
const NewDiscussion = z.object({ body: z.string(), position: PositionShape.optional() })

function checkedText(body: string): string {
  if (body.trim() === '') throw new Refusal(400, '400 Bad request - Note {:note=>["can\'t be blank"]}')
  if (Array.from(body).length > MAX_NOTE_CHARACTERS) {
    throw new Refusal(400, '400 Bad request - Note {:note=>["is too long (maximum is 1000000 characters)"]}')
  }
  return body
}

/** The thread that a note belongs to; a note from elsewhere gets one of its own. */
function threadOf(world: GitlabWorld, note: number): Thread {
  const known = world.threads.get(note)
  if (known !== undefined) return known
  const thread: Thread = {
    id: hex(world.hosting.random, 40),
    notes: [note],
    individual: true,
    position: undefined,
    resolved: undefined,
  }
  world.threads.set(note, thread)
  return thread
}

function noteJson(world: GitlabWorld, pull: Pull, comment: Comment) {
  const { individual, position, resolved } = threadOf(world, comment.id)
  return {
    id: comment.id,
    type: individual ? null : position === undefined ? 'DiscussionNote' : 'DiffNote',
    body: comment.body,
    attachment: null,
    author: userJson(world, comment.author),
    created_at: instant(comment.createdAt),
    updated_at: instant(comment.updatedAt),
    system: false,
    noteable_id: pull.id,
    noteable_type: 'MergeRequest',
    project_id: pull.repository.id,
    ...(position === undefined ? {} : { commit_id: null, position }),
    resolvable: !individual,
    ...(individual
      ? {}
      : {
          resolved: resolved !== undefined,
          resolved_by: resolved === undefined ? null : userJson(world, resolved.by),
          resolved_at: resolved === undefined ? null : instant(resolved.at),
        }),
    confidential: false,
    internal: false,
    imported: false,
    imported_from: 'none',
    noteable_iid: pull.number,
    commands_changes: {},
  }
}

function discussionJson(world: GitlabWorld, pull: Pull, thread: Thread) {
  const notes = pull.comments.filter(({ id }) => thread.notes.includes(id))
  return { id: thread.id, individual_note: thread.individual, notes: notes.map((note) => noteJson(world, pull, note)) }
}

/** Lines that a change adds, by their number in the new file. */
function addedLines({ hunks = '' }: FileChange): ReadonlySet<number> {
  const added = new Set<number>()
  let line = 0
  for (const text of hunks.split('\n')) {
    const header = /^@@ -\d+(?:,\d+)? \+(\d+)/.exec(text)
    if (header !== null) line = Number(header[1])
    else if (text.startsWith('+')) added.add(line++)
    else if (text.startsWith(' ')) line += 1
  }
  return added
}

/**
 * A place on the diff, or GitLab's refusal: the file must be changed, and an unchanged line needs its number on both
 * sides.
 */
async function checkedPosition(pull: Pull, given: z.infer<typeof PositionShape>): Promise<Position> {
  const version = pull.versions.find(({ head, base }) => head === given.head_sha && base === given.base_sha)
  const path = given.new_path ?? given.old_path ?? ''
  const invalid = () =>
    new Refusal(400, `400 Bad request - Note {:line_code=>["can't be blank", "must be a valid line code"]}`)
  if (version === undefined) throw invalid()
  const files = await pull.repository.git.diff(version.base, version.head)
  const file = files.find((candidate) => candidate.path === path)
  if (file === undefined) throw invalid()
  if (given.position_type === 'text') {
    const onAdded = given.new_line !== undefined && addedLines(file).has(given.new_line)
    const onBoth = given.new_line !== undefined && given.old_line !== undefined
    const onRemoved = given.new_line === undefined && given.old_line !== undefined
    if (!onAdded && !onBoth && !onRemoved) throw invalid()
  }
  return {
    ...given,
    old_path: given.old_path ?? path,
    new_path: path,
    old_line: given.old_line ?? null,
    new_line: given.new_line ?? null,
  }
}

export function noteRoutes(world: GitlabWorld): Hono {
  const { hosting } = world
  const pullOf = (context: Context) => mergeRequestOf(context, projectFor(context, world, 'read'))
  const noteOf = (context: Context, pull: Pull): Comment => {
    const note = pull.comments.find(({ id }) => `${id}` === context.req.param('note'))
    if (note === undefined) throw notFound('Note')
    return note
  }
  const checkMayChange = (pull: Pull, note: Comment, actor: Account) => {
    if (note.author !== actor && !atLeast(hosting.role(pull.repository, actor), 'maintain')) throw forbidden()
  }
  const threads = (pull: Pull): readonly Thread[] => [...new Set(pull.comments.map(({ id }) => threadOf(world, id)))]
  const threadNamed = (context: Context, pull: Pull): Thread => {
    const thread = threads(pull).find(({ id }) => id === context.req.param('discussion'))
    if (thread === undefined) throw notFound('Discussion')
    return thread
  }
  const change = async (context: Context) => {
    const pull = pullOf(context)
    const note = noteOf(context, pull)
    const actor = actorOf(context, world)
    checkMayChange(pull, note, actor)
    const { body } = await bodyOf(context, Body)
    hosting.editComment(pull, note, actor, checkedText(body))
    return context.json(noteJson(world, pull, note))
  }
  const remove = (context: Context) => {
    const pull = pullOf(context)
    const note = noteOf(context, pull)
    const actor = actorOf(context, world)
    checkMayChange(pull, note, actor)
    hosting.deleteComment(pull, note, actor)
    return context.body(null, 204)
  }
  return new Hono()
    .get('/projects/:id/merge_requests/:iid/notes', (context) => {
      const pull = pullOf(context)
      const sorted = context.req.query('sort') === 'asc' ? pull.comments : [...pull.comments].reverse()
      return context.json(pageOf(context, sorted).map((note) => noteJson(world, pull, note)))
    })
    .post('/projects/:id/merge_requests/:iid/notes', async (context) => {
      const pull = pullOf(context)
      const actor = actorOf(context, world)
      const { body } = await bodyOf(context, Body)
      return context.json(noteJson(world, pull, hosting.addComment(pull, actor, checkedText(body))), 201)
    })
    .get('/projects/:id/merge_requests/:iid/notes/:note', (context) => {
      const pull = pullOf(context)
      return context.json(noteJson(world, pull, noteOf(context, pull)))
    })
    .put('/projects/:id/merge_requests/:iid/notes/:note', change)
    .delete('/projects/:id/merge_requests/:iid/notes/:note', remove)
    .get('/projects/:id/merge_requests/:iid/discussions', (context) => {
      const pull = pullOf(context)
      return context.json(pageOf(context, threads(pull)).map((thread) => discussionJson(world, pull, thread)))
    })
    .post('/projects/:id/merge_requests/:iid/discussions', async (context) => {
      const pull = pullOf(context)
      const actor = actorOf(context, world)
      const { body, position } = await bodyOf(context, NewDiscussion)
      const text = checkedText(body)
      const place = position === undefined ? undefined : await checkedPosition(pull, position)
      const note = hosting.addComment(pull, actor, text)
      const thread: Thread = {
        id: hex(hosting.random, 40),
        notes: [note.id],
        individual: false,
        position: place,
        resolved: undefined,
      }
      world.threads.set(note.id, thread)
      return context.json(discussionJson(world, pull, thread), 201)
    })
    .get('/projects/:id/merge_requests/:iid/discussions/:discussion', (context) => {
      const pull = pullOf(context)
      return context.json(discussionJson(world, pull, threadNamed(context, pull)))
    })
    .put('/projects/:id/merge_requests/:iid/discussions/:discussion', async (context) => {
      const pull = pullOf(context)
      const thread = threadNamed(context, pull)
      const actor = actorOf(context, world)
      if (thread.individual) throw forbidden()
      if (actor !== pull.author && !atLeast(hosting.role(pull.repository, actor), 'write')) throw forbidden()
      const { resolved } = await bodyOf(context, z.object({ resolved: Flag }))
      thread.resolved = resolved ? { by: actor, at: hosting.now() } : undefined
      return context.json(discussionJson(world, pull, thread))
    })
    .post('/projects/:id/merge_requests/:iid/discussions/:discussion/notes', async (context) => {
      const pull = pullOf(context)
      const thread = threadNamed(context, pull)
      const { body } = await bodyOf(context, Body)
      const note = hosting.addComment(pull, actorOf(context, world), checkedText(body))
      thread.notes.push(note.id)
      world.threads.set(note.id, thread)
      return context.json(noteJson(world, pull, note), 201)
    })
    .put('/projects/:id/merge_requests/:iid/discussions/:discussion/notes/:note', change)
    .delete('/projects/:id/merge_requests/:iid/discussions/:discussion/notes/:note', remove)
}
