import { describe, expect, test } from 'vitest'
import { keys } from '../../src/app/documents.ts'
import { buildHandler } from '../../src/http/handler.ts'
import { WEBHOOK_SECRET } from '../app/fake-forge.ts'
import { emptyFacts, enrolled, numbered } from '../app/fake-runner.ts'
import { harness, homeSpec } from '../app/harness.ts'
import { jobOf, merged, SPEC } from '../app/story.ts'

const CANARIES = [
  'ghs_canarycanarycanarycanarycanarycanary',
  'AGE-SECRET-KEY-1CANARYCANARYCANARYCANARYCANARYCANARYCANARYCANARYCANARYCANA',
  '-----BEGIN OPENSSH PRIVATE KEY-----\nY2FuYXJ5\n-----END OPENSSH PRIVATE KEY-----',
  'PVEAPIToken=root@pam!slipway=deadbeef-dead-beef-dead-beefdeadbeef',
  'https://user:canarypassword@pve1.test/',
]

describe('webhooks', () => {
  const post = (body: string, signature = WEBHOOK_SECRET) => ({
    method: 'POST',
    headers: { 'x-signature': signature },
    body,
  })
  test('are answered at once and processed afterwards', async () => {
    const h = await harness()
    const handler = buildHandler(h.app)
    h.forge.push('add-home', { [SPEC]: homeSpec() })
    const number = h.forge.open('add-home')
    const body = JSON.stringify({ kind: 'pull-changed', number, repo: h.forge.repo, delivery: 'd1' })
    const answers = [
      await handler.request('/webhooks/github', post(body)),
      await handler.request('/webhooks/github', post(body)),
    ]
    expect(await Promise.all(answers.map(async (answer) => [answer.status, await answer.text()]))).toEqual([
      [202, 'recorded\n'],
      [202, 'duplicate\n'],
    ])
    expect(h.forge.comments.size).toBe(0)
    await h.drain()
    expect(h.forge.comments.size).toBe(1)
  })

  test('that mean nothing to us are accepted, those of strangers and of other forges are not', async () => {
    const h = await harness()
    const handler = buildHandler(h.app)
    const status = async (path: string, init: RequestInit) => (await handler.request(path, init)).status
    expect(await status('/webhooks/github', post('{"ignored":"d1"}'))).toBe(202)
    expect(await status('/webhooks/github', post('{}', 'guess'))).toBe(401)
    expect(await status('/webhooks/gitlab', post('{}'))).toBe(401)
    expect(await status('/webhooks/gitea', post('{}'))).toBe(404)
    expect(await status('/webhooks/github', { method: 'GET' })).toBe(404)
    expect(await status('/webhooks/github', post('x'.repeat(26_000_001)))).toBe(413)
    const metrics = await (await handler.request('/metrics')).text()
    expect(metrics).toContain('slipway_webhooks_total{outcome="refused"} 2')
    expect(metrics).toContain('slipway_inbox 0')
  })
})

test('health is the health of the store', async () => {
  const h = await harness()
  expect((await buildHandler(h.app).request('/healthz')).status).toBe(200)
  const broken = { ...h.app, store: { ...h.store, now: () => Promise.reject(new Error('disk full')) } }
  const answer = await buildHandler(broken).request('/healthz')
  expect([answer.status, await answer.json()]).toEqual([503, { ok: false }])
})

describe('the page of a run', () => {
  test('escapes what machines and people said, and is found only by its id', async () => {
    const h = await harness()
    const runner = await enrolled(h)
    await merged(h)
    const { order, fence } = await runner.take()
    const what = '<img src=x onerror=alert(1)> & "quotes"'
    await runner.events(
      order.id,
      fence,
      numbered([
        { kind: 'started', runner: 'closet', steps: 1 },
        { kind: 'step-progress', step: 'create-vm/cp-1', text: what },
        { kind: 'refused', problem: { code: 'x.y', what, retry: 'never' } },
      ]),
      '<script>alert(1)</script>\n',
    )
    const page = await runner.handler.request(`/runs/${order.id}`)
    const html = await page.text()
    expect(page.headers.get('content-security-policy')).toContain("default-src 'none'")
    expect(page.headers.get('x-content-type-options')).toBe('nosniff')
    expect(html).not.toContain('<script')
    expect(html).not.toContain('<img')
    expect(html).toContain('&lt;script&gt;alert(1)&lt;/script&gt;')
    expect((await runner.handler.request('/runs/none')).status).toBe(404)
    expect((await runner.handler.request(`/runs/${'x'.repeat(30)}`)).status).toBe(404)
    expect((await runner.handler.request('/runs/..%2Fcluster')).status).toBe(404)
  })

  test('keeps output within its bounds and says what was left out', async () => {
    const h = await harness()
    const runner = await enrolled(h)
    await merged(h)
    const { order, fence } = await runner.take()
    const line = `${'x'.repeat(150_000)}\n`
    for (let seq = 1; seq <= 30; seq += 1) {
      const event = { kind: 'step-progress', step: 'create-vm/cp-1', text: String(seq) } as const
      await runner.events(order.id, fence, numbered([event], seq), line)
    }
    const html = await (await runner.handler.request(`/runs/${order.id}`)).text()
    expect(html.length).toBeLessThan(4_200_000)
    expect(html).toContain('further characters were not kept')
  })
})

test('secrets that machines print by mistake are neither stored, shown nor logged', async () => {
  const h = await harness()
  const runner = await enrolled(h)
  await merged(h)
  const { order, fence } = await runner.take()
  const said = CANARIES.join('\n')
  const problem = { code: 'x.y', what: said, where: said, remedy: said, retry: 'later' } as const
  const status = { state: 'failed', message: CANARIES[0]! } as const
  const facts = { ...emptyFacts('home'), gitops: { engine: 'flux' as const, status } }
  await runner.facts(facts)
  await runner.events(
    order.id,
    fence,
    numbered([
      { kind: 'started', runner: 'closet', steps: 1 },
      { kind: 'step-progress', step: 'create-vm/cp-1', text: said.slice(0, 500) },
      { kind: 'step-failed', step: 'create-vm/cp-1', problem, tookMs: 1 },
      { kind: 'finished', outcome: 'stopped', facts, notes: [said] },
    ]),
    said,
  )
  await h.drain()
  expect(await jobOf(h)).toMatchObject({ state: 'stopped' })
  const everything = [
    JSON.stringify(await h.store.list('')),
    [...h.forge.comments.values()].join('\n'),
    JSON.stringify(h.forge.deployments),
    h.logged.join('\n'),
    await (await runner.handler.request(`/runs/${order.id}`)).text(),
  ].join('\n')
  expect(everything).toContain('[private key]')
  for (const canary of ['ghs_canary', 'CANARYCANARY', 'Y2FuYXJ5', 'deadbeef', 'canarypassword']) {
    expect(everything).not.toContain(canary)
  }
  expect(await h.store.get(keys.facts(h.forge.repo, 'home'))).toBeDefined()
})

test('an error of ours says nothing of its inside', async () => {
  const h = await harness()
  const runner = await enrolled(h)
  const broken = { ...h.app, store: { ...h.store, list: () => Promise.reject(new Error('SELECT * FROM documents')) } }
  const answer = await buildHandler(broken).request('/metrics')
  expect([answer.status, await answer.text()]).toEqual([500, 'The app met an error of its own.\n'])
  expect(h.logged.join('\n')).toContain('SELECT')
  expect(runner.name).toBe('closet')
})
