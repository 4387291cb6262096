import { expect, test } from 'vitest'
import type { FactsDocument, RunnerDocument } from '../../src/app/documents.ts'
import { keys } from '../../src/app/documents.ts'
import { createToken } from '../../src/app/enroll-runner.ts'
import { emptyFacts, enrolled, GIT_KEY, numbered } from './fake-runner.ts'
import { harness } from './harness.ts'
import { merged } from './story.ts'

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
