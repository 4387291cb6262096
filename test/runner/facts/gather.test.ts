import { expect, test } from 'vitest'
import { gatherFacts } from '../../../runner/facts/gather.ts'
import { ownerMark } from '../../../src/core/owner-mark.ts'
import { FactsJson } from '../../../src/core/wire.ts'
import { MAKING, vmSite } from '../vm-site.ts'

test('before anything is made there is nothing but the images', async () => {
  await using site = await vmSite()
  const facts = await gatherFacts(site.spec, site.lan)
  expect(facts).toMatchObject({
    cluster: 'home',
    machines: { 'cp-1': {} },
    images: { 'lab/pve1/local': [] },
    strays: [],
    artifacts: {},
  })
  expect(facts.machines['cp-1']).toEqual({})
  expect(facts.kubernetes).toBeUndefined()
  expect(FactsJson.parse(JSON.parse(JSON.stringify(facts)))).toEqual(facts)
})

test('a machine that was made shows with its disk, its host key and its system', async () => {
  await using site = await vmSite()
  await site.run(site.lan, site.plan(), MAKING)
  const facts = await gatherFacts(site.spec, site.lan)
  expect(facts.machines['cp-1']).toMatchObject({
    vm: {
      node: 'pve1',
      vmid: 401,
      owner: 'this-cluster',
      cores: 2,
      memoryMiB: 4096,
      disks: [{ sizeGiB: 40 }],
      running: true,
    },
    host: {
      reachable: true,
      hostKey: site.lan.keys.hostKey('cp-1'),
      os: { id: 'debian', version: '13', arch: 'amd64' },
      kubeadm: 'none',
    },
  })
  expect(facts.images['lab/pve1/local']).toEqual([site.spec.providers['pve']?.image.file])
  expect(FactsJson.parse(JSON.parse(JSON.stringify(facts)))).toEqual(facts)
  expect(site.plan(site.spec, facts).steps.map(({ step }) => step.kind)).not.toContain('create-vm')
})

test('whose files kubeadm left on a host is told by the mark', async () => {
  await using site = await vmSite()
  await site.run(site.lan, site.plan(), MAKING)
  const [machine = ''] = site.world.hosts.names()
  const host = async () => (await gatherFacts(site.spec, site.lan)).machines['cp-1']?.host
  site.world.hosts.writeFile(machine, '/etc/kubernetes/kubelet.conf', 'x')
  expect((await host())?.kubeadm).toBe('another')
  site.world.hosts.writeFile(machine, '/var/lib/slipway/cluster', `${ownerMark(site.spec, 'cp-1')}\n`)
  site.world.hosts.writeFile(machine, '/var/lib/slipway/prepared', `${'a'.repeat(64)}\n`)
  expect(await host()).toMatchObject({ kubeadm: 'this-cluster', recipeDigest: 'a'.repeat(64) })
  site.world.hosts.writeFile(machine, '/var/lib/slipway/cluster', `${ownerMark(site.spec, 'cp-2')}\n`)
  expect((await host())?.kubeadm).toBe('another')
})

test('a machine of this cluster that the spec lacks is a stray; those of others are not', async () => {
  await using site = await vmSite()
  const { control } = site.world.proxmox
  const vm = (vmid: number, description: string) =>
    control.addVm({ vmid, node: 'pve2', config: { name: `vm-${vmid}`, description, scsi0: 'local-lvm:vm-d,size=8G' } })
  vm(450, ownerMark(site.spec, 'w-9'))
  vm(451, ownerMark(site.spec, 'w-9').replace('cluster=home', 'cluster=other'))
  vm(452, 'my own')
  const { strays } = await gatherFacts(site.spec, site.lan)
  expect(strays).toEqual([
    { connection: 'lab', node: 'pve2', vmid: 450, name: 'w-9', disks: [{ volume: 'local-lvm:vm-d', sizeGiB: 8 }] },
  ])
})

test('a hypervisor that is down leaves its machines out, unless they answer themselves', async () => {
  await using site = await vmSite()
  site.world.lan.unregister('10.4.0.2', 8006)
  const facts = await gatherFacts(site.spec, site.lan)
  expect(facts).toMatchObject({ machines: {}, images: {}, strays: [] })
  site.world.lan.register('10.4.0.2', 8006, Number(new URL(site.world.proxmox.url).port))
  await site.run(site.lan, site.plan(), MAKING)
  site.world.lan.unregister('10.4.0.2', 8006)
  const later = await gatherFacts(site.spec, await site.lanOf(site.spec))
  expect(later.machines['cp-1']).toMatchObject({ host: { reachable: true } })
  expect(later.machines['cp-1']?.vm).toBeUndefined()
})
