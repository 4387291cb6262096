import { expect, test } from 'vitest'
import { JobOrder, PollAnswer, RepositoryOffer } from '../../src/core/wire.ts'

const order = {
  id: 'job-1',
  repository: '4711',
  cluster: 'home',
  commit: 'a'.repeat(40),
  planner: 1,
  planDigest: 'b'.repeat(64),
  createdAt: '2026-11-21T12:00:00.000Z',
  expiresAt: '2026-11-25T12:00:00.000Z',
}
const offer = { repository: '4711', fullName: 'o/n', sshUrl: 'ssh://git@h/o/n.git', branch: 'main', knownHosts: [] }

test('names that become paths on the runner cannot lead elsewhere, whoever sends them', () => {
  expect(JobOrder.safeParse(order).success).toBe(true)
  expect(RepositoryOffer.safeParse(offer).success).toBe(true)
  for (const name of ['..', '../site', 'a/b', '', '.', 'a\0b']) {
    expect(JobOrder.safeParse({ ...order, cluster: name }).success).toBe(false)
    expect(JobOrder.safeParse({ ...order, repository: name }).success).toBe(false)
    expect(RepositoryOffer.safeParse({ ...offer, repository: name }).success).toBe(false)
    const factsWanted = [{ repository: '4711', cluster: name, commit: order.commit }]
    expect(PollAnswer.safeParse({ factsWanted, paceMs: 1_000 }).success).toBe(false)
  }
})
