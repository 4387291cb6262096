import type { ResourceKind } from './resource.ts'

/** What an API server answers instead of an object: `Status`, with the code of the HTTP answer. */
export class StatusError extends Error {
  readonly code: number
  readonly reason: string
  readonly details: Readonly<Record<string, unknown>> | undefined

  constructor(code: number, reason: string, message: string, details?: Readonly<Record<string, unknown>>) {
    super(message)
    this.name = 'StatusError'
    this.code = code
    this.reason = reason
    this.details = details
  }

  body(): Record<string, unknown> {
    return {
      kind: 'Status',
      apiVersion: 'v1',
      metadata: {},
      status: 'Failure',
      message: this.message,
      ...(this.reason === '' ? {} : { reason: this.reason }),
      ...(this.details === undefined ? {} : { details: this.details }),
      code: this.code,
    }
  }
}

export interface Cause {
  readonly reason: string
  readonly message: string
  readonly field: string
}

const about = ({ group, plural }: ResourceKind, name: string): Record<string, unknown> => ({
  name,
  ...(group === '' ? {} : { group }),
  kind: plural,
})
/** `deployments.apps` or `nodes`, as the messages of the API server name a resource. */
export const qualified = ({ group, plural }: ResourceKind): string => (group === '' ? plural : `${plural}.${group}`)

export const notFound = (kind: ResourceKind, name: string) =>
  new StatusError(404, 'NotFound', `${qualified(kind)} "${name}" not found`, about(kind, name))

export const alreadyExists = (kind: ResourceKind, name: string) =>
  new StatusError(409, 'AlreadyExists', `${qualified(kind)} "${name}" already exists`, about(kind, name))

export const conflict = (kind: ResourceKind, name: string, why: string) =>
  new StatusError(
    409,
    'Conflict',
    `Operation cannot be fulfilled on ${qualified(kind)} "${name}": ${why}`,
    about(kind, name),
  )

export const STALE = 'the object has been modified; please apply your changes to the latest version and try again'

export function invalid(kind: ResourceKind, name: string, causes: readonly Cause[]): StatusError {
  const title = kind.group === '' ? kind.kind : `${kind.kind}.${kind.group}`
  const said = causes.map(({ field, message }) => `${field}: ${message}`)
  return new StatusError(
    422,
    'Invalid',
    `${title} "${name}" is invalid: ${said.length === 1 ? (said[0] ?? '') : `[${said.join(', ')}]`}`,
    { name, ...(kind.group === '' ? {} : { group: kind.group }), kind: kind.kind, causes },
  )
}

export const badRequest = (message: string) => new StatusError(400, 'BadRequest', message)

export const unauthorized = () => new StatusError(401, 'Unauthorized', 'Unauthorized')

export function forbidden(user: string, verb: string, kind: ResourceKind, name: string, namespace: string | undefined) {
  const where = namespace === undefined ? 'at the cluster scope' : `in the namespace "${namespace}"`
  return new StatusError(
    403,
    'Forbidden',
    `${qualified(kind)}${name === '' ? '' : ` "${name}"`} is forbidden: User "${user}" cannot ${verb} resource "${kind.plural}" in API group "${kind.group}" ${where}`,
    about(kind, name),
  )
}

export const forbiddenPath = (user: string, path: string, verb: string) =>
  new StatusError(403, 'Forbidden', `forbidden: User "${user}" cannot ${verb} path "${path}"`, {})

export const noSuchPath = () => new StatusError(404, 'NotFound', 'the server could not find the requested resource', {})

export const methodNotAllowed = () =>
  new StatusError(405, 'MethodNotAllowed', 'the server does not allow this method on the requested resource', {})

export const gone = (message: string) => new StatusError(410, 'Expired', message)

export const tooManyRequests = (message: string, details: Readonly<Record<string, unknown>>) =>
  new StatusError(429, 'TooManyRequests', message, details)
