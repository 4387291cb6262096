import { Problem } from '../../core/problem.ts'

/** Where in which file: the name that the caller gave the file, and the keys from the root to the value. */
export interface Where {
  readonly file: string
  readonly path?: readonly string[]
}

/**
 * A Problem about a SOPS file. `code` comes without its `sops.` prefix; `what` never quotes a value, since values are
 * secrets or about to be, only keys, types and lengths.
 */
export function refusal(code: string, what: string, where: Where, remedy?: string, cause?: unknown): Problem {
  const path = where.path === undefined || where.path.length === 0 ? '' : `: ${where.path.join('.')}`
  return new Problem(
    {
      code: `sops.${code}`,
      what,
      where: `${where.file}${path}`,
      ...(remedy === undefined ? {} : { remedy }),
      retry: 'never',
    },
    cause === undefined ? undefined : { cause },
  )
}
