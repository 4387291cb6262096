/** An answer other than 200, as pveproxy gives it: status, text in reason phrase and `message`, problems per parameter. */
export class PveError extends Error {
  readonly status: number
  readonly errors: Readonly<Record<string, string>> | undefined

  constructor(status: number, message: string, errors?: Readonly<Record<string, string>>) {
    super(message)
    this.status = status
    this.errors = errors
  }
}

/** A die in the code behind the call. */
export function failed(message: string): PveError {
  return new PveError(500, message)
}

export function badParameters(errors: Readonly<Record<string, string>>): PveError {
  return new PveError(400, 'Parameter verification failed.', errors)
}

export function forbidden(path: string, privileges: readonly string[]): PveError {
  return new PveError(403, `Permission check failed (${path}, ${privileges.join('|')})`)
}
