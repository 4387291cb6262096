import { describe, expect, test } from 'vitest'
import { sweep } from '../../src/app/sweep.ts'
import type { Store } from '../../src/seams/store.ts'
import { memoryStore } from '../../src/store/memory.ts'
import { enrolled, type FakeRunner, numbered } from './fake-runner.ts'
import { type Harness, harness, homeSpec } from './harness.ts'
import { jobOf, pullOf, SPEC } from './story.ts'

class Crash extends Error {
  override readonly name = 'Crash'
}

interface Mortal extends Store {
  /** Counts writes from here on. */
  arm(): void
  dead(): boolean
  /** The next process. */
  revive(): void
  writes(): number
}

/** A store whose process dies right after its n-th write, not knowing of it; reads of the dead process fail too. */
function mortal(store: Store, at: number): Mortal {
  let writes = 0
  let armed = false
  let dead = false
  const alive = (): void => {
    if (dead) throw new Crash('the process is gone')
  }
  const write = async <T>(work: () => Promise<T>): Promise<T> => {
    alive()
    if (!armed) return work()
    writes += 1
    dead = writes === at
    const result = await work()
    alive()
    return result
  }
  return {
    get: async (key) => (alive(), store.get(key)),
    list: async (prefix, options) => (alive(), store.list(prefix, options)),
    now: async () => (alive(), store.now()),
    put: (key, value, expected, options) => write(() => store.put(key, value, expected, options)),
    delete: (key, expected) => write(() => store.delete(key, expected)),
    arm() {
      armed = true
    },
    dead: () => dead,
    revive() {
      dead = false
    },
    writes: () => writes,
  }
}

/** Lets the time pass that leases, deliveries and forge sweeps need, and sweeps until all is shown. */
async function recover(h: Harness): Promise<void> {
  for (let round = 0; round < 3; round += 1) {
    restart(h)
    h.advance(400_000)
    await attempt(() => sweep(h.app))
    await h.drain()
  }
  restart(h)
}

/** What people see, free of random ids. */
async function picture(h: Harness) {
  const job = await jobOf(h)
  const pull = await pullOf(h, 1)
  return {
    state: job?.state,
    digest: job?.order.planDigest,
    pull: job?.order.pull,
    linked: pull?.jobs['home'] === job?.order.id,
    commits: h.forge.writes.filter((write) => write.startsWith('commit')).length,
    comments: [...h.forge.comments.keys()].sort(),
    deployment: h.forge.deployments.at(-1)?.state,
    check: h.forge.checks.get(h.forge.head('add-home'))?.state,
    inbox: (await h.store.list('inbox/')).length,
    dirty: (await h.store.list('dirty/')).length,
  }
}

interface Story {
  readonly name: string
  play(h: Harness, runner: FakeRunner): Promise<void>
}

async function planAndMerge(h: Harness): Promise<void> {
  h.forge.push('add-home', { [SPEC]: homeSpec() })
  const number = h.forge.open('add-home')
  await attempt(() => h.deliver({ kind: 'pull-changed', number }))
  await h.drain()
  await recoverIfDead(h)
  h.forge.merge(number)
  await attempt(() => h.deliver({ kind: 'branch-pushed', branch: 'main', commit: h.forge.head('main') }))
  await attempt(() => h.deliver({ kind: 'pull-changed', number }))
  await h.drain()
}

/** The runner repeats what was not acknowledged, as the real one does. */
async function run(h: Harness, runner: FakeRunner): Promise<void> {
  await planAndMerge(h)
  await recover(h)
  let taken: Awaited<ReturnType<typeof runner.take>> | undefined
  for (let tries = 0; tries < 3 && !taken; tries += 1) {
    taken = await runner.take().catch(() => undefined)
    await recoverIfDead(h)
  }
  const { order, fence } = taken!
  const report = numbered([
    { kind: 'started', runner: 'closet', steps: 1 },
    { kind: 'step-done', step: 'create-vm/cp-1', outcome: 'applied', tookMs: 5 },
    { kind: 'finished', outcome: 'succeeded', notes: [] },
  ])
  for (let tries = 0; tries < 3; tries += 1) {
    const answer = await runner.events(order.id, fence, report, 'printed\n').catch(() => undefined)
    await h.drain()
    if (answer?.status === 200) break
    await recoverIfDead(h)
  }
}

async function attempt(work: () => Promise<unknown>): Promise<void> {
  await work().catch((error: unknown) => {
    if (!(error instanceof Crash)) throw error
  })
}

const stores = new WeakMap<Store, Mortal>()

/** A crash loses what was left for later. Says whether there was one. */
function restart(h: Harness): boolean {
  const store = stores.get(h.store)
  if (!store?.dead()) return false
  h.crash()
  store.revive()
  return true
}

async function recoverIfDead(h: Harness): Promise<void> {
  if (restart(h)) await recover(h)
}

async function told(story: Story, at: number) {
  let store: Mortal | undefined
  const h = await harness({
    store: (now) => {
      store = mortal(memoryStore(now), at)
      return store
    },
  })
  stores.set(h.store, store!)
  const runner = await enrolled(h)
  store!.arm()
  await story.play(h, runner)
  const writes = store!.writes()
  await recoverIfDead(h)
  await recover(h)
  return { picture: await picture(h), writes, log: h.logged }
}

const stories: Story[] = [
  { name: 'a pull is planned and merged', play: planAndMerge },
  { name: 'a run is taken, reported and ended', play: run },
]

describe.each(stories)('when $name', (story) => {
  test('a crash after any write ends in the same place', { timeout: 120_000 }, async () => {
    const whole = await told(story, 0)
    expect(whole.picture).toMatchObject({ inbox: 0, dirty: 0, linked: true, commits: 1, check: 'success' })
    expect(whole.writes).toBeGreaterThan(15)
    for (let at = 1; at <= whole.writes; at += 1) {
      const { picture: end, log } = await told(story, at)
      expect(end, `crash after write ${at}:\n${log.join('\n')}`).toEqual(whole.picture)
    }
  })
})
