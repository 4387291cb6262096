import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { clusterFile, clusterOfFile } from '../core/layout.ts'
import { type FileProblem, Problem } from '../core/problem.ts'
import type { ClusterSpec, Repository } from '../core/spec/cluster-spec.ts'
import { parseClusterSpec } from '../core/spec/parse.ts'
import { localForge, LOCAL } from '../forge/local/index.ts'
import { gitLine } from '../forge/local/git.ts'
import { openWorkingCopy, pathsOnDisk, type WorkingCopy } from '../forge/local/working-copy.ts'
import type { Globals } from './command.ts'
import type { Terminal } from './terminal.ts'

/** The repository that a command works on, at the files of the disk or of one commit. */
export interface Workspace {
  readonly copy: WorkingCopy
  /** Commit that is looked at; absent for the files on disk. */
  readonly commit?: string
  /** Paths of regular files below a folder. */
  paths(prefix: string): Promise<readonly string[]>
  /** Texts of files; a path that is not there is absent. */
  read(paths: readonly string[]): Promise<ReadonlyMap<string, string>>
}

/** One cluster's file, read. */
export interface ClusterAt {
  readonly cluster: string
  readonly file: string
  readonly spec?: ClusterSpec
  readonly problems: readonly FileProblem[]
}

/** Stands in where the repository has no remote yet; nothing that is shown or written depends on it. */
export const NO_ORIGIN: Repository = { sshUrl: 'ssh://git@origin.invalid/not/yet.git', branch: 'main', knownHosts: [] }

/** @param at - A commit, branch or tag to read instead of the files on disk. */
export async function openWorkspace(globals: Globals, terminal: Terminal, at?: string): Promise<Workspace> {
  const knownHosts = globals.knownHosts === undefined ? undefined : resolve(terminal.folder, globals.knownHosts)
  const copy = await openWorkingCopy(workFolder(globals, terminal), knownHosts)
  if (at === undefined)
    return {
      copy,
      paths: async (prefix) => pathsOnDisk(copy.root, prefix),
      read: async (paths) =>
        new Map(
          paths
            .filter((path) => pathsOnDisk(copy.root, path).includes(path))
            .map((path) => [path, readFileSync(join(copy.root, path), 'utf8')]),
        ),
    }
  const commit = at.startsWith('-')
    ? undefined
    : await gitLine(copy.root, 'rev-parse', '--verify', '--quiet', `${at}^{commit}`)
  if (commit === undefined)
    throw new Problem({ code: 'git.commit', what: `"${at}" names no commit of this repository`, retry: 'never' })
  const forge = localForge(copy)
  return {
    copy,
    commit,
    paths: async (prefix) => [...(await forge.listFiles(LOCAL, commit, prefix)).keys()],
    read: (paths) => forge.readFiles(LOCAL, commit, paths),
  }
}

/** The folder that a command was asked to work in. */
export function workFolder(globals: Globals, terminal: Terminal): string {
  return globals.C === undefined ? terminal.folder : resolve(terminal.folder, globals.C)
}

/**
 * Reads the named clusters, or all of the repository in order of their names.
 * @throws Problem `cli.no-cluster` when there is none, or not the one that was named.
 */
export async function readClusters(workspace: Workspace, names: readonly string[]): Promise<readonly ClusterAt[]> {
  const present = (await workspace.paths('clusters')).map(clusterOfFile).filter((name) => name !== undefined)
  const wanted = names.length === 0 ? present.sort() : [...new Set(names.map(bareName))]
  const missing = wanted.filter((name) => !present.includes(name))
  if (wanted.length === 0 || missing.length > 0)
    throw new Problem({
      code: 'cli.no-cluster',
      what:
        wanted.length === 0
          ? `there is no clusters/NAME/cluster.yaml in ${workspace.copy.root}`
          : `there is no ${missing.map(clusterFile).join(' or ')} in ${workspace.copy.root}`,
      remedy:
        present.length === 0
          ? 'Start one: slipway init'
          : `${present.length === 1 ? 'There is' : 'There are'} ${present.sort().join(', ')}.`,
      retry: 'never',
    })
  const files = await workspace.read(wanted.map(clusterFile))
  const repository = workspace.copy.repository ?? NO_ORIGIN
  return wanted.map((cluster) => {
    const file = clusterFile(cluster)
    return { cluster, file, ...parseClusterSpec(files.get(file) ?? '', file, { repository }) }
  })
}

/** People also give the folder or the file. */
function bareName(name: string): string {
  return /^(?:\.\/)?clusters\/([^/]+)(?:\/.*)?$/.exec(name)?.[1] ?? name
}
