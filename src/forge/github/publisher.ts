import { sha256Hex } from '../../core/canonical.ts'
import { Problem } from '../../core/problem.ts'
import type { Check, DeploymentState, ForgePublisher, RepoRef, Topic } from '../../seams/forge.ts'
import { ensured, reading } from '../forge-problem.ts'
import { hasMarker, withMarker } from '../marker.ts'
import { isProblem, type GithubClient, type Named } from './client.ts'
import { githubReader } from './reader.ts'

/** GitHub takes 65,536 characters; the rest is headroom for how it counts. */
const COMMENT_LIMIT = 60_000
/** Annotations in one request, and for one check in all: past that nobody reads them. */
const ANNOTATIONS_PER_REQUEST = 50
const MAX_ANNOTATIONS = 200
/** Titles and texts of a check. */
const CHECK_TEXT_LIMIT = 60_000
const ANNOTATION_TEXT_LIMIT = 2_000
const DESCRIPTION_LIMIT = 140

const DEPLOYMENT_STATES: Readonly<
  Record<DeploymentState, 'queued' | 'in_progress' | 'success' | 'failure' | 'inactive'>
> = { queued: 'queued', 'in-progress': 'in_progress', success: 'success', failure: 'failure', inactive: 'inactive' }

export function githubPublisher(client: GithubClient): ForgePublisher {
  const reader = githubReader(client)
  /** Where a comment was last seen: a hint that saves listing them; verified before it is used. */
  const hints = new Map<string, number>()
  const named = async <T>(repo: RepoRef, doing: string, request: (named: Named) => Promise<T>): Promise<T> => {
    const at = await client.named(repo)
    return client.ask(`${doing} of ${at.owner}/${at.repo}`, () => request(at))
  }

  async function findComment(
    repo: RepoRef,
    number: number,
    topic: Topic,
  ): Promise<{ readonly id: number; readonly body: string; readonly url: string } | undefined> {
    const bot = await client.botLogin()
    const ours = (comment: {
      readonly user: { readonly login: string } | null
      readonly body?: string | undefined | null
    }): boolean => comment.user?.login === bot && hasMarker(topic, comment.body ?? '')
    const hint = hints.get(`${repo.id}/${number}/${topic}`)
    if (hint !== undefined) {
      const { data } = await named(repo, 'reading a comment', ({ octokit, owner, repo: name }) =>
        octokit.rest.issues.getComment({ owner, repo: name, comment_id: hint }),
      ).catch((error: unknown) => {
        if (isProblem(error, 'forge.not-found')) return { data: undefined }
        throw error
      })
      if (data !== undefined && ours(data)) return { id: data.id, body: data.body ?? '', url: data.html_url }
      hints.delete(`${repo.id}/${number}/${topic}`)
    }
    const comments = await named(repo, 'listing comments', ({ octokit, owner, repo: name }) =>
      octokit.paginate(octokit.rest.issues.listComments, { owner, repo: name, issue_number: number, per_page: 100 }),
    )
    const found = comments.find(ours)
    if (found === undefined) return undefined
    hints.set(`${repo.id}/${number}/${topic}`, found.id)
    return { id: found.id, body: found.body ?? '', url: found.html_url }
  }

  return {
    commentLimit: COMMENT_LIMIT,
    async upsertComment(repo, number, topic, markdown) {
      const body = withMarker(topic, markdown)
      const present = await ensured(
        () => reading(() => findComment(repo, number, topic)),
        async () => {
          const { data } = await named(repo, 'writing a comment', ({ octokit, owner, repo: name }) =>
            octokit.rest.issues.createComment({ owner, repo: name, issue_number: number, body }),
          )
          hints.set(`${repo.id}/${number}/${topic}`, data.id)
          return { id: data.id, body, url: data.html_url }
        },
      )
      if (present.body.replaceAll('\r\n', '\n') !== body)
        await reading(() =>
          named(repo, 'editing a comment', ({ octokit, owner, repo: name }) =>
            octokit.rest.issues.updateComment({ owner, repo: name, comment_id: present.id, body }),
          ),
        )
      return present.url
    },

    async upsertCheck(repo, _number, check) {
      const id = sha256Hex(
        JSON.stringify([
          check.state,
          check.title,
          check.summary,
          check.detailsUrl ?? '',
          check.annotations.map((a) => [a.file, a.line, a.column, a.code, a.what]),
        ]),
      )
      const annotations = check.annotations.slice(0, MAX_ANNOTATIONS).map((problem) => ({
        path: problem.file,
        start_line: problem.line,
        end_line: problem.line,
        start_column: problem.column,
        end_column: problem.column,
        annotation_level: 'failure' as const,
        title: problem.code,
        message: `${problem.what}${problem.remedy === undefined ? '' : `\n→ ${problem.remedy}`}`.slice(
          0,
          ANNOTATION_TEXT_LIMIT,
        ),
      }))
      const output = { title: check.title.slice(0, 255), summary: check.summary.slice(0, CHECK_TEXT_LIMIT) }
      const fields = {
        ...progressOf(check),
        external_id: id,
        ...(check.detailsUrl === undefined ? {} : { details_url: check.detailsUrl }),
      }
      const latest = async (): Promise<
        { readonly id: number; readonly external_id: string | null; readonly status: string } | undefined
      > => {
        const { data } = await named(repo, 'listing checks', ({ octokit, owner, repo: name }) =>
          octokit.rest.checks.listForRef({
            owner,
            repo: name,
            ref: check.commit,
            check_name: check.name,
            filter: 'latest',
            per_page: 10,
          }),
        )
        return data.check_runs.find((run) => run.name === check.name)
      }
      const current = await reading(latest)
      if (current?.external_id === id) return
      // An unfinished run is moved on; a finished one is followed by another, because annotations only ever add up.
      const target =
        current !== undefined && current.status !== 'completed'
          ? current.id
          : (
              await ensured(
                async () => {
                  const now = await reading(latest)
                  return now?.external_id === `${id}/begun` ? now : undefined
                },
                async () => {
                  const { data } = await named(repo, 'creating a check', ({ octokit, owner, repo: name }) =>
                    octokit.rest.checks.create({
                      owner,
                      repo: name,
                      name: check.name,
                      head_sha: check.commit,
                      status: 'in_progress',
                      external_id: `${id}/begun`,
                      output: { title: output.title, summary: output.summary },
                    }),
                  )
                  return { id: data.id, external_id: data.external_id, status: data.status }
                },
              )
            ).id
      const batches = Math.max(1, Math.ceil(annotations.length / ANNOTATIONS_PER_REQUEST))
      for (let i = 0; i < batches; i++) {
        const last = i === batches - 1
        await named(repo, 'updating a check', ({ octokit, owner, repo: name }) =>
          octokit.rest.checks.update({
            owner,
            repo: name,
            check_run_id: target,
            ...(last ? fields : {}),
            output: {
              ...output,
              annotations: annotations.slice(i * ANNOTATIONS_PER_REQUEST, (i + 1) * ANNOTATIONS_PER_REQUEST),
            },
          }),
        )
      }
    },

    async deployment(repo, { environment, commit, state, description }) {
      const find = async (): Promise<number | undefined> => {
        const { data } = await named(repo, 'listing deployments', ({ octokit, owner, repo: name }) =>
          octokit.rest.repos.listDeployments({ owner, repo: name, environment, sha: commit, per_page: 1 }),
        )
        return data[0]?.id
      }
      const id = await ensured(
        () => reading(find),
        async () => {
          const { data } = await named(repo, 'creating a deployment', ({ octokit, owner, repo: name }) =>
            // Slipway has decided already whether to deploy: GitHub's own merging and status rules stay out of it.
            octokit.rest.repos.createDeployment({
              owner,
              repo: name,
              ref: commit,
              environment,
              auto_merge: false,
              required_contexts: [],
              description: description.slice(0, DESCRIPTION_LIMIT),
            }),
          )
          if (!('id' in data))
            throw new Problem({
              code: 'forge.refused',
              what: `creating a deployment: ${data.message ?? 'refused'}`,
              retry: 'later',
            })
          return data.id
        },
      )
      const { data: statuses } = await reading(() =>
        named(repo, 'reading a deployment', ({ octokit, owner, repo: name }) =>
          octokit.rest.repos.listDeploymentStatuses({ owner, repo: name, deployment_id: id, per_page: 1 }),
        ),
      )
      const [latest] = statuses
      if (latest?.state === DEPLOYMENT_STATES[state] && latest.description === description.slice(0, DESCRIPTION_LIMIT))
        return
      await named(repo, 'updating a deployment', ({ octokit, owner, repo: name }) =>
        octokit.rest.repos.createDeploymentStatus({
          owner,
          repo: name,
          deployment_id: id,
          state: DEPLOYMENT_STATES[state],
          description: description.slice(0, DESCRIPTION_LIMIT),
          auto_inactive: true,
        }),
      )
    },

    async commitFiles(repo, branch, expectedHead, files, message) {
      if ((await reader.branchHead(repo, branch)) !== expectedHead) return undefined
      const base = await reading(() =>
        named(repo, 'reading a commit', ({ octokit, owner, repo: name }) =>
          octokit.rest.git.getCommit({ owner, repo: name, commit_sha: expectedHead }),
        ),
      )
      const { data: tree } = await named(repo, 'writing a tree', ({ octokit, owner, repo: name }) =>
        octokit.rest.git.createTree({
          owner,
          repo: name,
          base_tree: base.data.tree.sha,
          tree: [...files].map(([path, content]) => ({
            path,
            mode: '100644' as const,
            type: 'blob' as const,
            ...(content === null ? { sha: null } : { content }),
          })),
        }),
      )
      const { data: commit } = await named(repo, 'writing a commit', ({ octokit, owner, repo: name }) =>
        octokit.rest.git.createCommit({ owner, repo: name, message, tree: tree.sha, parents: [expectedHead] }),
      )
      try {
        await named(repo, 'moving a branch', ({ octokit, owner, repo: name }) =>
          octokit.rest.git.updateRef({ owner, repo: name, ref: `heads/${branch}`, sha: commit.sha, force: false }),
        )
      } catch (error) {
        const now = await reader.branchHead(repo, branch)
        if (now === commit.sha) return commit.sha
        if (now !== expectedHead) return undefined
        throw error
      }
      return commit.sha
    },

    async createBranch(repo, branch, commit) {
      const head = await ensured(
        () => reader.branchHead(repo, branch),
        async () => {
          await named(repo, 'creating a branch', ({ octokit, owner, repo: name }) =>
            octokit.rest.git.createRef({ owner, repo: name, ref: `refs/heads/${branch}`, sha: commit }),
          )
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
      const pull = await ensured(
        async () => (await reader.openPulls(repo)).find((open) => open.headBranch === branch && !open.fork),
        async () => {
          const { data } = await named(repo, 'opening a pull', ({ octokit, owner, repo: name }) =>
            octokit.rest.pulls.create({ owner, repo: name, head: branch, base, title, body }),
          )
          const opened = await reader.pull(repo, data.number)
          if (opened === undefined)
            throw new Problem({
              code: 'forge.unavailable',
              what: `pull #${data.number} was opened but cannot be read`,
              retry: 'now',
            })
          return opened
        },
      )
      return pull
    },
  }
}

function progressOf(
  check: Check,
):
  | { readonly status: 'in_progress' }
  | { readonly status: 'completed'; readonly conclusion: 'success' | 'failure' | 'action_required' } {
  switch (check.state) {
    case 'pending':
      return { status: 'in_progress' }
    case 'success':
    case 'failure':
      return { status: 'completed', conclusion: check.state }
    case 'action-required':
      return { status: 'completed', conclusion: 'action_required' }
    default:
      return check.state satisfies never
  }
}
