import type { RunnerConfig } from '../../../runner/config.ts'
import { policyProblems } from '../../../runner/accept/policy.ts'
import { blueprint } from '../../blueprint/blueprint.ts'
import type { Facts } from '../../core/facts.ts'
import type { Plan } from '../../core/plan.ts'
import { planCluster } from '../../core/plan-cluster.ts'
import type { FileProblem, ProblemFields } from '../../core/problem.ts'
import { terminalPlan, terminalProblems } from '../../core/report/terminal.ts'
import { openWorkspace, readClusters, type ClusterAt } from '../clusters.ts'
import type { CommandSpec } from '../command.ts'
import { asProblem } from '../failure.ts'
import { type FactsSource, factsSource, readFacts } from '../facts-source.ts'
import { findRunnerConfig } from '../runner-file.ts'

interface Planned {
  readonly cluster: string
  readonly problems: readonly (ProblemFields | FileProblem)[]
  readonly plan?: Plan
  readonly facts?: Facts
  /** What `runner.yaml` would refuse. */
  readonly denied: readonly ProblemFields[]
}

export const plan: CommandSpec<{ readonly facts?: string; readonly steps?: boolean; readonly at?: string }> = {
  name: 'plan',
  arguments: '[cluster...]',
  argumentText: 'names of clusters; all of the repository when none is given',
  options: [
    ['--facts <source>', '`live`: look at the machines; `none`: plan from the text alone; or a JSON file of facts'],
    ['--steps', 'show every step'],
    ['--at <commit>', 'read a commit, branch or tag instead of the files on disk'],
  ],
  summary: 'say what would be done to which machine; changes nothing',
  details:
    'Without `--facts`, machines are looked at when there is a `runner.yaml`; otherwise the plan is that of a new cluster, and says so.',
  output:
    "{ clusters: { cluster: string, problems: Problem[], facts: { from: 'live' | 'none' | 'file', document?: Facts }, plan?: Plan, denied: Problem[] }[] }",
  exits: { 0: 'nothing to change', 1: 'a problem: there is no plan', 2: 'there are changes' },
  async run({ options, names, globals, terminal, say, note, json }) {
    const workspace = await openWorkspace(globals, terminal, options.at)
    const clusters = await readClusters(workspace, names)
    const config = options.facts === 'none' ? undefined : findRunnerConfig(workspace.copy.root, globals, terminal)
    const source = factsSource(options.facts, config, terminal)
    if (source.from === 'none' && source.because !== undefined) note(`· ${source.because}\n\n`)
    const planned: Planned[] = []
    for (const cluster of clusters) planned.push(await planOne(cluster, source, config))
    for (const { plan: found, problems, denied } of planned) {
      if (found === undefined) say(terminalProblems(problems))
      else say(terminalPlan(found, { steps: options.steps === true }))
      if (denied.length > 0) {
        say('\nrunner.yaml would refuse this:\n')
        for (const { what } of denied) say(`  ✖ ${what}\n`)
      }
      say('\n')
    }
    const status = planned.some(({ plan: found }) => found === undefined)
      ? 1
      : planned.some(({ plan: found }) => (found?.steps.length ?? 0) > 0)
        ? 2
        : 0
    if (status === 2) say(`Next: ${nextAfterPlan(config !== undefined, planned[0]?.cluster ?? '')}\n`)
    json({
      clusters: planned.map(({ facts, ...one }) => ({
        ...one,
        facts: { from: source.from, ...(source.from === 'none' || facts === undefined ? {} : { document: facts }) },
      })),
    })
    return status
  },
}

function nextAfterPlan(reachable: boolean, cluster: string): string {
  return reachable
    ? `slipway apply ${cluster}, or commit, open a pull request and merge it`
    : 'commit, open a pull request and merge it; or fill in runner.yaml and run slipway apply'
}

async function planOne(
  { cluster, spec, problems }: ClusterAt,
  source: FactsSource,
  config: RunnerConfig | undefined,
): Promise<Planned> {
  if (spec === undefined) return { cluster, problems, denied: [] }
  try {
    const facts = await readFacts(source, spec)
    const made = planCluster(spec, blueprint(spec), facts)
    const denied = config === undefined || made.plan === undefined ? [] : policyProblems(made.plan, undefined, config)
    return {
      cluster,
      facts,
      problems: made.problems,
      denied: denied.map((problem) => problem.toJSON()),
      ...(made.plan === undefined ? {} : { plan: made.plan }),
    }
  } catch (error) {
    // One cluster's trouble does not keep the others from being shown.
    const problem = asProblem(error)
    if (problem.code === 'cli.unexpected') throw error
    return { cluster, problems: [problem], denied: [] }
  }
}
