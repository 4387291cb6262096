import * as z from 'zod'
import { Problem } from '../../core/problem.ts'
import type { DeploymentState, ForgePublisher, RepoRef, Topic } from '../../seams/forge.ts'
import { ensured, reading } from '../forge-problem.ts'
import { hasMarker, withMarker } from '../marker.ts'
import { syncAnnotations } from './annotations.ts'
import { isProblem, type GitlabClient } from './client.ts'
import { gitlabReader } from './reader.ts'

/** GitLab takes 1,000,000 characters, but a page of that size helps nobody. */
const COMMENT_LIMIT = 200_000
const DESCRIPTION_LIMIT = 255

const Note = z.looseObject({ id: z.int(), body: z.string(), author: z.looseObject({ id: z.int() }) })
const Status = z.looseObject({
  name: z.string(),
  status: z.string(),
  description: z.string().nullish(),
  target_url: z.string().nullish(),
})
const Deployment = z.looseObject({ id: z.int(), sha: z.string(), status: z.string() })
interface CommitAction {
  readonly action: 'create' | 'update' | 'delete'
  readonly filePath: string
  readonly content?: string
}

const Commit = z.looseObject({ id: z.string(), parent_ids: z.array(z.string()).nullish() })

const DEPLOYMENT_STATES: Readonly<Record<DeploymentState, 'running' | 'success' | 'failed' | 'canceled'>> = {
  queued: 'running',
  'in-progress': 'running',
  success: 'success',
  failure: 'failed',
  inactive: 'canceled',
}

export function gitlabPublisher(client: GitlabClient): ForgePublisher {
  const { api } = client
  const reader = gitlabReader(client)
  const id = (repo: RepoRef): number => Number(repo.id)
  const webUrls = new Map<string, string>()

  async function findNote(repo: RepoRef, number: number, topic: Topic): Promise<z.infer<typeof Note> | undefined> {
    const self = await client.self()
    const notes = await client.ask('listing notes', z.array(Note), () =>
      api.MergeRequestNotes.all(id(repo), number, { sort: 'asc', orderBy: 'created_at', perPage: 100, maxPages: 20 }),
    )
    return notes.find((note) => note.author.id === self.id && hasMarker(topic, note.body))
  }

  async function webUrl(repo: RepoRef): Promise<string> {
    const known = webUrls.get(repo.id) ?? (await reader.repository(repo)).webUrl
    webUrls.set(repo.id, known)
    return known
  }

  return {
    commentLimit: COMMENT_LIMIT,
    async upsertComment(repo, number, topic, markdown) {
      const body = withMarker(topic, markdown)
      const note = await ensured(
        () => reading(() => findNote(repo, number, topic)),
        () => client.ask('writing a note', Note, () => api.MergeRequestNotes.create(id(repo), number, body)),
      )
      if (note.body.replaceAll('\r\n', '\n') !== body)
        await reading(() =>
          client.ask('editing a note', z.unknown(), () =>
            api.MergeRequestNotes.edit(id(repo), number, note.id, { body }),
          ),
        )
      return `${await webUrl(repo)}/-/merge_requests/${number}#note_${note.id}`
    },

    async upsertCheck(repo, number, check) {
      const state = check.state === 'pending' ? 'running' : check.state === 'success' ? 'success' : 'failed'
      const description = check.title.slice(0, DESCRIPTION_LIMIT)
      const statuses = await reading(() =>
        client.ask('listing commit statuses', z.array(Status), () =>
          api.Commits.allStatuses(id(repo), check.commit, { name: check.name }),
        ),
      )
      const current = statuses.find((status) => status.name === check.name)
      if (
        current?.status !== state ||
        current.description !== description ||
        (current.target_url ?? undefined) !== check.detailsUrl
      ) {
        const set = (ref?: string): Promise<unknown> =>
          client.ask('setting a commit status', z.unknown(), () =>
            api.Commits.editStatus(id(repo), check.commit, state, {
              name: check.name,
              description,
              ...(ref === undefined ? {} : { ref }),
              ...(check.detailsUrl === undefined ? {} : { targetUrl: check.detailsUrl }),
            }),
          )
        try {
          await set().catch((error: unknown) => {
            // The head of a fork is on no branch of this project; its merge request is the reference that it has.
            if (number === undefined || !isProblem(error, 'forge.not-found')) throw error
            return set(`refs/merge-requests/${number}/head`)
          })
        } catch (error) {
          // The state machine of GitLab refuses a state that is there already.
          if (!isProblem(error, 'forge.refused') || !/cannot transition/i.test((error as Problem).what)) throw error
        }
      }
      if (number !== undefined) await syncAnnotations(client, repo, number, check.annotations)
    },

    async deployment(repo, { environment, commit, branch, state }) {
      const wanted = DEPLOYMENT_STATES[state]
      const find = async (): Promise<z.infer<typeof Deployment> | undefined> => {
        const listed = await client.ask('listing deployments', z.array(Deployment), () =>
          api.Deployments.all(id(repo), { environment, orderBy: 'id', sort: 'desc', perPage: 20, maxPages: 1 }),
        )
        return listed.find((deployment) => deployment.sha === commit)
      }
      const present = await ensured(
        () => reading(find),
        () =>
          client.ask('creating a deployment', Deployment, () =>
            api.Deployments.create(id(repo), environment, commit, branch, false, { status: wanted }),
          ),
      )
      if (present.status !== wanted)
        await client.ask('updating a deployment', z.unknown(), () => api.Deployments.edit(id(repo), present.id, wanted))
    },

    async commitFiles(repo, branch, expectedHead, files, message) {
      if ((await reader.branchHead(repo, branch)) !== expectedHead) return undefined
      const folders = new Set(
        [...files.keys()].map((path) => (path.includes('/') ? path.slice(0, path.lastIndexOf('/')) : '')),
      )
      const present = new Set<string>()
      for (const folder of folders)
        for (const path of (await reader.listFiles(repo, expectedHead, folder)).keys()) present.add(path)
      const actions = [...files].flatMap(([filePath, content]): CommitAction[] => {
        if (content === null) return present.has(filePath) ? [{ action: 'delete' as const, filePath }] : []
        return [{ action: present.has(filePath) ? ('update' as const) : ('create' as const), filePath, content }]
      })
      if (actions.length === 0) return expectedHead
      try {
        const commit = await client.ask('writing a commit', Commit, () =>
          api.Commits.create(id(repo), branch, message, actions),
        )
        // Somebody pushed in between: what was committed belongs to another state of the branch and is looked at anew.
        return commit.parent_ids?.[0] === expectedHead ? commit.id : undefined
      } catch (error) {
        const head = await reader.branchHead(repo, branch)
        if (head !== undefined && head !== expectedHead) return undefined
        throw error
      }
    },

    async createBranch(repo, branch, commit) {
      const head = await ensured(
        () => reader.branchHead(repo, branch),
        async () => {
          await client.ask('creating a branch', z.unknown(), () => api.Branches.create(id(repo), branch, commit))
          return commit
        },
      )
      if (head !== commit)
        throw new Problem({
          code: 'forge.branch-taken',
          what: `branch ${branch} is there already, at another commit`,
          remedy: `Delete the branch ${branch} if nobody needs it.`,
          retry: 'later',
        })
    },

    async openPull(repo, { branch, base, title, body }) {
      return ensured(
        async () => (await reader.openPulls(repo)).find((open) => open.headBranch === branch && !open.fork),
        async () => {
          const { iid } = await client.ask('opening a merge request', z.looseObject({ iid: z.int() }), () =>
            api.MergeRequests.create(id(repo), branch, base, title, { description: body, removeSourceBranch: true }),
          )
          const opened = await reader.pull(repo, iid)
          if (opened === undefined)
            throw new Problem({
              code: 'forge.unavailable',
              what: `merge request !${iid} was opened but cannot be read`,
              retry: 'now',
            })
          return opened
        },
      )
    },
  }
}
