import { type ClusterDocument, type JobDocument, keys, type PullDocument } from '../../src/app/documents.ts'
import type { Job } from '../../src/core/job.ts'
import { type Harness, homeSpec } from './harness.ts'

export const SPEC = 'clusters/home/cluster.yaml'

/** The newest job of a cluster. */
export async function jobOf({ app, forge }: Harness, cluster = 'home'): Promise<Job | undefined> {
  const document = await app.store.get<ClusterDocument>(keys.cluster(forge.repo, cluster))
  const id = document?.value.job
  return id === undefined ? undefined : (await app.store.get<JobDocument>(keys.job(id)))?.value.job
}

export async function pullOf({ app, forge }: Harness, number: number): Promise<PullDocument | undefined> {
  return (await app.store.get<PullDocument>(keys.pull(forge.repo, number)))?.value
}

/** Opens a pull that adds (or changes) the home cluster, and has it planned. */
export async function pulled(
  h: Harness,
  options: { readonly spec?: string; readonly branch?: string; readonly fork?: boolean } = {},
): Promise<number> {
  const { spec = homeSpec(), branch = 'add-home', fork = false } = options
  h.forge.push(branch, { [SPEC]: spec })
  const number = h.forge.open(branch, { fork })
  await h.hint({ kind: 'pull-changed', number })
  return number
}

/** The same, merged. */
export async function merged(h: Harness, options: Parameters<typeof pulled>[1] = {}): Promise<number> {
  const number = await pulled(h, options)
  h.forge.merge(number)
  await h.hint({ kind: 'pull-changed', number })
  return number
}
