import { reportRun } from '../core/report/run.ts'
import type { App } from './app.ts'
import { listAll } from './change-document.ts'
import { type FactsDocument, type JobDocument, keys, type PullDocument, type RunnerDocument } from './documents.ts'

/** The run comment of a pull: its jobs and the answer to the last command; `undefined` before there is either. */
export async function runComment(app: App, pull: PullDocument, limit: number): Promise<string | undefined> {
  const runners = (await listAll<RunnerDocument>(app.store, 'runner/'))
    .map(({ value }) => value)
    .filter(({ revoked, repositories }) => {
      const { forge, id } = pull.repo
      return revoked === undefined && repositories.some((repo) => repo.forge === forge && repo.id === id)
    })
  const runnerSeen = runners
    .flatMap(({ lastSeen }) => (lastSeen === undefined ? [] : [lastSeen]))
    .sort((a, b) => (a < b ? -1 : 1))
    .at(-1)
  const runs = []
  for (const [cluster, id] of Object.entries(pull.jobs)) {
    const document = (await app.store.get<JobDocument>(keys.job(id)))?.value
    if (!document) continue
    const { job, plan } = document
    const facts = (await app.store.get<FactsDocument>(keys.facts(pull.repo, cluster)))?.value.facts
    runs.push({
      cluster,
      job,
      runners: runners.length,
      ...(plan && { steps: plan.steps }),
      ...(facts && job.state === 'succeeded' && { facts }),
      ...(runnerSeen !== undefined && { runnerSeen }),
      ...(document.fence > 0 && { logUrl: `${app.settings.publicUrl}/runs/${id}` }),
    })
  }
  const { answer = '' } = pull
  if (runs.length === 0 && answer === '') return undefined
  return reportRun({ runs, ...(answer !== '' && { answer }), now: app.clock.now(), limit })
}
