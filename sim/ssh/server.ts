import type { AddressInfo, Socket } from 'node:net'
import ssh2 from 'ssh2'
import type { AuthContext, Connection, ServerChannel, Session } from 'ssh2'
import type { SimHost } from './host.ts'
import type { Login } from './login.ts'
import { loginEnv } from './login.ts'
import { runScript } from './shell.ts'

/** OpenSSH's MaxSessions. */
const MAX_SESSIONS = 10
/** How long a command waits for the first byte of its input when the client neither writes nor closes it. */
const QUIET_INPUT_MS = 250
/** The same for a command that is nothing without its input: it would sit there and wait, as a real one does. */
const SLOW_INPUT_MS = 30_000
const READS_INPUT = /(^|\s)(bash|sh) -s(\s|$)|^cat( -)?$/
/** More would be a file that a script should not carry. */
const MAX_INPUT_BYTES = 64 * 2 ** 20

export interface SshServer {
  readonly port: number
  /** Ends every connection at once, as a power loss does. */
  cut(): void
  close(): Promise<void>
}

export interface Executed {
  readonly command: string
  readonly user: string
}

/** The SSH server of one host: public keys of its own authorized_keys, and commands run by its own shell. */
export async function sshServer(
  host: SimHost,
  hostKey: string,
  executed: (what: Executed) => void,
): Promise<SshServer> {
  const connections = new Set<Connection>()
  const { faults } = host.world
  const server = new ssh2.Server({ hostKeys: [hostKey], ident: 'OpenSSH_9.2p1 Debian-2+deb12u10' }, (connection) => {
    connections.add(connection)
    socketOf(connection).setNoDelay(true)
    let login: Login | undefined
    connection.on('error', () => undefined)
    connection.on('close', () => connections.delete(connection))
    if (faults.strikes('noAnswer', host.spec.name)) return
    connection.on('authentication', (context) => {
      login = authenticate(host, context)
      if (login === undefined) context.reject(['publickey'])
      else context.accept()
    })
    connection.on('ready', () => {
      let open = 0
      connection.on('session', (accept, reject) => {
        if (open >= MAX_SESSIONS) {
          reject()
          return
        }
        open += 1
        const session = accept()
        session.on('close', () => (open -= 1))
        if (login !== undefined) serveSession(host, session, login, connection, executed)
      })
    })
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', resolve)
  })
  const cut = (): void => {
    for (const connection of connections) socketOf(connection).destroy()
    connections.clear()
  }
  return {
    port: (server.address() as AddressInfo).port,
    cut,
    close: () =>
      new Promise((resolve) => {
        cut()
        server.close(() => resolve())
      }),
  }
}

/** The TCP connection below, which the library keeps to itself: sshd has TCP_NODELAY on, and a power loss says no goodbye. */
const socketOf = (connection: Connection): Socket => (connection as unknown as { readonly _sock: Socket })._sock

function authenticate(host: SimHost, context: AuthContext): Login | undefined {
  if (context.method !== 'publickey') return undefined
  const login = host.login(context.username)
  if (login === undefined) return undefined
  const path = `${login.home}/.ssh/authorized_keys`
  const file = host.disk.find(path)
  // sshd's StrictModes: a file that others may write is not trusted.
  if (file === undefined || (file.mode & 0o022) !== 0) return undefined
  for (const line of (host.disk.text(path) ?? '').split('\n')) {
    const key = ssh2.utils.parseKey(line)
    if (key instanceof Error) continue
    const one = Array.isArray(key) ? key[0] : key
    if (one === undefined || !one.getPublicSSH().equals(context.key.data)) continue
    if (context.signature === undefined || context.blob === undefined) return login
    return one.verify(context.blob, context.signature, context.hashAlgo) === true ? login : undefined
  }
  return undefined
}

function serveSession(
  host: SimHost,
  session: Session,
  login: Login,
  connection: Connection,
  executed: (what: Executed) => void,
): void {
  const environment: Record<string, string> = {}
  session.on('env', (accept, _reject, info) => {
    // AcceptEnv of Debian's sshd.
    if (/^(LANG|LC_\w+)$/.test(info.key)) environment[info.key] = info.val
    accept?.()
  })
  session.on('pty', (accept) => accept?.())
  session.on('exec', (accept, _reject, info) => {
    void serve(accept(), info.command)
  })
  session.on('shell', (accept) => {
    void serve(accept(), undefined)
  })

  async function serve(channel: ServerChannel, given: string | undefined): Promise<void> {
    const { faults } = host.world
    const stop = new AbortController()
    channel.on('close', () => stop.abort())
    channel.on('error', () => stop.abort())
    const input = await readInput(
      channel,
      given !== undefined && READS_INPUT.test(given) ? SLOW_INPUT_MS : QUIET_INPUT_MS,
    )
    const command = given ?? input.toString('utf8')
    const stdin = given === undefined ? '' : input.toString('latin1')
    const text = `${command}\n${stdin}`
    const lose = (): void => {
      socketOf(connection).destroy()
    }
    if (faults.strikes('connectionResetBefore', text)) {
      lose()
      return
    }
    if (faults.strikes('rebootDuring', text)) {
      host.power.reboot()
      return
    }
    executed({ command, user: login.name })
    const free = host.disk.freeBytes
    const full = faults.strikes('diskFull', text)
    if (full) host.disk.freeBytes = 0
    const result = await runScript(host, {
      script: command,
      login,
      env: { ...loginEnv(login), ...environment, SSH_CONNECTION: '10.0.0.1 40000 10.0.0.2 22' },
      stdin,
      signal: stop.signal,
    })
    if (full) host.disk.freeBytes = free
    if (faults.strikes('connectionResetAfter', text)) {
      lose()
      return
    }
    if (stop.signal.aborted || channel.destroyed) return
    channel.stderr.write(result.stderr)
    channel.write(outputBytes(result), () => {
      if (result.killedBy !== undefined || faults.strikes('exitSignal', text))
        channel.exit(result.killedBy ?? 'KILL', false, '')
      else channel.exit(result.exit)
      channel.end()
    })
  }
}

/** Text goes out as UTF-8; a program that gave bytes gave one character for each. */
function outputBytes(result: { readonly stdout: string }): Buffer {
  const kind = (result as { stdoutKind?: string }).stdoutKind
  return Buffer.from(result.stdout, kind === 'bytes' ? 'latin1' : 'utf8')
}

function readInput(channel: ServerChannel, quietMs: number): Promise<Buffer> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = []
    let size = 0
    const finish = (): void => {
      clearTimeout(quiet)
      resolve(Buffer.concat(chunks))
    }
    const quiet = setTimeout(finish, quietMs)
    channel.on('data', (chunk: Buffer) => {
      clearTimeout(quiet)
      size += chunk.length
      if (size <= MAX_INPUT_BYTES) chunks.push(chunk)
    })
    channel.once('end', finish)
    channel.once('close', finish)
  })
}
