import { chmodSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { ProxmoxConnection } from '../../../runner/config.ts'
import { dialler } from '../../../runner/lan/dial.ts'
import { proxmoxClient } from '../../../runner/lan/proxmox-client.ts'
import { systemClock } from '../../../runner/system-clock.ts'
import { vmSite, type VmSiteOptions } from '../vm-site.ts'

async function site(options: VmSiteOptions = {}) {
  const seen: string[] = []
  const made = await vmSite({
    ...options,
    world: {
      ...options.world,
      proxmox: { ...options.world?.proxmox, observe: ({ method, path }) => void seen.push(`${method} ${path}`) },
    },
  })
  const connection = made.config.connections['lab']
  if (connection === undefined) throw new Error('the configuration lost its connection')
  const clientOf = (changes: Partial<ProxmoxConnection> = {}) =>
    proxmoxClient('lab', { ...connection, ...changes }, dialler(made.config.proxy), systemClock)
  return { ...made, seen, clientOf }
}

describe('who answers', () => {
  test('is known by its certificate’s fingerprint', async () => {
    await using pve = await site({ trust: 'fingerprint' })
    expect(await pve.lan.proxmox('lab').version()).toMatch(/^9\./)
  })

  test('is known by its authority, which also vouches for the name', async () => {
    await using pve = await site({ trust: 'ca' })
    const port = Number(new URL(pve.world.proxmox.url).port)
    pve.world.lan.register('127.0.0.1', port, port)
    const client = pve.clientOf({ url: pve.world.proxmox.url })
    expect(await client.version()).toMatch(/^9\./)
    await client.close()
    await expect(pve.lan.proxmox('lab').version()).rejects.toMatchObject({ code: 'tls.untrusted' })
  })

  test.each([
    ['another fingerprint', { check: 'fingerprint', sha256: Array(32).fill('AB').join(':') } as const],
    ['the system’s authorities', { check: 'system' } as const],
  ])('with %s the token is not sent', async (_, tls) => {
    await using pve = await site()
    const client = pve.clientOf({ tls })
    await expect(client.version()).rejects.toMatchObject({ code: 'tls.untrusted', retry: 'never' })
    expect(pve.seen).toEqual([])
    await client.close()
  })
})

describe('the token', () => {
  test('must be a file that nobody else can read', async () => {
    await using pve = await site()
    chmodSync(join(pve.folder, 'token'), 0o644)
    expect(() => pve.clientOf()).toThrow(expect.objectContaining({ code: 'proxmox.token-file' }))
  })

  test('is in no message, whatever the server says about it', async () => {
    await using pve = await site()
    const file = join(pve.folder, 'token')
    const wrong = readFileSync(file, 'utf8')
      .trim()
      .replace(/.{12}$/, '000000000000')
    writeFileSync(file, wrong)
    const error: unknown = await pve
      .clientOf()
      .version()
      .catch((caught: unknown) => caught)
    expect(error).toMatchObject({ code: 'proxmox.credentials', retry: 'never' })
    expect(`${String(error)} ${JSON.stringify(error)}`).not.toContain('000000000000')
    writeFileSync(file, 'not a token, but secret')
    expect(() => pve.clientOf()).toThrow(expect.objectContaining({ what: expect.not.stringContaining('secret') }))
  })
})

describe('questions and changes', () => {
  test('a question is asked again when the server stumbles or cuts the connection', async () => {
    await using pve = await site({
      world: {
        faults: {
          proxmox: {
            serverError: { calls: [1], match: 'GET /version' },
            closedConnection: { calls: [1], match: 'GET /version' },
          },
        },
      },
    })
    expect(await pve.lan.proxmox('lab').version()).toMatch(/^9\./)
  })

  test('a change is sent once, and its error says when to try again', async () => {
    await using pve = await site({
      world: { faults: { proxmox: { serverError: { calls: [1], match: 'POST /nodes/pve1/qemu' } } } },
    })
    const api = pve.lan.proxmox('lab')
    await expect(api.change('POST', '/nodes/pve1/qemu', { vmid: 500 }, { timeoutMs: 10_000 })).rejects.toMatchObject({
      retry: 'now',
    })
    expect(pve.seen.filter((call) => call.startsWith('POST'))).toHaveLength(1)
    await expect(api.change('POST', '/nodes/pve1/qemu', { vmid: 'x' }, { timeoutMs: 10_000 })).rejects.toMatchObject({
      retry: 'never',
      what: expect.stringContaining('vmid'),
    })
  })

  test('a task that never ends is given up with its name', async () => {
    await using pve = await site({ world: { faults: { proxmox: { stalledTask: { calls: [1], match: 'qmcreate' } } } } })
    const change = pve.lan.proxmox('lab').change('POST', '/nodes/pve1/qemu', { vmid: 500 }, { timeoutMs: 300 })
    await expect(change).rejects.toMatchObject({ code: 'proxmox.task-slow', what: expect.stringContaining('qmcreate') })
  })

  test('a task that fails gives its words', async () => {
    await using pve = await site({ world: { faults: { proxmox: { taskFails: { calls: [1], match: 'qmcreate' } } } } })
    const change = pve.lan.proxmox('lab').change('POST', '/nodes/pve1/qemu', { vmid: 500 }, { timeoutMs: 9_000 })
    await expect(change).rejects.toMatchObject({
      code: 'proxmox.task-failed',
      what: expect.stringContaining('signal 9'),
    })
  })

  test('a guest without an agent has no addresses yet', async () => {
    await using pve = await site()
    pve.world.proxmox.control.addVm({ vmid: 500, node: 'pve1', running: true, config: { agent: 'enabled=1' } })
    expect(await pve.lan.proxmox('lab').guestAddresses('pve1', 500)).toBeUndefined()
  })

  test('an unknown connection is told with the file to mend', async () => {
    await using pve = await site()
    expect(() => pve.lan.proxmox('other')).toThrow(expect.objectContaining({ code: 'runner.no-connection' }))
  })
})
