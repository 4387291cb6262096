import { createHash, randomUUID } from 'node:crypto'
import type { Context, MiddlewareHandler } from 'hono'
import type { SimClock } from '../clock.ts'
import { Refusal, refuse } from './refusal.ts'

/** Requests of one credential in an hour. */
const LIMIT = 5_000
/** Without a credential. */
const ANONYMOUS_LIMIT = 60
const WINDOW_MS = 60 * 60_000

interface Window {
  used: number
  readonly limit: number
  /** Milliseconds since the epoch. */
  readonly reset: number
}

/** The primary rate limit, and answers that need not be sent again: `ETag`, `If-None-Match`, 304. */
export class Limits {
  readonly #clock: SimClock
  readonly #windows = new Map<string, Window>()

  constructor(clock: SimClock) {
    this.#clock = clock
  }

  of(context: Context): Window {
    const credential = context.req.header('authorization') ?? ''
    const known = this.#windows.get(credential)
    const now = this.#clock.now()
    if (known !== undefined && known.reset > now) return known
    const window = { used: 0, limit: credential === '' ? ANONYMOUS_LIMIT : LIMIT, reset: now + WINDOW_MS }
    this.#windows.set(credential, window)
    return window
  }

  middleware(): MiddlewareHandler {
    return async (context, next) => {
      const window = this.of(context)
      window.used += 1
      if (window.used > window.limit) {
        context.res = refuse(context, new Refusal(403, 'API rate limit exceeded for user ID 1.'))
      } else {
        await next()
      }
      if (context.req.method === 'GET' && context.res.status === 200) await revalidated(context, window)
      const { headers } = context.res
      headers.set('x-ratelimit-limit', `${window.limit}`)
      headers.set('x-ratelimit-remaining', `${Math.max(0, window.limit - window.used)}`)
      headers.set('x-ratelimit-used', `${window.used}`)
      headers.set('x-ratelimit-reset', `${Math.ceil(window.reset / 1000)}`)
      headers.set('x-ratelimit-resource', 'core')
      headers.set('x-github-request-id', randomUUID())
      headers.set('x-github-media-type', 'github.v3; format=json')
    }
  }
}

async function revalidated(context: Context, window: Window): Promise<void> {
  const body = Buffer.from(await context.res.clone().arrayBuffer())
  const etag = `W/"${createHash('sha256').update(body).digest('hex')}"`
  context.res.headers.set('etag', etag)
  if (context.req.header('if-none-match') !== etag) return
  window.used -= 1
  const link = context.res.headers.get('link')
  context.res = new Response(null, { status: 304, headers: { etag, ...(link === null ? {} : { link }) } })
}

/** The secondary rate limit's answer. */
export function limited(context: Context, status: 403 | 429): Response {
  context.header('retry-after', '1')
  const message = 'You have exceeded a secondary rate limit. Please wait a few minutes before you try again.'
  return refuse(context, new Refusal(status, message))
}
