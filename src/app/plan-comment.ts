import type { BundleChange } from '../core/bundle.ts'
import type { Pull, RepoInfo } from '../seams/forge.ts'
import type { App } from './app.ts'
import type { Derived } from './derive-cluster.ts'
import type { PolicyNow } from './policy.ts'

/** One cluster that a pull touches. */
export type PullCluster = { readonly cluster: string; readonly bundleChanges: readonly BundleChange[] } & (
  | { readonly kind: 'planned'; readonly derived: Derived }
  | { readonly kind: 'removed' }
)

export function planComment(
  _app: App,
  input: {
    readonly info: RepoInfo
    readonly pull: Pull
    readonly clusters: readonly PullCluster[]
    readonly policy: PolicyNow
    readonly limit: number
    readonly now: number
  },
): string {
  return input.clusters
    .map(
      (c) =>
        `### ${c.cluster}\n${c.kind === 'planned' ? (c.derived.plan?.digest ?? c.derived.problems.map((p) => p.what).join('\n')) : 'removed'}`,
    )
    .join('\n')
    .slice(0, input.limit)
}
