import * as z from 'zod'
import { sha256Hex } from '../../core/canonical.ts'
import { Problem, type FileProblem } from '../../core/problem.ts'
import { inlineCode } from '../../core/report/escape.ts'
import type { RepoRef } from '../../seams/forge.ts'
import { reading } from '../forge-problem.ts'
import type { GitlabClient } from './client.ts'
import { MergeRequest } from './reader.ts'

/** Discussions opened for one merge request; past that the comment alone tells. */
const MAX_DISCUSSIONS = 50
/** Longest text of a problem in a discussion, in characters. */
const MAX_TEXT = 2_000

const Discussions = z.array(
  z.looseObject({
    id: z.string(),
    notes: z
      .array(
        z.looseObject({ body: z.string(), resolved: z.boolean().nullish(), author: z.looseObject({ id: z.int() }) }),
      )
      .nullish(),
  }),
)

/**
 * GitLab has no annotations: each problem becomes a discussion on its line of the diff, found again by a hidden marker;
 * one that no longer applies is resolved. A line outside of the diff cannot hold one and is told by the comment only.
 */
export async function syncAnnotations(
  client: GitlabClient,
  repo: RepoRef,
  number: number,
  problems: readonly FileProblem[],
): Promise<void> {
  const { api } = client
  const project = Number(repo.id)
  const wanted = new Map(problems.slice(0, MAX_DISCUSSIONS).map((problem) => [markerOf(problem), problem]))
  const self = await client.self()
  const discussions = await reading(() =>
    client.ask('listing discussions', Discussions, () =>
      api.MergeRequestDiscussions.all(project, number, { perPage: 100, maxPages: 10 }),
    ),
  )
  for (const { id, notes } of discussions) {
    const [first] = notes ?? []
    const marker = /^<!-- slipway:problem:[0-9a-f]{16} -->/.exec(first?.body ?? '')?.[0]
    if (marker === undefined || first?.author.id !== self.id) continue
    const still = wanted.delete(marker)
    if (still === (first.resolved === true))
      await client.ask('resolving a discussion', z.unknown(), () =>
        api.MergeRequestDiscussions.resolve(project, number, id, !still),
      )
  }
  if (wanted.size === 0) return
  const merge = await reading(() =>
    client.ask('reading a merge request', MergeRequest, () => api.MergeRequests.show(project, number)),
  )
  const { base_sha: baseSha, start_sha: startSha, head_sha: headSha } = merge.diff_refs ?? {}
  if (!baseSha || !startSha || !headSha) return
  for (const [marker, problem] of wanted) {
    const position = {
      baseSha,
      startSha,
      headSha,
      positionType: 'text' as const,
      oldPath: problem.file,
      newPath: problem.file,
      newLine: String(problem.line),
    }
    try {
      await client.ask('opening a discussion', z.unknown(), () =>
        api.MergeRequestDiscussions.create(project, number, discussionBody(marker, problem), { position }),
      )
    } catch (error) {
      if (!(error instanceof Problem) || error.code !== 'forge.refused') throw error
    }
  }
}

function markerOf(problem: FileProblem): string {
  return `<!-- slipway:problem:${sha256Hex(JSON.stringify([problem.file, problem.line, problem.code, problem.what])).slice(0, 16)} -->`
}

/**
 * Problems quote the spec, so their text is shown as code on one line: nothing in it is rendered, and no line of it is
 * taken for a quick action, which GitLab would carry out with our token's rights.
 */
export function discussionBody(marker: string, problem: FileProblem): string {
  const remedy = problem.remedy === undefined ? '' : `\n\n→ ${inlineCode(problem.remedy, MAX_TEXT)}`
  return `${marker}\n**${problem.code}**\n\n${inlineCode(problem.what, MAX_TEXT)}${remedy}`
}
