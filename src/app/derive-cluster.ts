import { blueprint } from '../blueprint/blueprint.ts'
import type { Bundle } from '../core/bundle.ts'
import { noFacts } from '../core/facts.ts'
import { clusterFile } from '../core/layout.ts'
import type { Plan } from '../core/plan.ts'
import { planCluster } from '../core/plan-cluster.ts'
import { type FileProblem, Problem, type ProblemFields } from '../core/problem.ts'
import type { ClusterSpec } from '../core/spec/cluster-spec.ts'
import { parseClusterSpec } from '../core/spec/parse.ts'
import type { RepoInfo } from '../seams/forge.ts'
import { type App, forgeOf } from './app.ts'
import type { FactsDocument } from './documents.ts'

/** What one cluster file at one commit means, with given facts. Parts that could not be worked out are absent. */
export interface Derived {
  readonly cluster: string
  readonly file: string
  readonly problems: readonly (ProblemFields & Partial<Pick<FileProblem, 'file' | 'line' | 'column'>>)[]
  readonly spec?: ClusterSpec
  readonly bundle?: Bundle
  /** First content of the user's own folder, for a repository that has none. */
  readonly seed?: Bundle
  readonly plan?: Plan
  readonly facts?: FactsDocument
}

/** Reads a cluster file at a commit and works out plan and bundle: text in, values out, nothing is contacted. */
export async function deriveCluster(
  app: App,
  info: RepoInfo,
  commit: string,
  cluster: string,
  facts: FactsDocument | undefined,
): Promise<Derived> {
  const file = clusterFile(cluster)
  const text = (await forgeOf(app, info).readFiles(info, commit, [file])).get(file)
  const base = { cluster, file, ...(facts === undefined ? {} : { facts }) }
  if (text === undefined) {
    const what = `${file} is not there at ${commit.slice(0, 7)}`
    return { ...base, problems: [{ code: 'spec.absent', what, where: file, retry: 'never' }] }
  }
  const { spec, problems } = parseClusterSpec(text, file, { repository: info.git })
  if (!spec || problems.length > 0) return { ...base, problems }
  try {
    const implied = blueprint(spec)
    const planned = planCluster(spec, implied, facts?.facts ?? noFacts(cluster))
    return {
      ...base,
      spec,
      bundle: implied.bundle,
      seed: implied.seed,
      problems: planned.problems,
      ...(planned.plan === undefined || planned.problems.length > 0 ? {} : { plan: planned.plan }),
    }
  } catch (error) {
    if (error instanceof Problem) return { ...base, spec, problems: [error.toJSON()] }
    throw error
  }
}
