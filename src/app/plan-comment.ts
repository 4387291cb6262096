import { bundle, type BundleChange } from '../core/bundle.ts'
import { whyMergeWaits } from '../core/policy.ts'
import { type Next, reportPlan } from '../core/report/plan.ts'
import type { Pull } from '../seams/forge.ts'
import type { Derived } from './derive-cluster.ts'
import type { PolicyNow } from './policy.ts'

/** One cluster that a pull touches. */
export type PullCluster = { readonly cluster: string } & (
  | {
      readonly kind: 'planned'
      readonly derived: Derived
      /** What the pull does to the bundle, from where it parted from the default branch. */
      readonly bundleChanges: readonly BundleChange[]
      /** Bundle files that its head still lacks. */
      readonly missing: readonly BundleChange[]
    }
  | { readonly kind: 'removed' }
)

/** The plan comment of a pull, from what was derived and what the policy says of it. */
export function planComment(input: {
  readonly pull: Pull
  readonly clusters: readonly PullCluster[]
  readonly rules: PolicyNow
  /** Commit that brought the bundle onto the pull's branch. */
  readonly bundleCommit: string | undefined
  readonly docsUrl: string | undefined
  readonly limit: number
  /** Epoch milliseconds. */
  readonly now: number
}): string {
  const { pull, rules, bundleCommit, docsUrl, limit, now } = input
  if (input.clusters.length === 0) {
    return `This pull touches no cluster any more.\n\n<sub>commit \`${pull.head.slice(0, 7)}\`</sub>\n`
  }
  const clusters = input.clusters.map((entry) => {
    const { cluster } = entry
    if (entry.kind === 'removed') return { cluster, problems: [], removed: true, next: { kind: 'merge' } as const }
    const { derived, bundleChanges } = entry
    const { plan, facts, spec, bundle: wanted } = derived
    return {
      cluster,
      problems: derived.problems,
      ...(plan && { plan }),
      ...(facts && { facts: { takenAt: facts.facts.takenAt, runner: facts.runner } }),
      ...(spec &&
        wanted && {
          bundle: {
            engine: spec.gitops.engine,
            changes: bundleChanges,
            files: bundle(
              Object.fromEntries(
                bundleChanges.flatMap(({ path }) => (wanted.has(path) ? [[path, wanted.get(path)!]] : [])),
              ),
            ),
            ...(bundleCommit !== undefined && { commit: bundleCommit }),
          },
        }),
      next: nextOf(pull, rules, derived),
    }
  })
  return reportPlan({ clusters, commit: pull.head, now, ...(docsUrl !== undefined && { docsUrl }), limit })
}

function nextOf(pull: Pull, { policy }: PolicyNow, { plan }: Derived): Next {
  if (pull.fork) return { kind: 'fork' }
  if (!policy) return { kind: 'blocked', why: 'The policy on the default branch cannot be read, so nothing is allowed' }
  if (!plan) return { kind: 'merge' }
  if (plan.destroys.length > 0 && !policy.destroy.allowed) {
    return { kind: 'blocked', why: 'The policy allows no destruction' }
  }
  const why = whyMergeWaits(policy, plan)
  return why === undefined ? { kind: 'merge' } : { kind: 'merge-then-apply', why }
}
