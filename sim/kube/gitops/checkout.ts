import { execFile } from 'node:child_process'
import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** How the cluster's network reaches Git servers, where that is not the URL itself. */
export interface GitAccess {
  /** The URL that this process can dial for a URL of the LAN; the same by default. */
  resolve(url: string): string
}

export interface GitRemote {
  readonly url: string
  /** Full name, e.g. `refs/heads/main`; `HEAD` for the default branch. */
  readonly ref: string
  readonly identity?: string
  readonly knownHosts?: string
  readonly username?: string
  readonly password?: string
}

export interface Tree {
  readonly commit: string
  /** Paths with `/`, from the root of the repository; text of every file. */
  readonly files: ReadonlyMap<string, string>
}

export type GitTrouble = 'host-key' | 'key-refused' | 'no-ref' | 'no-repository' | 'unreachable'

/** A Git operation that failed, told apart as controllers' messages tell it apart. */
export class GitError extends Error {
  readonly trouble: GitTrouble

  constructor(trouble: GitTrouble, message: string) {
    super(message)
    this.name = 'GitError'
    this.trouble = trouble
  }
}

/** A Git server on loopback answers in milliseconds; a hung one must not hold a controller. */
const GIT_TIMEOUT_MS = 20_000
/** More than any repository of manifests in a simulated world has. */
const MAX_FILES = 2_000
const MAX_OUTPUT_BYTES = 4 * 1_048_576

/** The commit that the remote's ref names now. */
export function remoteCommit(remote: GitRemote): Promise<string> {
  return withCredentials(remote, async (run) => {
    const out = await run(['ls-remote', '--exit-code', remote.url, remote.ref, `${remote.ref}^{}`])
    const lines = out.trim().split('\n')
    // A tag's commit comes in the second line, under its peeled name.
    return (lines.find((line) => line.endsWith('^{}')) ?? lines[0] ?? '').slice(0, 40)
  })
}

/** A shallow clone of the ref, read into memory; nothing stays on disk. */
export function fetchTree(remote: GitRemote): Promise<Tree> {
  return withCredentials(remote, async (run, folder) => {
    const work = join(folder, 'work')
    await run(['init', '--quiet', work])
    await run(['-C', work, 'fetch', '--quiet', '--depth', '1', '--no-tags', remote.url, remote.ref])
    const commit = (await run(['-C', work, 'rev-parse', 'FETCH_HEAD^{commit}'])).trim()
    await run(['-C', work, 'checkout', '--quiet', '--detach', 'FETCH_HEAD'])
    return { commit, files: await readTree(work) }
  })
}

async function readTree(root: string): Promise<ReadonlyMap<string, string>> {
  const files = new Map<string, string>()
  for (const entry of await readdir(root, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name).slice(root.length + 1)
    if (!entry.isFile() || path === '.git' || path.startsWith('.git/')) continue
    if (files.size === MAX_FILES) throw new Error(`a simulated checkout holds at most ${MAX_FILES} files`)
    files.set(path, await readFile(join(root, path), 'utf8'))
  }
  return files
}

/** Key and host keys go into files of mode 0600 in a folder that is gone afterwards; no other configuration is read. */
async function withCredentials<T>(
  remote: GitRemote,
  action: (run: (argv: readonly string[]) => Promise<string>, folder: string) => Promise<T>,
): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'sim-checkout-'))
  try {
    const key = join(folder, 'identity')
    const hosts = join(folder, 'known_hosts')
    const identity = remote.identity ?? ''
    await writeFile(key, identity === '' || identity.endsWith('\n') ? identity : `${identity}\n`, { mode: 0o600 })
    await writeFile(hosts, remote.knownHosts ?? '', { mode: 0o600 })
    const basic =
      remote.password === undefined
        ? undefined
        : Buffer.from(`${remote.username ?? 'git'}:${remote.password}`).toString('base64')
    const environment = {
      PATH: process.env['PATH'] ?? '',
      HOME: folder,
      GIT_CONFIG_NOSYSTEM: '1',
      GIT_CONFIG_GLOBAL: '/dev/null',
      GIT_TERMINAL_PROMPT: '0',
      LC_ALL: 'C',
      GIT_SSH_COMMAND: `ssh -F /dev/null -i '${key}' -o IdentitiesOnly=yes -o BatchMode=yes -o StrictHostKeyChecking=yes -o UserKnownHostsFile='${hosts}' -o GlobalKnownHostsFile=/dev/null -o ConnectTimeout=10`,
      ...(basic === undefined
        ? {}
        : {
            GIT_CONFIG_COUNT: '1',
            GIT_CONFIG_KEY_0: 'http.extraHeader',
            GIT_CONFIG_VALUE_0: `Authorization: Basic ${basic}`,
          }),
    }
    const run = (argv: readonly string[]) =>
      new Promise<string>((resolve, reject) => {
        execFile(
          'git',
          [...argv],
          { env: environment, timeout: GIT_TIMEOUT_MS, maxBuffer: MAX_OUTPUT_BYTES },
          (error, stdout, stderr) => (error === null ? resolve(stdout) : reject(gitError(stderr, error.code))),
        )
      })
    return await action(run, folder)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

function gitError(stderr: string, code: unknown): GitError {
  const last = stderr.trim().split('\n').at(-1) ?? ''
  if (/host key verification failed|host identification has changed|No \S+ host key is known/i.test(stderr))
    return new GitError('host-key', stderr)
  if (/permission denied|authentication failed|could not read Username/i.test(stderr))
    return new GitError('key-refused', stderr)
  if (/couldn't find remote ref|remote branch .* not found/i.test(stderr) || (code === 2 && stderr === ''))
    return new GitError('no-ref', last)
  if (/repository .*not found|does not appear to be a git repository|could not be found/i.test(stderr))
    return new GitError('no-repository', last)
  return new GitError('unreachable', last)
}
