import * as z from 'zod'
import { concatBytes, equalBytes, fromBase64 } from '../../secrets/bytes.ts'
import type { ForgeEvent, ForgeWebhooks, WebhookRequest } from '../../seams/forge.ts'
import type { GitlabClient } from './client.ts'

/** Signed deliveries older or newer than this are refused. */
const SKEW_S = 300

const Payload = z.looseObject({
  object_kind: z.string().optional(),
  project: z.looseObject({ id: z.int() }).optional(),
  project_id: z.int().optional(),
  ref: z.string().optional(),
  after: z.string().optional(),
  object_attributes: z
    .looseObject({
      iid: z.int().optional(),
      id: z.int().optional(),
      action: z.string().optional(),
      noteable_type: z.string().optional(),
    })
    .optional(),
  merge_request: z.looseObject({ iid: z.int() }).optional(),
})

const encoder = new TextEncoder()

export function gitlabWebhooks(client: GitlabClient, now: () => number = () => Date.now()): ForgeWebhooks {
  const { webhookSecrets, signingTokens = [] } = client.config
  return {
    async receive(request) {
      const { headers } = request
      const delivery = headers['idempotency-key'] ?? headers['webhook-id'] ?? headers['x-gitlab-event-uuid'] ?? ''
      if (!/^[\w-]{1,100}$/.test(delivery)) return { kind: 'refused', why: 'the delivery id is missing' }
      const genuine =
        headers['webhook-signature'] !== undefined && signingTokens.length > 0
          ? await isSigned(request, signingTokens, now())
          : await hasToken(headers['x-gitlab-token'], webhookSecrets)
      if (!genuine) return { kind: 'refused', why: 'the token or signature does not match' }
      const event = eventOf(headers['x-gitlab-event'] ?? '', delivery, new TextDecoder().decode(request.body))
      return event === undefined ? { kind: 'ignored', delivery } : { kind: 'event', event }
    },
  }
}

/** Compares digests, so that the time tells nothing about where two values differ. */
async function hasToken(given: string | undefined, secrets: readonly string[]): Promise<boolean> {
  if (given === undefined) return false
  const digest = async (text: string): Promise<Uint8Array> =>
    new Uint8Array(await crypto.subtle.digest('SHA-256', encoder.encode(text)))
  const actual = await digest(given)
  const equal = await Promise.all(secrets.map(async (secret) => equalBytes(actual, await digest(secret))))
  return equal.includes(true)
}

/** Standard Webhooks: HMAC-SHA256 over `id.timestamp.body`; several signatures may be given, separated by spaces. */
async function isSigned({ headers, body }: WebhookRequest, tokens: readonly string[], nowMs: number): Promise<boolean> {
  const id = headers['webhook-id'] ?? ''
  const timestamp = headers['webhook-timestamp'] ?? ''
  if (!/^\d{1,12}$/.test(timestamp) || Math.abs(Number(timestamp) - nowMs / 1000) > SKEW_S) return false
  const signed = concatBytes(encoder.encode(`${id}.${timestamp}.`), body)
  const given = (headers['webhook-signature'] ?? '')
    .split(' ')
    .flatMap((part) => (part.startsWith('v1,') ? [part.slice(3)] : []))
  for (const token of tokens) {
    const key = await crypto.subtle.importKey(
      'raw',
      fromBase64(token.replace(/^whsec_/, '')),
      { name: 'HMAC', hash: 'SHA-256' },
      false,
      ['sign'],
    )
    const expected = new Uint8Array(await crypto.subtle.sign('HMAC', key, signed))
    for (const signature of given) {
      try {
        if (equalBytes(fromBase64(signature), expected)) return true
      } catch {
        // Not base64, so not a signature.
      }
    }
  }
  return false
}

function eventOf(name: string, delivery: string, text: string): ForgeEvent | undefined {
  const parsed = Payload.safeParse(tryJson(text))
  if (!parsed.success) return undefined
  const { project, project_id, ref, after, object_attributes, merge_request } = parsed.data
  const id = project?.id ?? project_id
  if (id === undefined) return undefined
  const base = { repo: { forge: 'gitlab' as const, id: String(id) }, delivery }
  if (name === 'Merge Request Hook' && object_attributes?.iid !== undefined)
    return { ...base, kind: 'pull-changed', number: object_attributes.iid }
  // Edited notes never act: somebody else may have changed the words.
  if (
    name === 'Note Hook' &&
    object_attributes?.noteable_type === 'MergeRequest' &&
    (object_attributes.action ?? 'create') === 'create' &&
    object_attributes.id !== undefined &&
    merge_request !== undefined
  )
    return { ...base, kind: 'comment-added', number: merge_request.iid, commentId: String(object_attributes.id) }
  if (name === 'Push Hook' && ref?.startsWith('refs/heads/') === true && after !== undefined && !/^0+$/.test(after))
    return { ...base, kind: 'branch-pushed', branch: ref.slice('refs/heads/'.length), commit: after }
  return undefined
}

function tryJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
