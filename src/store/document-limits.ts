import { Problem } from '../core/problem.ts'

/** Longest key in characters; ours stay below 200. Postgres and D1 index keys of this length without trouble. */
const KEY_LIMIT = 512

/** Largest document in characters of JSON: D1 takes 2 MB a row, and bytes outnumber characters a little. */
const VALUE_LIMIT = 1_800_000

/** Most documents one listing returns. */
const LIST_LIMIT = 1_000

const KEY = /^[!-~]+$/
const INSTANT = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z$/

/** Printable ASCII only, so that every store sorts keys alike. */
export function checkKey(key: string): string {
  if (key.length > KEY_LIMIT || !KEY.test(key)) throw new TypeError(`store: ${JSON.stringify(key)} is not a key`)
  return key
}

/** A prefix is a key or empty. */
export function checkPrefix(prefix: string): string {
  return prefix === '' ? prefix : checkKey(prefix)
}

/** @throws Problem `store.document-too-large` */
export function toText(key: string, value: unknown): string {
  const text = JSON.stringify(value)
  if (text === undefined) throw new TypeError(`store: the value of ${key} is not JSON`)
  if (text.length > VALUE_LIMIT) {
    throw new Problem({
      code: 'store.document-too-large',
      what: `storing ${key}: ${text.length} characters, at most ${VALUE_LIMIT} are kept in one document`,
      remedy: 'Split the cluster, or report this with the number of its machines.',
      retry: 'never',
    })
  }
  return text
}

export function checkExpiry(expiresAt: string | undefined): string | null {
  if (expiresAt === undefined) return null
  if (!INSTANT.test(expiresAt)) throw new TypeError(`store: ${JSON.stringify(expiresAt)} is not an instant`)
  return expiresAt
}

export function checkLimit(limit: number | undefined): number {
  return Math.max(1, Math.min(LIST_LIMIT, limit ?? LIST_LIMIT))
}
