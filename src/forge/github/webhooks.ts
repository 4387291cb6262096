import * as z from 'zod'
import type { ForgeEvent, ForgeWebhooks, RepoRef } from '../../seams/forge.ts'
import { Webhooks } from '@octokit/webhooks'
import type { GithubClient } from './client.ts'

const Repository = z.looseObject({ id: z.int(), full_name: z.string().optional() })
const Payload = z.looseObject({
  action: z.string().optional(),
  repository: Repository.optional(),
  number: z.int().optional(),
  pull_request: z.looseObject({ number: z.int() }).optional(),
  issue: z.looseObject({ number: z.int(), pull_request: z.looseObject({}).optional() }).optional(),
  comment: z.looseObject({ id: z.int() }).optional(),
  ref: z.string().optional(),
  after: z.string().optional(),
  check_run: z
    .looseObject({ head_sha: z.string(), pull_requests: z.array(z.looseObject({ number: z.int() })).default([]) })
    .optional(),
  check_suite: z
    .looseObject({ head_sha: z.string(), pull_requests: z.array(z.looseObject({ number: z.int() })).default([]) })
    .optional(),
})

export function githubWebhooks(client: GithubClient): ForgeWebhooks {
  const verifiers = client.config.webhookSecrets.map((secret) => new Webhooks({ secret }))
  return {
    async receive({ headers, body }) {
      const delivery = headers['x-github-delivery'] ?? ''
      const signature = headers['x-hub-signature-256'] ?? ''
      if (!/^[\w-]{1,100}$/.test(delivery) || !/^sha256=[0-9a-f]{64}$/.test(signature))
        return { kind: 'refused', why: 'the delivery id or the signature is missing' }
      // Bytes that are not UTF-8 come out changed, and then the signature does not match either.
      const text = new TextDecoder().decode(body)
      const verdicts = await Promise.all(verifiers.map((verifier) => verifier.verify(text, signature)))
      if (!verdicts.includes(true)) return { kind: 'refused', why: 'the signature does not match' }
      const event = eventOf(headers['x-github-event'] ?? '', delivery, text)
      return event === undefined ? { kind: 'ignored', delivery } : { kind: 'event', event }
    },
  }
}

function eventOf(name: string, delivery: string, text: string): ForgeEvent | undefined {
  const parsed = Payload.safeParse(tryJson(text))
  if (!parsed.success) return undefined
  const { action, repository, pull_request, issue, comment, ref, after, check_run, check_suite } = parsed.data
  const repo: RepoRef = { forge: 'github', id: String(repository?.id ?? '') }
  const base = { repo, delivery }
  if (name === 'ping') return { ...base, kind: 'ping' }
  if (repository === undefined) return undefined
  if (name === 'pull_request' && pull_request !== undefined)
    return { ...base, kind: 'pull-changed', number: pull_request.number }
  // Edited comments never act: somebody else may have changed the words.
  if (name === 'issue_comment' && action === 'created' && issue?.pull_request !== undefined && comment !== undefined)
    return { ...base, kind: 'comment-added', number: issue.number, commentId: String(comment.id) }
  if (name === 'push' && ref?.startsWith('refs/heads/') === true && after !== undefined && !/^0+$/.test(after))
    return { ...base, kind: 'branch-pushed', branch: ref.slice('refs/heads/'.length), commit: after }
  const check = check_run ?? check_suite
  if ((name === 'check_run' || name === 'check_suite') && action === 'rerequested' && check !== undefined) {
    const number = check.pull_requests[0]?.number
    return { ...base, kind: 'check-rerequested', commit: check.head_sha, ...(number === undefined ? {} : { number }) }
  }
  return undefined
}

function tryJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
