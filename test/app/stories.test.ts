import { describe, expect, test } from 'vitest'
import { considerBranch } from '../../src/app/consider-branch.ts'
import { followPull } from '../../src/app/follow-pull.ts'
import { receiveWebhook } from '../../src/app/receive-webhook.ts'
import { sweep } from '../../src/app/sweep.ts'
import { Problem } from '../../src/core/problem.ts'
import { emptyFacts, enrolled, numbered } from './fake-runner.ts'
import { harness, homeSpec } from './harness.ts'
import { jobOf, merged, pulled, pullOf, SPEC } from './story.ts'

const POLICY = (spec: string): string => `apiVersion: slipway.dev/v1alpha1\nkind: Policy\nspec:\n${spec}`

describe('a pull that adds a cluster', () => {
  test('gets a plan, a check and the bundle as a commit on its branch', async () => {
    const h = await harness()
    const number = await pulled(h)
    expect(h.logged).toEqual([])
    const head = h.forge.head('add-home')
    expect(h.forge.writes).toEqual(['commit add-home', `comment ${number}/plan`, `check ${head.slice(0, 7)}`])
    expect(h.forge.comments.get(`${number}/plan`)).toContain('merge to run it')
    expect(h.forge.checks.get(head)).toMatchObject({ state: 'success', annotations: [] })
    expect(h.forge.text(head, 'clusters/home/gitops/flux-system/gotk-sync.yaml')).toContain('forge.test/ada/homelab')
    expect((await pullOf(h, number))?.reviews['home']?.digest).toMatch(/^[0-9a-f]{64}$/)
    expect(await jobOf(h)).toBeUndefined()
    // The webhook of our own commit changes nothing.
    await h.hint({ kind: 'pull-changed', number })
    expect(h.forge.writes).toHaveLength(3)
  })

  test('is queued once it is merged, with the reviewed digest and the commit of the default branch', async () => {
    const h = await harness()
    const number = await merged(h)
    const reviewed = (await pullOf(h, number))?.reviews['home']
    const commit = h.forge.head('main')
    const order = { cluster: 'home', commit, pull: number, planDigest: reviewed?.digest, repository: '4711' }
    expect(await jobOf(h)).toMatchObject({ state: 'queued', order })
    expect(h.forge.deployments).toMatchObject([{ environment: 'slipway/home', commit, state: 'queued' }])
  })

  test('and has mistakes gets all of them on their lines, and no bundle', async () => {
    const h = await harness()
    const number = await pulled(h, {
      spec: homeSpec().replace('10.4.0.21/24', '10.4.0.11/24').replace('role: worker', 'rolle: worker'),
    })
    const check = h.forge.checks.get(h.forge.head('add-home'))
    expect(check?.state).toBe('failure')
    expect(check?.annotations.length).toBeGreaterThanOrEqual(1)
    for (const annotation of check?.annotations ?? []) {
      expect(annotation).toMatchObject({ file: SPEC, line: 15 })
      expect(annotation.column).toBeGreaterThan(1)
    }
    expect(h.forge.comments.get(`${number}/plan`)).toContain('rolle')
    expect(h.forge.writes.filter((write) => write.startsWith('commit'))).toEqual([])
  })

  test('outside clusters/ plans nothing and is not talked to, but its check is green', async () => {
    const h = await harness()
    h.forge.push('docs', { 'README.md': 'x\n', 'clusters/README.md': 'y\n' })
    const number = h.forge.open('docs')
    await h.hint({ kind: 'pull-changed', number })
    expect([...h.forge.comments]).toEqual([])
    expect(h.forge.checks.get(h.forge.head('docs'))).toMatchObject({ state: 'success', title: 'no cluster is touched' })
  })

  test('touches two clusters: one comment, a job for each', async () => {
    const h = await harness()
    const lab = homeSpec(['v-1'], 'lab').replaceAll('10.4.0.', '10.5.0.').replaceAll('id: 4', 'id: 5')
    h.forge.push('two', { [SPEC]: homeSpec(), 'clusters/lab/cluster.yaml': lab })
    const number = h.forge.open('two')
    await h.hint({ kind: 'pull-changed', number })
    const comment = h.forge.comments.get(`${number}/plan`)
    expect(comment).toContain('`home`')
    expect(comment).toContain('`lab`')
    h.forge.merge(number)
    await h.hint({ kind: 'branch-pushed', branch: 'main', commit: h.forge.head('main') })
    expect(await jobOf(h, 'home')).toMatchObject({ state: 'queued' })
    expect(await jobOf(h, 'lab')).toMatchObject({ state: 'queued' })
  })

  test('does not get the bundle committed where the policy says no: the check is red until somebody does', async () => {
    const h = await harness()
    h.forge.push('main', { 'slipway.policy.yaml': POLICY('  bundles: { commit: false }\n') })
    await pulled(h)
    expect(h.forge.writes.filter((write) => write.startsWith('commit'))).toEqual([])
    const check = h.forge.checks.get(h.forge.head('add-home'))
    expect(check).toMatchObject({ state: 'failure', title: expect.stringContaining('bundle of home') })
  })

  test('and breaks the policy gets that on its line', async () => {
    const h = await harness()
    h.forge.push('rules', { 'slipway.policy.yaml': POLICY('  apply: { onMerge: sometimes }\n') })
    const number = h.forge.open('rules')
    await h.hint({ kind: 'pull-changed', number })
    const check = h.forge.checks.get(h.forge.head('rules'))
    expect(check).toMatchObject({ state: 'failure', annotations: [{ file: 'slipway.policy.yaml', line: 4 }] })
  })

  test('cannot loosen the policy that it is judged by', async () => {
    const h = await harness()
    h.forge.push('main', { 'slipway.policy.yaml': POLICY('  apply: { onMerge: never }\n') })
    h.forge.push('add-home', { 'slipway.policy.yaml': POLICY('  apply: { onMerge: replace }\n') })
    const number = await pulled(h)
    expect(h.forge.comments.get(`${number}/plan`)).toContain('/slipway apply')
  })
})

describe('webhooks', () => {
  test('that come twice, late or in the wrong order have one effect', async () => {
    const h = await harness()
    h.forge.push('add-home', { [SPEC]: homeSpec() })
    const number = h.forge.open('add-home')
    const hint = { kind: 'pull-changed', number } as const
    expect(await h.deliver(hint, 'd1')).toBe('recorded')
    expect(await h.deliver(hint, 'd1')).toBe('duplicate')
    await h.drain()
    expect(await h.deliver(hint, 'd1')).toBe('duplicate')
    const commit = h.forge.merge(number)
    await h.hint({ kind: 'branch-pushed', branch: 'main', commit })
    const job = await jobOf(h)
    const writes = h.forge.writes.length
    await h.hint(hint, 'd3')
    await h.hint(hint, 'd2')
    await h.hint({ kind: 'branch-pushed', branch: 'main', commit }, 'd4')
    expect(await jobOf(h)).toEqual(job)
    expect(h.forge.writes.slice(writes)).toEqual([])
  })

  test('processed side by side leave one comment and one commit', async () => {
    const h = await harness()
    h.forge.push('add-home', { [SPEC]: homeSpec() })
    const number = h.forge.open('add-home')
    await Promise.all([1, 2, 3].map(() => followPull(h.app, h.forge.repo, number)))
    await h.drain()
    const head = h.forge.head('add-home')
    expect(h.forge.writes).toEqual(['commit add-home', `comment ${number}/plan`, `check ${head.slice(0, 7)}`])
    expect((await pullOf(h, number))?.head).toBe(head)
  })

  test('of one merge, processed side by side, make one job and leave no other', async () => {
    const h = await harness()
    h.forge.push('add-home', { [SPEC]: homeSpec() })
    const number = await pulled(h)
    const commit = h.forge.merge(number)
    const merged = { kind: 'branch-pushed', branch: 'main', commit } as const
    await Promise.all([h.hint(merged, 'p1'), h.hint({ kind: 'pull-changed', number }, 'p2'), h.hint(merged, 'p3')])
    await h.drain()
    expect((await h.app.store.list('job/')).length).toBe(1)
  })

  test('with a wrong signature leave nothing behind', async () => {
    const h = await harness()
    const request = { headers: { 'x-signature': 'wrong' }, body: new TextEncoder().encode('{}') }
    expect(await receiveWebhook(h.app, 'github', request)).toMatchObject({ outcome: 'refused' })
    expect(await receiveWebhook(h.app, 'gitlab', request)).toMatchObject({ outcome: 'refused' })
    expect(await h.store.list('')).toEqual([])
  })

  test('that were lost are made up for by the sweep', async () => {
    const h = await harness()
    h.forge.push('add-home', { [SPEC]: homeSpec() })
    const number = h.forge.open('add-home')
    await sweep(h.app)
    await h.drain()
    expect(h.forge.comments.has(`${number}/plan`)).toBe(true)
    h.forge.merge(number)
    await sweep(h.app)
    expect(await jobOf(h)).toBeUndefined()
    h.advance(300_000)
    await sweep(h.app)
    await h.drain()
    expect(await jobOf(h)).toMatchObject({ state: 'queued', order: { pull: number } })
  })

  test('whose processing meets a forge that is down are processed later', async () => {
    const h = await harness()
    h.forge.push('add-home', { [SPEC]: homeSpec() })
    const number = h.forge.open('add-home')
    const down = new Problem({ code: 'forge.unavailable', what: 'GitHub answered 503', retry: 'later' })
    h.forge.failNext('listFiles', down)
    await h.hint({ kind: 'pull-changed', number })
    expect(h.forge.comments.size).toBe(0)
    h.advance(20_000)
    await sweep(h.app)
    h.advance(20_000)
    await sweep(h.app)
    await h.drain()
    expect(h.forge.comments.has(`${number}/plan`)).toBe(true)
    expect(await h.store.list('inbox/')).toEqual([])
  })
})

describe('a pull from a fork', () => {
  test('is planned from its text: no commit, no facts, no question to a runner', async () => {
    const h = await harness()
    const runner = await enrolled(h)
    await merged(h)
    const { order, fence } = await runner.take()
    await runner.events(order.id, fence, numbered([{ kind: 'finished', outcome: 'succeeded', notes: [] }]))
    const secretive = { ...emptyFacts('home'), images: { 'lab/pve1/local': ['image-of-the-house.qcow2'] } }
    await runner.facts(secretive)
    await h.drain()
    h.forge.writes.splice(0)
    const number = await pulled(h, { spec: homeSpec(['w-1', 'w-2']), branch: 'theirs', fork: true })
    const comment = h.forge.comments.get(`${number}/plan`)
    expect(comment).toContain('fork')
    expect(comment).not.toContain('closet')
    expect(comment).not.toContain('image-of-the-house')
    expect(h.forge.writes.filter((write) => write.startsWith('commit'))).toEqual([])
    expect(h.forge.checks.get(h.forge.head('theirs'))?.state).toBe('success')
    h.advance(180_000)
    expect((await runner.poll({ idle: false })).body.factsWanted).toEqual([])
    // New facts do not change what is said there.
    await runner.facts({ ...secretive, takenAt: '2026-11-21T13:00:00.000Z', images: {} })
    await h.drain()
    expect(h.forge.comments.get(`${number}/plan`)).toBe(comment)
  })

  test('waits for a person once merged', async () => {
    const h = await harness()
    await merged(h)
    const number = await merged(h, { spec: homeSpec(['w-1', 'w-2']), branch: 'theirs', fork: true })
    expect(await jobOf(h)).toMatchObject({ state: 'waiting', why: { code: 'plan.not-reviewed' } })
    h.forge.say(number, 'ada', '/slipway apply')
    await h.hint({ kind: 'comment-added', number, commentId: '1' })
    expect(await jobOf(h)).toMatchObject({ state: 'queued', order: { pull: number } })
  })

  test('that brings another bundle than its spec implies is followed by a pull that corrects it', async () => {
    const h = await harness()
    await merged(h)
    h.forge.push('theirs', { 'clusters/home/gitops/extra.yaml': 'a: 1\n' })
    const number = h.forge.open('theirs', { fork: true })
    await h.hint({ kind: 'pull-changed', number })
    const before = await jobOf(h)
    h.forge.merge(number)
    await h.hint({ kind: 'pull-changed', number })
    await h.hint({ kind: 'pull-changed', number })
    const offers = h.forge.writes.filter((write) => write.startsWith('pull slipway/bundle-home-'))
    expect(offers).toHaveLength(1)
    const branch = offers[0]!.slice('pull '.length)
    expect(h.forge.text(h.forge.head(branch), 'clusters/home/gitops/extra.yaml')).toBeUndefined()
    expect(await jobOf(h)).toEqual(before)
  })
})

describe('after the merge', () => {
  test('a plan that became worse than reviewed waits and says what moved', async () => {
    const h = await harness()
    const runner = await enrolled(h)
    const number = await pulled(h)
    const facts = {
      ...emptyFacts('home'),
      strays: [
        {
          connection: 'lab',
          node: 'pve1',
          vmid: 499,
          name: 'w-9',
          disks: [{ volume: 'local-zfs:vm-499-disk-0', sizeGiB: 40 }],
        },
      ],
    }
    // Nobody sees these facts before the merge.
    await runner.facts(facts)
    h.crash()
    h.forge.merge(number)
    await h.hint({ kind: 'pull-changed', number })
    const job = await jobOf(h)
    expect(job).toMatchObject({ state: 'waiting', why: { code: 'policy.approvals' } })
    expect(JSON.stringify(job)).toContain('w-9')
    expect((await runner.poll()).body.job).toBeUndefined()
  })

  test('destroying takes two people and the time to think again', async () => {
    const h = await harness()
    const runner = await enrolled(h)
    h.forge.people.set('grace', 'write')
    const number = await merged(h)
    const stray = { connection: 'lab', node: 'pve1', vmid: 499, name: 'w-9', disks: [{ volume: 'v', sizeGiB: 40 }] }
    await runner.facts({ ...emptyFacts('home'), strays: [stray] })
    await h.drain()
    const say = async (who: string): Promise<unknown> => {
      const commentId = h.forge.say(number, who, '/slipway apply')
      await h.hint({ kind: 'comment-added', number, commentId })
      const job = await jobOf(h)
      return job?.state === 'waiting' ? job.why.code : job?.state
    }
    expect(await say('ada')).toBe('policy.approvals')
    expect(await say('Ada')).toBe('policy.approvals')
    expect(await say('grace')).toBe('policy.cooling-off')
    h.advance(11 * 60_000)
    await sweep(h.app)
    expect(await jobOf(h)).toMatchObject({ state: 'queued' })
  })

  test('what was pushed without a pull waits; what was there before Slipway is left alone', async () => {
    const h = await harness()
    h.forge.push('main', { [SPEC]: homeSpec() })
    await sweep(h.app)
    await h.drain()
    expect(await jobOf(h)).toBeUndefined()
    expect(h.forge.writes).toEqual([])
    const commit = h.forge.push('main', { [SPEC]: homeSpec(['w-1', 'w-2']) })
    await h.hint({ kind: 'branch-pushed', branch: 'main', commit })
    expect(await jobOf(h)).toMatchObject({ state: 'waiting', why: { code: 'plan.not-reviewed' }, order: { commit } })
  })

  test('a newer merge overtakes one that nobody took', async () => {
    const h = await harness()
    await merged(h)
    const first = await jobOf(h)
    const number = await merged(h, { spec: homeSpec(['w-1', 'w-2']), branch: 'more' })
    const second = await jobOf(h)
    expect(second).toMatchObject({ state: 'queued', order: { pull: number } })
    expect(second?.order.id).not.toBe(first?.order.id)
    const old = await h.store.get<{ job: unknown }>(`job/${first?.order.id}`)
    expect(old?.value.job).toMatchObject({ state: 'superseded', byJob: second?.order.id })
  })

  test('taking the cluster file away touches nothing and ends what waits', async () => {
    const h = await harness()
    await merged(h)
    h.forge.push('bye', { [SPEC]: null })
    const number = h.forge.open('bye')
    await h.hint({ kind: 'pull-changed', number })
    expect(h.forge.comments.get(`${number}/plan`)).toContain('no machine is touched')
    h.forge.merge(number)
    await h.hint({ kind: 'pull-changed', number })
    expect(await jobOf(h)).toMatchObject({ state: 'cancelled' })
  })
})

test('a merge looked at several times at once is one job that knows its pull', async () => {
  const h = await harness()
  const number = await pulled(h)
  h.forge.merge(number)
  await Promise.all(Array.from({ length: 6 }, () => considerBranch(h.app, h.forge.repo)))
  await h.drain()
  expect(await jobOf(h)).toMatchObject({ state: 'queued', order: { pull: number } })
  const made = h.logged.filter((line) => line.startsWith('info job made'))
  expect(made).toHaveLength(1)
  expect((await pullOf(h, number))?.jobs['home']).toBe((await jobOf(h))?.order.id)
})

describe('a command', () => {
  test.each([
    ['a reader', { author: 'eve', level: 'read' as const }],
    ['a stranger', { author: 'mallory' }],
    ['an edited comment', { author: 'ada', edited: true }],
    ['a bot', { author: 'ada', bot: true }],
  ])('of %s does nothing and gets no answer', async (_, { author, ...rest }) => {
    const h = await harness()
    const number = await merged(h, { fork: true })
    expect(await jobOf(h)).toMatchObject({ state: 'waiting' })
    const { level, ...options } = { level: undefined, ...rest }
    if (level) h.forge.people.set(author, level)
    const before = h.forge.comments.get(`${number}/run`)
    const commentId = h.forge.say(number, author, '/slipway apply', options)
    await h.hint({ kind: 'comment-added', number, commentId })
    expect(await jobOf(h)).toMatchObject({ state: 'waiting' })
    expect(h.forge.comments.get(`${number}/run`)).toBe(before)
  })

  test('counts with the permission of the moment in which it is carried out', async () => {
    const h = await harness()
    const number = await merged(h, { fork: true })
    h.forge.people.set('grace', 'write')
    const commentId = h.forge.say(number, 'grace', '/slipway apply')
    await h.deliver({ kind: 'comment-added', number, commentId })
    h.forge.people.set('grace', 'read')
    await h.drain()
    expect(await jobOf(h)).toMatchObject({ state: 'waiting' })
  })

  test('never runs what is not merged', async () => {
    const h = await harness()
    const number = await pulled(h)
    const commentId = h.forge.say(number, 'ada', '/slipway apply')
    await h.hint({ kind: 'comment-added', number, commentId })
    expect(await jobOf(h)).toBeUndefined()
    expect(h.forge.comments.get(`${number}/run`)).toContain('Merge this pull')
  })

  test('is carried out once, however often it is told of', async () => {
    const h = await harness()
    const number = await merged(h)
    const commentId = h.forge.say(number, 'ada', '/slipway cancel')
    await h.hint({ kind: 'comment-added', number, commentId })
    expect(await jobOf(h)).toMatchObject({ state: 'cancelled', by: 'ada' })
    h.forge.say(number, 'ada', '/slipway apply')
    await h.hint({ kind: 'comment-added', number, commentId: '2' })
    expect(await jobOf(h)).toMatchObject({ state: 'queued' })
    await h.hint({ kind: 'comment-added', number, commentId })
    expect(await jobOf(h)).toMatchObject({ state: 'queued' })
  })

  test('to plan makes the plan again, with the facts of now', async () => {
    const h = await harness()
    const number = await pulled(h)
    h.advance(60_000)
    const commentId = h.forge.say(number, 'ada', 'thanks!\n/slipway plan')
    const before = (await pullOf(h, number))?.plannedAt
    await h.hint({ kind: 'comment-added', number, commentId })
    expect((await pullOf(h, number))?.plannedAt).not.toBe(before)
  })
})
