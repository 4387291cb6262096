import { lstatSync, readdirSync, realpathSync } from 'node:fs'
import { join } from 'node:path'
import type { Repository } from '../../core/spec/cluster-spec.ts'
import { git, gitLine } from './git.ts'
import { knownHosts } from './known-hosts.ts'
import { remoteAddress, type RemoteAddress } from './remote-address.ts'

/** Files below one folder that are looked at; a repository of clusters has hundreds. */
const MAX_FILES = 20_000
/** Larger files are no manifests. */
const MAX_FILE_BYTES = 1024 * 1024

/** A folder with a repository in it, as a person works on it. */
export interface WorkingCopy {
  /** Absolute path of the root; of the folder itself when it is under no Git. */
  readonly root: string
  readonly underGit: boolean
  /** Where `origin` is, when there is one and its address can be read. */
  readonly origin?: RemoteAddress
  /** What the engine will follow; absent without an origin. */
  readonly repository?: Repository
  readonly branch: string
}

/** Names that Git gives a default branch; asked in this order when the remote has not told. */
const USUAL_BRANCHES = ['main', 'master'] as const

/**
 * Finds the repository that a folder belongs to.
 * @param knownHostsFile - Host keys of the origin, for a forge of one's own.
 */
export async function openWorkingCopy(folder: string, knownHostsFile?: string): Promise<WorkingCopy> {
  const root = await gitLine(folder, 'rev-parse', '--show-toplevel')
  if (root === undefined) return { root: realpathSync(folder), underGit: false, branch: 'main' }
  const branch = await defaultBranch(root)
  const url = await gitLine(root, 'remote', 'get-url', 'origin')
  const origin = url === undefined ? undefined : remoteAddress(url)
  if (origin === undefined) return { root, underGit: true, branch }
  const keys = knownHosts(origin.host, knownHostsFile)
  return { root, underGit: true, branch, origin, repository: { sshUrl: origin.sshUrl, branch, knownHosts: keys } }
}

async function defaultBranch(root: string): Promise<string> {
  const told = await gitLine(root, 'symbolic-ref', '--quiet', '--short', 'refs/remotes/origin/HEAD')
  if (told !== undefined) return told.replace(/^origin\//, '')
  for (const name of USUAL_BRANCHES)
    for (const ref of [`refs/remotes/origin/${name}`, `refs/heads/${name}`])
      if ((await gitLine(root, 'rev-parse', '--verify', '--quiet', ref)) !== undefined) return name
  return (await gitLine(root, 'symbolic-ref', '--quiet', '--short', 'HEAD')) ?? 'main'
}

/** Paths of regular files as they are on disk below a folder. Symbolic links and Git's own files are left out. */
export function pathsOnDisk(root: string, prefix: string): readonly string[] {
  const paths: string[] = []
  const visit = (path: string): void => {
    const found = lstatSync(join(root, path), { throwIfNoEntry: false })
    if (found === undefined || paths.length >= MAX_FILES) return
    if (found.isFile() && found.size <= MAX_FILE_BYTES) paths.push(path)
    if (!found.isDirectory()) return
    for (const name of readdirSync(join(root, path)).sort())
      if (name !== '.git') visit(path === '' ? name : `${path}/${name}`)
  }
  visit(prefix.replace(/\/+$/, ''))
  return paths
}

/** Paths given to one `git` command; far below what a command line may hold. */
const PATHS_AT_ONCE = 200

/** Regular text files at a commit below folders, or these files themselves: path → blob id. */
export async function filesAtCommit(
  root: string,
  commit: string,
  prefixes: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  const files = new Map<string, string>()
  for (let at = 0; at < prefixes.length; at += PATHS_AT_ONCE) {
    const some = prefixes.slice(at, at + PATHS_AT_ONCE).map((prefix) => prefix.replace(/\/+$/, ''))
    const wanted = some.includes('') ? [] : some
    const result = await git(root, 'ls-tree', '-r', '-z', '-l', '--full-tree', commit, '--', ...wanted)
    if (!result.ok) continue
    for (const line of result.output.toString().split('\0')) {
      const [, mode, blob, size, path] = /^(\d+) blob ([0-9a-f]+)\s+(\d+)\t(.*)$/s.exec(line) ?? []
      if (path === undefined || blob === undefined || (mode !== '100644' && mode !== '100755')) continue
      if (Number(size) <= MAX_FILE_BYTES) files.set(path, blob)
    }
  }
  return files
}
