import * as z from 'zod'
import { blueprint } from '../../src/blueprint/blueprint.ts'
import type { Blueprint } from '../../src/core/blueprint.ts'
import { noFacts, type Facts } from '../../src/core/facts.ts'
import { clusterFile } from '../../src/core/layout.ts'
import { PLANNER, type Plan } from '../../src/core/plan.ts'
import { planCluster } from '../../src/core/plan-cluster.ts'
import { Problem } from '../../src/core/problem.ts'
import type { ClusterSpec } from '../../src/core/spec/cluster-spec.ts'
import { parseClusterSpec } from '../../src/core/spec/parse.ts'
import { JobOrder, type SignedJob } from '../../src/core/wire.ts'
import { jobText, verifySignature } from '../../src/secrets/signing.ts'
import type { RunnerConfig } from '../config.ts'
import type { FactsArchive } from '../facts-archive.ts'
import type { GitMirror } from '../git-mirror.ts'
import { repositoryOf, type RunnerIdentity } from '../identity.ts'
import type { Keystore } from '../keystore.ts'
import { policyProblems, siteProblems } from './policy.ts'

/** A job that this runner has convinced itself of: the plan is its own, from its own copy of the commit. */
export interface AcceptedJob {
  readonly order: z.infer<typeof JobOrder>
  readonly fence: number
  readonly spec: ClusterSpec
  readonly blueprint: Blueprint
  readonly facts: Facts
  readonly plan: Plan
}

export interface Acceptance {
  readonly identity: RunnerIdentity
  readonly config: RunnerConfig
  readonly keys: Keystore
  readonly archive: FactsArchive
  readonly mirror: (repository: string) => GitMirror
  /** Epoch milliseconds. */
  readonly now: number
}

/** Versions of the planning rules that this runner performs: its own and the one before. */
export const PLANNERS: readonly number[] = PLANNER > 1 ? [PLANNER, PLANNER - 1] : [PLANNER]

const appliedFile = (repository: string, cluster: string): string => `clusters/${repository}/${cluster}/applied-commit`

/** The order inside a signed job, once its signature is proved. */
export async function openOrder(signed: SignedJob, appKey: string): Promise<z.infer<typeof JobOrder>> {
  if (!(await verifySignature(appKey, jobText(signed.fence, signed.order), signed.signature)))
    throw refused(
      'runner.job-signature',
      'the job is not signed by the app that this runner was enrolled with',
      'Look who answers at the address of the app.',
    )
  return JobOrder.parse(JSON.parse(signed.order))
}

/**
 * Trusts nobody: fetches the commit with its own key, plans it anew and compares digests, then asks its own policy.
 * @throws Problem with what was refused and where to allow it.
 */
export async function acceptJob(
  order: z.infer<typeof JobOrder>,
  fence: number,
  with_: Acceptance,
): Promise<AcceptedJob> {
  const { identity, config, keys, archive } = with_
  if (Date.parse(order.expiresAt) <= with_.now)
    throw refused(
      'runner.job-expired',
      `the job expired at ${order.expiresAt}`,
      'Comment `/slipway apply` to queue it again.',
    )
  const offer = identity.repositories.find((known) => known.repository === order.repository)
  if (offer === undefined)
    throw refused(
      'runner.denied',
      `this runner was not enrolled for repository ${order.repository}`,
      'Enrol it with a token for that repository.',
    )
  if (!PLANNERS.includes(order.planner))
    throw refused(
      'runner.planner',
      `the plan was made by rules of version ${order.planner}, this runner knows ${PLANNERS.join(' and ')}`,
      order.planner > PLANNER ? 'Upgrade the runner.' : 'Upgrade the app.',
    )

  const mirror = with_.mirror(order.repository)
  const tip = await mirror.fetch()
  if (!(await mirror.isAncestor(order.commit, tip)))
    throw refused(
      'runner.not-merged',
      `commit ${order.commit.slice(0, 12)} is not on ${offer.branch}`,
      'Merge it first.',
    )
  const newest = keys.read(appliedFile(order.repository, order.cluster))?.trim()
  if (newest !== undefined && newest !== order.commit && !(await mirror.isAncestor(newest, order.commit)))
    throw refused(
      'runner.older-commit',
      `commit ${order.commit.slice(0, 12)} is older than ${newest.slice(0, 12)}, which was applied before`,
      `If going back is meant, remove ${keys.path(appliedFile(order.repository, order.cluster))} on the runner.`,
    )

  const file = clusterFile(order.cluster)
  const text = await mirror.readFile(order.commit, file)
  if (text === undefined)
    throw refused(
      'runner.no-spec',
      `${file} is not in commit ${order.commit.slice(0, 12)}`,
      'Merge a commit that has it.',
    )
  const { spec, problems } = parseClusterSpec(text, file, { repository: repositoryOf(offer) })
  if (spec === undefined || problems.length > 0)
    throw refused(
      'runner.spec',
      problems.map((problem) => `${problem.file}:${problem.line}: ${problem.what}`).join('; '),
      'Mend the spec in a new pull.',
    )
  const facts = order.factsHash === undefined ? noFacts(order.cluster) : archive.byHash(order.factsHash)
  if (facts === undefined)
    throw refused(
      'runner.facts-unknown',
      'the plan was made with facts that this runner did not upload',
      'Comment `/slipway plan`, then `/slipway apply`.',
    )

  const drawn = blueprint(spec)
  const planned = planCluster(spec, drawn, facts)
  if (planned.plan === undefined || planned.problems.length > 0)
    throw refused(
      'runner.plan',
      planned.problems.map((problem) => problem.what).join('; '),
      planned.problems[0]?.remedy ?? 'Mend the spec in a new pull.',
    )
  if (planned.plan.digest !== order.planDigest)
    throw refused(
      'runner.digest',
      `planned here, commit ${order.commit.slice(0, 12)} gives plan ${planned.plan.digest.slice(0, 12)}, the app says ${order.planDigest.slice(0, 12)}`,
      'See that app and runner run the same version, then comment `/slipway plan`.',
    )
  // The refusals of the plan are the more telling ones.
  const refusals = policyProblems(planned.plan, offer.fullName, config)
  const denied = refusals.length > 0 ? refusals : siteProblems(spec, offer.fullName, config)
  if (denied.length > 0)
    throw denied.length === 1
      ? denied[0]!
      : refused('runner.denied', denied.map((problem) => problem.what).join('; '), denied[0]!.remedy ?? '')
  return { order, fence, spec, blueprint: drawn, facts, plan: planned.plan }
}

/** Remembers a commit as applied, so that an older one needs consent on this machine. */
export function rememberApplied(job: AcceptedJob, keys: Keystore): void {
  keys.write(appliedFile(job.order.repository, job.order.cluster), `${job.order.commit}\n`)
}

function refused(code: string, what: string, remedy: string): Problem {
  return new Problem({ code, what, remedy, retry: 'later' })
}
