import type { Store, Stored } from '../seams/store.ts'
import { checkExpiry, checkKey, checkLimit, checkPrefix, toText } from './document-limits.ts'

/**
 * Documents in this process only: for tests and for `slipway apply` on one's own machine. `now` gives epoch
 * milliseconds.
 */
export function memoryStore(now: () => number = Date.now): Store {
  const documents = new Map<string, { text: string; version: string; expiresAt: string | null }>()
  let writes = 0
  const instant = (): string => new Date(now()).toISOString()

  function alive(key: string): { text: string; version: string } | undefined {
    const found = documents.get(checkKey(key))
    if (found === undefined) return undefined
    if (found.expiresAt === null || found.expiresAt > instant()) return found
    documents.delete(key)
    return undefined
  }

  return {
    async get<T>(key: string): Promise<Stored<T> | undefined> {
      const found = alive(key)
      return found && { key, value: JSON.parse(found.text) as T, version: found.version }
    },

    async put(key, value, expected, options) {
      const text = toText(checkKey(key), value)
      const expiresAt = checkExpiry(options?.expiresAt)
      if (alive(key)?.version !== expected) return undefined
      writes += 1
      const version = String(writes)
      documents.set(key, { text, version, expiresAt })
      return version
    },

    async delete(key, expected) {
      return alive(key)?.version === expected && documents.delete(key)
    },

    async list<T>(prefix: string, options: { readonly limit?: number; readonly after?: string } = {}) {
      checkPrefix(prefix)
      const after = options.after ?? ''
      const found: Stored<T>[] = []
      const keys = [...documents.keys()].filter((key) => key.startsWith(prefix) && key > after).sort()
      for (const key of keys) {
        if (found.length === checkLimit(options.limit)) break
        const document = alive(key)
        if (document) found.push({ key, value: JSON.parse(document.text) as T, version: document.version })
      }
      return found
    },

    async now() {
      return instant()
    },
  }
}
