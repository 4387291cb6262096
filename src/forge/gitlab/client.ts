import { Gitlab } from '@gitbeaker/rest'
import * as z from 'zod'
import { Problem } from '../../core/problem.ts'
import { forgeProblem } from '../forge-problem.ts'

export interface GitlabConfig {
  /** `https://gitlab.com` or a site's own, without `/api/v4`. */
  readonly url: string
  /** Project or group access token with the scope `api` and the role Maintainer. */
  readonly token: string
  /** Accepted values of `X-Gitlab-Token`; two while one replaces the other. */
  readonly webhookSecrets: readonly string[]
  /** `whsec_…` signing tokens, where the instance signs its webhooks. */
  readonly signingTokens?: readonly string[]
  /** known_hosts lines of the instance's SSH host; gitlab.com's are known. */
  readonly sshKnownHosts?: readonly string[]
}

export type Api = InstanceType<typeof Gitlab>

const REQUEST_TIMEOUT_MS = 20_000

export interface GitlabClient {
  readonly api: Api
  readonly config: GitlabConfig
  /** Runs a request, turns its failure into a Problem, and reads the answer through a schema. */
  ask<T>(doing: string, schema: z.ZodType<T>, request: () => Promise<unknown>): Promise<T>
  /** The token's own user: what our notes are found by. */
  self(): Promise<{ readonly id: number; readonly username: string }>
}

const User = z.looseObject({ id: z.int(), username: z.string() })

export function gitlabClient(config: GitlabConfig): GitlabClient {
  const api = new Gitlab({ host: config.url, token: config.token, queryTimeout: REQUEST_TIMEOUT_MS })
  let self: Promise<z.infer<typeof User>> | undefined
  const client: GitlabClient = {
    api,
    config,
    async ask(doing, schema, request) {
      let answer: unknown
      try {
        answer = await request()
      } catch (error) {
        throw error instanceof Problem ? error : forgeProblem('GitLab', doing, failureOf(error), error)
      }
      const parsed = schema.safeParse(answer)
      if (parsed.success) return parsed.data
      throw new Problem({
        code: 'forge.unexpected-answer',
        what: `${doing} at GitLab: the answer has no ${parsed.error.issues[0]?.path.join('.') ?? 'such form'}`,
        remedy: 'See that the address is that of a GitLab 16 or newer.',
        retry: 'later',
      })
    },
    self: () =>
      (self ??= client
        .ask('reading who the token belongs to', User, () => api.Users.showCurrentUser())
        .catch((error: unknown) => {
          self = undefined
          throw error
        })),
  }
  return client
}

function failureOf(error: unknown): {
  readonly status: number | undefined
  readonly message: string
  readonly retryAfter?: number | undefined
} {
  const cause =
    error instanceof Error
      ? (error.cause as { readonly description?: unknown; readonly response?: Response } | undefined)
      : undefined
  const status = cause?.response?.status
  const description =
    typeof cause?.description === 'string' ? cause.description : JSON.stringify(cause?.description ?? '')
  const retryAfter = status === 429 ? Number(cause?.response?.headers.get('retry-after') ?? 60) : undefined
  return {
    status,
    message: status === undefined ? (error instanceof Error ? error.message : String(error)) : description,
    retryAfter,
  }
}

export function isProblem(error: unknown, code: string): boolean {
  return error instanceof Problem && error.code === code
}

/** `undefined` where the forge answers 404. */
export async function unlessMissing<T>(request: Promise<T>): Promise<T | undefined> {
  try {
    return await request
  } catch (error) {
    if (isProblem(error, 'forge.not-found')) return undefined
    throw error
  }
}
