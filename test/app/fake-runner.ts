import { createHash, randomBytes } from 'node:crypto'
import type { Hono } from 'hono'
import { createToken } from '../../src/app/enroll-runner.ts'
import { digest } from '../../src/core/canonical.ts'
import { type Facts, noFacts } from '../../src/core/facts.ts'
import type { JobOrder } from '../../src/core/job.ts'
import type { ProblemFields } from '../../src/core/problem.ts'
import type { RunEvent, RunEventBody } from '../../src/core/run-event.ts'
import { answerText, type EventsAnswer, type PollAnswer, signedText } from '../../src/core/wire.ts'
import { buildHandler } from '../../src/http/handler.ts'
import { jobText, newSigningKey, type Signer, signerFrom, verifySignature } from '../../src/secrets/signing.ts'
import type { Harness } from './harness.ts'

export const GIT_KEY = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDmNnzyqDGrWQSGRz6JYCJFOKIGHsXeoaEXBnNGiCJmw'

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')

export interface Answer<T> {
  readonly status: number
  readonly body: T & { problem?: ProblemFields }
}

/** A runner as far as the wire shows one: it signs what it asks and checks what it is told. */
export interface FakeRunner {
  readonly name: string
  readonly handler: Hono
  readonly signer: Signer
  ask<T>(path: string, body: unknown, tamper?: Readonly<Record<string, string>>): Promise<Answer<T>>
  poll(options?: { readonly idle?: boolean; readonly planners?: readonly number[] }): Promise<Answer<PollAnswer>>
  /** Polls and returns the job, its signature checked. */
  take(): Promise<{ order: JobOrder; fence: number }>
  events(job: string, fence: number, events: readonly RunEvent[], log?: string): Promise<Answer<EventsAnswer>>
  facts(facts: Facts): Promise<Answer<object>>
}

export async function enrolled(h: Harness, name = 'closet'): Promise<FakeRunner> {
  const handler = buildHandler(h.app)
  const signer = await signerFrom(await newSigningKey())
  const { token } = await createToken(h.app, [h.forge.repo])
  const enrollment = await handler.request('/runner/v1/enroll', {
    method: 'POST',
    headers: { authorization: `Bearer ${token}` },
    body: JSON.stringify({ wire: 1, name, signingKey: signer.publicKey, gitKey: GIT_KEY }),
  })
  if (enrollment.status !== 200) throw new Error(await enrollment.text())
  const { appKey } = (await enrollment.json()) as { appKey: string }
  let newest: Record<string, string> = {}

  const runner: FakeRunner = {
    name,
    handler,
    signer,
    async ask<T>(path: string, body: unknown, tamper: Readonly<Record<string, string>> = {}): Promise<Answer<T>> {
      const text = JSON.stringify(body)
      const time = await h.app.store.now()
      const nonce = randomBytes(18).toString('base64url')
      const request = { method: 'POST', path, time, nonce, bodySha256: sha256(text) }
      const headers = {
        'slipway-runner': name,
        'slipway-time': time,
        'slipway-nonce': nonce,
        'slipway-signature': await signer.sign(signedText(request)),
        ...tamper,
      }
      const response = await handler.request(path, { method: 'POST', headers, body: text })
      const answer = await response.text()
      const signed = answerText({
        nonce: headers['slipway-nonce'],
        status: response.status,
        bodySha256: sha256(answer),
      })
      if (!(await verifySignature(appKey, signed, response.headers.get('slipway-signature') ?? ''))) {
        throw new Error(`an answer that is not signed: ${answer}`)
      }
      return { status: response.status, body: JSON.parse(answer) as Answer<T>['body'] }
    },
    poll: (options = {}) =>
      runner.ask('/runner/v1/poll', {
        wire: 1,
        version: '0.1.0',
        planners: options.planners ?? [1],
        idle: options.idle ?? true,
        facts: newest,
      }),
    async take() {
      const { body } = await runner.poll()
      if (!body.job) throw new Error(`no job: ${JSON.stringify(body)}`)
      const { order, fence, signature } = body.job
      if (!(await verifySignature(appKey, jobText(fence, order), signature)))
        throw new Error('a job that is not signed')
      return { order: JSON.parse(order) as JobOrder, fence }
    },
    events: (job, fence, events, log) =>
      runner.ask(`/runner/v1/jobs/${job}/events`, { fence, events, ...(log === undefined ? {} : { log }) }),
    facts(facts) {
      newest = { ...newest, [`${h.forge.repo.id}/${facts.cluster}`]: digest(facts) }
      return runner.ask('/runner/v1/facts', { repository: h.forge.repo.id, facts })
    },
  }
  return runner
}

/** Numbers and dates event bodies as a reporter does. */
export function numbered(bodies: readonly RunEventBody[], first = 1): readonly RunEvent[] {
  return bodies.map((body, i) => ({ ...body, seq: first + i, at: '2026-11-21T12:00:00.000Z' }))
}

export function emptyFacts(cluster: string, runner = 'closet', takenAt = '2026-11-21T12:00:00.000Z'): Facts {
  return { ...noFacts(cluster), runner, takenAt }
}
