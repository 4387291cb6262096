import { mayApply } from '../core/policy.ts'
import { inlineCode, plainText } from '../core/report/escape.ts'
import { type Command, readCommands } from '../core/command.ts'
import { readPolicy } from './policy.ts'
import type { Instant } from '../core/facts.ts'
import type { RepoRef } from '../seams/forge.ts'
import { after, type App, forgeOf } from './app.ts'
import { changeDocument } from './change-document.ts'
import {
  type Approval,
  type ClusterDocument,
  type JobDocument,
  keys,
  KEEP_MS,
  type KeptPlan,
  type PullDocument,
} from './documents.ts'
import { followPull } from './follow-pull.ts'
import { showSoon } from './publish.ts'
import { settleCluster } from './settle-cluster.ts'

/** A comment whose commands were carried out. `command/<repository>/<pull>/<comment>` */
interface CommandDocument {
  readonly at: Instant
}

/**
 * Does what a comment asks, once, if its author may at this moment. Comments that were edited, and those of bots, never
 * act: their text may be somebody else's.
 */
export async function runCommand(app: App, repo: RepoRef, number: number, commentId: string): Promise<void> {
  const forge = forgeOf(app, repo)
  const done = keys.command(repo, number, commentId)
  if (await app.store.get<CommandDocument>(done)) return
  const comment = await forge.comment(repo, number, commentId)
  if (!comment || comment.edited || comment.authorIsBot) return
  const commands = readCommands(comment.body)
  if (commands.length === 0) return
  const person = await forge.permission(repo, comment.author)
  if (person.bot || (person.level !== 'write' && person.level !== 'admin')) {
    // Readers get no answer, so that nobody can make the app talk.
    app.log.info('a command from somebody without write permission', { repo: repo.id, number, level: person.level })
    return
  }

  const answers: string[] = []
  const { policy } = await readPolicy(app, await forge.repository(repo))
  for (const command of commands) {
    const rules = command.kind === 'apply' || command.kind === 'cancel'
    if (rules && !(policy && mayApply(policy, comment.author, person.level))) {
      answers.push(`The policy does not let ${inlineCode(comment.author)} do that.`)
    } else answers.push(...(await carryOut(app, repo, number, command, comment.author)))
  }
  const now = await app.store.now()
  await changeDocument<PullDocument>(
    app.store,
    keys.pull(repo, number),
    (pull) => (pull ? { ...pull, answer: answers.join('\n\n') } : undefined),
    { expiresAt: after(now, KEEP_MS) },
  )
  await app.store.put(done, { at: now }, undefined, { expiresAt: after(now, KEEP_MS) })
  await showSoon(app, { repo, kind: 'run', number })
}

async function carryOut(
  app: App,
  repo: RepoRef,
  number: number,
  command: Command,
  author: string,
): Promise<readonly string[]> {
  if (command.kind === 'unknown') {
    return [
      `\`/slipway\` knows \`plan\`, \`apply\`, \`status\` and \`cancel\`, each with names of clusters or without.`,
    ]
  }
  if (command.kind === 'plan') {
    await followPull(app, repo, number, { afresh: true })
    return []
  }
  const pull = (await app.store.get<PullDocument>(keys.pull(repo, number)))?.value
  const touched = Object.keys(pull?.clusters ?? {})
  const names = command.clusters.length > 0 ? command.clusters : touched
  if (names.length === 0) return ['This pull touches no cluster; name one.']
  const answers: string[] = []
  for (const name of names) {
    const cluster = (await app.store.get<ClusterDocument>(keys.cluster(repo, name)))?.value
    if (!cluster?.wanted || cluster.orphaned) {
      answers.push(
        pull?.state === 'open'
          ? `${inlineCode(name)}: nothing of it is merged yet. Merge this pull to run its plan.`
          : `${inlineCode(name)}: there is no such cluster on the default branch.`,
      )
      continue
    }
    answers.push(`\`${name}\`: ${await act(app, cluster, command.kind, author)}`)
  }
  return answers
}

async function act(
  app: App,
  cluster: ClusterDocument,
  kind: 'apply' | 'cancel' | 'status',
  author: string,
): Promise<string> {
  const stored = cluster.job === undefined ? undefined : await app.store.get<JobDocument>(keys.job(cluster.job))
  const state = stored?.value.job.state
  switch (kind) {
    case 'status':
      return stored ? describe(stored.value) : 'nothing was asked of it yet.'
    case 'cancel':
      return cancel(app, cluster, stored?.value, author)
    case 'apply':
      if (state === 'queued') return 'is queued already.'
      if (state === 'running') return 'is running already.'
      return apply(app, cluster, stored?.value, author)
    default:
      return kind satisfies never
  }
}

/**
 * Approves exactly the plan that waits, or asks to go on with what stopped, which approves no more than what was going
 * on. Never anything that is not merged.
 */
async function apply(
  app: App,
  cluster: ClusterDocument,
  stored: JobDocument | undefined,
  login: string,
): Promise<string> {
  const waits = stored?.job.state === 'waiting'
  if (stored?.job.state === 'succeeded' && stored.asked === cluster.wanted?.asked) return 'has nothing left to do.'
  const at = await app.store.now()
  await changeDocument<ClusterDocument>(app.store, keys.cluster(cluster.repo, cluster.cluster), (now) => {
    if (!now?.wanted || now.job !== cluster.job) return undefined
    const { wanted } = now
    const approval = stored?.plan && approve(wanted.approval, stored.plan, { login, at })
    const asked = waits ? wanted.asked : wanted.asked + 1
    return { ...now, wanted: { ...wanted, asked, ...(approval && { approval }) } }
  })
  await settleCluster(app, cluster.repo, cluster.cluster)
  const after1 = (await app.store.get<ClusterDocument>(keys.cluster(cluster.repo, cluster.cluster)))?.value
  const job = after1?.job && (await app.store.get<JobDocument>(keys.job(after1.job)))?.value
  return job ? describe(job) : 'nothing was asked of it yet.'
}

/** One more person for a plan; a word for another plan does not count for this one. */
function approve(
  before: Approval | undefined,
  { digest, machines, destroys }: KeptPlan,
  person: Approval['people'][number],
): Approval {
  const others = before?.plan.digest === digest ? before.people : []
  return {
    plan: { digest, machines, destroys },
    people: [...others.filter(({ login }) => login.toLowerCase() !== person.login.toLowerCase()), person],
  }
}

async function cancel(
  app: App,
  cluster: ClusterDocument,
  stored: JobDocument | undefined,
  by: string,
): Promise<string> {
  const id = cluster.job
  if (id === undefined || !stored || !['waiting', 'queued', 'running'].includes(stored.job.state)) {
    return 'nothing is waiting or running.'
  }
  // Whoever starts it again needs everybody's word again.
  await changeDocument<ClusterDocument>(app.store, keys.cluster(cluster.repo, cluster.cluster), (current) => {
    if (current?.wanted?.approval === undefined) return undefined
    const { approval: _, ...wanted } = current.wanted
    return { ...current, wanted }
  })
  const now = await app.store.now()
  const { document } = await changeDocument<JobDocument>(
    app.store,
    keys.job(id),
    (current) => {
      if (!current) return undefined
      const { job } = current
      if (job.state === 'running')
        return job.cancelAsked ? undefined : { ...current, job: { ...job, cancelAsked: true } }
      if (job.state !== 'queued' && job.state !== 'waiting') return undefined
      const progress = { lastSeq: 0, total: 0, done: [], running: [], failed: [] }
      return { ...current, since: now, job: { order: job.order, state: 'cancelled', by, progress } }
    },
    { expiresAt: after(now, KEEP_MS) },
  )
  await showSoon(app, { repo: cluster.repo, kind: 'deployment', cluster: cluster.cluster })
  return document?.value.job.state === 'running'
    ? 'is being stopped, steps that are going on included; what they reached is looked at when it goes on.'
    : 'is cancelled.'
}

/** One sentence on how a job is. */
function describe({ job }: JobDocument): string {
  switch (job.state) {
    case 'waiting':
      return `waits: ${plainText(job.why.what)}.`
    case 'queued':
      return 'is queued.'
    case 'running':
      return `is running on \`${job.runner}\`, ${job.progress.done.length} of ${job.progress.total} steps done.`
    case 'stopped':
      return `stopped: ${plainText(job.problem.what)}.`
    case 'succeeded':
      return 'is as the default branch asks.'
    case 'cancelled':
      return `was cancelled by ${plainText(job.by)}.`
    case 'superseded':
      return 'was overtaken by a newer merge.'
    default:
      return job satisfies never
  }
}
