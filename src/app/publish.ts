import { digest } from '../core/canonical.ts'
import type { Job } from '../core/job.ts'
import type { DeploymentState, RepoRef } from '../seams/forge.ts'
import { after, type App, forgeOf } from './app.ts'
import { changeDocument, listAll } from './change-document.ts'
import { type ClusterDocument, type JobDocument, keys, KEEP_MS, type PullDocument } from './documents.ts'
import { runComment } from './run-comment.ts'

/** One thing that a forge shows of what the store holds. */
export type Subject = { readonly repo: RepoRef } & (
  | { readonly kind: 'plan'; readonly number: number }
  | { readonly kind: 'run'; readonly number: number }
  | { readonly kind: 'deployment'; readonly cluster: string }
)

/** The subject has changed since it was last shown; its version tells whether it changed again. `dirty/…` */
interface DirtyDocument {
  readonly subject: Subject
}

/** What was shown last, and who is showing it now. `shown/…` */
interface ShownDocument {
  readonly parts: Readonly<Record<string, string>>
  readonly at?: string
  readonly writer?: { readonly id: string; readonly until: string }
}

/** Between two edits of one comment: forges limit content creation to about 80 a minute for a whole installation. */
export const PUBLISH_INTERVAL_MS = 3_000

/** How long a writer may take before another one steps in: several forge requests with their retries. */
const WRITER_MS = 60_000

/** Rounds of one writer, so that a busy run does not keep one request's work alive for ever; the sweep goes on. */
const ROUNDS = 200

const path = (subject: Subject): string =>
  `${keys.repoPath(subject.repo)}/${subject.kind}/${subject.kind === 'deployment' ? subject.cluster : subject.number}`

/** Notes that a subject changed and shows it soon. The note survives a crash; the sweep finds it. */
export async function showSoon(app: App, subject: Subject): Promise<void> {
  await changeDocument<DirtyDocument>(app.store, `dirty/${path(subject)}`, () => ({ subject }))
  app.defer('publish', () => publish(app, subject))
}

/** Shows whatever changed and was not shown, for the sweep. */
export async function publishAll(app: App): Promise<void> {
  for (const { value } of await listAll<DirtyDocument>(app.store, 'dirty/')) {
    try {
      await publish(app, value.subject)
    } catch (error) {
      app.log.warn('showing what changed', { subject: path(value.subject), error })
    }
  }
}

/**
 * Brings what the forge shows in step with the store: one writer at a time, a few seconds apart, and once more when
 * something changed meanwhile, so that the last state is always shown in the end.
 */
export async function publish(app: App, subject: Subject): Promise<void> {
  const dirtyKey = `dirty/${path(subject)}`
  const shownKey = `shown/${path(subject)}`
  const writer = app.random.id()
  const mine = (shown: ShownDocument | undefined): boolean => shown?.writer?.id === writer

  for (let round = 0; round < ROUNDS; round += 1) {
    if ((await app.store.get(dirtyKey)) === undefined) return
    const now = await app.store.now()
    const taken = await changeDocument<ShownDocument>(app.store, shownKey, (shown) =>
      shown?.writer && !mine(shown) && shown.writer.until > now
        ? undefined
        : { parts: {}, ...shown, writer: { id: writer, until: after(now, WRITER_MS) } },
    )
    if (!taken.changed) return
    try {
      const shown = taken.document!.value
      const waitMs = shown.at === undefined ? 0 : Date.parse(shown.at) + PUBLISH_INTERVAL_MS - Date.parse(now)
      if (waitMs > 0) await app.clock.sleep(Math.min(waitMs, PUBLISH_INTERVAL_MS), app.stopping)
      const dirty = await app.store.get<DirtyDocument>(dirtyKey)
      if (dirty) {
        const parts = await show(app, subject, shown.parts)
        const at = await app.store.now()
        const kept = await changeDocument<ShownDocument>(app.store, shownKey, (current) =>
          current && mine(current) ? { ...current, parts, at } : undefined,
        )
        if (kept.changed) await app.store.delete(dirtyKey, dirty.version)
      }
    } finally {
      await changeDocument<ShownDocument>(
        app.store,
        shownKey,
        (current) => {
          if (!current || !mine(current)) return undefined
          const { writer: _, ...rest } = current
          return rest
        },
        { expiresAt: after(now, KEEP_MS) },
      )
    }
  }
}

/** Writes the parts that differ from what was shown, and says what is shown now. */
async function show(
  app: App,
  subject: Subject,
  before: Readonly<Record<string, string>>,
): Promise<Readonly<Record<string, string>>> {
  const forge = forgeOf(app, subject.repo)
  const parts: Record<string, string> = { ...before }
  const once = async (part: string, value: unknown, write: () => Promise<unknown>): Promise<void> => {
    const hash = digest(value)
    if (parts[part] === hash) return
    await write()
    parts[part] = hash
  }

  if (subject.kind === 'deployment') {
    const state = await deploymentOf(app, subject.repo, subject.cluster)
    if (state) {
      await once('deployment', state, async () => {
        const { defaultBranch } = await forge.repository(subject.repo)
        await forge.deployment(subject.repo, { ...state, branch: defaultBranch })
      })
    }
    return parts
  }
  const pull = (await app.store.get<PullDocument>(keys.pull(subject.repo, subject.number)))?.value
  if (!pull) return parts
  if (subject.kind === 'run') {
    const markdown = await runComment(app, pull, forge.commentLimit)
    if (markdown !== undefined) {
      await once('run', markdown, () => forge.upsertComment(subject.repo, subject.number, 'run', markdown))
    }
    return parts
  }
  const { comment, check } = pull
  if (comment !== undefined) {
    await once('plan', comment, () => forge.upsertComment(subject.repo, subject.number, 'plan', comment))
  }
  // A check belongs to a commit of an open pull; after the merge, deployments tell how it goes.
  if (pull.state === 'open') await once('check', check, () => forge.upsertCheck(subject.repo, subject.number, check))
  return parts
}

const DEPLOYMENT: { readonly [S in Job['state']]: DeploymentState } = {
  waiting: 'queued',
  queued: 'queued',
  running: 'in-progress',
  stopped: 'failure',
  succeeded: 'success',
  cancelled: 'inactive',
  superseded: 'inactive',
}

async function deploymentOf(app: App, repo: RepoRef, cluster: string) {
  const document = (await app.store.get<ClusterDocument>(keys.cluster(repo, cluster)))?.value
  if (document?.job === undefined) return undefined
  const job = (await app.store.get<JobDocument>(keys.job(document.job)))?.value.job
  if (!job) return undefined
  return {
    environment: `slipway/${cluster}`,
    commit: job.order.commit,
    state: DEPLOYMENT[job.state],
    description: describe(job),
  }
}

/** Forges cut descriptions of deployments at 140 characters. */
function describe(job: Job): string {
  switch (job.state) {
    case 'waiting':
      return job.why.what.slice(0, 140)
    case 'stopped':
      return job.problem.what.slice(0, 140)
    case 'running':
      return `running on ${job.runner}`
    case 'queued':
    case 'succeeded':
    case 'superseded':
      return job.state
    case 'cancelled':
      return `cancelled by ${job.by}`.slice(0, 140)
    default:
      return job satisfies never
  }
}
