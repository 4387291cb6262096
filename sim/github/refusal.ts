import type { Context } from 'hono'
import type { ContentfulStatusCode } from 'hono/utils/http-status'

const DOCUMENTATION = 'https://docs.github.com/rest'

export interface FieldError {
  readonly resource: string
  readonly field?: string
  readonly code: string
  readonly message?: string
}

/** An answer other than success, in GitHub's shape: `message`, `documentation_url`, `status` and, for 422, `errors`. */
export class Refusal extends Error {
  readonly status: ContentfulStatusCode
  readonly errors: readonly FieldError[] | undefined

  constructor(status: ContentfulStatusCode, message: string, errors?: readonly FieldError[]) {
    super(message)
    this.status = status
    this.errors = errors
  }
}

export const notFound = (): Refusal => new Refusal(404, 'Not Found')
export const badCredentials = (): Refusal => new Refusal(401, 'Bad credentials')
export const notAccessible = (): Refusal => new Refusal(403, 'Resource not accessible by integration')
export const invalid = (...errors: readonly FieldError[]): Refusal => new Refusal(422, 'Validation Failed', errors)

export function refuse(context: Context, refusal: Refusal): Response {
  const { status, message, errors } = refusal
  return context.json(
    { message, ...(errors === undefined ? {} : { errors }), documentation_url: DOCUMENTATION, status: `${status}` },
    status,
  )
}
