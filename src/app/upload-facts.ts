import { digest } from '../core/canonical.ts'
import type { Facts } from '../core/facts.ts'
import { Problem } from '../core/problem.ts'
import type { RepoRef } from '../seams/forge.ts'
import { redact } from '../secrets/redact.ts'
import type { App } from './app.ts'
import { changeDocument, listAll } from './change-document.ts'
import {
  type ClusterDocument,
  type FactsDocument,
  keys,
  type OpenPullDocument,
  type RunnerDocument,
} from './documents.ts'
import { planPull } from './plan-pull.ts'
import { settleCluster } from './settle-cluster.ts'

/** The runner's repository with this id. @throws Problem `runner.repository` */
export function repositoryOf(runner: RunnerDocument, id: string): RepoRef {
  const repo = runner.repositories.find((candidate) => candidate.id === id)
  if (repo) return repo
  throw new Problem({
    code: 'runner.repository',
    what: `runner "${runner.id}" was not enrolled for repository ${id}`,
    remedy: 'Enrol it for that repository: slipway token create, then slipway runner enroll.',
    retry: 'never',
  })
}

/** Keeps what a runner saw of a cluster, and plans again what depends on it. */
export async function uploadFacts(app: App, runner: RunnerDocument, repository: string, facts: Facts): Promise<void> {
  const repo = repositoryOf(runner, repository)
  const changed = await keepFacts(app, repo, runner.id, facts)
  if (changed) app.defer('plan with new facts', () => planWithNewFacts(app, repo, facts.cluster))
}

/**
 * Keeps the newest facts of a cluster.
 * @returns Whether they say something else than before, their time aside.
 */
export async function keepFacts(app: App, repo: RepoRef, runner: string, facts: Facts): Promise<boolean> {
  const receivedAt = await app.store.now()
  const hash = digest(facts)
  const clean = withCleanStatus(facts)
  let changed = false
  await changeDocument<FactsDocument>(app.store, keys.facts(repo, facts.cluster), (known) => {
    // An upload that took long must not hide a newer one of the same runner.
    if (known && known.runner === runner && known.facts.takenAt > facts.takenAt) return undefined
    changed = !known || known.runner !== runner || content(known.facts) !== content(clean)
    return { facts: clean, hash, runner, receivedAt }
  })
  return changed
}

/** Facts are allow-listed by their schema; the one free text among them is the engine's own. */
function withCleanStatus(facts: Facts): Facts {
  const { gitops } = facts
  if (gitops?.status?.message === undefined) return facts
  return { ...facts, gitops: { ...gitops, status: { ...gitops.status, message: redact(gitops.status.message) } } }
}

function content(facts: Facts): string {
  return digest({ ...facts, takenAt: '' })
}

async function planWithNewFacts(app: App, repo: RepoRef, cluster: string): Promise<void> {
  if (await app.store.get<ClusterDocument>(keys.cluster(repo, cluster))) await settleCluster(app, repo, cluster)
  // Pulls from forks are not among these: what they are told must not depend on facts.
  for (const { value: pull } of await listAll<OpenPullDocument>(app.store, keys.openPulls(repo))) {
    if (pull.clusters.includes(cluster)) await planPull(app, repo, pull.number, { afresh: true })
  }
}
