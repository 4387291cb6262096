import type { FileProblem } from '../core/problem.ts'
import { reportProblems } from '../core/report/problem.ts'
import type { Check, Pull, RepoInfo, RepoRef } from '../seams/forge.ts'
import { after, type App, forgeOf } from './app.ts'
import { changeDocument } from './change-document.ts'
import { bundleDifference } from './bundle-difference.ts'
import { affectedClusters, type ClusterTree, clusterTrees } from './cluster-tree.ts'
import { type Derived, deriveCluster } from './derive-cluster.ts'
import {
  type FactsDocument,
  keys,
  KEEP_MS,
  type OpenPullDocument,
  type PullDocument,
  type Review,
  reviewOf,
} from './documents.ts'
import { bundleMessage } from './offer-bundle.ts'
import { planComment, type PullCluster } from './plan-comment.ts'
import { policyProblems, type PolicyNow, readPolicy } from './policy.ts'
import { showSoon } from './publish.ts'

/** Name of the check on every pull; a branch protection rule can require it. */
export const CHECK = 'slipway'

/** Times that planning starts over because the head or the document moved meanwhile; then the next hint does it. */
const TURNS = 5

/**
 * Plans an open pull: what would happen to each cluster that it touches, as one comment and one check, and the bundle
 * as a commit on its branch. A pull from a fork is planned from its text alone: no facts, no runner, no commit.
 * @param options.afresh - Plan again although this head was planned: facts or policy may have changed.
 */
export async function planPull(
  app: App,
  repo: RepoRef,
  number: number,
  options: { readonly afresh?: boolean } = {},
): Promise<void> {
  const forge = forgeOf(app, repo)
  let committed: string | undefined
  for (let turn = 0; turn < TURNS; turn += 1) {
    const key = keys.pull(repo, number)
    const before = await app.store.get<PullDocument>(key)
    const found = await forge.pull(repo, number)
    if (!found || found.state !== 'open') return
    // The forge may need a moment to see a commit that was just made.
    const pull: Pull = committed === undefined ? found : { ...found, head: committed }
    if (before?.value.head === pull.head && before.value.state === 'open' && !options.afresh && !committed) {
      return showSoon(app, { repo, kind: 'plan', number })
    }
    const info = await forge.repository(repo)
    if (pull.baseBranch !== info.defaultBranch) return

    let planned = await planHead(app, info, pull)
    if (planned.toCommit.size > 0 && committed === undefined) {
      committed = await commitBundles(app, pull, planned)
      // Somebody pushed meanwhile: what they pushed is planned instead.
      if (committed === undefined) continue
      planned = withBundles(planned)
    }
    const head = committed ?? pull.head
    const document = await documentOf(app, info, { ...pull, head }, planned, before?.value, committed)
    const expiresAt = after(document.plannedAt, KEEP_MS)
    if ((await app.store.put(key, document, before?.version, { expiresAt })) === undefined) continue
    if (!pull.fork) {
      const { plannedAt } = document
      const open: OpenPullDocument = { number, plannedAt, clusters: Object.keys(document.clusters) }
      await changeDocument<OpenPullDocument>(app.store, keys.openPull(repo, number), () => open, { expiresAt })
    }
    return showSoon(app, { repo, kind: 'plan', number })
  }
  app.log.warn('a pull moved while it was planned', { repo: repo.id, number })
}

interface PlannedHead {
  readonly clusters: readonly PullCluster[]
  readonly trees: ReadonlyMap<string, ClusterTree>
  /** Bundle files that the pull's branch lacks and that are to be committed to it. */
  readonly toCommit: ReadonlyMap<string, string | null>
  readonly policy: PolicyNow
  /** Of the policy that the pull would bring. */
  readonly problems: readonly FileProblem[]
}

/** Commits what the pull's branch lacks, on top of exactly the head that was planned. */
function commitBundles(app: App, pull: Pull, { clusters, toCommit }: PlannedHead): Promise<string | undefined> {
  const names = clusters.flatMap((entry) =>
    entry.kind === 'planned' && entry.missing.length > 0 ? [entry.cluster] : [],
  )
  const message = bundleMessage(names.join(', '))
  return forgeOf(app, pull.repo).commitFiles(pull.repo, pull.headBranch, pull.head, toCommit, message)
}

/** The same plans after that commit: it brought bundles and nothing that a plan is made of. */
function withBundles(planned: PlannedHead): PlannedHead {
  const clusters = planned.clusters.map((entry): PullCluster => {
    return entry.kind === 'planned' && entry.derived.problems.length === 0 ? { ...entry, missing: [] } : entry
  })
  return { ...planned, clusters, toCommit: new Map() }
}

async function planHead(app: App, info: RepoInfo, pull: Pull): Promise<PlannedHead> {
  const forge = forgeOf(app, info)
  const base = await forge.branchHead(info, pull.baseBranch)
  const parted = base === undefined ? undefined : await forge.mergeBase(info, base, pull.head)
  const trees = clusterTrees(await forge.listFiles(info, pull.head, 'clusters/'))
  const before =
    parted === undefined
      ? new Map<string, ClusterTree>()
      : clusterTrees(await forge.listFiles(info, parted, 'clusters/'))
  const policy = await readPolicy(app, info, base)

  const clusters: PullCluster[] = []
  const toCommit = new Map<string, string | null>()
  for (const cluster of affectedClusters(before, trees)) {
    const tree = trees.get(cluster)
    if (tree?.specBlob === undefined) {
      // A folder that never was a cluster is nobody's business.
      if (before.get(cluster)?.specBlob === undefined) continue
      clusters.push({ kind: 'removed', cluster })
      continue
    }
    const facts = pull.fork ? undefined : (await app.store.get<FactsDocument>(keys.facts(info, cluster)))?.value
    const derived = await deriveCluster(app, info, pull.head, cluster, facts)
    const { bundle, seed } = derived
    const difference = bundle && (await bundleDifference(app, info, pull.head, tree, bundle, seed))
    const old = before.get(cluster) ?? { cluster, files: new Map<string, string>() }
    const sinceBase = bundle && (await bundleDifference(app, info, parted ?? pull.head, old, bundle))
    const bundleChanges = sinceBase?.changes ?? []
    clusters.push({ kind: 'planned', cluster, derived, bundleChanges, missing: difference?.changes ?? [] })
    if (difference && !pull.fork && policy.policy?.bundles.commit && derived.problems.length === 0) {
      for (const [path, text] of difference.files) toCommit.set(path, text)
    }
  }
  const problems = await policyProblems(app, info, pull.head, policy)
  return { clusters, trees, toCommit, policy, problems }
}

async function documentOf(
  app: App,
  info: RepoInfo,
  pull: Pull,
  { clusters, trees, policy, problems }: PlannedHead,
  before: PullDocument | undefined,
  committed: string | undefined,
): Promise<PullDocument> {
  const bundleCommit = committed ?? (before?.head === pull.head ? before.bundleCommit : undefined)
  const reviews: Record<string, Review> = {}
  for (const cluster of clusters) {
    const specBlob = trees.get(cluster.cluster)?.specBlob
    if (cluster.kind !== 'planned' || pull.fork || !cluster.derived.plan || specBlob === undefined) continue
    reviews[cluster.cluster] = reviewOf(cluster.derived.plan, specBlob, cluster.derived.facts?.hash)
  }
  const comment =
    clusters.length > 0 || before?.comment !== undefined
      ? planComment({
          pull,
          clusters,
          rules: policy,
          bundleCommit,
          docsUrl: app.settings.docsUrl,
          limit: forgeOf(app, info).commentLimit,
          now: app.clock.now(),
        })
      : undefined
  return {
    repo: { forge: info.forge, id: info.id },
    number: pull.number,
    state: 'open',
    head: pull.head,
    fork: pull.fork,
    plannedAt: await app.store.now(),
    ...(comment === undefined ? {} : { comment }),
    ...(bundleCommit === undefined ? {} : { bundleCommit }),
    check: checkOf(pull, clusters, problems),
    clusters: Object.fromEntries(clusters.map(({ cluster }) => [cluster, trees.get(cluster)?.specBlob ?? ''])),
    reviews,
    jobs: before?.jobs ?? {},
    ...(before?.answer === undefined ? {} : { answer: before.answer }),
  }
}

/** Most annotations on one check; more mistakes than this are not read one by one. */
const ANNOTATIONS = 200

/** Check summaries end at 65,535 characters on GitHub. */
const SUMMARY_CHARACTERS = 60_000

function checkOf(pull: Pull, clusters: readonly PullCluster[], problems: readonly FileProblem[]): Check {
  const planned = clusters.flatMap((cluster) => (cluster.kind === 'planned' ? [cluster] : []))
  const annotations = [
    ...problems,
    ...planned.flatMap(({ derived }) => derived.problems.map((problem) => onFile(derived, problem))),
  ]
  const stale = planned.filter(({ missing }) => missing.length > 0)
  const base = { name: CHECK, commit: pull.head }
  if (annotations.length > 0) {
    const s = annotations.length === 1 ? '' : 's'
    return {
      ...base,
      state: 'failure',
      title: `${annotations.length} problem${s}; nothing was changed`,
      summary: reportProblems({ problems: annotations, limit: SUMMARY_CHARACTERS }),
      annotations: annotations.slice(0, ANNOTATIONS),
    }
  }
  if (stale.length > 0 && !pull.fork) {
    return {
      ...base,
      state: 'failure',
      title: `the bundle of ${stale.map(({ cluster }) => cluster).join(', ')} is not the one that the spec implies`,
      summary: 'Run `slipway render` and commit what it writes, or let the policy allow Slipway to commit bundles.',
      annotations: [],
    }
  }
  const title =
    clusters.length === 0
      ? 'no cluster is touched'
      : `planned: ${clusters.map(({ cluster }) => cluster).join(', ')}`.slice(0, 250)
  return { ...base, state: 'success', title, summary: 'The plan comment says what merging does.', annotations: [] }
}

/** A problem without a place of its own stands at the top of its cluster's file. */
function onFile(derived: Derived, problem: Derived['problems'][number]): FileProblem {
  return { ...problem, file: problem.file ?? derived.file, line: problem.line ?? 1, column: problem.column ?? 1 }
}
