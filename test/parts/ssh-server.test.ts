import { execFileSync, spawn, type ChildProcess } from 'node:child_process'
import { accessSync, constants, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir, userInfo } from 'node:os'
import { delimiter, join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { dialler } from '../../runner/lan/dial.ts'
import type { Remote } from '../../runner/lan/remote.ts'
import { sshRemote } from '../../runner/lan/ssh-remote.ts'
import type { SshTarget } from '../../src/core/steps/host.ts'
import { newSshKey } from '../../src/secrets/ssh-key.ts'

const WITHIN = { timeoutMs: 30_000 }
const { username: USER, uid: UID } = userInfo()
const sshd = programInPath('sshd')
const missing =
  sshd === undefined
    ? 'openssh-server is not installed'
    : UID === 0 || mayBecomeRoot()
      ? undefined
      : 'needs root or sudo without a password'

function programInPath(name: string): string | undefined {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/usr/local/sbin']
  return folders
    .map((folder) => join(folder, name))
    .find((path) => {
      try {
        accessSync(path, constants.X_OK)
        return true
      } catch {
        return false
      }
    })
}

function mayBecomeRoot(): boolean {
  try {
    execFileSync('sudo', ['-n', 'true'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

interface Host extends AsyncDisposable {
  readonly target: SshTarget
  readonly remote: Remote
  readonly hostKeys: readonly string[]
  connections(): number
  /** Ends every connection, as a power loss does. */
  cut(): void
}

/** OpenSSH's server for one connection at a time, on a port of our own, with keys of our own, as this user. */
async function openSshHost(): Promise<Host> {
  const folder = mkdtempSync(join(tmpdir(), 'slipway-sshd-'))
  const site = await newSshKey('runner')
  // Where the server drops its rights; a service makes it at boot.
  if (UID === 0) mkdirSync('/run/sshd', { recursive: true, mode: 0o755 })
  for (const type of ['ed25519', 'ecdsa', 'rsa'])
    execFileSync('ssh-keygen', ['-q', '-t', type, '-N', '', '-f', join(folder, type)])
  writeFileSync(join(folder, 'authorized_keys'), `${site.publicKey}\n`, { mode: 0o600 })
  writeFileSync(
    join(folder, 'config'),
    [
      ...['ed25519', 'ecdsa', 'rsa'].map((type) => `HostKey ${join(folder, type)}`),
      `AuthorizedKeysFile ${join(folder, 'authorized_keys')}`,
      'PermitRootLogin prohibit-password',
      'PasswordAuthentication no',
      'KbdInteractiveAuthentication no',
      'StrictModes no',
      'UsePAM no',
      'PidFile none',
      '',
    ].join('\n'),
  )
  const children = new Set<ChildProcess>()
  let connections = 0
  const server = createServer((socket) => {
    connections += 1
    const child = spawn(sshd!, ['-i', '-e', '-f', join(folder, 'config')], { stdio: ['pipe', 'pipe', 'ignore'] })
    children.add(child)
    socket.pipe(child.stdin)
    child.stdout.pipe(socket)
    socket.on('error', () => child.kill())
    socket.on('close', () => child.kill())
    child.stdin.on('error', () => socket.destroy())
    child.on('exit', () => {
      children.delete(child)
      socket.destroy()
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const hostKeys = ['ed25519', 'ecdsa', 'rsa'].map((type) =>
    readFileSync(join(folder, `${type}.pub`), 'utf8')
      .split(' ')
      .slice(0, 2)
      .join(' '),
  )
  const remote = sshRemote(dialler(), { site: async () => site, hostKey: () => undefined })
  return {
    target: {
      machine: 'n-1',
      address: '127.0.0.1',
      port: (server.address() as AddressInfo).port,
      user: USER,
      hostKey: { from: 'spec', key: hostKeys[0]! },
    },
    remote,
    hostKeys,
    connections: () => connections,
    cut: () => children.forEach((child) => child.kill('SIGKILL')),
    async [Symbol.asyncDispose]() {
      await remote.close()
      children.forEach((child) => child.kill('SIGKILL'))
      await new Promise((resolve) => server.close(resolve))
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

describe.skipIf(missing !== undefined)(`OpenSSH's server${missing === undefined ? '' : ` (${missing})`}`, () => {
  test('runs a script as root, with its parameters, status and both outputs', async () => {
    await using host = await openSshHost()
    const script = 'id -u; printf "%s\\n" "$SECRET"; echo bad >&2; exit 7'
    const result = await host.remote.run(host.target, script, { SECRET: 'it\'s $HOME `id`\nand "more"' }, WITHIN)
    expect(result).toEqual({ exit: 7, stdout: '0\nit\'s $HOME `id`\nand "more"\n', stderr: 'bad\n' })
  })

  test('shows nothing of a script or its parameters in the list of processes', async () => {
    await using host = await openSshHost()
    const script = 'cat /proc/$$/cmdline /proc/$PPID/cmdline | tr "\\0" " "'
    const { stdout } = await host.remote.run(host.target, script, { SECRET: 'hunter2' }, WITHIN)
    expect(stdout).toContain('bash -s')
    expect(stdout).not.toMatch(/hunter2|cmdline/)
  })

  test.each([0, 1, 2])('proves the pinned host key, of whichever type (%i)', async (type) => {
    await using host = await openSshHost()
    const target: SshTarget = { ...host.target, hostKey: { from: 'spec', key: host.hostKeys[type]! } }
    expect(await host.remote.run(target, 'echo here', {}, WITHIN)).toMatchObject({ exit: 0, stdout: 'here\n' })
  })

  test('is refused with another host key than the pinned one, before anything is sent', async () => {
    await using host = await openSshHost()
    const { publicKey } = await newSshKey('another')
    const target: SshTarget = { ...host.target, hostKey: { from: 'spec', key: publicKey } }
    await expect(host.remote.run(target, 'true', {}, WITHIN)).rejects.toMatchObject({ code: 'ssh.host-key-changed' })
  })

  test('tells its host key without a login', async () => {
    await using host = await openSshHost()
    expect(await host.remote.offeredHostKey(host.target.address, host.target.port)).toBe(host.hostKeys[0])
  })

  test('lets no other key in', async () => {
    await using host = await openSshHost()
    const other = await newSshKey('other')
    const remote = sshRemote(dialler(), { site: async () => other, hostKey: () => undefined })
    await expect(remote.run(host.target, 'true', {}, WITHIN)).rejects.toMatchObject({ code: 'ssh.login' })
    await remote.close()
  })

  test('gets many scripts at once over one connection', async () => {
    await using host = await openSshHost()
    const results = await Promise.all(
      Array.from({ length: 20 }, (_, n) =>
        host.remote.run(host.target, 'sleep 0.1; echo "$N"', { N: String(n) }, WITHIN),
      ),
    )
    expect(results.map(({ stdout }) => stdout.trim())).toEqual(Array.from({ length: 20 }, (_, n) => String(n)))
    expect(host.connections()).toBe(1)
  })

  test('that goes away leaves the result unknown; the next script opens another connection', async () => {
    await using host = await openSshHost()
    await host.remote.run(host.target, 'true', {}, WITHIN)
    const going = host.remote.run(host.target, 'sleep 20', {}, WITHIN)
    const lost = going.catch((error: unknown) => error)
    host.cut()
    expect(await lost).toMatchObject({ code: 'ssh.lost', retry: 'now' })
    expect(await host.remote.run(host.target, 'echo again', {}, WITHIN)).toMatchObject({ stdout: 'again\n' })
  })

  test('is not waited for when a script does not end in time', async () => {
    await using host = await openSshHost()
    const folder = mkdtempSync(join(tmpdir(), 'slipway-late-'))
    const file = join(folder, 'pid')
    // Root's scripts get no signal from OpenSSH; this one would end long after the test's own limit.
    const late = host.remote.run(
      host.target,
      'echo $$ > "$FILE"; exec sleep 100000',
      { FILE: file },
      { timeoutMs: 3_000 },
    )
    await expect(late).rejects.toMatchObject({ code: 'ssh.lost', retry: 'now' })
    await host.remote.run(host.target, 'kill -9 "$(cat "$FILE")" || true', { FILE: file }, WITHIN)
    rmSync(folder, { recursive: true, force: true })
  })

  test('says of a script that a signal ended it', async () => {
    await using host = await openSshHost()
    const { exit } = await host.remote.run(host.target, 'kill -9 $$', {}, WITHIN)
    expect(exit).toBe(137)
  })
})
