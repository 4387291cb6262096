import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { sweep } from '../../src/app/sweep.ts'
import { keys, type RunnerDocument } from '../../src/app/documents.ts'
import { FILE, REPOSITORY, storySite, type StorySite } from './site.ts'

const ATTIC = 'clusters/attic/cluster.yaml'
/** What people mistype: a field, a version that is none, and a network that others are in. */
const withMistakes = (spec: string): string =>
  spec
    .replace('name: home', 'name: attic')
    .replace('      memory: 4GiB', '      memroy: 4GiB')
    .replace('version: 1.36', 'version: 1.99')
    .replace('pods: 10.244.0.0/16', 'pods: 10.4.0.0/16')
const lineOf = (text: string, part: string): number => text.split('\n').findIndex((line) => line.includes(part)) + 1

/** Nobody has started a runner here: what pulls, forks, comments and webhooks do needs none. */
describe.each(['github', 'gitlab'] as const)('pulls on %s', (kind) => {
  let site: StorySite
  beforeAll(async () => {
    site = await storySite({ forge: kind })
  })
  afterAll(() => site?.[Symbol.asyncDispose]())

  const comments = async (number: number) => await site.forge.comments(REPOSITORY, number)
  const jobsMade = (): number => site.logs.filter((line) => line.includes('"job made"')).length
  /** Everything that the forge told the app has been worked through. */
  const settled = async (): Promise<void> => {
    await site.forge.webhooksSettled()
    await sweep(site.serving.app)
  }

  test('with mistakes: all of them on their lines, a red check, nothing committed and nothing run', async () => {
    const text = withMistakes(site.spec)
    const pull = await site.openPull({ [ATTIC]: text })
    const plan = await site.plan(pull)
    expect(plan).toContain('### `attic`: 3 problems, nothing planned')
    const annotations = await site.until('annotations', async () => {
      const found = await site.forge.annotations(REPOSITORY, pull.headSha)
      return found.length >= 3 ? found : undefined
    })
    expect(annotations.map(({ path, line }) => ({ path, line })).toSorted((a, b) => a.line - b.line)).toEqual([
      { path: ATTIC, line: lineOf(text, '1.99') },
      { path: ATTIC, line: lineOf(text, 'pods:') },
      { path: ATTIC, line: lineOf(text, 'memroy') },
    ])
    const [check] = await site.forge.checks(REPOSITORY, pull.headSha)
    expect(check?.state).toBe('failure')
    expect((await site.forge.pull(REPOSITORY, pull.number)).headSha).toBe(pull.headSha)

    await site.forge.merge(REPOSITORY, pull.number, 'ada')
    const run = await site.run(pull, () => true)
    expect(run).toContain('### `attic`: waiting')
    expect(run).toContain('Kubernetes 1.99')
    await settled()
    expect(await site.forge.pulls(REPOSITORY)).toHaveLength(1)
  })

  test('from a fork: planned from text alone; merged, they wait for a person, and the bundle comes in a pull of its own', async () => {
    const fork = await site.forge.fork(REPOSITORY, 'mallory')
    const pull = await site.openPull({ [FILE]: site.spec }, { author: 'mallory', from: fork.fullName })
    const plan = await site.plan(pull)
    expect(plan).toContain('planned from its text alone')
    expect(plan).toContain('a new cluster of 3 machines')
    await settled()
    expect((await site.forge.pull(REPOSITORY, pull.number)).headSha).toBe(pull.headSha)
    expect(await site.forge.readFile(fork.fullName, pull.headBranch, 'clusters/home/gitops/kustomization.yaml')).toBe(
      undefined,
    )

    await site.forge.merge(REPOSITORY, pull.number, 'ada')
    const waits = await site.run(pull, (body) => body.includes('waiting'))
    expect(waits).toContain('nobody has seen this plan')
    expect(waits).toContain('/slipway apply')
    const offered = await site.until('the pull with the bundle', async () =>
      (await site.forge.pulls(REPOSITORY)).find(({ title }) => title === 'home: bundle for the merged spec'),
    )
    expect(
      await site.forge.readFile(REPOSITORY, offered.headSha, 'clusters/home/gitops/flux-system/gotk-sync.yaml'),
    ).toContain(await site.forge.sshUrl(REPOSITORY))

    // She who opened it has no say.
    await site.forge.comment(REPOSITORY, pull.number, 'mallory', '/slipway apply')
    await settled()
    expect(await site.run(pull, () => true)).toContain('waiting')
    await site.forge.comment(REPOSITORY, pull.number, 'ada', '/slipway apply')
    expect(await site.run(pull, (body) => body.includes('queued'))).toContain(
      '### `home`: queued: no runner has been seen yet',
    )
    await site.forge.merge(REPOSITORY, offered.number, 'ada')
  })

  test('commands act for those who may, once, and only as they were first written', async () => {
    const [pull] = (await site.forge.pulls(REPOSITORY)).filter(({ headRepo }) => headRepo !== REPOSITORY)
    const { number } = pull!
    const say = (login: string, body: string) => site.forge.comment(REPOSITORY, number, login, body)
    const answer = (part: string) => site.run(pull!, (body) => body.includes(part))

    await say('ada', 'Let us see.\n/slipway status')
    expect(await answer('`home`: is queued.')).toContain('queued: no runner has been seen yet')

    await site.forge.grant(REPOSITORY, 'mallory', 'read')
    const before = (await comments(number)).length
    await say('mallory', '/slipway cancel')
    const talk = await say('ada', 'They said:\n> /slipway cancel\n\n    /slipway cancel\n')
    await settled()
    await site.forge.editComment(REPOSITORY, talk.id, 'ada', '/slipway cancel')
    await site.serving.app.forges.get(kind)!.upsertComment(site.repo, number, 'plan', '/slipway cancel')
    await settled()
    expect(await answer('queued')).not.toContain('cancelled')
    expect(await comments(number)).toHaveLength(before + 2)

    await say('ada', '/slipway retreat')
    await answer('knows `plan`, `apply`, `status` and `cancel`')
    await say('ada', '/slipway cancel home')
    expect(await answer('cancelled')).toContain('### `home`: cancelled after 0 of')
    await say('ada', '/slipway apply')
    await answer('### `home`: queued')
  })

  test('/slipway plan plans an open pull again', async () => {
    const pull = await site.openPull({ [FILE]: site.spec.replace('w-{1..2} #', 'w-{1..3} #') })
    await site.plan(pull)
    const at = async (): Promise<string | undefined> =>
      (await site.serving.app.store.get<{ readonly plannedAt: string }>(keys.pull(site.repo, pull.number)))?.value
        .plannedAt
    await settled()
    const first = await at()
    await site.forge.comment(REPOSITORY, pull.number, 'ada', '/slipway plan')
    await site.until('another plan', async () => ((await at()) === first ? undefined : true))
    expect((await comments(pull.number)).filter(({ byApp }) => byApp)).toHaveLength(1)
    await site.forge.close(REPOSITORY, pull.number, 'ada')
  })

  test('a queue that does not move says since when no runner was seen', async () => {
    const { store } = site.serving.app
    const [runner] = await store.list<RunnerDocument>('runner/')
    const { key, value, version } = runner!
    await store.put(key, { ...value, lastSeen: new Date(Date.now() - 3_600_000).toISOString() }, version)
    const [pull] = (await site.forge.pulls(REPOSITORY)).filter(({ headRepo }) => headRepo !== REPOSITORY)
    await sweep(site.serving.app)
    const run = await site.run(pull!, (body) => body.includes('no runner seen since'))
    expect(run).toMatch(/### `home`: queued: no runner seen since .*\d\d:\d\d/)
    expect(run).toContain('start the runner')
  })

  test('webhooks that come twice and in the wrong order have one effect', async () => {
    const made = jobsMade()
    await site.forge.setFaults({ duplicateWebhook: { probability: 1 }, reorderWebhook: { probability: 0.5 } })
    const pull = await site.openPull({ [FILE]: site.spec.replace('cores: 4', 'cores: 2') })
    await site.plan(pull)
    await site.forge.pushToPull(REPOSITORY, pull.number, { files: { 'NOTES.md': 'fewer cores\n' }, author: 'ada' })
    await settled()
    await site.plan(pull)
    await site.forge.merge(REPOSITORY, pull.number, 'ada')
    await site.run(pull, (body) => body.includes('queued'))
    await settled()
    await site.forge.setFaults({})
    expect((await comments(pull.number)).filter(({ byApp }) => byApp)).toHaveLength(2)
    expect(jobsMade()).toBe(made + 1)
  })

  test('webhooks that never came are made up for by the sweep', async () => {
    const made = jobsMade()
    await site.forge.setFaults({ dropWebhook: { probability: 1 } })
    const pull = await site.openPull({ [FILE]: site.spec.replace('cores: 4', 'cores: 3') })
    await settled()
    expect(await comments(pull.number)).toEqual([])
    await sweep(site.serving.app, { forges: true })
    expect(await site.plan(pull)).toContain('a new cluster of 3 machines')
    await site.forge.merge(REPOSITORY, pull.number, 'ada')
    await settled()
    expect(jobsMade()).toBe(made)
    await sweep(site.serving.app, { forges: true })
    expect(await site.run(pull, (body) => body.includes('queued'))).toContain('### `home`: queued')
    expect(jobsMade()).toBe(made + 1)
  })
})
