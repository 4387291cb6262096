import { Problem } from '../core/problem.ts'
import type { ForgeEvent } from '../seams/forge.ts'
import { after, type App } from './app.ts'
import { considerBranch } from './consider-branch.ts'
import { type DeliveryDocument, type InboxDocument, keys } from './documents.ts'
import { followPull } from './follow-pull.ts'
import { runCommand } from './run-command.ts'

/** Attempts at one delivery, with waits from half a minute to half an hour between them: about two hours in all. */
const ATTEMPTS = 8
const FIRST_WAIT_MS = 30_000
const LONGEST_WAIT_MS = 1_800_000

/** How long a processed delivery is remembered: GitHub lets people send one again for three days, GitLab for seven. */
const REMEMBER_MS = 8 * 24 * 3_600_000

/** Does what a recorded webhook hints at. Safe to repeat: state is read from the forge, the payload only says where. */
export async function processDelivery(app: App, key: string): Promise<void> {
  const stored = await app.store.get<InboxDocument>(key)
  if (!stored) return
  const { event, attempts } = stored.value
  const now = await app.store.now()
  let outcome: DeliveryDocument['outcome'] = 'processed'
  try {
    await actOn(app, event)
  } catch (error) {
    const final = attempts + 1 >= ATTEMPTS || (error instanceof Problem && error.retry === 'never')
    app.log[final ? 'error' : 'warn']('processing a delivery', { delivery: event.delivery, kind: event.kind, error })
    if (!final) {
      const waitMs = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** attempts)
      const again: InboxDocument = { ...stored.value, attempts: attempts + 1, notBefore: after(now, waitMs) }
      await app.store.put(key, again, stored.version)
      return
    }
    outcome = 'given-up'
  }
  const done: DeliveryDocument = { processedAt: now, outcome }
  await app.store.put(keys.delivery(event.repo.forge, event.delivery), done, undefined, {
    expiresAt: after(now, REMEMBER_MS),
  })
  await app.store.delete(key, stored.version)
}

async function actOn(app: App, event: ForgeEvent): Promise<void> {
  switch (event.kind) {
    case 'ping':
      return
    case 'pull-changed':
      return followPull(app, event.repo, event.number)
    case 'comment-added':
      return runCommand(app, event.repo, event.number, event.commentId)
    case 'branch-pushed':
      return considerBranch(app, event.repo)
    case 'check-rerequested':
      return event.number === undefined ? undefined : followPull(app, event.repo, event.number, { afresh: true })
    default:
      return event satisfies never
  }
}
