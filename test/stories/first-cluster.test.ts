import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { FILE, REPOSITORY, storySite, type StoryRunner, type StorySite } from './site.ts'

const more = (spec: string, workers: number): string => spec.replace('w-{1..2} #', `w-{1..${workers}} #`)
const labelled = (spec: string): string =>
  spec.replace(/( {4}- name: w-.*\n[\s\S]*?disk: 60GiB\n)/, '$1      labels: { homelab/shelf: upper }\n')

describe.each(['github', 'gitlab'] as const)('the life of a cluster on %s', (forge) => {
  let site: StorySite
  let runner: StoryRunner
  beforeAll(async () => {
    site = await storySite({ forge })
  })
  afterAll(() => site?.[Symbol.asyncDispose]())

  test('a pull adds a cluster: its plan is shown, and the bundle is committed for review', async () => {
    runner = site.startRunner()
    const pull = await site.openPull({ [FILE]: site.spec })
    const plan = await site.plan(pull)
    expect(plan).toContain('### `home`: a new cluster of 3 machines, nothing is destroyed')
    expect(plan).toContain('| `cp-1` | new on pve1: 2 cores, 4 GiB, 40 GiB disk | join |')
    expect(plan).toContain('| `w-1` `w-2` | new on pve1: 4 cores, 8 GiB, 60 GiB disk | join |')
    expect(plan).toContain('**Next:** merge to run it.')

    const { headSha } = await site.forge.pull(REPOSITORY, pull.number)
    expect(headSha).not.toBe(pull.headSha)
    const sync = await site.forge.readFile(REPOSITORY, headSha, 'clusters/home/gitops/flux-system/gotk-sync.yaml')
    expect(sync).toContain(`url: ${await site.forge.sshUrl(REPOSITORY)}`)
    const checks = await site.forge.checks(REPOSITORY, headSha)
    expect(checks.map(({ name, state }) => ({ name, state }))).toEqual([{ name: 'slipway', state: 'success' }])
    // Nothing was asked of the machines' world yet.
    expect(site.effects()).toEqual({ inits: 0, joins: 0, vmsMade: 0 })
  })

  test('after the merge the cluster is there, and follows the repository with keys that can only read', async () => {
    const [pull] = await site.forge.pulls(REPOSITORY)
    await site.forge.merge(REPOSITORY, pull!.number, 'ada')
    const run = await site.run(pull!)
    expect(run).toContain('### `home`: done, 21 steps')
    expect(run).toContain('3 nodes on Kubernetes')
    expect(await site.kubectl('get', 'nodes', '-o', 'name')).toBe('node/cp-1\nnode/w-1\nnode/w-2')
    expect(
      (await site.kubectl('get', 'nodes', '--no-headers')).split('\n').map((line) => line.split(/\s+/)[1]),
    ).toEqual(['Ready', 'Ready', 'Ready'])
    await site.until('what the repository holds under apps/', async () =>
      (await site.kubectl('get', 'configmap', 'slipway-welcome', '-n', 'default', '-o', 'name')) === ''
        ? undefined
        : true,
    )
    const keys = await site.forge.deployKeys(REPOSITORY)
    expect(keys.length).toBeGreaterThanOrEqual(2)
    expect(keys.map(({ readOnly }) => readOnly)).toEqual(keys.map(() => true))
    const state = await site.until('the deployment to end', async () =>
      (await site.forge.deployments(REPOSITORY)).find(
        (deployment) => deployment.environment === 'slipway/home' && deployment.state === 'success',
      ),
    )
    expect(state.sha).toBe((await site.forge.pull(REPOSITORY, pull!.number)).mergeCommit)
    expect(site.effects()).toEqual({ inits: 1, joins: 2, vmsMade: 3 })
    expect(await site.stepsLeft()).toEqual([])
  })

  test('a pull that changes words only has nothing to do, before and after its merge', async () => {
    const words = `# The cluster in the closet.\n${site.spec}`
    const pull = await site.openPull({ [FILE]: words })
    expect(await site.plan(pull)).toContain('### `home`: nothing to change')
    await site.forge.merge(REPOSITORY, pull.number, 'ada')
    expect(await site.run(pull)).toContain('nothing had to be changed')
    expect(site.effects()).toEqual({ inits: 1, joins: 2, vmsMade: 3 })
  })

  test('a worker and a label more touch nothing else, though the runner ends in the middle', async () => {
    await site.kubectl('label', 'node', 'w-1', 'somebody.else/owns=this')
    const spec = labelled(more(site.spec, 3))
    const pull = await site.openPull({ [FILE]: spec })
    const plan = await site.plan(pull)
    expect(plan).toContain('### `home`: 1 machine joins, 2 change live, nothing is destroyed')
    expect(plan).toMatch(/\| `cp-1` \| +\| untouched \|/)
    expect(plan).not.toMatch(/`(create-vm|start-vm|prepare-host|join-node)` `(cp-1|w-1|w-2)`/)

    await runner.stop()
    const ended = new Promise<void>((resolve) => {
      const first = site.startRunner(({ step, kind }) => {
        if (step === 'prepare-host/w-3' && kind === 'intent') resolve(first.stop())
      })
    })
    await site.forge.merge(REPOSITORY, pull.number, 'ada')
    await ended
    expect(site.effects()).toEqual({ inits: 1, joins: 2, vmsMade: 4 })
    runner = site.startRunner()
    const run = await site.run(pull)
    expect(run).toContain('### `home`: done')
    expect(run).toContain('`w-3` joined')
    expect(site.effects()).toEqual({ inits: 1, joins: 3, vmsMade: 4 })
    const node = JSON.parse(await site.kubectl('get', 'node', 'w-1', '-o', 'json')) as {
      readonly metadata: { readonly labels: Readonly<Record<string, string>> }
    }
    expect(node.metadata.labels).toMatchObject({ 'homelab/shelf': 'upper', 'somebody.else/owns': 'this' })
    expect(await site.stepsLeft(spec)).toEqual([])
  })

  test('a journal that cannot be written stops the run before the step, and /slipway apply goes on', async () => {
    const spec = labelled(more(site.spec, 4))
    const pull = await site.openPull({ [FILE]: spec })
    expect(await site.plan(pull)).toContain('1 machine joins')
    await runner.stop()
    runner = site.startRunner(({ step, kind }) => {
      if (step === 'join-node/w-4' && kind === 'intent') throw new Error('no space left on device')
    })
    await site.forge.merge(REPOSITORY, pull.number, 'ada')
    expect(await site.run(pull)).toContain('no space left on device')
    expect(site.effects().joins).toBe(3)

    await runner.stop()
    runner = site.startRunner()
    await site.forge.comment(REPOSITORY, pull.number, 'ada', '/slipway apply')
    await site.run(pull, (body) => body.includes(': done'))
    expect(site.effects()).toEqual({ inits: 1, joins: 4, vmsMade: 5 })
    expect(await site.stepsLeft(spec)).toEqual([])
  })

  test('a fork is planned from text alone: no machine is contacted, and nothing of them is told', async () => {
    await runner.stop()
    const commands = site.world.hosts.commands().length
    const requests = site.proxmox.length
    runner = site.startRunner()
    const fork = await site.forge.fork(REPOSITORY, 'mallory')
    const files = { [FILE]: more(site.spec, 9) }
    const pull = await site.openPull(files, { author: 'mallory', from: fork.fullName })
    const plan = await site.plan(pull)
    expect(plan).toContain('a new cluster of 10 machines')
    expect(plan).not.toContain('facts')
    await site.forge.webhooksSettled()
    expect((await site.forge.pull(REPOSITORY, pull.number)).headSha).toBe(pull.headSha)
    expect(site.world.hosts.commands()).toHaveLength(commands)
    expect(site.proxmox).toHaveLength(requests)
  })

  test('no secret is anywhere but where it belongs', async () => {
    await runner.stop()
    const secrets = secretsOf(site)
    expect(secrets.length).toBeGreaterThanOrEqual(8)
    const pulls = await site.forge.pulls(REPOSITORY)
    const seen: string[] = [
      ...site.logs,
      ...site.world.hosts.commands().map(({ command }) => command),
      JSON.stringify(await site.forge.deployments(REPOSITORY)),
      JSON.stringify(await site.forge.deployKeys(REPOSITORY)),
      readFileSync(site.keys.path('journal.jsonl'), 'utf8'),
      ...readdirSync(site.folder)
        .filter((name) => name.startsWith('app.sqlite'))
        .map((name) => readFileSync(join(site.folder, name), 'latin1')),
    ]
    for (const { number, headSha } of pulls) {
      seen.push(JSON.stringify(await site.forge.comments(REPOSITORY, number)))
      seen.push(JSON.stringify(await site.forge.checks(REPOSITORY, headSha)))
    }
    expect(secrets.filter(({ text }) => seen.some((place) => place.includes(text))).map(({ name }) => name)).toEqual([])
  })
})

/** Lines that nobody but their owner may ever read; a line of a key is enough to find it by. */
function secretsOf(site: StorySite): readonly { readonly name: string; readonly text: string }[] {
  const files = readdirSync(site.keys.folder, { recursive: true, encoding: 'utf8' }).filter((name) =>
    /(^|\/)(key|deploy-key|age-key|signing-key\.pem|bootstrap-token|kubeconfig)$/.test(name),
  )
  const lines = files.flatMap((name) =>
    readFileSync(site.keys.path(name), 'utf8')
      .split('\n')
      .map((line) => (name.endsWith('bootstrap-token') ? (line.split(' ')[0] ?? '') : line.trim()))
      .map((line) => line.replace(/^client-key-data: /, ''))
      .filter((line) => !line.includes(': ') && !line.startsWith('-----') && line.length >= 20)
      .slice(0, 3)
      .map((text) => ({ name, text })),
  )
  const token = site.world.proxmox.authorization.split('=').at(-1)!
  return [...lines, { name: 'Proxmox token', text: token }, { name: 'enrolment token', text: site.enrolmentToken }]
}
