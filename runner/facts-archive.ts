import { canonical, sha256Hex } from '../src/core/canonical.ts'
import type { Facts } from '../src/core/facts.ts'
import { FactsJson } from '../src/core/wire.ts'
import type { Keystore } from './keystore.ts'

/**
 * The facts documents that this runner made, by the hash that a job names: a plan is recomputed with exactly the facts
 * that it was made with. The newest of each cluster and those of a few plans before are kept.
 */
export interface FactsArchive {
  /** Keeps a document and returns its hash. */
  keep(repository: string, facts: Facts): string
  byHash(hash: string): Facts | undefined
  /** Newest document and its hash, per `repository/cluster`. */
  newest(): Readonly<Record<string, string>>
}

/** Plans older than this many documents of a cluster have to be made anew. */
const KEPT_PER_CLUSTER = 20

export const factsHash = (facts: Facts): string => sha256Hex(canonical(facts))

export function factsArchive(keys: Keystore): FactsArchive {
  const INDEX = 'facts/index.json'
  const index = (): Record<string, string[]> => JSON.parse(keys.read(INDEX) ?? '{}') as Record<string, string[]>
  const file = (hash: string): string => `facts/${hash}.json`
  return {
    keep(repository, facts) {
      const hash = factsHash(facts)
      const all = index()
      const key = `${repository}/${facts.cluster}`
      const list = [hash, ...(all[key] ?? []).filter((other) => other !== hash)]
      keys.write(file(hash), canonical(facts))
      keys.write(INDEX, JSON.stringify({ ...all, [key]: list.slice(0, KEPT_PER_CLUSTER) }))
      for (const old of list.slice(KEPT_PER_CLUSTER)) keys.remove(file(old))
      return hash
    },
    byHash(hash) {
      const text = /^[0-9a-f]{64}$/.test(hash) ? keys.read(file(hash)) : undefined
      const parsed = FactsJson.safeParse(text === undefined ? undefined : JSON.parse(text))
      // The schema's optional members may be undefined where the type says absent; JSON has no undefined.
      return parsed.success ? (parsed.data as Facts) : undefined
    },
    newest: () =>
      Object.fromEntries(Object.entries(index()).flatMap(([key, [hash]]) => (hash === undefined ? [] : [[key, hash]]))),
  }
}
