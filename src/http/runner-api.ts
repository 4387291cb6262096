import { type Context, Hono } from 'hono'
import * as z from 'zod'
import type { App } from '../app/app.ts'
import type { RunnerDocument } from '../app/documents.ts'
import { enrollRunner } from '../app/enroll-runner.ts'
import { poll } from '../app/poll.ts'
import { problemAnswer } from '../app/problem-answer.ts'
import { recordEvents } from '../app/record-events.ts'
import { registerDeployKey } from '../app/register-deploy-key.ts'
import { uploadFacts } from '../app/upload-facts.ts'
import { verifyRequest } from '../app/verify-request.ts'
import type { Facts } from '../core/facts.ts'
import { Problem } from '../core/problem.ts'
import { answerText, DeployKeyRequest, EnrollRequest, EventsRequest, FactsUpload, PollRequest } from '../core/wire.ts'
import { rawBody } from './raw-body.ts'

/** Facts of 1,000 machines and 200 events with 200,000 characters of output both fit; nothing honest is larger. */
const BODY_BYTES = 8_000_000

const STATUS: Readonly<Record<string, 400 | 401 | 403 | 404 | 409 | 413 | 502>> = {
  'runner.not-authorized': 401,
  'runner.clock': 401,
  'token.refused': 401,
  'runner.repository': 403,
  'runner.name-taken': 409,
  'run.lease-lost': 409,
  'http.too-large': 413,
  'http.no-such-path': 404,
}

/** What enrolled runners ask. Every answer to a signed request is signed and bound to that request's nonce. */
export function runnerApi(app: App): Hono {
  const api = new Hono()

  api.post('/enroll', (c) =>
    answered(app, c, async () => {
      const token = /^Bearer (slw_[A-Za-z0-9_-]{20,200})$/.exec(c.req.header('authorization') ?? '')?.[1]
      if (token === undefined) {
        throw new Problem({
          code: 'token.refused',
          what: 'enrolling needs a one-time token in the authorization header',
          remedy: "Make one on the app's host: slipway token create",
          retry: 'never',
        })
      }
      return enrollRunner(app, token, parse(EnrollRequest, await rawBody(c.req.raw, BODY_BYTES)))
    }),
  )
  api.post('/poll', (c) => signed(app, c, PollRequest, (runner, request) => poll(app, runner, request)))
  api.post('/facts', (c) =>
    signed(app, c, FactsUpload, async (runner, { repository, facts }) => {
      // Wire and core say the same; an absent member and an `undefined` one are the same in JSON.
      await uploadFacts(app, runner, repository, facts as Facts)
      return {}
    }),
  )
  api.post('/jobs/:id/events', (c) =>
    signed(app, c, EventsRequest, (runner, request) => recordEvents(app, runner.id, c.req.param('id') ?? '', request)),
  )
  api.post('/deploy-keys', (c) =>
    signed(app, c, DeployKeyRequest, (runner, request) => registerDeployKey(app, runner, request)),
  )
  api.all('*', (c) =>
    answered(app, c, () =>
      Promise.reject(
        new Problem({ code: 'http.no-such-path', what: `there is no ${c.req.method} ${c.req.path}`, retry: 'never' }),
      ),
    ),
  )
  return api
}

function signed<S extends z.ZodType>(
  app: App,
  c: Context,
  schema: S,
  answer: (runner: RunnerDocument, request: z.infer<S>) => Promise<unknown>,
): Promise<Response> {
  return answered(app, c, async () => {
    const body = await rawBody(c.req.raw, BODY_BYTES)
    const runner = await verifyRequest(app, {
      method: c.req.method,
      path: new URL(c.req.url).pathname,
      runner: c.req.header('slipway-runner') ?? '',
      time: c.req.header('slipway-time') ?? '',
      nonce: c.req.header('slipway-nonce') ?? '',
      signature: c.req.header('slipway-signature') ?? '',
      bodySha256: await sha256(body),
    })
    return answer(runner, parse(schema, body))
  })
}

async function answered(app: App, c: Context, work: () => Promise<unknown>): Promise<Response> {
  let status: 200 | 400 | 401 | 403 | 404 | 409 | 413 | 500 | 502 | 503 = 200
  let value: unknown
  try {
    value = await work()
  } catch (error) {
    const problem = problemAnswer(error)
    status = error instanceof Problem ? (STATUS[problem.code] ?? (problem.retry === 'never' ? 400 : 503)) : 500
    if (!(error instanceof Problem)) app.log.error('answering a runner', { path: c.req.path, error })
    value = { problem }
  }
  const body = JSON.stringify(value)
  const nonce = c.req.header('slipway-nonce') ?? ''
  const headers: Record<string, string> = { 'content-type': 'application/json', 'cache-control': 'no-store' }
  if (/^[A-Za-z0-9_-]{1,128}$/.test(nonce)) {
    const bodySha256 = await sha256(new TextEncoder().encode(body))
    headers['slipway-signature'] = await app.signer.sign(answerText({ nonce, status, bodySha256 }))
  }
  return c.body(body, status, headers)
}

/** @throws Problem `wire.malformed` that names the first places where the body is not what the wire says. */
function parse<S extends z.ZodType>(schema: S, body: Uint8Array): z.infer<S> {
  let value: unknown
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body))
  } catch {
    throw new Problem({ code: 'wire.malformed', what: 'the request body is not JSON', retry: 'never' })
  }
  const parsed = schema.safeParse(value)
  if (parsed.success) return parsed.data
  const places = parsed.error.issues.slice(0, 5).map(({ path, message }) => `${path.join('.')}: ${message}`)
  throw new Problem({
    code: 'wire.malformed',
    what: `the request body does not follow the wire protocol: ${places.join('; ')}`.slice(0, 1_000),
    remedy: 'Run the same release of app and runner, or releases next to each other.',
    retry: 'never',
  })
}

async function sha256(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  const hash = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes))
  return [...hash].map((byte) => byte.toString(16).padStart(2, '0')).join('')
}
