import { describe, expect, test } from 'vitest'
import { gatherFacts } from '../../../../runner/facts/gather.ts'
import { ownerMark } from '../../../../src/core/owner-mark.ts'
import type { Step, StepKind } from '../../../../src/core/step.ts'
import { clusterText, MAKING, parsed, vmSite } from '../../vm-site.ts'

const stepOf = <K extends StepKind>(plan: { steps: readonly { step: Step }[] }, kind: K): Step<K> => {
  const found = plan.steps.find(({ step }) => step.kind === kind)
  if (found === undefined) throw new Error(`the plan has no ${kind}`)
  return found.step as unknown as Step<K>
}

/** A plan of one step that no planner would make just now. */
const alone = (site: Awaited<ReturnType<typeof vmSite>>, step: Step) => {
  const plan = site.plan()
  const [first] = plan.steps
  if (first === undefined) throw new Error('an empty plan')
  return { ...plan, steps: [{ ...first, id: `${step.kind}/cp-1`, step, after: [], uses: [] }] }
}

describe('a machine from an image', () => {
  test('is made, booted and reached; a second run finds all of it done', async () => {
    await using site = await vmSite()
    const plan = site.plan()
    const first = await site.run(site.lan, plan, MAKING)
    expect(first.outcome).toEqual({ outcome: 'succeeded' })
    expect(first.done.filter((line) => line.endsWith(' applied'))).toHaveLength(4)

    const vm = await site.lan.proxmox('lab').findVm(401)
    expect(vm).toMatchObject({
      node: 'pve1',
      name: 'cp-1',
      running: true,
      config: {
        cores: 2,
        ciuser: site.spec.providers['pve']?.user,
        ipconfig0: 'ip=10.4.0.11/24,gw=10.4.0.1',
        serial0: 'socket',
        boot: 'order=scsi0',
      },
    })
    expect(vm?.description.trim()).toBe(ownerMark(site.spec, 'cp-1'))
    expect(String(vm?.config['scsi0'])).toMatch(/^local-lvm:.*size=40G/)
    const login = await site.lan.keys.site()
    expect(decodeURIComponent(String(vm?.config['sshkeys']))).toContain(login.publicKey)
    expect(String(vm?.config['tags']).split(';').sort()).toEqual(['home', 'slipway'])
    const machine = site.world.hosts.names()[0] ?? ''
    expect(site.lan.keys.hostKey('cp-1')?.split(' ')[1]).toBe(site.world.hosts.knownHost(machine).split(' ')[2])

    const second = await site.run(site.lan, plan, MAKING)
    expect(second.done.filter((line) => line.endsWith(' already'))).toHaveLength(4)
    expect(site.world.proxmox.control.vms()).toHaveLength(1)
  })

  test('is made once when the answer to the request that makes it is lost', async () => {
    await using site = await vmSite({
      world: { faults: { proxmox: { timeoutAfterEffect: { calls: [1], match: 'POST /nodes/pve1/qemu' } } } },
    })
    const { outcome } = await site.run(site.lan, site.plan(), ['fetch-image', 'create-vm'])
    expect(outcome).toEqual({ outcome: 'succeeded' })
    expect(site.world.proxmox.control.tasks().filter(({ type }) => type === 'qmcreate')).toHaveLength(1)
  })

  test('is made in the end where locks are held too long and the server stumbles', async () => {
    await using site = await vmSite({
      world: {
        faults: {
          proxmox: {
            lockTimeout: { calls: [1], match: 'pve-storage-local-lvm' },
            serverError: { calls: [1, 2], match: 'GET /cluster/resources' },
          },
        },
      },
    })
    const { outcome, events } = await site.run(site.lan, site.plan(), ['fetch-image', 'create-vm'])
    expect(outcome).toEqual({ outcome: 'succeeded' })
    expect(JSON.stringify(events)).toContain('got timeout')
    expect(site.world.proxmox.control.vms()).toHaveLength(1)
  })
})

describe('an id that somebody else has', () => {
  const FOREIGN = { vmid: 401, node: 'pve1', running: true, config: { name: 'nas', description: 'my files' } }

  test.each(['create-vm', 'start-vm', 'destroy-vm', 'resize-vm'] as const)('%s leaves that VM alone', async (kind) => {
    await using site = await vmSite()
    site.world.proxmox.control.addVm(FOREIGN)
    const made = stepOf(site.plan(), 'create-vm')
    const { connection, machine, vmid, mark } = made
    const step: Step =
      kind === 'create-vm'
        ? made
        : kind === 'resize-vm'
          ? { kind, connection, machine, vmid, mark, cores: 1, memoryMiB: 512, diskGiB: 1, restart: true }
          : { kind, connection, machine, vmid, mark }
    const before = site.world.proxmox.control.vm(401)
    const { outcome } = await site.run(site.lan, alone(site, step), [kind])
    expect(outcome).toMatchObject({ outcome: 'stopped', failed: [{ problem: { code: 'proxmox.vmid-taken' } }] })
    expect(site.world.proxmox.control.vm(401)).toEqual(before)
  })

  test('a mark of the same cluster name from another repository is somebody else’s', async () => {
    await using site = await vmSite()
    const mark = ownerMark(site.spec, 'cp-1').replace('jane', 'john')
    site.world.proxmox.control.addVm({ ...FOREIGN, config: { name: 'cp-1', description: mark } })
    const { outcome } = await site.run(site.lan, alone(site, stepOf(site.plan(), 'create-vm')), ['create-vm'])
    expect(outcome).toMatchObject({ outcome: 'stopped', failed: [{ problem: { code: 'proxmox.vmid-taken' } }] })
    expect((await gatherFacts(site.spec, site.lan)).machines['cp-1']?.vm?.owner).toBe('other-cluster')
  })
})

test('more memory and a bigger disk reach a running machine by a restart', async () => {
  await using site = await vmSite()
  await site.run(site.lan, site.plan(), MAKING)
  const grown = parsed(clusterText({ memory: '8GiB', disk: '60GiB' }))
  const lan = await site.lanOf(grown)
  const plan = site.plan(grown, await gatherFacts(grown, lan))
  expect(stepOf(plan, 'resize-vm')).toMatchObject({ memoryMiB: 8192, diskGiB: 60, restart: true })
  expect((await site.run(lan, plan, ['resize-vm'])).outcome).toEqual({ outcome: 'succeeded' })
  const current = await lan.proxmox('lab').get('/nodes/pve1/qemu/401/config?current=1')
  expect(current).toMatchObject({ memory: '8192' })
  expect((await gatherFacts(grown, lan)).machines['cp-1']?.vm).toMatchObject({
    memoryMiB: 8192,
    disks: [{ sizeGiB: 60 }],
    running: true,
  })
})

test('a machine goes with its disks and its host key, and stays gone', async () => {
  await using site = await vmSite()
  const plan = site.plan()
  await site.run(site.lan, plan, MAKING)
  const { connection, machine, vmid, mark } = stepOf(plan, 'create-vm')
  const destroy = alone(site, { kind: 'destroy-vm', connection, machine, vmid, mark })
  expect((await site.run(site.lan, destroy, ['destroy-vm'])).done).toEqual(['destroy-vm/cp-1 applied'])
  expect(site.world.proxmox.control.vms()).toEqual([])
  expect(site.world.proxmox.control.disks('pve1')).toEqual([])
  expect(site.lan.keys.hostKey('cp-1')).toBeUndefined()
  expect((await site.run(site.lan, destroy, ['destroy-vm'])).done).toEqual(['destroy-vm/cp-1 already'])
})

test('a machine that goes takes only volumes of its own configuration, and detached ones are named before', async () => {
  const exchanges: { readonly method: string; readonly path: string }[] = []
  await using site = await vmSite({ world: { proxmox: { observe: (exchange) => void exchanges.push(exchange) } } })
  const plan = site.plan()
  await site.run(site.lan, plan, MAKING)
  site.world.proxmox.control.setConfig(401, { unused0: 'local-lvm:vm-401-disk-9' })
  const seen = await gatherFacts(site.spec, site.lan)
  expect(seen.machines['cp-1']?.vm?.disks).toMatchObject([
    { sizeGiB: 40 },
    { volume: 'local-lvm:vm-401-disk-9', sizeGiB: 0 },
  ])
  site.world.proxmox.control.setConfig(401, { unused0: undefined })
  const { connection, machine, vmid, mark } = stepOf(plan, 'create-vm')
  const destroy = alone(site, { kind: 'destroy-vm', connection, machine, vmid, mark })
  expect((await site.run(site.lan, destroy, ['destroy-vm'])).outcome).toEqual({ outcome: 'succeeded' })
  const [deletion] = exchanges.filter(({ method }) => method === 'DELETE')
  expect(JSON.stringify(deletion)).toContain('purge')
  expect(JSON.stringify(deletion)).not.toContain('unreferenced')
})

test('a protected machine is not destroyed', async () => {
  await using site = await vmSite()
  const plan = site.plan()
  await site.run(site.lan, plan, ['fetch-image', 'create-vm'])
  site.world.proxmox.control.setConfig(401, { protection: 1 })
  const { connection, machine, vmid, mark } = stepOf(plan, 'create-vm')
  const destroy = alone(site, { kind: 'destroy-vm', connection, machine, vmid, mark })
  expect((await site.run(site.lan, destroy, ['destroy-vm'])).outcome).toMatchObject({
    failed: [{ problem: { code: 'proxmox.protected' } }],
  })
  expect(site.world.proxmox.control.vms()).toHaveLength(1)
})

test('a machine is copied from a template and becomes the one of the step', async () => {
  await using site = await vmSite({ source: 'template: 9000' })
  const made = stepOf(site.plan(), 'create-vm')
  expect(made.source).toEqual({ kind: 'template', vmid: 9000 })
  const source: Step = {
    ...made,
    vmid: 9000,
    machine: 'debian',
    source: { kind: 'image', storage: 'local', file: 'd.qcow2' },
  }
  site.world.proxmox.control.addImage('pve1', 'local', 'd.qcow2')
  const template: Step = { ...source, mark: 'a template of mine', diskGiB: 4, address: '10.4.0.99/24' }
  expect((await site.run(site.lan, alone(site, template), ['create-vm'])).outcome).toEqual({ outcome: 'succeeded' })
  await site.lan.proxmox('lab').change('POST', '/nodes/pve1/qemu/9000/template', {}, { timeoutMs: 30_000 })

  expect((await site.run(site.lan, site.plan(), MAKING)).outcome).toEqual({ outcome: 'succeeded' })
  const vm = await site.lan.proxmox('lab').findVm(401)
  expect(vm).toMatchObject({ running: true, template: false, config: { ipconfig0: 'ip=10.4.0.11/24,gw=10.4.0.1' } })
  expect(String(vm?.config['scsi0'])).toContain('size=40G')
})

test('a storage without images for import is told with its remedy', async () => {
  await using site = await vmSite({
    world: {
      proxmox: {
        storages: [
          { storage: 'local', type: 'dir', content: ['iso', 'vztmpl'], sizeGiB: 200 },
          { storage: 'local-lvm', type: 'lvmthin', content: ['images'], sizeGiB: 900 },
        ],
      },
    },
  })
  const { outcome } = await site.run(site.lan, site.plan(), ['fetch-image'])
  expect(outcome).toMatchObject({
    failed: [
      { problem: { code: 'proxmox.no-import', remedy: expect.stringContaining('--content iso,vztmpl,import') } },
    ],
  })
})
