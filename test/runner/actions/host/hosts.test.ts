import { describe, expect, test } from 'vitest'
import { nftables, prepareHost } from '../../../../runner/actions/host/prepare-host.ts'
import type { Step, StepKind } from '../../../../src/core/step.ts'
import { newSshKey } from '../../../../src/secrets/ssh-key.ts'
import { MAKING, vmSite } from '../../vm-site.ts'

const PATIENCE = { timeout: 120_000 }
const PREPARED = [...MAKING, 'prepare-host'] as const satisfies readonly StepKind[]
const context = (): Parameters<typeof prepareHost.check>[2] => ({
  progress: () => undefined,
  signal: new AbortController().signal,
  deadline: Date.now() + 60_000,
})

type Site = Awaited<ReturnType<typeof vmSite>>
const machineOf = (site: Site) => site.world.hosts.names()[0] ?? ''
const preparation = (site: Site): Step<'prepare-host'> => {
  const step = site.plan().steps.find((planned) => planned.step.kind === 'prepare-host')?.step
  if (step?.kind !== 'prepare-host') throw new Error('nothing is to be prepared')
  return step
}

describe('preparing a host', () => {
  test('only looking changes nothing; a second pass finds nothing; what drifted is put right', PATIENCE, async () => {
    await using site = await vmSite()
    await site.run(site.lan, site.plan(), MAKING)
    const machine = machineOf(site)
    const step = preparation(site)
    const fresh = site.world.hosts.mutations(machine).length
    expect(await prepareHost.check(step, site.lan, context())).toBe('needed')
    expect(site.world.hosts.mutations(machine)).toHaveLength(fresh)

    await prepareHost.apply(step, site.lan, context())
    expect(await prepareHost.check(step, site.lan, context())).toBe('done')
    const done = site.world.hosts.mutations(machine).length
    await prepareHost.apply(step, site.lan, context())
    expect(site.world.hosts.mutations(machine)).toHaveLength(done)
    expect(site.world.hosts.readFile(machine, '/var/lib/slipway/prepared')).toBe(`${step.recipeDigest}\n`)

    const file = step.recipe.files.find(({ restarts }) => restarts.length > 0)
    if (file === undefined) throw new Error('no file of the recipe restarts anything')
    site.world.hosts.writeFile(machine, file.path, 'changed by hand\n')
    expect(await prepareHost.check(step, site.lan, context())).toBe('needed')
    await prepareHost.apply(step, site.lan, context())
    expect(site.world.hosts.readFile(machine, file.path)).toBe(file.content)
    const since = site.world.hosts.mutations(machine).slice(done)
    for (const unit of file.restarts) expect(since.join('\n')).toContain(`systemctl restart ${unit}`)
    expect(since.join('\n')).not.toContain('apt-get')
  })

  test('a restart that was cut off is caught up on', PATIENCE, async () => {
    await using site = await vmSite()
    await site.run(site.lan, site.plan(), PREPARED)
    const machine = machineOf(site)
    const step = preparation(site)
    site.world.hosts.writeFile(machine, '/var/lib/slipway/restarts', 'containerd.service\n')
    expect(await prepareHost.check(step, site.lan, context())).toBe('needed')
    await prepareHost.apply(step, site.lan, context())
    expect(site.world.hosts.mutations(machine).at(-1)).toContain('systemctl restart containerd')
    expect(await prepareHost.check(step, site.lan, context())).toBe('done')
  })

  test('a held package lock, a lost connection and a reboot in between only take longer', PATIENCE, async () => {
    await using site = await vmSite()
    await site.run(site.lan, site.plan(), MAKING)
    site.world.setFaults({
      hosts: {
        aptLock: { calls: [1] },
        connectionResetAfter: { calls: [2], match: 'bash -s' },
        rebootDuring: { calls: [1], match: 'apt-get install' },
      },
    })
    const { outcome } = await site.run(site.lan, site.plan(), ['prepare-host'])
    expect(outcome).toEqual({ outcome: 'succeeded' })
  })

  test('a full disk is told in the words of the machine', PATIENCE, async () => {
    await using site = await vmSite()
    await site.run(site.lan, site.plan(), MAKING)
    site.world.setFaults({ hosts: { diskFull: { probability: 1, match: 'bash -s' } } })
    const { outcome } = await site.run(site.lan, site.plan(), ['prepare-host'])
    expect(outcome).toMatchObject({ failed: [{ problem: { code: 'host.prepare', retry: 'later' } }] })
  })
})

describe('the first login on a machine of ours', () => {
  const awaiting = (site: Site): Step<'await-host'> => {
    const step = site.plan().steps.find((planned) => planned.step.kind === 'await-host')?.step
    if (step?.kind !== 'await-host') throw new Error('nobody is awaited')
    return step
  }

  test('a machine without our mark is not trusted', PATIENCE, async () => {
    await using site = await vmSite()
    await site.run(site.lan, site.plan(), ['fetch-image', 'create-vm', 'start-vm'])
    site.world.proxmox.control.setConfig(401, { description: 'not ours' })
    const { outcome } = await site.run(site.lan, site.plan(), ['await-host'])
    expect(outcome).toMatchObject({ failed: [{ problem: { code: 'proxmox.vm-not-ours' } }] })
    expect(site.lan.keys.hostKey('cp-1')).toBeUndefined()
  })

  test('a host key that changes later stops everything', PATIENCE, async () => {
    await using site = await vmSite()
    await site.run(site.lan, site.plan(), MAKING)
    site.lan.keys.recordHostKey('cp-1', (await newSshKey('')).publicKey)
    const lan = await site.lanOf(site.spec)
    const { outcome } = await site.run(lan, site.plan(), ['await-host'])
    expect(outcome).toMatchObject({ failed: [{ problem: { code: 'ssh.host-key-changed', retry: 'never' } }] })
    expect(awaiting(site).target.hostKey).toEqual({ from: 'recorded' })
  })
})

test('firewall rules are one table of our own', () => {
  const text = nftables([
    { protocol: 'tcp', ports: '22', from: [], why: 'SSH' },
    { protocol: 'udp', ports: '8472', from: ['10.4.0.0/24', '10.5.0.0/24'], why: 'VXLAN' },
  ])
  expect(text).toContain('delete table inet slipway')
  expect(text).toContain('tcp dport 22 accept comment "SSH"')
  expect(text).toContain('ip saddr { 10.4.0.0/24, 10.5.0.0/24 } udp dport 8472 accept')
})
