import { type Bundle, type BundleChange, bundleChanges } from '../core/bundle.ts'
import { gitopsFolder } from '../core/layout.ts'
import type { RepoRef } from '../seams/forge.ts'
import { type App, forgeOf } from './app.ts'
import { type ClusterTree, gitBlobId } from './cluster-tree.ts'

export interface BundleDifference {
  readonly changes: readonly BundleChange[]
  /** What to commit: `null` deletes. */
  readonly files: ReadonlyMap<string, string | null>
}

/** The seed, unless its folder holds anything already: what a person has put or taken away there is theirs. */
function missingSeed(tree: ClusterTree, seed: Bundle): Bundle {
  const folders = [...seed.keys()].map((path) => path.slice(0, path.lastIndexOf('/') + 1))
  const own = `clusters/${tree.cluster}/`
  const there = [...tree.files.keys()].some((path) => folders.some((folder) => path.startsWith(folder)))
  return there || !folders.every((folder) => folder.startsWith(own)) ? new Map() : seed
}

/**
 * How a commit's bundle differs from the wanted one. Files whose blob id is that of the wanted text are equal; only the
 * others are read.
 */
export async function bundleDifference(
  app: App,
  repo: RepoRef,
  commit: string,
  tree: ClusterTree,
  rendered: Bundle,
  seed: Bundle = new Map(),
): Promise<BundleDifference> {
  const wanted: Bundle = new Map([...rendered, ...missingSeed(tree, seed)])
  const folder = `${gitopsFolder({ name: tree.cluster })}/`
  const present = new Map<string, string>()
  const unread: string[] = []
  for (const [path, blob] of tree.files) {
    if (!path.startsWith(folder)) continue
    const text = wanted.get(path)
    if (text !== undefined && (await gitBlobId(text, blob)) === blob) present.set(path, text)
    else if (text === undefined) present.set(path, '')
    else unread.push(path)
  }
  if (unread.length > 0) {
    const texts = await forgeOf(app, repo).readFiles(repo, commit, unread)
    for (const path of unread) present.set(path, texts.get(path) ?? '')
  }
  const changes = bundleChanges(present, wanted)
  return { changes, files: new Map(changes.map(({ path }) => [path, wanted.get(path) ?? null])) }
}
