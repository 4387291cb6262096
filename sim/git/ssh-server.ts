import { spawn } from 'node:child_process'
import { timingSafeEqual } from 'node:crypto'
import type { AddressInfo } from 'node:net'
import ssh2 from 'ssh2'
import type { AuthContext, Connection, ServerChannel } from 'ssh2'
import { ed25519Key } from './ed25519-key.ts'
import { NO_COMMIT, gitEnvironment, type GitRepository } from './repository.ts'

/** Who a public key belongs to, in the forge's own terms. */
export interface SshPrincipal {
  readonly name: string
}

export interface RefUpdate {
  readonly ref: string
  readonly before: string
  readonly after: string
}

/** What the SSH server asks the forge whose repositories it serves. */
export interface GitAccess<Principal extends SshPrincipal> {
  /** The principal that registered this key blob; `undefined` refuses the login. */
  identify(blob: Buffer): Principal | undefined
  /** Where the repository is, or what a person reads when it may not be used. */
  open(
    principal: Principal,
    path: string,
    access: 'read' | 'write',
  ): { readonly repository: GitRepository } | { readonly refused: string }
  /** What a login without a command is told. */
  greeting(principal: Principal): string
  pushed(principal: Principal, path: string, updates: readonly RefUpdate[]): Promise<void>
}

export interface GitSshServer extends AsyncDisposable {
  readonly port: number
  /** Line for a known_hosts file: `[127.0.0.1]:PORT ssh-ed25519 …`. */
  readonly knownHosts: string
  /** `ssh-ed25519 …` */
  readonly hostKey: string
  close(): Promise<void>
}

/**
 * Serves Git over SSH on loopback as forges do: `git-upload-pack` and `git-receive-pack` with a registered key, no shell.
 * @param port - 0 takes any free one.
 */
export async function gitSshServer<Principal extends SshPrincipal>(
  access: GitAccess<Principal>,
  port = 0,
): Promise<GitSshServer> {
  const hostKey = ed25519Key()
  const clients = new Set<Connection>()
  const server = new ssh2.Server({ hostKeys: [hostKey.privateKey] }, (client) => {
    clients.add(client)
    client.on('close', () => clients.delete(client))
    client.on('error', () => client.end())
    let principal: Principal | undefined
    client.on('authentication', (context) => {
      principal = authenticate(context, access)
      if (principal === undefined) context.reject(['publickey'])
      else context.accept()
    })
    client.on('session', (acceptSession) => {
      const session = acceptSession()
      let protocol = ''
      session.on('env', (accept, _reject, { key, val }) => {
        if (key === 'GIT_PROTOCOL' && /^[a-z0-9=:]{1,64}$/.test(val)) protocol = val
        accept?.()
      })
      session.on('shell', (accept) => {
        const channel = accept()
        channel.stderr.write(`${principal === undefined ? '' : access.greeting(principal)}\n`)
        finish(channel, 1)
      })
      session.on('exec', (accept, reject, { command }) => {
        if (principal === undefined) return reject()
        void serveCommand(accept(), command, protocol, principal, access)
      })
    })
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, '127.0.0.1', resolve)
  })
  const address = server.address() as AddressInfo
  const close = async () => {
    for (const client of clients) client.end()
    await new Promise<void>((resolve) => server.close(() => resolve()))
  }
  const { publicKey } = hostKey
  return {
    port: address.port,
    hostKey: publicKey,
    knownHosts: `[127.0.0.1]:${address.port} ${publicKey}`,
    close,
    [Symbol.asyncDispose]: close,
  }
}

/** An offered key is answered before it is proved, so only a signature over this session lets anyone in. */
function authenticate<Principal extends SshPrincipal>(
  context: AuthContext,
  access: GitAccess<Principal>,
): Principal | undefined {
  if (context.method !== 'publickey' || context.username !== 'git') return undefined
  const principal = access.identify(context.key.data)
  if (principal === undefined || context.signature === undefined) return principal
  const key = ssh2.utils.parseKey(
    `${context.key.algo.replace(/^rsa-sha2-\d+$/, 'ssh-rsa')} ${context.key.data.toString('base64')}`,
  )
  if (key instanceof Error || context.blob === undefined) return undefined
  if (!timingSafeEqual(key.getPublicSSH(), context.key.data)) return undefined
  // Typed as a boolean, but it returns an Error for a signature that it cannot read.
  const proved: unknown = key.verify(context.blob, context.signature, context.hashAlgo)
  return proved === true ? principal : undefined
}

async function serveCommand<Principal extends SshPrincipal>(
  channel: ServerChannel,
  command: string,
  protocol: string,
  principal: Principal,
  access: GitAccess<Principal>,
): Promise<void> {
  const match = /^git[- ](upload-pack|receive-pack) '?\/?([A-Za-z0-9._/-]+?)(?:\.git)?\/?'?$/.exec(command)
  const [, service, path] = match ?? []
  if (service === undefined || path === undefined) {
    channel.stderr.write(`Invalid command: '${command}'\n`)
    return finish(channel, 1)
  }
  const writing = service === 'receive-pack'
  const opened = access.open(principal, path, writing ? 'write' : 'read')
  if ('refused' in opened) {
    channel.stderr.write(`${opened.refused}\n`)
    return finish(channel, 1)
  }
  const { repository } = opened
  const before = writing ? await repository.refs('refs/') : new Map<string, string>()
  const exit = await runService(channel, service, protocol, repository)
  if (writing) {
    const updates = refUpdates(before, await repository.refs('refs/'))
    if (updates.length > 0) await access.pushed(principal, path, updates)
  }
  finish(channel, exit)
}

function runService(
  channel: ServerChannel,
  service: string,
  protocol: string,
  repository: GitRepository,
): Promise<number> {
  const env = gitEnvironment(protocol === '' ? {} : { GIT_PROTOCOL: protocol })
  const child = spawn('git', [service, repository.directory], { env, stdio: 'pipe' })
  channel.pipe(child.stdin)
  child.stdin.on('error', () => undefined)
  child.stdout.pipe(channel, { end: false })
  child.stderr.pipe(channel.stderr, { end: false })
  channel.on('close', () => child.kill())
  return new Promise((resolve) => {
    child.once('error', () => resolve(1))
    child.once('close', (code) => resolve(code ?? 1))
  })
}

function refUpdates(before: ReadonlyMap<string, string>, after: ReadonlyMap<string, string>): readonly RefUpdate[] {
  const names = [...new Set([...before.keys(), ...after.keys()])]
  return names
    .map((ref) => ({ ref, before: before.get(ref) ?? NO_COMMIT, after: after.get(ref) ?? NO_COMMIT }))
    .filter((update) => update.before !== update.after)
}

function finish(channel: ServerChannel, exit: number): void {
  if (channel.destroyed) return
  channel.exit(exit)
  channel.end()
}
