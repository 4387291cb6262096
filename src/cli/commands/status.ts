import type { Facts } from '../../core/facts.ts'
import type { Job } from '../../core/job.ts'
import type { Plan } from '../../core/plan.ts'
import { planCluster } from '../../core/plan-cluster.ts'
import type { ProblemFields } from '../../core/problem.ts'
import { headline } from '../../core/report/plan-summary.ts'
import { terminalProblems } from '../../core/report/terminal.ts'
import { clusterStatus, type ClusterStatus } from '../../app/status.ts'
import { blueprint } from '../../blueprint/blueprint.ts'
import { clusterState } from '../cluster-state.ts'
import { openDatabase } from '../app-database.ts'
import { openWorkspace, readClusters, type ClusterAt } from '../clusters.ts'
import type { Call, CommandSpec } from '../command.ts'
import { readFacts } from '../facts-source.ts'
import type { RunnerConfig } from '../../../runner/config.ts'
import { needRunnerConfig } from '../runner-file.ts'
import { table } from '../table.ts'

interface StatusOptions {
  readonly database?: string
}

export const status: CommandSpec<StatusOptions> = {
  name: 'status',
  arguments: '[cluster...]',
  argumentText: 'names of clusters; all when none is given',
  options: [['--database <file>', 'what the app knows, on its host, instead of looking at the machines']],
  summary: 'show what exists: nodes, the GitOps engine, and whether anything is left to do',
  details: 'Looks at the machines through `runner.yaml`; changes nothing.',
  output:
    '{ clusters: { cluster: string, facts?: Facts, stepsLeft?: number, problems: Problem[] }[] }; with `--database` { clusters: { repo, cluster, orphaned, commit?, pull?, job?: Job, facts? }[] }',
  exits: { 0: 'everything could be looked at', 1: 'a problem' },
  async run(call) {
    const { options, names, globals, terminal, say, json } = call
    if (options.database !== undefined) return fromApp(call)
    const workspace = await openWorkspace(globals, terminal)
    const clusters = await readClusters(workspace, names)
    const config = needRunnerConfig(workspace.copy.root, globals, terminal)
    const seen: Seen[] = []
    for (const cluster of clusters) seen.push(await look(cluster, config))
    for (const one of seen) say(`${statusText(one)}\n`)
    json({
      clusters: seen.map(({ cluster, facts, plan, problems }) => ({
        cluster,
        problems,
        ...(facts === undefined ? {} : { facts }),
        ...(plan === undefined ? {} : { stepsLeft: plan.steps.length }),
      })),
    })
    return seen.some(({ problems }) => problems.length > 0) ? 1 : 0
  },
}

interface Seen {
  readonly cluster: string
  readonly facts?: Facts
  readonly plan?: Plan
  readonly problems: readonly ProblemFields[]
}

async function look({ cluster, spec, problems }: ClusterAt, config: RunnerConfig): Promise<Seen> {
  if (spec === undefined) return { cluster, problems }
  const facts = await readFacts({ from: 'live', config }, spec)
  return { cluster, facts, ...planCluster(spec, blueprint(spec), facts) }
}

function statusText({ cluster, facts, plan, problems }: Seen): string {
  const state = facts === undefined ? '' : clusterState(facts)
  if (problems.length > 0) return `${state}${terminalProblems(problems)}`
  if (plan === undefined || plan.steps.length === 0) return `${state}✔ as the file says, nothing to change\n`
  return `${state}! ${headline(plan)}: ${plan.steps.length} steps\n  → slipway plan ${cluster}\n`
}

async function fromApp({ options, names, terminal, say, json }: Call<StatusOptions>): Promise<number> {
  const store = openDatabase(options.database, terminal)
  try {
    const all = await clusterStatus({ store })
    const clusters = names.length === 0 ? all : all.filter(({ cluster }) => names.includes(cluster))
    if (clusters.length === 0) say('The app knows no such cluster.\n')
    else say(table([['cluster', 'repository', 'commit', 'last run', 'looked at'], ...clusters.map(appRow)]))
    json({ clusters })
    return 0
  } finally {
    store.close()
  }
}

function appRow({ cluster, repo, commit, job, facts, orphaned }: ClusterStatus): readonly string[] {
  return [
    orphaned ? `${cluster} (its file is gone)` : cluster,
    `${repo.forge}/${repo.id}`,
    commit?.slice(0, 7) ?? '',
    job === undefined ? 'none' : `${jobWords(job)}, ${job.order.id}`,
    facts === undefined ? 'never' : `${facts.takenAt} by ${facts.runner}`,
  ]
}

function jobWords(job: Job): string {
  switch (job.state) {
    case 'waiting':
      return `waiting: ${job.why.what}`
    case 'running':
      return `running, ${job.progress.done.length} of ${job.progress.total} steps`
    case 'stopped':
      return `stopped: ${job.problem.what}`
    case 'queued':
    case 'succeeded':
    case 'cancelled':
    case 'superseded':
      return job.state
    default:
      return job satisfies never
  }
}
