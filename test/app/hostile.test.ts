import { expect, test } from 'vitest'
import type { FactsDocument, RunnerDocument } from '../../src/app/documents.ts'
import { KEEP_MS, keys } from '../../src/app/documents.ts'
import { considerBranch } from '../../src/app/consider-branch.ts'
import { createToken } from '../../src/app/enroll-runner.ts'
import { sweep } from '../../src/app/sweep.ts'
import { emptyFacts, enrolled, GIT_KEY, numbered } from './fake-runner.ts'
import { type Harness, harness, homeSpec } from './harness.ts'
import { jobOf, merged, pulled, SPEC } from './story.ts'

const STARTED = { kind: 'started', runner: 'closet', steps: 2 } as const
const DONE = { kind: 'finished', outcome: 'succeeded', notes: [] } as const

test('the end of a run that another runner repeats changes no facts', async () => {
  const h = await harness()
  const runner = await enrolled(h)
  const other = await enrolled(h, 'attic')
  await merged(h)
  const { order, fence } = await runner.take()
  await runner.events(order.id, fence, numbered([STARTED, { ...DONE, facts: emptyFacts('home') }]))
  await h.drain()
  const forged = emptyFacts('home', 'closet', '2026-11-21T12:30:00.000Z')
  const answer = await other.events(order.id, fence, numbered([STARTED, { ...DONE, facts: forged }]))
  expect(answer.body).toMatchObject({ lease: 'lost' })
  const kept = await h.store.get<FactsDocument>(keys.facts(h.forge.repo, 'home'))
  expect(kept?.value.facts.takenAt).toBe('2026-11-21T12:00:00.000Z')
})

test('a second token gives a runner further repositories and takes none away', async () => {
  const h = await harness()
  const runner = await enrolled(h)
  const { token } = await createToken(h.app, [{ forge: h.forge.repo.forge, id: h.forge.repo.id }])
  const before = (await h.store.get<RunnerDocument>(keys.runner('closet')))!
  const elsewhere = { forge: h.forge.repo.forge, id: '9' }
  await h.store.put(before.key, { ...before.value, repositories: [elsewhere] }, before.version)
  const answer = await runner.handler.request('/runner/v1/enroll', {
    method: 'POST',
    headers: { authorization: `Bearer ${token}` },
    body: JSON.stringify({ wire: 1, name: 'closet', signingKey: runner.signer.publicKey, gitKey: GIT_KEY }),
  })
  expect(answer.status).toBe(200)
  const { repositories } = (await h.store.get<RunnerDocument>(keys.runner('closet')))!.value
  expect(repositories.map(({ id }) => id).sort()).toEqual([h.forge.repo.id, '9'].sort())
})

test('a run that is so long over that it is forgotten is not done again', async () => {
  const h = await harness()
  const runner = await enrolled(h)
  await merged(h)
  const { order, fence } = await runner.take()
  await runner.events(order.id, fence, numbered([STARTED, DONE]))
  await h.drain()
  h.advance(KEEP_MS + 1_000)
  await sweep(h.app, { forges: true })
  await h.drain()
  expect((await runner.poll()).body.job).toBeUndefined()
  expect(await jobOf(h)).toBeUndefined()
  await merged(h, { spec: homeSpec(['w-1', 'w-2']), branch: 'more' })
  expect(await jobOf(h)).toMatchObject({ state: 'queued' })
})

const stray = { connection: 'lab', node: 'pve1', vmid: 499, name: 'w-9', disks: [{ volume: 'v', sizeGiB: 40 }] }

async function say(h: Harness, number: number, who: string, what: string): Promise<unknown> {
  const commentId = h.forge.say(number, who, what)
  await h.hint({ kind: 'comment-added', number, commentId })
  const job = await jobOf(h)
  return job?.state === 'waiting' ? job.why.code : job?.state
}

test('cancelling takes the words of those who agreed back', async () => {
  const h = await harness()
  const runner = await enrolled(h)
  h.forge.people.set('grace', 'write')
  const number = await merged(h)
  await runner.facts({ ...emptyFacts('home'), strays: [stray] })
  await h.drain()
  await say(h, number, 'ada', '/slipway apply')
  expect(await say(h, number, 'grace', '/slipway apply')).toBe('policy.cooling-off')
  expect(await say(h, number, 'grace', '/slipway cancel')).toBe('cancelled')
  expect(await say(h, number, 'ada', '/slipway apply')).toBe('policy.approvals')
})

test('a slow look at the default branch does not put an older commit over a newer one', async () => {
  const h = await harness()
  await considerBranch(h.app, h.forge.repo)
  const number = await pulled(h)
  h.forge.merge(number)
  const pull = h.forge.pull.bind(h.forge)
  let newer: string | undefined
  h.forge.pull = async (repo, asked) => {
    if (newer === undefined) {
      newer = h.forge.push('main', { [SPEC]: homeSpec(['w-1', 'w-2']) })
      await considerBranch(h.app, h.forge.repo)
    }
    return pull(repo, asked)
  }
  await considerBranch(h.app, h.forge.repo)
  await h.drain()
  expect(await jobOf(h)).toMatchObject({ order: { commit: newer } })
})

test('a review does not count when the pull was merged into another branch', async () => {
  const h = await harness()
  const number = await pulled(h)
  const pull = h.forge.pull.bind(h.forge)
  h.forge.pull = async (repo, asked) => {
    const found = await pull(repo, asked)
    return found && { ...found, baseBranch: 'scratch', state: 'merged' }
  }
  const commit = h.forge.push('main', { [SPEC]: homeSpec() })
  await h.hint({ kind: 'branch-pushed', branch: 'main', commit })
  expect(await jobOf(h)).not.toMatchObject({ state: 'queued' })
  expect(number).toBe(1)
})
