import { constants } from 'node:os'
import { Client, type ClientChannel } from 'ssh2'
import { Problem } from '../../src/core/problem.ts'
import type { SshTarget } from '../../src/core/steps/host.ts'
import { redact } from '../../src/secrets/redact.ts'
import { sshBlob, type SshKeyPair } from '../../src/secrets/ssh-key.ts'
import type { Dial } from './https-agent.ts'
import type { Remote, RemoteResult } from './remote.ts'
import { scriptText } from './shell.ts'

/** TCP on a LAN; a machine that is booting refuses or is silent. */
const DIAL_TIMEOUT_MS = 8_000
/** Key exchange and login; a small machine that is busy installing takes seconds. */
const LOGIN_TIMEOUT_MS = 20_000
/**
 * How long a script that is stopped may take to end. OpenSSH keeps its channel open until then, and passes no signal on
 * to a script of root's, so it may never end; its result is unknown either way.
 */
const STOP_MS = 5_000
/** Silence is noticed within three of these. */
const KEEP_ALIVE_MS = 10_000
/** sshd allows ten sessions per connection (MaxSessions); two stay free. */
const MAX_CHANNELS = 8
/** Most that is kept of each of the two outputs; the end is what tells. */
const MAX_OUTPUT_BYTES = 1024 * 1024

/** What a remote needs of the keystore. */
export interface SshIdentity {
  site(): Promise<SshKeyPair>
  hostKey(machine: string): string | undefined
}

/** Scripts over SSH; a connection per machine is opened with its first script and kept. */
export function sshRemote(dial: Dial, identity: SshIdentity): Remote {
  const lines = new Map<string, Promise<Line>>()
  let closed = false

  async function line(target: SshTarget): Promise<Line> {
    if (closed) throw new Error('this remote is closed')
    const expected = expectedKey(target, identity)
    const name = `${target.user}@${target.address}:${target.port} ${expected}`
    const present = lines.get(name)
    if (present !== undefined) {
      const usable = await present.catch(() => undefined)
      if (usable?.open === true) return usable
      // Of those who find it gone, one opens the next.
      if (lines.get(name) !== present) return line(target)
    }
    const opening = openLine(target, expected, dial, identity)
    lines.set(name, opening)
    return opening
  }

  return {
    async run(target, script, parameters, { timeoutMs, signal }) {
      signal?.throwIfAborted()
      const text = scriptText(script, parameters)
      return (await line(target)).run(text, timeoutMs, signal)
    },
    offeredHostKey: (address, port, signal) => offeredHostKey(dial, address, port, signal),
    async close() {
      closed = true
      const open = [...lines.values()]
      lines.clear()
      for (const one of open) (await one.catch(() => undefined))?.end()
    },
  }
}

function expectedKey(target: SshTarget, identity: SshIdentity): string {
  if (target.hostKey.from === 'spec') return target.hostKey.key
  const recorded = identity.hostKey(target.machine)
  if (recorded !== undefined) return recorded
  throw new Problem({
    code: 'ssh.host-key-unknown',
    what: `no host key is recorded for ${target.machine}`,
    where: target.machine,
    remedy: 'It is recorded while the machine first boots; run the apply again from the start.',
    retry: 'later',
  })
}

/** One connection, and those who wait for a channel on it. */
class Line {
  open = true
  readonly #client: Client
  readonly #target: SshTarget
  #channels = 0
  readonly #waiting: (() => void)[] = []

  constructor(client: Client, target: SshTarget) {
    this.#client = client
    this.#target = target
    // Errors after login only tell why; the end is what counts.
    client.on('error', () => undefined)
    client.on('close', () => {
      this.open = false
    })
  }

  async run(text: string, timeoutMs: number, signal?: AbortSignal): Promise<RemoteResult> {
    if (this.#channels >= MAX_CHANNELS) await new Promise<void>((resolve) => this.#waiting.push(resolve))
    this.#channels++
    try {
      return await this.#execute(text, timeoutMs, signal)
    } finally {
      this.#channels--
      this.#waiting.shift()?.()
    }
  }

  async #execute(text: string, timeoutMs: number, signal?: AbortSignal): Promise<RemoteResult> {
    const { machine, user } = this.#target
    const channel = await this.#channel(user === 'root' ? 'bash -s' : 'sudo -n bash -s')
    const result = await this.#result(channel, text, timeoutMs, signal)
    if (
      user !== 'root' &&
      result.exit === 1 &&
      /^sudo: .*(password is required|not allowed|not in the sudoers)/m.test(result.stderr)
    )
      throw new Problem({
        code: 'ssh.no-sudo',
        what: `${user} may not become root on ${machine} without a password`,
        where: machine,
        remedy: `As root on ${machine}: echo '${user} ALL=(ALL) NOPASSWD:ALL' > /etc/sudoers.d/slipway`,
        retry: 'never',
      })
    return result
  }

  #channel(command: string): Promise<ClientChannel> {
    return new Promise((resolve, reject) => {
      const lost = (): void => reject(lostProblem(this.#target, 'the connection closed before the script started'))
      if (!this.open) return lost()
      this.#client.once('close', lost)
      this.#client.exec(command, (error, channel) => {
        this.#client.removeListener('close', lost)
        if (error === undefined) resolve(channel)
        else reject(lostProblem(this.#target, `starting a session: ${error.message}`))
      })
    })
  }

  #result(channel: ClientChannel, text: string, timeoutMs: number, signal?: AbortSignal): Promise<RemoteResult> {
    return new Promise((resolve, reject) => {
      const stdout = new Tail()
      const stderr = new Tail()
      let exit: number | undefined
      let unfinished: unknown
      let overdue: NodeJS.Timeout | undefined
      const stop = (why: unknown): void => {
        unfinished ??= why
        channel.signal('TERM')
        channel.close()
        overdue ??= setTimeout(ended, STOP_MS)
      }
      const aborted = (): void => stop(signal?.reason)
      const timer = setTimeout(
        () => stop(lostProblem(this.#target, `the script did not end within ${Math.round(timeoutMs / 1000)} s`)),
        timeoutMs,
      )
      signal?.addEventListener('abort', aborted, { once: true })
      channel.on('data', (part: Buffer) => stdout.add(part))
      channel.stderr.on('data', (part: Buffer) => stderr.add(part))
      channel.on('exit', (code: number | null, name?: string) => {
        exit = code ?? 128 + signalNumber(name)
      })
      // A script that ends early leaves nobody to read the rest of its text.
      channel.on('error', () => undefined)
      const ended = (): void => {
        clearTimeout(timer)
        clearTimeout(overdue)
        signal?.removeEventListener('abort', aborted)
        if (unfinished !== undefined) reject(unfinished)
        else if (exit === undefined)
          reject(lostProblem(this.#target, 'the connection ended before the script told its result'))
        else resolve({ exit, stdout: stdout.text(), stderr: stderr.text() })
      }
      channel.on('close', ended)
      if (signal?.aborted === true) return aborted()
      channel.end(text)
    })
  }

  end(): void {
    this.open = false
    this.#client.end()
    this.#client.destroy()
  }
}

/** The last bytes of an output. */
class Tail {
  #parts: Buffer[] = []
  #size = 0

  add(part: Buffer): void {
    this.#parts.push(part)
    this.#size += part.length
    // Joined only now and then, so that a long output costs little.
    if (this.#size > 2 * MAX_OUTPUT_BYTES) {
      const kept = Buffer.concat(this.#parts).subarray(-MAX_OUTPUT_BYTES)
      this.#parts = [kept]
      this.#size = kept.length
    }
  }

  text(): string {
    return Buffer.concat(this.#parts).subarray(-MAX_OUTPUT_BYTES).toString('utf8')
  }
}

/** Signals have the names of the protocol: `TERM`, in some servers `SIGTERM`. */
function signalNumber(name: string | undefined): number {
  const full = `SIG${(name ?? 'KILL').replace(/^SIG/, '')}`
  return Object.entries(constants.signals).find(([known]) => known === full)?.[1] ?? constants.signals.SIGKILL
}

function lostProblem(target: SshTarget, what: string): Problem {
  return new Problem({
    code: 'ssh.lost',
    what: `${target.machine}: ${redact(what)}`,
    where: target.machine,
    remedy: 'What was reached is looked at first when it is tried again.',
    retry: 'now',
  })
}

async function openLine(target: SshTarget, expected: string, dial: Dial, identity: SshIdentity): Promise<Line> {
  const { machine, address, port, user } = target
  const where = { where: machine }
  const { privateKey, publicKey } = await identity.site()
  const socket = await dial(address, port, { timeoutMs: DIAL_TIMEOUT_MS }).catch((error: unknown) => {
    throw unreachable(target, error)
  })
  const wanted = Buffer.from(sshBlob(expected))
  const client = new Client()
  let seen: Buffer | undefined
  return new Promise((resolve, reject) => {
    const fail = (problem: Problem): void => {
      client.destroy()
      socket.destroy()
      reject(problem)
    }
    client.once('ready', () => {
      client.removeAllListeners('error')
      client.removeAllListeners('close')
      resolve(new Line(client, target))
    })
    client.on('error', (error: Error & { readonly level?: string }) => {
      if (seen !== undefined && !seen.equals(wanted))
        fail(
          new Problem({
            code: 'ssh.host-key-changed',
            what: `${machine} at ${address} answers with another host key than the expected one`,
            ...where,
            remedy:
              'If the machine was installed anew on purpose, write its new host key into the spec; otherwise find out who answers there.',
            retry: 'never',
          }),
        )
      else if (error.level === 'client-authentication')
        fail(
          new Problem({
            code: 'ssh.login',
            what: `${machine} does not let ${user} log in with the runner's key`,
            ...where,
            remedy: `As ${user} on ${machine}: echo '${publicKey}' >> ~/.ssh/authorized_keys`,
            retry: 'never',
          }),
        )
      else fail(unreachable(target, error))
    })
    client.on('close', () => fail(unreachable(target, new Error('the connection closed during login'))))
    client.connect({
      sock: socket,
      username: user,
      privateKey,
      readyTimeout: LOGIN_TIMEOUT_MS,
      keepaliveInterval: KEEP_ALIVE_MS,
      keepaliveCountMax: 3,
      algorithms: { serverHostKey: algorithmsOf(expected) },
      hostVerifier: (key: Buffer) => {
        seen = key
        return key.equals(wanted)
      },
    })
  })
}

type HostKeyAlgorithms = ('ssh-ed25519' | 'ecdsa-sha2-nistp256' | 'rsa-sha2-512' | 'rsa-sha2-256')[]

/** The server must prove the very key that is expected, although it has keys of other types too. */
function algorithmsOf(key: string): HostKeyAlgorithms {
  const type = key.trim().split(/\s+/)[0]
  if (type === 'ssh-rsa') return ['rsa-sha2-512', 'rsa-sha2-256']
  if (type === 'ecdsa-sha2-nistp256') return ['ecdsa-sha2-nistp256']
  return ['ssh-ed25519']
}

function unreachable(target: SshTarget, error: unknown): Problem {
  const why = error instanceof Error ? error.message : String(error)
  return new Problem(
    {
      code: 'ssh.unreachable',
      what: `${target.machine} does not answer SSH at ${target.address}:${target.port}: ${redact(why)}`,
      where: target.machine,
      remedy: 'See whether the machine is on, has this address, and lets the runner reach its SSH port.',
      retry: 'now',
    },
    { cause: error },
  )
}

async function offeredHostKey(
  dial: Dial,
  address: string,
  port: number,
  signal?: AbortSignal,
): Promise<string | undefined> {
  signal?.throwIfAborted()
  const socket = await dial(address, port, { timeoutMs: DIAL_TIMEOUT_MS }).catch(() => undefined)
  if (socket === undefined) return undefined
  const client = new Client()
  return new Promise((resolve) => {
    const done = (key: string | undefined): void => {
      signal?.removeEventListener('abort', aborted)
      client.destroy()
      socket.destroy()
      resolve(key)
    }
    const aborted = (): void => done(undefined)
    signal?.addEventListener('abort', aborted, { once: true })
    client.on('error', () => done(undefined))
    client.on('close', () => done(undefined))
    client.connect({
      sock: socket,
      username: 'slipway',
      readyTimeout: LOGIN_TIMEOUT_MS,
      algorithms: { serverHostKey: ['ssh-ed25519', 'ecdsa-sha2-nistp256', 'rsa-sha2-512', 'rsa-sha2-256'] },
      hostVerifier: (key: Buffer) => {
        done(`${typeOf(key)} ${key.toString('base64')}`)
        return false
      },
    })
  })
}

function typeOf(blob: Buffer): string {
  return blob.subarray(4, 4 + blob.readUInt32BE(0)).toString('latin1')
}
