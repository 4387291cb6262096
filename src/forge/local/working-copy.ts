import { lstatSync, readdirSync, readFileSync, realpathSync } from 'node:fs'
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

/** Regular files as they are on disk below a folder, path → text. Symbolic links and Git's own files are left out. */
export function filesOnDisk(root: string, prefix: string): ReadonlyMap<string, string> {
  const files = new Map<string, string>()
  const visit = (path: string): void => {
    const found = lstatSync(join(root, path), { throwIfNoEntry: false })
    if (found === undefined || files.size >= MAX_FILES) return
    if (found.isDirectory()) {
      for (const name of readdirSync(join(root, path)).sort())
        if (name !== '.git') visit(path === '' ? name : `${path}/${name}`)
    } else if (found.isFile() && found.size <= MAX_FILE_BYTES) files.set(path, readFileSync(join(root, path), 'utf8'))
  }
  visit(prefix.replace(/\/+$/, ''))
  return files
}

/** Regular text files at a commit below a folder, path → blob id. */
export async function filesAtCommit(
  root: string,
  commit: string,
  prefix: string,
): Promise<ReadonlyMap<string, { readonly blob: string; readonly bytes: number }>> {
  const folder = prefix.replace(/\/+$/, '')
  const result = await git(
    root,
    'ls-tree',
    '-r',
    '-z',
    '-l',
    '--full-tree',
    commit,
    '--',
    ...(folder === '' ? [] : [folder]),
  )
  const files = new Map<string, { blob: string; bytes: number }>()
  if (!result.ok) return files
  for (const line of result.output.toString().split('\0')) {
    const [, mode, blob, size, path] = /^(\d+) blob ([0-9a-f]+)\s+(\d+)\t(.*)$/s.exec(line) ?? []
    if (path === undefined || blob === undefined || (mode !== '100644' && mode !== '100755')) continue
    if (Number(size) <= MAX_FILE_BYTES) files.set(path, { blob, bytes: Number(size) })
  }
  return files
}
