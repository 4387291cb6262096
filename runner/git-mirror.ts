import { spawn } from 'node:child_process'
import { existsSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { Problem } from '../src/core/problem.ts'
import type { Repository } from '../src/core/spec/cluster-spec.ts'
import { redact } from '../src/secrets/redact.ts'
import type { Keystore } from './keystore.ts'

/** A fetch of a homelab repository takes seconds; a hanging server must not hold a job for ever. */
const GIT_TIMEOUT_MS = 120_000
/** Most that one `git` command may print. A tree listing of 100,000 files has about 10 MB. */
const MAX_OUTPUT_BYTES = 32 * 1024 * 1024
/** Largest file that is read from a commit. */
const MAX_FILE_BYTES = 1024 * 1024

/**
 * The runner's own bare copy of a repository, fetched with its own read-only key and a pinned host key. Nothing of the
 * repository is ever executed or checked out: no hooks, submodules, filters or LFS.
 */
export interface GitMirror {
  /** Fetches the branch and returns its tip. */
  fetch(): Promise<string>
  /** Whether `ancestor` is in the history of `commit`. */
  isAncestor(ancestor: string, commit: string): Promise<boolean>
  /** Regular files under a folder at a commit, path → text. Symbolic links and submodules are left out. */
  readFolder(commit: string, prefix: string): Promise<ReadonlyMap<string, string>>
  readFile(commit: string, path: string): Promise<string | undefined>
}

export function gitMirror(folder: string, repository: Repository, keyFile: string, keys: Keystore): GitMirror {
  const knownHosts = join(folder, 'known_hosts')
  const bare = join(folder, 'mirror.git')
  const environment = gitEnvironment(keyFile, knownHosts)
  const git = (args: readonly string[]): Promise<Buffer> => runGit(['--git-dir', bare, ...args], environment)
  const hex = (commit: string): string => {
    if (!/^[0-9a-f]{40}$/.test(commit))
      throw new Problem({ code: 'git.commit', what: `"${commit}" is not a commit id`, retry: 'never' })
    return commit
  }
  return {
    async fetch() {
      if (!/^ssh:\/\/[\w.@:[\]-]+\/[\w./~-]+$/.test(repository.sshUrl))
        throw new Problem({ code: 'git.url', what: `"${repository.sshUrl}" is not an ssh:// address`, retry: 'never' })
      mkdirSync(folder, { recursive: true, mode: 0o700 })
      keys.write(relativeTo(keys.folder, knownHosts), repository.knownHosts.map((line) => `${line}\n`).join(''))
      if (!existsSync(join(bare, 'HEAD'))) await runGit(['init', '--quiet', '--bare', bare], environment)
      await git([
        'fetch',
        '--quiet',
        '--no-tags',
        '--no-recurse-submodules',
        '--prune',
        '--',
        repository.sshUrl,
        `+refs/heads/${repository.branch}:refs/heads/${repository.branch}`,
      ])
      return (await git(['rev-parse', '--verify', `refs/heads/${repository.branch}`])).toString().trim()
    },
    isAncestor: (ancestor, commit) =>
      git(['merge-base', '--is-ancestor', hex(ancestor), hex(commit)]).then(
        () => true,
        (error: unknown) => {
          if (error instanceof GitExit && error.exit === 1) return false
          throw error
        },
      ),
    async readFolder(commit, prefix) {
      const listing = (await git(['ls-tree', '-r', '-z', '-l', '--full-tree', hex(commit), '--', prefix])).toString()
      const files = new Map<string, string>()
      for (const line of listing.split('\0')) {
        const [, mode, blob, size, path] = /^(\d+) blob ([0-9a-f]+)\s+(\d+)\t(.*)$/s.exec(line) ?? []
        if (path === undefined || blob === undefined || (mode !== '100644' && mode !== '100755')) continue
        if (Number(size) > MAX_FILE_BYTES) continue
        files.set(path, (await git(['cat-file', 'blob', blob])).toString())
      }
      return files
    },
    async readFile(commit, path) {
      return (await this.readFolder(commit, path)).get(path)
    },
  }
}

/**
 * Asks a repository for its branches with a given key: the proof that a deploy key works, before a cluster depends on it.
 * @throws Problem `git.unreachable` with the server's words.
 */
export async function probeRepository(repository: Repository, keyFile: string, knownHostsFile: string): Promise<void> {
  await runGit(
    ['ls-remote', '--quiet', '--heads', '--', repository.sshUrl, repository.branch],
    gitEnvironment(keyFile, knownHostsFile),
  )
}

/** Only these variables: no user or system configuration of git or ssh can change what happens. */
function gitEnvironment(keyFile: string, knownHosts: string): Readonly<Record<string, string>> {
  const options = [
    '-F',
    '/dev/null',
    '-i',
    keyFile,
    '-o',
    'IdentitiesOnly=yes',
    '-o',
    'IdentityAgent=none',
    '-o',
    'StrictHostKeyChecking=yes',
    '-o',
    `UserKnownHostsFile=${knownHosts}`,
    '-o',
    'GlobalKnownHostsFile=/dev/null',
    '-o',
    'BatchMode=yes',
    '-o',
    'ConnectTimeout=15',
  ]
  return {
    PATH: process.env['PATH'] ?? '/usr/bin:/bin',
    HOME: '/nonexistent',
    LC_ALL: 'C',
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_CONFIG_GLOBAL: '/dev/null',
    GIT_TERMINAL_PROMPT: '0',
    GIT_ALLOW_PROTOCOL: 'ssh',
    GIT_LFS_SKIP_SMUDGE: '1',
    GIT_SSH_COMMAND: ['ssh', ...options].map(quoted).join(' '),
    GIT_SSH_VARIANT: 'ssh',
  }
}

function quoted(word: string): string {
  return /^[\w./=:-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`
}

class GitExit extends Problem {
  readonly exit: number
  constructor(exit: number, what: string) {
    super({
      code: 'git.unreachable',
      what,
      remedy: 'Check that the key is registered for the repository and that the host key is the one expected.',
      retry: 'now',
    })
    this.exit = exit
  }
}

function runGit(args: readonly string[], env: Readonly<Record<string, string>>): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const child = spawn(
      'git',
      ['-c', 'core.hooksPath=/dev/null', '-c', 'protocol.version=2', '-c', 'gc.auto=0', ...args],
      { env, stdio: ['ignore', 'pipe', 'pipe'], timeout: GIT_TIMEOUT_MS, killSignal: 'SIGKILL' },
    )
    const out: Buffer[] = []
    let size = 0
    let errors = ''
    child.stdout.on('data', (part: Buffer) => {
      size += part.length
      if (size > MAX_OUTPUT_BYTES) child.kill('SIGKILL')
      else out.push(part)
    })
    child.stderr.on('data', (part: Buffer) => {
      errors = (errors + part.toString()).slice(-2_000)
    })
    child.on('error', (error) =>
      reject(
        new Problem(
          {
            code: 'git.missing',
            what: 'starting git',
            remedy: 'Install git and the OpenSSH client on the runner.',
            retry: 'never',
          },
          { cause: error },
        ),
      ),
    )
    child.on('close', (exit) => {
      if (exit === 0 && size <= MAX_OUTPUT_BYTES) resolve(Buffer.concat(out))
      else
        reject(
          new GitExit(
            exit ?? -1,
            `git ${args.find((arg) => /^[a-z-]+$/.test(arg)) ?? ''}: ${redact(errors.trim()) || `ended with ${exit ?? 'a signal'}`}`,
          ),
        )
    })
  })
}

function relativeTo(folder: string, path: string): string {
  return path.startsWith(`${folder}/`) ? path.slice(folder.length + 1) : path
}
