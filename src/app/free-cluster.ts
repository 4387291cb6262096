import type { App } from './app.ts'
import { changeDocument } from './change-document.ts'
import { type ClusterDocument, type JobDocument, keys } from './documents.ts'

/** Ends the lease of a job that is over, so that the next one can be given. */
export async function freeCluster(app: App, { job, repo }: JobDocument): Promise<void> {
  await changeDocument<ClusterDocument>(app.store, keys.cluster(repo, job.order.cluster), (current) => {
    if (current?.lease?.job !== job.order.id) return undefined
    const { lease: _, ...rest } = current
    return rest
  })
}
