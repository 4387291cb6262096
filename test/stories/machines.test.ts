import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { FILE, REPOSITORY, storySite, type StoryRunner, type StorySite } from './site.ts'

const POLICY = `apiVersion: slipway.dev/v1alpha1
kind: Policy
spec:
  destroy: { approvals: 2, coolingOff: 0s }
`

describe.each(['github', 'gitlab'] as const)('what may be done to machines, on %s', (forge) => {
  let site: StorySite
  let runner: StoryRunner
  beforeAll(async () => {
    site = await storySite({
      forge,
      allow: { vmids: ['500-549'], nodes: ['pve2'], steps: ['fetch-image', 'create-vm', 'start-vm', 'await-host'] },
    })
    await site.forge.createUser('grace')
    await site.forge.grant(REPOSITORY, 'grace', 'write')
    await site.forge.commit(REPOSITORY, { branch: 'main', author: 'ada', files: { 'slipway.policy.yaml': POLICY } })
  })
  afterAll(() => site?.[Symbol.asyncDispose]())

  test('runner.yaml denies: the comment says what and where to allow it, and then /slipway apply goes through', async () => {
    runner = site.startRunner()
    const pull = await site.mergedPull({ [FILE]: site.spec })
    const run = await site.run(pull)
    expect(run).toContain('VM id 401 is not in `allow.vmids`')
    expect(run).toContain('pve1 is not in `allow.nodes`')
    expect(run).toContain('steps of kind prepare-host are not in `allow.steps`')
    expect(run).toContain('runner.yaml')
    expect(site.effects().vmsMade).toBe(0)
    expect(site.world.hosts.names()).toEqual([])

    const [, id] = /\/runs\/([\w-]+)/.exec(run) ?? []
    const { host, port } = site.serving.address
    const page = await fetch(`http://${host}:${port}/runs/${id}`)
    expect(page.status).toBe(200)
    expect(await page.text()).toContain('allow.vmids')

    await runner.stop()
    site.allow({})
    runner = site.startRunner()
    await site.forge.comment(REPOSITORY, pull.number, 'ada', '/slipway apply')
    await site.run(pull, (body) => body.includes(': done'))
    expect(await site.stepsLeft()).toEqual([])
  })

  test('a machine that changed between review and merge makes the plan wait, and say what moved', async () => {
    const labelled = site.spec.replace(
      '      disk: 40GiB\n',
      '      disk: 40GiB\n      labels: { homelab/shelf: top }\n',
    )
    const pull = await site.openPull({ [FILE]: labelled })
    expect(await site.plan(pull)).toContain('1 changes live, nothing is destroyed')
    await runner.stop()
    site.world.proxmox.control.setConfig(401, { memory: '2048' })
    runner = site.startRunner()
    await site.forge.merge(REPOSITORY, pull.number, 'ada')
    const stopped = await site.run(pull)
    expect(stopped).toContain('the machines are not as they were')
    expect(stopped).toContain('cp-1')
    await site.forge.comment(REPOSITORY, pull.number, 'ada', '/slipway apply')
    expect(await site.run(pull, (body) => body.includes('waiting'))).toContain(
      'cp-1: live was reviewed, reboot is needed now',
    )
    await site.forge.comment(REPOSITORY, pull.number, 'ada', '/slipway apply')
    await site.run(pull, (body) => body.includes(': done'))
    expect(await site.stepsLeft(labelled)).toEqual([])
  })

  test('a worker leaves when two people want it: drained, removed, destroyed, and nobody else is touched', async () => {
    site.world.proxmox.control.addVm({ vmid: 448, node: 'pve1', running: true, config: { name: 'nas' } })
    const spec = site.spec
      .replace('w-{1..2} #', 'w-{1..1} #')
      .replace('      disk: 40GiB\n', '      disk: 40GiB\n      labels: { homelab/shelf: top }\n')
    const pull = await site.openPull({ [FILE]: spec })
    const plan = await site.plan(pull)
    expect(plan).toContain('1 leaves, 1 is destroyed')
    await runner.stop()
    site.allow({ destroys: 1, impact: 'data-loss' })
    runner = site.startRunner()
    await site.forge.merge(REPOSITORY, pull.number, 'ada')
    expect(await site.run(pull, (body) => body.includes('waiting'))).toContain('2 people have to ask for that')
    await site.forge.comment(REPOSITORY, pull.number, 'ada', '/slipway apply')
    await site.run(pull, (body) => body.includes('ada did'))
    expect(site.world.proxmox.control.vm(403)).toBeDefined()
    await site.forge.comment(REPOSITORY, pull.number, 'grace', '/slipway apply')
    const run = await site.run(pull, (body) => /: (done|stopped)/.test(body))
    expect(run).toContain('### `home`: done')
    expect(await site.kubectl('get', 'nodes', '-o', 'name')).toBe('node/cp-1\nnode/w-1')
    expect(site.world.proxmox.control.vms().map(({ vmid }) => vmid)).toEqual([401, 402, 448])
    expect(await site.stepsLeft(spec)).toEqual([])
  })
})
