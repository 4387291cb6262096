import { digest } from '../core/canonical.ts'
import type { RepoInfo, RepoRef } from '../seams/forge.ts'
import { type App, forgeOf } from './app.ts'
import { changeDocument, listAll } from './change-document.ts'
import { type ClusterTree, clusterTrees } from './cluster-tree.ts'
import { type BranchDocument, type ClusterDocument, keys, type PullDocument, type Wanted } from './documents.ts'
import { offerBundle } from './offer-bundle.ts'
import { settleCluster } from './settle-cluster.ts'

/** Pulls that are asked about when finding where a change came from; more with the very same file is unheard of. */
const CANDIDATES = 10

/**
 * Looks at the default branch as it is now and writes down what it asks of each cluster. Pushes, merges and the sweep
 * all end here, in any order and number.
 *
 * A change is taken to come from the merged pull whose planned cluster file is the very file that is now on the branch;
 * without such a pull it was never reviewed, and waits for a person.
 */
export async function considerBranch(app: App, repo: RepoRef): Promise<void> {
  const forge = forgeOf(app, repo)
  const info = await forge.repository(repo)
  const head = await forge.branchHead(repo, info.defaultBranch)
  if (head === undefined) return
  const seen = (await app.store.get<BranchDocument>(keys.branch(repo)))?.value
  const trees = clusterTrees(await forge.listFiles(repo, head, 'clusters/'))
  const known = await listAll<ClusterDocument>(app.store, keys.clusters(repo))

  for (const { value } of known) {
    if (trees.get(value.cluster)?.specBlob === undefined) await orphan(app, repo, value.cluster)
  }
  for (const tree of trees.values()) {
    if (tree.specBlob !== undefined) await considerCluster(app, info, head, tree, tree.specBlob, seen === undefined)
  }
  await changeDocument<BranchDocument>(app.store, keys.branch(repo), (current) =>
    current?.commit === head ? undefined : { commit: head },
  )
}

async function considerCluster(
  app: App,
  info: RepoInfo,
  head: string,
  tree: ClusterTree,
  specBlob: string,
  firstLook: boolean,
): Promise<void> {
  const repo: RepoRef = { forge: info.forge, id: info.id }
  const { cluster } = tree
  const key = keys.cluster(repo, cluster)
  const before = (await app.store.get<ClusterDocument>(key))?.value
  const same = before?.wanted?.specBlob === specBlob && !before.orphaned
  if (!same || before.wanted?.pull === undefined) {
    const origin = await originOf(app, repo, cluster, specBlob)
    if (!same || origin !== undefined) {
      await changeDocument<ClusterDocument>(app.store, key, (now) => {
        const old = now?.wanted
        const kept = old?.specBlob === specBlob && !now?.orphaned
        // Somebody else looked at the same time and knew as much or more.
        if (kept && (old.pull !== undefined || origin === undefined)) return undefined
        const asked = kept && old.asked > 0 ? old.asked : (old?.asked ?? 0) + 1
        const wanted: Wanted = {
          commit: head,
          specBlob,
          ...origin,
          asked: firstLook && origin === undefined && now === undefined ? 0 : asked,
        }
        return { fence: 0, ...now, repo, cluster, wanted, orphaned: false }
      })
    }
  }
  await settleCluster(app, repo, cluster)

  const treeDigest = digest([...tree.files].sort(([a], [b]) => (a < b ? -1 : 1)))
  if (before?.tree === treeDigest) return
  const wanted = (await app.store.get<ClusterDocument>(key))?.value.wanted
  if (!firstLook || wanted?.pull !== undefined) await offerBundle(app, info, head, tree)
  await changeDocument<ClusterDocument>(app.store, key, (now) => (now ? { ...now, tree: treeDigest } : undefined))
}

/** The merged pull that brought this very file, with what was reviewed on it. */
async function originOf(
  app: App,
  repo: RepoRef,
  cluster: string,
  specBlob: string,
): Promise<Pick<Wanted, 'pull' | 'review'> | undefined> {
  const pulls = await listAll<PullDocument>(app.store, keys.pulls(repo))
  const candidates = pulls
    .map(({ value }) => value)
    .filter((pull) => pull.clusters[cluster] === specBlob && pull.state !== 'closed' && !(cluster in pull.jobs))
    .sort((a, b) => b.number - a.number)
    .slice(0, CANDIDATES)
  for (const candidate of candidates) {
    const now = await forgeOf(app, repo).pull(repo, candidate.number)
    if (now?.state !== 'merged') continue
    const review = now.head === candidate.head && !candidate.fork ? candidate.reviews[cluster] : undefined
    return { pull: candidate.number, ...(review === undefined ? {} : { review }) }
  }
  return undefined
}

/** The cluster file is gone: what was asked is asked no more, and the machines are left as they are. */
async function orphan(app: App, repo: RepoRef, cluster: string): Promise<void> {
  const { changed } = await changeDocument<ClusterDocument>(app.store, keys.cluster(repo, cluster), (now) => {
    if (!now || now.orphaned) return undefined
    return { ...now, orphaned: true }
  })
  if (changed) app.log.info('cluster file left the default branch', { repo: repo.id, cluster })
  await settleCluster(app, repo, cluster)
}
