import { Problem } from '../core/problem.ts'
import type { DeployKeyRequest } from '../core/wire.ts'
import { type App, forgeOf } from './app.ts'
import { type ClusterDocument, type JobDocument, keys, type RunnerDocument } from './documents.ts'

/** What OpenSSH writes for an Ed25519 public key; nothing else is made by a runner. */
const PUBLIC_KEY = /^ssh-ed25519 [A-Za-z0-9+/]{68}(?: .{0,200})?$/

/**
 * Registers the public half of a cluster's deploy key, read-only, for the runner that holds the cluster's lease.
 * @throws Problem `run.lease-lost`, `run.deploy-key`, or what the forge says.
 */
export async function registerDeployKey(
  app: App,
  runner: RunnerDocument,
  request: DeployKeyRequest,
): Promise<{ readonly id: string; readonly readOnly: true }> {
  const job = (await app.store.get<JobDocument>(keys.job(request.job)))?.value
  const cluster = job && (await app.store.get<ClusterDocument>(keys.cluster(job.repo, request.cluster)))?.value
  const lease = cluster?.lease
  const holds =
    job?.job.state === 'running' &&
    job.job.order.cluster === request.cluster &&
    lease?.job === request.job &&
    lease.runner === runner.id &&
    lease.fence === request.fence
  if (!job || !holds) {
    throw new Problem({
      code: 'run.lease-lost',
      what: `registering a deploy key for ${request.cluster}: runner "${runner.id}" does not hold its lease`,
      retry: 'never',
    })
  }
  if (!PUBLIC_KEY.test(request.publicKey)) {
    throw new Problem({
      code: 'run.deploy-key',
      what: `registering a deploy key for ${request.cluster}: it is not an Ed25519 public key`,
      retry: 'never',
    })
  }
  const line = request.publicKey.split(' ').slice(0, 2).join(' ')
  const key = await forgeOf(app, job.repo).registerDeployKey(job.repo, `slipway ${request.cluster}`, line)
  if (!key.readOnly) {
    throw new Problem({
      code: 'forge.deploy-key-writes',
      what: `the deploy key of ${request.cluster} is registered with write access`,
      remedy: `Remove the key "${key.title}" at the forge; the next run registers it read-only.`,
      retry: 'later',
    })
  }
  return { id: key.id, readOnly: true }
}
