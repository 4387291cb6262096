import type { RepoInfo } from '../seams/forge.ts'
import { type App, forgeOf } from './app.ts'
import { bundleDifference } from './bundle-difference.ts'
import type { ClusterTree } from './cluster-tree.ts'
import { deriveCluster } from './derive-cluster.ts'
import { readPolicy } from './policy.ts'

/**
 * Opens a pull with the bundle when the default branch holds another one than its spec implies: after a merge from a
 * fork, to whose branch nothing was committed, or after an edit by hand. The default branch itself is never written.
 */
export async function offerBundle(app: App, info: RepoInfo, head: string, tree: ClusterTree): Promise<void> {
  const forge = forgeOf(app, info)
  const { cluster } = tree
  const { bundle, seed } = await deriveCluster(app, info, head, cluster, undefined)
  if (!bundle) return
  const { changes, files } = await bundleDifference(app, info, head, tree, bundle, seed)
  if (changes.length === 0 || !(await readPolicy(app, info)).policy?.bundles.commit) return
  const branch = `slipway/bundle-${cluster}-${head.slice(0, 12)}`
  if ((await forge.branchHead(info, branch)) === undefined) await forge.createBranch(info, branch, head)
  const message = bundleMessage(cluster)
  // Nothing comes back when the commit is there already: an earlier attempt got this far.
  await forge.commitFiles(info, branch, head, files, message)
  const title = `${cluster}: bundle for the merged spec`
  const body = [
    `\`${info.defaultBranch}\` holds a bundle for \`${cluster}\` that is not the one its \`cluster.yaml\` implies`,
    `(${changes.length} file${changes.length === 1 ? '' : 's'}). The GitOps engine follows the bundle, so please merge this one.`,
  ].join(' ')
  const pull = await forge.openPull(info, { branch, base: info.defaultBranch, title, body })
  app.log.info('bundle offered', { cluster, pull: pull.number })
}

/** Message of every commit that writes a bundle. */
export function bundleMessage(cluster: string): string {
  return `${cluster}: render the bundle\n\nWritten by Slipway from clusters/${cluster}/cluster.yaml.`
}
