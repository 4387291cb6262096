import type { RepoInfo } from '../seams/forge.ts'
import { after, type App, forgeOf } from './app.ts'
import { changeDocument, listAll } from './change-document.ts'
import { considerBranch } from './consider-branch.ts'
import {
  type BranchDocument,
  type ClusterDocument,
  type InboxDocument,
  type JobDocument,
  keys,
  type PullDocument,
} from './documents.ts'
import { followPull } from './follow-pull.ts'
import { processDelivery } from './process-delivery.ts'
import { publishAll, showSoon } from './publish.ts'
import { settleCluster } from './settle-cluster.ts'

/** How often the forges are asked whether a webhook was lost: a change is noticed within five minutes at worst. */
export const FORGE_SWEEP_MS = 240_000

/** A job that ended longer ago is shown for good. */
const SHOW_AGAIN_MS = 3_600_000

/** When the forges were last asked, by whichever instance did. `sweep/forges` */
interface ForgeSweepDocument {
  readonly at: string
}

/**
 * Finishes what a crash left, and finds what a lost webhook missed. Every part reads the present state and brings
 * something in step with it, so sweeping twice, or from two instances at once, does no harm.
 * @param options.forges - Ask the forges now, however recently they were asked.
 */
export async function sweep(app: App, options: { readonly forges?: boolean } = {}): Promise<void> {
  const now = await app.store.now()
  for (const { key, value } of await listAll<InboxDocument>(app.store, 'inbox/')) {
    if (value.notBefore <= now) await guarded(app, 'delivery', () => processDelivery(app, key))
  }
  for (const { value } of await listAll<ClusterDocument>(app.store, 'cluster/')) {
    await guarded(app, 'cluster', async () => {
      await settleCluster(app, value.repo, value.cluster, { unlessDecided: true })
      await showAgain(app, value, now)
    })
  }
  if (await forgesAreDue(app, now, options.forges ?? false)) {
    for (const forge of app.forges.values()) {
      await guarded(app, forge.name, async () => {
        for (const info of await forge.repositories())
          await guarded(app, info.fullName, () => sweepRepository(app, info))
      })
    }
  }
  await publishAll(app)
}

/** What a queued job waits for is told by who was seen when; what just ended may not have been shown before a crash. */
async function showAgain(app: App, { repo, cluster, job: id }: ClusterDocument, now: string): Promise<void> {
  const document = id === undefined ? undefined : (await app.store.get<JobDocument>(keys.job(id)))?.value
  if (!document || (document.job.state !== 'queued' && after(document.since, SHOW_AGAIN_MS) < now)) return
  await showSoon(app, { repo, kind: 'deployment', cluster })
  const { pull } = document.job.order
  if (pull !== undefined) await showSoon(app, { repo, kind: 'run', number: pull })
}

async function forgesAreDue(app: App, now: string, always: boolean): Promise<boolean> {
  const { changed } = await changeDocument<ForgeSweepDocument>(app.store, 'sweep/forges', (last) =>
    always || !last || after(last.at, FORGE_SWEEP_MS) <= now ? { at: now } : undefined,
  )
  return changed
}

async function sweepRepository(app: App, info: RepoInfo): Promise<void> {
  const forge = forgeOf(app, info)
  const open = await forge.openPulls(info)
  const known = new Map(
    (await listAll<PullDocument>(app.store, keys.pulls(info))).map(({ value }) => [value.number, value]),
  )
  for (const pull of open) {
    const document = known.get(pull.number)
    if (document?.head !== pull.head || document.state !== 'open') await followPull(app, info, pull.number)
  }
  const stillOpen = new Set(open.map(({ number }) => number))
  for (const document of known.values()) {
    if (document.state === 'open' && !stillOpen.has(document.number)) await followPull(app, info, document.number)
  }
  const head = await forge.branchHead(info, info.defaultBranch)
  const seen = (await app.store.get<BranchDocument>(keys.branch(info)))?.value
  if (head !== undefined && head !== seen?.commit) await considerBranch(app, info)
}

/** One repository or cluster in trouble must not keep the others from being looked at. */
async function guarded(app: App, what: string, work: () => Promise<void>): Promise<void> {
  try {
    await work()
  } catch (error) {
    app.log.warn('sweeping', { what, error })
  }
}
