import { createHash, randomBytes } from 'node:crypto'
import { isIP } from 'node:net'
import * as z from 'zod'
import { Problem } from '../src/core/problem.ts'
import {
  answerText,
  DeployKeyAnswer,
  EnrollAnswer,
  ErrorAnswer,
  EventsAnswer,
  PollAnswer,
  signedText,
  type EnrollRequest,
  type EventsRequest,
  type PollRequest,
} from '../src/core/wire.ts'
import type { Facts } from '../src/core/facts.ts'
import { signerFrom, verifySignature } from '../src/secrets/signing.ts'
import type { Clock } from '../src/seams/clock.ts'

/** One request; the app answers from memory and a database. */
export const REQUEST_TIMEOUT_MS = 20_000
/** Answers are small; anything longer is not from our app. */
const MAX_ANSWER_BYTES = 1024 * 1024

/** The app as a runner sees it. Every call is outbound, signed both ways and bounded in time and size. */
export interface AppClient {
  poll(request: PollRequest): Promise<z.infer<typeof PollAnswer>>
  events(job: string, request: EventsRequest): Promise<z.infer<typeof EventsAnswer>>
  facts(repository: string, facts: Facts): Promise<void>
  registerDeployKey(request: {
    readonly job: string
    readonly fence: number
    readonly cluster: string
    readonly title: string
    readonly publicKey: string
  }): Promise<void>
}

export interface AppIdentity {
  readonly app: string
  readonly runner: string
  /** SPKI DER in base64, pinned at enrolment. */
  readonly appKey: string
}

/**
 * @param signingKey - The runner's own Ed25519 key, PKCS#8 PEM.
 * @throws Problem `runner.app-http` for an address without TLS that is not this machine's own.
 */
export async function appClient(identity: AppIdentity, signingKey: string, clock: Clock): Promise<AppClient> {
  const base = appAddress(identity.app)
  const signer = await signerFrom(signingKey)

  async function call<T>(path: string, body: unknown, schema: z.ZodType<T>): Promise<T> {
    const text = JSON.stringify(body)
    const time = new Date(clock.now()).toISOString()
    const nonce = randomBytes(18).toString('base64url')
    const signature = await signer.sign(signedText({ method: 'POST', path, time, nonce, bodySha256: sha256(text) }))
    const answer = await post(new URL(path, base), text, {
      'slipway-runner': identity.runner,
      'slipway-time': time,
      'slipway-nonce': nonce,
      'slipway-signature': signature,
    })
    const expected = answerText({ nonce, status: answer.status, bodySha256: sha256(answer.text) })
    const signed = await verifySignature(identity.appKey, expected, answer.signature)
    if (answer.status >= 400) {
      const refused = ErrorAnswer.safeParse(tryJson(answer.text))
      if (refused.success) throw new Problem(clean(refused.data.problem))
      throw unreachable(path, `HTTP ${answer.status}`)
    }
    if (!signed)
      throw new Problem({
        code: 'runner.app-signature',
        what: `the answer to ${path} is not signed by the app that this runner was enrolled with`,
        remedy:
          'If the app has a new signing key, enrol this runner again; otherwise look who answers at that address.',
        retry: 'later',
      })
    return schema.parse(tryJson(answer.text))
  }

  return {
    poll: (request) => call('/runner/v1/poll', request, PollAnswer),
    events: (job, request) => call(`/runner/v1/jobs/${encodeURIComponent(job)}/events`, request, EventsAnswer),
    facts: async (repository, facts) => void (await call('/runner/v1/facts', { repository, facts }, z.unknown())),
    registerDeployKey: async (request) => void (await call('/runner/v1/deploy-keys', request, DeployKeyAnswer)),
  }
}

/** Enrols with a one-time token; the app's key in the answer is the one pinned from then on. */
export async function enrollAtApp(
  app: string,
  token: string,
  request: EnrollRequest,
): Promise<z.infer<typeof EnrollAnswer>> {
  const answer = await post(new URL('/runner/v1/enroll', appAddress(app)), JSON.stringify(request), {
    authorization: `Bearer ${token}`,
  })
  if (answer.status >= 400) {
    const refused = ErrorAnswer.safeParse(tryJson(answer.text))
    throw refused.success
      ? new Problem(clean(refused.data.problem))
      : unreachable('/runner/v1/enroll', `HTTP ${answer.status}`)
  }
  return EnrollAnswer.parse(tryJson(answer.text))
}

/** Only HTTPS, except to this very machine (a tour, a reverse proxy on the same host). */
function appAddress(app: string): URL {
  const url = new URL(app)
  const host = url.hostname.replace(/^\[|\]$/g, '')
  const local = host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'))
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && local))
    throw new Problem({
      code: 'runner.app-http',
      what: `the app's address ${url.origin} has no TLS`,
      remedy: 'Use its https:// address.',
      retry: 'never',
    })
  return url
}

async function post(
  url: URL,
  body: string,
  headers: Readonly<Record<string, string>>,
): Promise<{ readonly status: number; readonly text: string; readonly signature: string }> {
  try {
    const response = await fetch(url, {
      method: 'POST',
      body,
      headers: { 'content-type': 'application/json', ...headers },
      redirect: 'error',
      signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
    })
    const bytes = await limited(response.body)
    return {
      status: response.status,
      text: new TextDecoder().decode(bytes),
      signature: response.headers.get('slipway-signature') ?? '',
    }
  } catch (error) {
    throw unreachable(url.pathname, error instanceof Error ? error.message : String(error), error)
  }
}

/** Reads no further than an answer of our app could be long. */
async function limited(body: AsyncIterable<Uint8Array> | null): Promise<Buffer> {
  const parts: Uint8Array[] = []
  let size = 0
  for await (const part of body ?? []) {
    size += part.length
    if (size > MAX_ANSWER_BYTES) throw new Error('the answer is too long')
    parts.push(part)
  }
  return Buffer.concat(parts)
}

function unreachable(path: string, why: string, cause?: unknown): Problem {
  return new Problem(
    {
      code: 'runner.app-unreachable',
      what: `asking the app (${path}): ${why}`,
      remedy: 'The runner keeps trying; see whether the app is up and its address is right.',
      retry: 'now',
    },
    { cause },
  )
}

function clean(problem: z.infer<typeof ErrorAnswer>['problem']): ConstructorParameters<typeof Problem>[0] {
  const { where, remedy, ...rest } = problem
  return { ...rest, ...(where === undefined ? {} : { where }), ...(remedy === undefined ? {} : { remedy }) }
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

function tryJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
