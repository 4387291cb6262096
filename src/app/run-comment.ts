import { type App } from './app.ts'
import { type JobDocument, keys, type PullDocument } from './documents.ts'

export async function runComment(app: App, pull: PullDocument, limit: number): Promise<string | undefined> {
  const parts: string[] = []
  for (const [cluster, id] of Object.entries(pull.jobs)) {
    const job = (await app.store.get<JobDocument>(keys.job(id)))?.value.job
    if (job) parts.push(`### ${cluster}: ${job.state}`)
  }
  if (pull.answer) parts.push(pull.answer)
  return parts.length === 0 ? undefined : parts.join('\n').slice(0, limit)
}
