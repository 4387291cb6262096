import { canonical, digest } from '../core/canonical.ts'
import type { RepoInfo, RepoRef } from '../seams/forge.ts'
import { type App, forgeOf } from './app.ts'
import { changeDocument, listAll } from './change-document.ts'
import { type ClusterTree, clusterTrees } from './cluster-tree.ts'
import { type BranchDocument, type ClusterDocument, keys, type PullDocument, type Wanted } from './documents.ts'
import { offerBundle } from './offer-bundle.ts'
import { settleCluster } from './settle-cluster.ts'

/** Pulls that are asked about when finding where a change came from; more with the very same file is unheard of. */
const CANDIDATES = 10

/** Looks until nobody else wrote meanwhile; each loss means that somebody's look went through. */
const TURNS = 5

/**
 * Looks at the default branch as it is now and writes down what it asks of each cluster. Pushes, merges and the sweep
 * all end here, in any order and number.
 *
 * A change is taken to come from the merged pull whose planned cluster file is the very file that is now on the branch;
 * without such a pull it was never reviewed, and waits for a person.
 */
export async function considerBranch(app: App, repo: RepoRef): Promise<void> {
  for (let turn = 0; turn < TURNS; turn += 1) {
    if (await considerOnce(app, repo)) return
  }
  app.log.warn('a branch moved while it was looked at', { repo: repo.id })
}

/**
 * What the store knows is read before the branch, and only that is replaced: a slow look never puts an older commit
 * over what a later one wrote.
 * @returns Whether nobody else wrote meanwhile.
 */
async function considerOnce(app: App, repo: RepoRef): Promise<boolean> {
  const forge = forgeOf(app, repo)
  const seen = (await app.store.get<BranchDocument>(keys.branch(repo)))?.value
  const known = new Map(
    (await listAll<ClusterDocument>(app.store, keys.clusters(repo))).map(({ value }) => [value.cluster, value]),
  )
  const info = await forge.repository(repo)
  const head = await forge.branchHead(repo, info.defaultBranch)
  if (head === undefined) return true
  const trees = clusterTrees(await forge.listFiles(repo, head, 'clusters/'))

  let settled = true
  for (const before of known.values()) {
    if (trees.get(before.cluster)?.specBlob === undefined) settled = (await orphan(app, before)) && settled
  }
  for (const tree of trees.values()) {
    const { specBlob } = tree
    if (specBlob === undefined) continue
    const look = { info, head, tree, specBlob, firstLook: seen === undefined, before: known.get(tree.cluster) }
    settled = (await considerCluster(app, look)) && settled
  }
  if (settled) {
    await changeDocument<BranchDocument>(app.store, keys.branch(repo), (current) =>
      current?.commit !== seen?.commit || current?.commit === head ? undefined : { commit: head },
    )
  }
  return settled
}

/** One cluster of a commit, beside what was known of it before the commit was asked for. */
interface Look {
  readonly info: RepoInfo
  readonly head: string
  readonly tree: ClusterTree
  readonly specBlob: string
  readonly firstLook: boolean
  readonly before: ClusterDocument | undefined
}

/** Whether what a cluster is asked for is still what it was. */
function unmoved(before: ClusterDocument | undefined, now: ClusterDocument | undefined): boolean {
  const asked = (document: ClusterDocument | undefined): string =>
    canonical([document?.wanted ?? null, document?.orphaned ?? null])
  return asked(before) === asked(now)
}

async function considerCluster(app: App, look: Look): Promise<boolean> {
  const { info, head, tree, specBlob, firstLook, before } = look
  const repo: RepoRef = { forge: info.forge, id: info.id }
  const { cluster } = tree
  const key = keys.cluster(repo, cluster)
  const same = before?.wanted?.specBlob === specBlob && !before.orphaned
  if (!same || before.wanted?.pull === undefined) {
    const origin = await originOf(app, info, cluster, specBlob)
    if (!same || origin !== undefined) {
      const { changed } = await changeDocument<ClusterDocument>(app.store, key, (now) => {
        if (!unmoved(before, now)) return undefined
        const old = now?.wanted
        const asked = same && old !== undefined && old.asked > 0 ? old.asked : (old?.asked ?? 0) + 1
        const wanted: Wanted = {
          commit: head,
          specBlob,
          ...origin,
          asked: firstLook && origin === undefined && now === undefined ? 0 : asked,
        }
        return { fence: 0, ...now, repo, cluster, wanted, orphaned: false }
      })
      if (!changed) return false
    }
  }
  await settleCluster(app, repo, cluster)

  const treeDigest = digest([...tree.files].sort(([a], [b]) => (a < b ? -1 : 1)))
  if (before?.tree === treeDigest) return true
  const wanted = (await app.store.get<ClusterDocument>(key))?.value.wanted
  if (!firstLook || wanted?.pull !== undefined) await offerBundle(app, info, head, tree)
  await changeDocument<ClusterDocument>(app.store, key, (now) => (now ? { ...now, tree: treeDigest } : undefined))
  return true
}

/** The merged pull that brought this very file, with what was reviewed on it. */
async function originOf(
  app: App,
  info: RepoInfo,
  cluster: string,
  specBlob: string,
): Promise<Pick<Wanted, 'pull' | 'review'> | undefined> {
  const pulls = await listAll<PullDocument>(app.store, keys.pulls(info))
  const candidates = pulls
    .map(({ value }) => value)
    .filter((pull) => pull.clusters[cluster] === specBlob && pull.state !== 'closed' && !(cluster in pull.jobs))
    .sort((a, b) => b.number - a.number)
    .slice(0, CANDIDATES)
  for (const candidate of candidates) {
    const now = await forgeOf(app, info).pull({ forge: info.forge, id: info.id }, candidate.number)
    // A pull may have been pointed at another branch since it was planned.
    if (now?.state !== 'merged' || now.baseBranch !== info.defaultBranch) continue
    const review = now.head === candidate.head && !candidate.fork ? candidate.reviews[cluster] : undefined
    return { pull: candidate.number, ...(review === undefined ? {} : { review }) }
  }
  return undefined
}

/** The cluster file is gone: what was asked is asked no more, and the machines are left as they are. */
async function orphan(app: App, before: ClusterDocument): Promise<boolean> {
  const { repo, cluster } = before
  if (!before.orphaned) {
    const { changed } = await changeDocument<ClusterDocument>(app.store, keys.cluster(repo, cluster), (now) =>
      now && unmoved(before, now) ? { ...now, orphaned: true } : undefined,
    )
    if (!changed) return false
    app.log.info('cluster file left the default branch', { repo: repo.id, cluster })
  }
  await settleCluster(app, repo, cluster)
  return true
}
