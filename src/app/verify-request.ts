import { Problem } from '../core/problem.ts'
import { CLOCK_SKEW_MS, signedText } from '../core/wire.ts'
import { after, type App } from './app.ts'
import { keys, type RunnerDocument } from './documents.ts'
import { verifySignature } from '../secrets/signing.ts'

/** A runner's request as it arrived; `bodySha256` over the raw bytes, 64 hexadecimal digits. */
export interface RunnerRequest {
  readonly method: string
  readonly path: string
  readonly runner: string
  readonly time: string
  readonly nonce: string
  readonly signature: string
  readonly bodySha256: string
}

/** A request may come from as far ahead as it may later be old; a second more, so that the ends do not meet. */
const NONCE_MS = 2 * CLOCK_SKEW_MS + 1_000

const NONCE = /^[A-Za-z0-9_-]{16,128}$/

/**
 * Finds out which runner is asking. A request is taken once: its nonce is remembered for as long as its time counts.
 * @throws Problem `runner.not-authorized` without saying which part was wrong, or `runner.clock`.
 */
export async function verifyRequest(app: App, request: RunnerRequest): Promise<RunnerDocument> {
  const runner = (await app.store.get<RunnerDocument>(keys.runner(request.runner)))?.value
  const genuine =
    runner !== undefined &&
    runner.revoked === undefined &&
    NONCE.test(request.nonce) &&
    (await verifySignature(runner.signingKey, signedText(request), request.signature))
  if (!genuine) throw notAuthorized()

  const now = await app.store.now()
  const skewMs = Date.parse(request.time) - Date.parse(now)
  if (!(Math.abs(skewMs) <= CLOCK_SKEW_MS)) {
    throw new Problem({
      code: 'runner.clock',
      what: `runner "${runner.id}" says it is ${request.time}, here it is ${now}`,
      remedy: 'Set the clock of the runner (chrony or systemd-timesyncd); two minutes apart is too much.',
      retry: 'later',
    })
  }
  const seen = await app.store.put(keys.nonce(runner.id, request.nonce), { at: now }, undefined, {
    expiresAt: after(now, NONCE_MS),
  })
  if (seen === undefined) throw notAuthorized()
  return runner
}

function notAuthorized(): Problem {
  return new Problem({
    code: 'runner.not-authorized',
    what: 'this request is not from an enrolled runner',
    remedy: 'Enrol the runner again with a fresh token: slipway token create, then slipway runner enroll.',
    retry: 'never',
  })
}
