import type { Context } from 'hono'
import type { ContentfulStatusCode } from 'hono/utils/http-status'

type Message = string | readonly string[] | Readonly<Record<string, readonly string[]>>

/** An answer other than success in GitLab's shape: `{"message":…}`, a string or errors by field. */
export class Refusal extends Error {
  readonly status: ContentfulStatusCode
  readonly answer: Message

  constructor(status: ContentfulStatusCode, answer: Message) {
    super(typeof answer === 'string' ? answer : JSON.stringify(answer))
    this.status = status
    this.answer = answer
  }
}

/** @param what - e.g. `Project`, `Commit`. */
export const notFound = (what?: string): Refusal =>
  new Refusal(404, what === undefined ? '404 Not found' : `404 ${what} Not Found`)
export const unauthorized = (): Refusal => new Refusal(401, '401 Unauthorized')
export const forbidden = (): Refusal => new Refusal(403, '403 Forbidden')

export function refuse(context: Context, { status, answer }: Refusal): Response {
  return context.json({ message: answer }, status)
}

/** A parameter that the operation refuses is told under `error`, unlike everything else. */
export class WrongParameter extends Error {}
