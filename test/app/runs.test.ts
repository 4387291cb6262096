import { describe, expect, test } from 'vitest'
import { createToken, enrollRunner, revokeRunner } from '../../src/app/enroll-runner.ts'
import { sweep } from '../../src/app/sweep.ts'
import { verifyRequest } from '../../src/app/verify-request.ts'
import { LEASE_MS } from '../../src/core/job.ts'
import { CLOCK_SKEW_MS, signedText } from '../../src/core/wire.ts'
import { newSigningKey, signerFrom } from '../../src/secrets/signing.ts'
import { emptyFacts, enrolled, GIT_KEY, numbered } from './fake-runner.ts'
import { type Harness, harness, homeSpec } from './harness.ts'
import { jobOf, merged, SPEC } from './story.ts'

const STARTED = { kind: 'started', runner: 'closet', steps: 2 } as const
const DONE = { kind: 'finished', outcome: 'succeeded', notes: ['3 nodes are ready'] } as const

async function running(h: Harness) {
  const runner = await enrolled(h)
  await merged(h)
  const { order, fence } = await runner.take()
  await h.drain()
  return { runner, order, fence }
}

describe('a job', () => {
  test('is given signed, reports its progress and ends; comment and deployment follow', async () => {
    const h = await harness()
    const { runner, order, fence } = await running(h)
    expect(order).toMatchObject({ cluster: 'home', repository: '4711', commit: h.forge.head('main'), pull: 1 })
    const first = await runner.events(
      order.id,
      fence,
      numbered([STARTED, { kind: 'step-started', step: 'create-vm/cp-1' }]),
    )
    expect(first.body).toMatchObject({ lease: 'held', acknowledged: 2, cancel: false })
    await h.drain()
    expect(h.forge.comments.get('1/run')).toContain('home')
    const end = await runner.events(
      order.id,
      fence,
      numbered([{ kind: 'step-done', step: 'create-vm/cp-1', outcome: 'applied', tookMs: 900 }, DONE], 3),
      'all went well\n',
    )
    expect(end.body).toMatchObject({ lease: 'held', acknowledged: 4 })
    await h.drain()
    expect(await jobOf(h)).toMatchObject({ state: 'succeeded', notes: ['3 nodes are ready'] })
    const states = h.forge.deployments.map(({ state }) => state)
    expect(states).toEqual(['queued', 'in-progress', 'success'])
    expect((await runner.poll()).body.job).toBeUndefined()
    const page = await (await runner.handler.request(`/runs/${order.id}`)).text()
    expect(page).toContain('all went well')
  })

  test('takes the same report twice without a second effect, the last one included', async () => {
    const h = await harness()
    const { runner, order, fence } = await running(h)
    const report = numbered([STARTED, DONE])
    const facts = numbered([STARTED, { ...DONE, facts: emptyFacts('home') }])
    await runner.events(order.id, fence, report.slice(0, 1), 'once\n')
    await runner.events(order.id, fence, report.slice(0, 1), 'once\n')
    const ends = [await runner.events(order.id, fence, facts), await runner.events(order.id, fence, facts)]
    expect(ends.map(({ body }) => body)).toEqual([
      { lease: 'held', cancel: false, acknowledged: 2 },
      { lease: 'held', cancel: false, acknowledged: 2 },
    ])
    await h.drain()
    expect(await jobOf(h)).toMatchObject({ state: 'succeeded', progress: { lastSeq: 2, total: 2 } })
  })

  test('is given again to the same runner at once and to another only when the lease has run out', async () => {
    const h = await harness()
    const { runner, order, fence } = await running(h)
    const other = await enrolled(h, 'attic')
    expect((await other.poll()).body.job).toBeUndefined()
    const again = await runner.take()
    expect(again).toEqual({ order, fence: fence + 1 })
    h.advance(LEASE_MS + 1)
    const taken = await other.take()
    expect(taken).toEqual({ order, fence: fence + 2 })
    for (const old of [fence, fence + 1]) {
      const { body } = await runner.events(order.id, old, numbered([STARTED]))
      expect(body).toEqual({ lease: 'lost', cancel: false, acknowledged: 0 })
    }
    expect((await other.events(order.id, fence + 2, numbered([STARTED]))).body.lease).toBe('held')
  })

  test('of two runners that ask at once one gets it', async () => {
    const h = await harness()
    const runners = [await enrolled(h, 'closet'), await enrolled(h, 'attic'), await enrolled(h, 'shed')]
    await merged(h)
    const answers = await Promise.all(runners.map((runner) => runner.poll()))
    expect(answers.filter(({ body }) => body.job !== undefined)).toHaveLength(1)
  })

  test('that stops keeps its problem, and "/slipway apply" makes the next one', async () => {
    const h = await harness()
    const { runner, order, fence } = await running(h)
    const problem = { code: 'kubeadm.preflight', what: 'swap is on', retry: 'later' } as const
    await runner.events(
      order.id,
      fence,
      numbered([
        STARTED,
        { kind: 'step-failed', step: 'join-node/w-1', problem, tookMs: 10 },
        { kind: 'finished', outcome: 'stopped', notes: [] },
      ]),
    )
    await h.drain()
    expect(await jobOf(h)).toMatchObject({ state: 'stopped', problem })
    await sweep(h.app)
    expect(await jobOf(h)).toMatchObject({ state: 'stopped' })
    h.forge.say(1, 'ada', '/slipway apply')
    await h.hint({ kind: 'comment-added', number: 1, commentId: '1' })
    const next = await runner.take()
    expect(next.order.id).not.toBe(order.id)
    expect(next).toMatchObject({ fence: fence + 1, order: { commit: order.commit } })
  })

  test('that a runner refuses says why', async () => {
    const h = await harness()
    const { runner, order, fence } = await running(h)
    const problem = {
      code: 'runner.denied',
      what: 'the policy of this runner does not know pve1',
      retry: 'never',
    } as const
    const { body } = await runner.events(
      order.id,
      fence,
      numbered([
        { kind: 'refused', problem },
        { kind: 'finished', outcome: 'stopped', notes: [] },
      ]),
    )
    expect(body).toMatchObject({ lease: 'held', acknowledged: 2 })
    expect(await jobOf(h)).toMatchObject({ state: 'stopped', problem })
  })

  test('learns that it was cancelled', async () => {
    const h = await harness()
    const { runner, order, fence } = await running(h)
    h.forge.say(1, 'ada', '/slipway cancel')
    await h.hint({ kind: 'comment-added', number: 1, commentId: '1' })
    expect((await runner.events(order.id, fence, [])).body).toMatchObject({ lease: 'held', cancel: true })
    await runner.events(order.id, fence, numbered([STARTED, { kind: 'finished', outcome: 'cancelled', notes: [] }]))
    expect(await jobOf(h)).toMatchObject({ state: 'cancelled' })
  })

  test('that was cancelled while its runner fell silent ends when the lease does', async () => {
    const h = await harness()
    await running(h)
    h.forge.say(1, 'ada', '/slipway cancel')
    await h.hint({ kind: 'comment-added', number: 1, commentId: '1' })
    await sweep(h.app)
    expect(await jobOf(h)).toMatchObject({ state: 'running', cancelAsked: true })
    h.advance(LEASE_MS + 1)
    await sweep(h.app)
    expect(await jobOf(h)).toMatchObject({ state: 'cancelled' })
  })

  test('that nobody takes expires and says so', async () => {
    const h = await harness()
    await merged(h)
    h.advance(5 * 24 * 3_600_000)
    await sweep(h.app)
    expect(await jobOf(h)).toMatchObject({ state: 'stopped', problem: { code: 'job.expired' } })
  })

  test('waits while another of its cluster runs, then takes its turn with the newest commit', async () => {
    const h = await harness()
    const { runner, order, fence } = await running(h)
    h.forge.push('more', { [SPEC]: homeSpec(['w-1', 'w-2']) })
    const number = h.forge.open('more')
    await h.hint({ kind: 'pull-changed', number })
    const commit = h.forge.merge(number)
    await h.hint({ kind: 'pull-changed', number })
    expect(await jobOf(h)).toMatchObject({ state: 'running', order: { id: order.id } })
    expect((await runner.poll({ idle: false })).body.job).toBeUndefined()
    await runner.events(order.id, fence, numbered([STARTED, DONE]))
    await h.drain()
    const next = await runner.take()
    expect(next).toMatchObject({ fence: fence + 1, order: { commit, pull: number } })
  })
})

describe('facts', () => {
  test('are asked for, kept, and the plan is made with them', async () => {
    const h = await harness()
    const runner = await enrolled(h)
    await merged(h)
    const facts = emptyFacts('home')
    expect((await runner.facts(facts)).status).toBe(200)
    await h.drain()
    const job = await jobOf(h)
    expect(job).toMatchObject({ state: 'queued', order: { factsHash: expect.stringMatching(/^[0-9a-f]{64}$/) } })
    const other = await enrolled(h, 'attic')
    const { body } = await other.poll()
    expect(body.job).toBeUndefined()
    expect(body.note).toContain('runner "closet"')
    expect(body.factsWanted).toEqual([{ repository: '4711', cluster: 'home', commit: h.forge.head('main') }])
    expect((await runner.take()).order.factsHash).toBe(job?.order.factsHash)
  })

  test('are taken only from runners of the repository', async () => {
    const h = await harness()
    const runner = await enrolled(h)
    const { status, body } = await runner.ask('/runner/v1/facts', { repository: '9', facts: emptyFacts('home') })
    expect(status).toBe(403)
    expect(body.problem?.code).toBe('runner.repository')
  })
})

describe('runners', () => {
  test('register their Git key read-only, and the key of the cluster only while they hold its lease', async () => {
    const h = await harness()
    const { runner, order, fence } = await running(h)
    const publicKey = `${GIT_KEY.slice(0, -3)}abc`
    const request = { job: order.id, fence, cluster: 'home', title: 'flux', publicKey }
    expect((await runner.ask('/runner/v1/deploy-keys', { ...request, fence: fence + 1 })).status).toBe(409)
    expect((await runner.ask('/runner/v1/deploy-keys', { ...request, cluster: 'lab' })).status).toBe(409)
    expect(h.forge.keys).toHaveLength(1)
    const { status, body } = await runner.ask('/runner/v1/deploy-keys', request)
    expect([status, body]).toEqual([200, { id: '2', readOnly: true }])
    await runner.ask('/runner/v1/deploy-keys', request)
    expect(h.forge.keys.map(({ title, readOnly }) => [title, readOnly])).toEqual([
      ['slipway runner closet', true],
      ['slipway home', true],
    ])
  })

  test('are not believed with a wrong signature, an old time, a used nonce or when revoked', async () => {
    const h = await harness()
    const runner = await enrolled(h)
    const body = { wire: 1, version: '1', planners: [1], idle: false, facts: {} }
    const code = async (tamper: Record<string, string>) => {
      const answer = await runner.ask('/runner/v1/poll', body, tamper)
      return [answer.status, answer.body.problem?.code]
    }
    expect(await code({ 'slipway-signature': 'AAAA' })).toEqual([401, 'runner.not-authorized'])
    expect(await code({ 'slipway-runner': 'somebody' })).toEqual([401, 'runner.not-authorized'])
    expect(await code({ 'slipway-time': '2026-11-21T11:00:00.000Z' })).toEqual([401, 'runner.not-authorized'])
    expect((await runner.ask('/runner/v1/poll', { ...body, extra: 1 })).body.problem?.code).toBe('wire.malformed')
    expect((await runner.ask('/runner/v1/nothing', body)).status).toBe(404)
    expect(await code({})).toEqual([200, undefined])
    await revokeRunner(h.app, 'closet')
    expect(await code({})).toEqual([401, 'runner.not-authorized'])
  })

  test('with a wrong clock are told so, and no request counts twice', async () => {
    const h = await harness()
    const { signer } = await enrolled(h)
    const now = Date.parse(await h.store.now())
    const signed = async (skewMs: number, nonce: string) => {
      const time = new Date(now + skewMs).toISOString()
      const request = { method: 'POST', path: '/runner/v1/poll', time, nonce, bodySha256: '0'.repeat(64) }
      return { ...request, runner: 'closet', signature: await signer.sign(signedText(request)) }
    }
    for (const skewMs of [CLOCK_SKEW_MS + 1, -CLOCK_SKEW_MS - 1]) {
      const late = await signed(skewMs, 'n'.repeat(20))
      await expect(verifyRequest(h.app, late)).rejects.toThrow('runner.clock')
    }
    const fine = await signed(CLOCK_SKEW_MS, 'n'.repeat(20))
    expect(await verifyRequest(h.app, fine)).toMatchObject({ id: 'closet' })
    await expect(verifyRequest(h.app, fine)).rejects.toThrow('runner.not-authorized')
    h.advance(2 * CLOCK_SKEW_MS)
    await expect(verifyRequest(h.app, fine)).rejects.toThrow('runner.not-authorized')
    h.advance(1)
    await expect(verifyRequest(h.app, fine)).rejects.toThrow('runner.clock')
  })

  test('that speak of another planner are told which side to upgrade', async () => {
    const h = await harness()
    const runner = await enrolled(h)
    await merged(h)
    const { body } = await runner.poll({ planners: [0] })
    expect(body.job).toBeUndefined()
    expect(body.note).toContain('upgrade the runner "closet"')
  })

  test('enrol once with a token; the same one may repeat it, nobody else may use it', async () => {
    const h = await harness()
    const { token } = await createToken(h.app, [h.forge.repo])
    const key = async () => (await signerFrom(await newSigningKey())).publicKey
    const request = { wire: 1, name: 'closet', signingKey: await key(), gitKey: GIT_KEY } as const
    const answer = await enrollRunner(h.app, token, request)
    expect(answer).toMatchObject({ runner: 'closet', repositories: [{ repository: '4711', branch: 'main' }] })
    expect(await enrollRunner(h.app, token, request)).toEqual(answer)
    const thief = { ...request, name: 'thief', signingKey: await key() }
    await expect(enrollRunner(h.app, token, thief)).rejects.toThrow('token.refused')
    const second = await createToken(h.app, [h.forge.repo])
    const usurper = { ...request, signingKey: await key() }
    await expect(enrollRunner(h.app, second.token, usurper)).rejects.toThrow('runner.name-taken')
    const late = await createToken(h.app, [h.forge.repo])
    h.advance(3_600_001)
    await expect(enrollRunner(h.app, late.token, thief)).rejects.toThrow('token.refused')
    expect(JSON.stringify(await h.store.list(''))).not.toContain(token)
  })
})
