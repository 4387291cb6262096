import type { RepoRef } from '../seams/forge.ts'
import { after, type App, forgeOf } from './app.ts'
import { changeDocument } from './change-document.ts'
import { considerBranch } from './consider-branch.ts'
import { keys, KEEP_MS, type PullDocument } from './documents.ts'
import { planPull } from './plan-pull.ts'
import { showSoon } from './publish.ts'

/** Brings what is known of a pull in step with the forge: plans it while it is open, follows its merge. */
export async function followPull(
  app: App,
  repo: RepoRef,
  number: number,
  options: { readonly afresh?: boolean } = {},
): Promise<void> {
  const pull = await forgeOf(app, repo).pull(repo, number)
  if (!pull) return
  if (pull.state === 'open') return planPull(app, repo, number, options)
  const { document } = await changeDocument<PullDocument>(
    app.store,
    keys.pull(repo, number),
    (now) => (now && now.state !== pull.state ? { ...now, state: pull.state } : undefined),
    { expiresAt: after(await app.store.now(), KEEP_MS) },
  )
  const open = await app.store.get(keys.openPull(repo, number))
  if (open) await app.store.delete(open.key, open.version)
  if (document) await showSoon(app, { repo, kind: 'plan', number })
  if (pull.state === 'merged') await considerBranch(app, repo)
}
