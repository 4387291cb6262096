import { blueprint } from '../src/blueprint/blueprint.ts'
import { bundle, bundleChanges } from '../src/core/bundle.ts'
import { noFacts } from '../src/core/facts.ts'
import { planCluster } from '../src/core/plan-cluster.ts'
import { reportPlan } from '../src/core/report/plan.ts'
import { parseClusterSpec } from '../src/core/spec/parse.ts'
import { clusterText } from './cluster-text.ts'

/** Each size is worked out for about this long, at least {@link LEAST_ROUNDS} times. */
const SIZE_MS = 2_000
const LEAST_ROUNDS = 5
const REPOSITORY = { sshUrl: 'ssh://git@git.example/you/home.git', branch: 'main', knownHosts: [] }

export interface PlanFigures {
  readonly nodes: number
  readonly steps: number
  /** Median of one time from the text of the spec to the comment, in milliseconds. */
  readonly medianMs: number
}

/** Spec text → spec → blueprint with its rendered bundle → plan with its digest → comment, for a new cluster. */
export function measurePlan(nodes: number): PlanFigures {
  const text = clusterText(nodes)
  const took: number[] = []
  const started = performance.now()
  let steps = 0
  while (took.length < LEAST_ROUNDS || performance.now() - started < SIZE_MS) {
    const start = performance.now()
    steps = planOnce(text)
    took.push(performance.now() - start)
  }
  return { nodes, steps, medianMs: took.toSorted((a, b) => a - b)[Math.floor(took.length / 2)] ?? Number.NaN }
}

function planOnce(text: string): number {
  const { spec, problems } = parseClusterSpec(text, 'clusters/home/cluster.yaml', { repository: REPOSITORY })
  if (spec === undefined) throw new Error(problems.map(({ what }) => what).join('; '))
  const print = blueprint(spec)
  const { plan } = planCluster(spec, print, noFacts(spec.name))
  if (plan === undefined) throw new Error('the cluster cannot be planned')
  const changes = bundleChanges(bundle({}), print.bundle)
  const comment = reportPlan({
    clusters: [
      {
        cluster: spec.name,
        plan,
        problems: [],
        bundle: { engine: spec.gitops.engine, changes, files: print.bundle },
        next: { kind: 'merge' },
      },
    ],
    commit: '1f3e9ab0',
    now: 0,
    limit: 60_000,
  })
  if (!comment.includes(plan.digest.slice(0, 8))) throw new Error('the comment is not about this plan')
  return plan.steps.length
}
