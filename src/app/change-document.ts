import { Problem } from '../core/problem.ts'
import type { Store, Stored } from '../seams/store.ts'

/** Attempts before giving up; each loss means that somebody else's write went through, so a few are plenty. */
const ATTEMPTS = 30

/**
 * Reads, decides, and writes unless somebody was faster, in which case it reads and decides again. `change` returns the
 * next value, or `undefined` to leave the document alone.
 * @returns The document as it is afterwards, and whether this call changed it.
 */
export async function changeDocument<T>(
  store: Store,
  key: string,
  change: (now: T | undefined) => T | undefined,
  options?: { readonly expiresAt?: string },
): Promise<{ readonly document: Stored<T> | undefined; readonly changed: boolean }> {
  for (let attempt = 1; attempt <= ATTEMPTS; attempt += 1) {
    const now = await store.get<T>(key)
    const value = change(now?.value)
    if (value === undefined) return { document: now, changed: false }
    const version = await store.put(key, value, now?.version, options)
    if (version !== undefined) return { document: { key, value, version }, changed: true }
  }
  throw new Problem({
    code: 'store.contended',
    what: `writing ${key}: somebody else was faster ${ATTEMPTS} times`,
    retry: 'later',
  })
}

/** Most pages read by one listing: 20,000 documents, far beyond what one installation holds. */
const PAGES = 20
const PAGE = 1_000

/** Every document under a prefix, in key order. */
export async function listAll<T>(store: Store, prefix: string): Promise<readonly Stored<T>[]> {
  const found: Stored<T>[] = []
  for (let page = 0; page < PAGES; page += 1) {
    const last = found.at(-1)?.key
    const next = await store.list<T>(prefix, { limit: PAGE, ...(last === undefined ? {} : { after: last }) })
    found.push(...next)
    if (next.length < PAGE) break
  }
  return found
}
