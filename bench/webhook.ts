import type { Forge } from '../src/seams/forge.ts'
import { fakeForge } from '../test/app/fake-forge.ts'
import { harness, homeSpec } from '../test/app/harness.ts'

/** Rounds that are measured, after a few that warm up. */
const ROUNDS = 40
const WARM_UP = 5

/** Requests that one webhook of an opened pull may cause at the forge; a rise has to be explained here. */
const READS_MAX = 10
const WRITES_MAX = 3

/** Goal for the compute share of webhook → comment, at the 95th percentile, for ten nodes. */
const P95_MS = 150

const WRITES: ReadonlySet<string> = new Set(['upsertComment', 'upsertCheck', 'commitFiles', 'deployment'])

/** From a webhook to its comment, check and bundle commit, with a forge that answers at once: what is left is ours. */
async function main(): Promise<void> {
  const tookMs: number[] = []
  let reads = 0
  let writes = 0
  for (let round = 0; round < WARM_UP + ROUNDS; round += 1) {
    const calls: string[] = []
    const forge = counted(fakeForge(), calls)
    const h = await harness({ forge })
    const workers = Array.from({ length: 9 }, (_, i) => `w-${i + 1}`)
    forge.push('add-home', { 'clusters/home/cluster.yaml': homeSpec(workers) })
    const number = forge.open('add-home')
    const start = performance.now()
    await h.hint({ kind: 'pull-changed', number })
    const took = performance.now() - start
    if (!forge.comments.has(`${number}/plan`)) throw new Error(h.logged.join('\n'))
    if (round >= WARM_UP) tookMs.push(took)
    writes = calls.filter((call) => WRITES.has(call)).length
    reads = calls.filter((call) => call !== 'receive').length - writes
  }
  const sorted = tookMs.toSorted((a, b) => a - b)
  const at = (share: number): number => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0
  const [p50, p95] = [at(0.5), at(0.95)]
  console.log(`webhook → comment, 10 nodes: p50 ${p50.toFixed(1)} ms, p95 ${p95.toFixed(1)} ms (goal ${P95_MS} ms)`)
  console.log(`forge: ${reads} reads (at most ${READS_MAX}), ${writes} writes (at most ${WRITES_MAX})`)
  if (p95 > P95_MS || reads > READS_MAX || writes > WRITES_MAX) process.exitCode = 1
}

/** The same forge, with the name of each asynchronous call noted. */
function counted<F extends Forge>(forge: F, calls: string[]): F {
  return new Proxy(forge, {
    get(target, name, receiver) {
      const member: unknown = Reflect.get(target, name, receiver)
      if (typeof member !== 'function' || typeof name !== 'string') return member
      if (member.constructor.name !== 'AsyncFunction') return member
      return (...given: unknown[]): unknown => {
        calls.push(name)
        return Reflect.apply(member, target, given)
      }
    },
  })
}

await main()
