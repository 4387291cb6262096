import { describe, expect, test } from 'vitest'
import { dialler } from '../../../runner/lan/dial.ts'
import { sshRemote } from '../../../runner/lan/ssh-remote.ts'
import { scaledClock } from '../../../sim/clock.ts'
import { lanWorld, type LanFaults } from '../../../sim/lan-world/lan-world.ts'
import type { SshTarget } from '../../../src/core/steps/host.ts'
import { newSshKey } from '../../../src/secrets/ssh-key.ts'

const ADDRESS = '10.4.0.11'
const WITHIN = { timeoutMs: 20_000 }

async function bareHost(faults: LanFaults = {}) {
  const site = await newSshKey('runner')
  const world = await lanWorld({
    clock: scaledClock(200),
    seed: 7,
    faults,
    bareHosts: [{ name: 'n-1', address: ADDRESS, user: 'debian', sshKeys: [site.publicKey] }],
  })
  const recorded = new Map<string, string>()
  const identity = { site: async () => site, hostKey: (machine: string) => recorded.get(machine) }
  const remote = sshRemote(dialler(world.lan.socksUrl), identity)
  const key = world.hosts.knownHost('n-1').split(' ').slice(1, 3).join(' ')
  const target: SshTarget = {
    machine: 'n-1',
    address: ADDRESS,
    port: 22,
    user: 'debian',
    hostKey: { from: 'spec', key },
  }
  return {
    world,
    remote,
    target,
    key,
    recorded,
    async [Symbol.asyncDispose]() {
      await remote.close()
      await world.close()
    },
  }
}

describe('scripts on a machine', () => {
  test('run as root, with their parameters, status and both outputs', async () => {
    await using host = await bareHost()
    const script = 'id -u; echo "$SECRET"; echo bad >&2; exit 7'
    const result = await host.remote.run(host.target, script, { SECRET: "it's $HOME" }, WITHIN)
    expect(result).toEqual({ exit: 7, stdout: "0\nit's $HOME\n", stderr: 'bad\n' })
  })

  test('leave nothing of themselves or their parameters in the command line', async () => {
    await using host = await bareHost()
    await host.remote.run(host.target, 'true', { SECRET: 'hunter2' }, WITHIN)
    expect(host.world.hosts.commands('n-1').map(({ command }) => command)).toEqual(['sudo -n bash -s'])
  })

  test('share one connection, also when many run at once', async () => {
    await using host = await bareHost()
    const results = await Promise.all(
      Array.from({ length: 20 }, (_, n) => host.remote.run(host.target, 'echo "$N"', { N: String(n) }, WITHIN)),
    )
    expect(results.map(({ stdout }) => stdout.trim())).toEqual(Array.from({ length: 20 }, (_, n) => String(n)))
    expect(host.world.lan.connections(ADDRESS, 22)).toBe(1)
  })

  test('keep the end of an output that is too long', async () => {
    await using host = await bareHost()
    const script = 'line=$(printf "%01000d" 0); for i in $(seq 1500); do echo "$line"; done; echo the end'
    const { stdout } = await host.remote.run(host.target, script, {}, WITHIN)
    expect(stdout.length).toBe(1024 * 1024)
    expect(stdout.endsWith('\nthe end\n')).toBe(true)
  })
})

describe('what goes wrong', () => {
  test('a lost connection leaves the result unknown; the next script opens another', async () => {
    await using host = await bareHost({ hosts: { connectionResetAfter: { calls: [1] } } })
    await expect(host.remote.run(host.target, 'echo 1', {}, WITHIN)).rejects.toMatchObject({
      code: 'ssh.lost',
      retry: 'now',
    })
    expect(await host.remote.run(host.target, 'echo 2', {}, WITHIN)).toMatchObject({ exit: 0, stdout: '2\n' })
  })

  test('a script that was killed has a result', async () => {
    await using host = await bareHost({ hosts: { exitSignal: { calls: [1] } } })
    expect(await host.remote.run(host.target, 'echo 1', {}, WITHIN)).toMatchObject({ exit: 137 })
  })

  test('nobody answers', async () => {
    await using host = await bareHost()
    await host.world.hosts.crash('n-1')
    await expect(host.remote.run(host.target, 'true', {}, WITHIN)).rejects.toMatchObject({
      code: 'ssh.unreachable',
      retry: 'now',
    })
    expect(await host.remote.offeredHostKey(ADDRESS, 22)).toBeUndefined()
  })

  test('another host key than the expected one: nothing is tried', async () => {
    await using host = await bareHost()
    const other = (await newSshKey('')).publicKey
    const target: SshTarget = { ...host.target, hostKey: { from: 'spec', key: other } }
    await expect(host.remote.run(target, 'true', {}, WITHIN)).rejects.toMatchObject({
      code: 'ssh.host-key-changed',
      retry: 'never',
    })
    expect(host.world.hosts.commands('n-1')).toEqual([])
  })

  test('a recorded host key counts, and without one nothing is tried', async () => {
    await using host = await bareHost()
    const target: SshTarget = { ...host.target, hostKey: { from: 'recorded' } }
    await expect(host.remote.run(target, 'true', {}, WITHIN)).rejects.toMatchObject({ code: 'ssh.host-key-unknown' })
    const offered = await host.remote.offeredHostKey(ADDRESS, 22)
    expect(offered).toBe(host.key)
    host.recorded.set('n-1', offered ?? '')
    expect(await host.remote.run(target, 'echo in', {}, WITHIN)).toMatchObject({ stdout: 'in\n' })
  })

  test('the user has no such key', async () => {
    await using host = await bareHost()
    await expect(host.remote.run({ ...host.target, user: 'nobody' }, 'true', {}, WITHIN)).rejects.toMatchObject({
      code: 'ssh.login',
      retry: 'never',
      remedy: expect.stringMatching(/echo 'ssh-ed25519 \S+ runner'/),
    })
  })

  test('a stop ends the wait', async () => {
    await using host = await bareHost()
    const stop = new AbortController()
    const running = host.remote.run(host.target, 'sleep 100000', {}, { timeoutMs: 60_000, signal: stop.signal })
    running.catch(() => undefined)
    await expect.poll(() => host.world.hosts.commands('n-1').length).toBe(1)
    stop.abort(new Error('stopped'))
    await expect(running).rejects.toThrow('stopped')
  })
})
