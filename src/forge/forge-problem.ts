import { Problem } from '../core/problem.ts'
import { redact } from '../secrets/redact.ts'

/** What an HTTP client of either forge throws, as far as we look at it. */
export interface HttpFailure {
  readonly status: number | undefined
  readonly message: string
  /** Seconds that the forge asked to wait. */
  readonly retryAfter?: number | undefined
}

/** A forge's refusal or silence as a Problem; `doing` says what was being asked. */
export function forgeProblem(forge: string, doing: string, failure: HttpFailure, cause: unknown): Problem {
  const { status, retryAfter } = failure
  const said = redact(failure.message).slice(0, 300)
  const what = `${doing} at ${forge}: ${status === undefined ? said : `HTTP ${status}, ${said}`}`
  const options = { cause }
  if (status === 401)
    return new Problem(
      { code: 'forge.unauthorized', what, remedy: `Check the app's credentials for ${forge}.`, retry: 'later' },
      options,
    )
  if (retryAfter !== undefined || status === 429)
    return new Problem(
      {
        code: 'forge.rate-limited',
        what,
        remedy: `Nothing to do: it is asked again${retryAfter === undefined ? '' : ` after ${retryAfter} s`}.`,
        retry: 'later',
      },
      options,
    )
  if (status === 403)
    return new Problem(
      {
        code: 'forge.forbidden',
        what,
        remedy: `Give the app this permission at ${forge}; docs/how-to lists what it needs.`,
        retry: 'later',
      },
      options,
    )
  if (status === 404)
    return new Problem(
      { code: 'forge.not-found', what, remedy: 'See that the app is installed on this repository.', retry: 'later' },
      options,
    )
  if (status === undefined || status >= 500)
    return new Problem(
      { code: 'forge.unavailable', what, remedy: 'Nothing to do: it is asked again.', retry: 'now' },
      options,
    )
  return new Problem({ code: 'forge.refused', what, retry: 'never' }, options)
}

/** Tries of a request that changes nothing, and the waits between them. */
const READ_TRIES = 3
const READ_WAIT_MS = [200, 1_000] as const

/** Asks again when a read fails in a way that passes. Writes are never repeated here: their callers look first. */
export async function reading<T>(ask: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await ask()
    } catch (error) {
      if (!(error instanceof Problem) || error.retry !== 'now' || attempt === READ_TRIES) throw error
      await new Promise((resolve) => setTimeout(resolve, READ_WAIT_MS[attempt - 1] ?? 1_000))
    }
  }
}

/**
 * Brings something about once: looks, acts when it is missing, and after a failed act looks again, since the effect may
 * have happened although the answer was lost.
 */
export async function ensured<T>(look: () => Promise<T | undefined>, act: () => Promise<T>): Promise<T> {
  const before = await look()
  if (before !== undefined) return before
  try {
    return await act()
  } catch (error) {
    if (!(error instanceof Problem) || error.retry !== 'now') throw error
    const after = await look()
    if (after !== undefined) return after
    return act()
  }
}
