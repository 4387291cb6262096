import { policyProblems } from '../../../runner/accept/policy.ts'
import { fileKeystore } from '../../../runner/keystore.ts'
import type { Lan } from '../../../runner/lan/lan.ts'
import { systemClock } from '../../../runner/system-clock.ts'
import { blueprint } from '../../blueprint/blueprint.ts'
import type { Plan } from '../../core/plan.ts'
import { planCluster } from '../../core/plan-cluster.ts'
import { Problem } from '../../core/problem.ts'
import { terminalPlan, terminalProblems } from '../../core/report/terminal.ts'
import type { ClusterSpec } from '../../core/spec/cluster-spec.ts'
import { noOrigin } from '../../forge/local/index.ts'
import { openWorkspace, readClusters, type Workspace } from '../clusters.ts'
import type { Call, CommandSpec } from '../command.ts'
import { awaitDeployKey, deployKeyPage } from '../deploy-key.ts'
import { limitedPlan } from '../limited-plan.ts'
import { clusterState } from '../cluster-state.ts'
import { type Progress, progress } from '../progress.ts'
import { needRunnerConfig } from '../runner-file.ts'
import { INTERRUPTED } from '../terminal.ts'
import { lockWriter } from '../writer-lock.ts'

interface ApplyOptions {
  readonly yes?: boolean
  readonly dryRun?: boolean
  readonly limit?: readonly string[]
  readonly steps?: boolean
}

export const apply: CommandSpec<ApplyOptions> = {
  name: 'apply',
  arguments: '<cluster>',
  argumentText: 'name of the cluster',
  options: [
    ['--yes', 'do not ask'],
    ['--dry-run', 'show what would be done, and end'],
    ['--limit <machine...>', 'only the steps of these machines, and what those wait for'],
    ['--steps', 'show every step of the plan'],
  ],
  summary: 'do what the plan says, from this machine, without an app',
  details:
    'The engine, actions and policy of the runner, with your own `runner.yaml`. Looks at the machines, shows the plan, asks, and goes on where an earlier run stopped. One process at a time works on a cluster. The first Ctrl-C lets running steps end, the second one ends the process; either way the next run finds out what was reached.',
  output:
    "one JSON document per line: { kind: 'plan', plan: Plan }, every RunEvent as it comes, { kind: 'deploy-key', title, publicKey, page } when a key has to be registered, and at the end { kind: 'result', outcome: 'nothing-to-do' | 'planned' | 'declined' | 'succeeded' | 'stopped' | 'cancelled', job?, notes?: string[] }",
  exits: {
    0: 'everything is as the spec says, or with `--limit` that part of it',
    1: 'a problem: the plan was refused, declined or stopped on the way',
    2: 'with `--dry-run`: there are changes',
    130: 'interrupted',
  },
  async run(call) {
    const { options, names, globals, terminal, say, json } = call
    const workspace = await openWorkspace(globals, terminal)
    const [cluster] = await readClusters(workspace, names)
    const spec = cluster?.spec
    if (spec === undefined) {
      say(terminalProblems(cluster?.problems ?? []))
      json({ problems: cluster?.problems ?? [] })
      return 1
    }
    needRepository(workspace, spec)
    const config = needRunnerConfig(workspace.copy.root, globals, terminal)
    const { withLan } = await import('../lan-session.ts')
    const { runLocally, runId } = await import('../local-run.ts')
    const keys = fileKeystore(config.state)
    using lock =
      options.dryRun === true ? undefined : lockWriter(keys, spec.name, new Date(systemClock.now()).toISOString())

    let opened: Lan | undefined
    let view: Progress | undefined
    const registerDeployKey = async (title: string, publicKey: string): Promise<void> => {
      if (opened === undefined) throw new TypeError('a deploy key is registered while a plan runs')
      const page = workspace.copy.origin === undefined ? 'the repository' : deployKeyPage(workspace.copy.origin)
      json({ kind: 'deploy-key', title, publicKey, page })
      await awaitDeployKey(opened, { title, publicKey }, page, (text) => view?.tell(text), terminal.interrupted)
    }
    return withLan(config, spec, { fence: lock?.fence ?? 0, registerDeployKey }, async (lan, access) => {
      opened = lan
      const made = planCluster(spec, blueprint(spec), await access.gather(spec, lan))
      if (made.plan === undefined) {
        say(terminalProblems(made.problems))
        json({ problems: made.problems })
        return 1
      }
      const plan = options.limit === undefined ? made.plan : limitedPlan(made.plan, options.limit)
      say(terminalPlan(plan, { steps: options.steps === true }))
      json({ kind: 'plan', plan })
      const end = (outcome: string, status: number): number => {
        json({ kind: 'result', outcome })
        return status
      }
      if (plan.steps.length === 0) return end('nothing-to-do', 0)
      const denied = policyProblems(plan, undefined, config)
      if (denied.length > 0) {
        say(`\n${terminalProblems(denied.map((problem) => problem.toJSON()))}`)
        json({ problems: denied })
        return 1
      }
      await warnOfStaleBundle(workspace, spec, call)
      if (options.dryRun === true) return end('planned', 2)
      if (options.yes !== true && !(await agreed(plan, call))) {
        say('Nothing was changed.\n')
        return end('declined', 1)
      }
      const job = runId(spec.name, systemClock.now())
      const shown = progress(plan, {
        interactive: terminal.interactive && !globals.json,
        columns: terminal.columns,
        write: say,
        now: () => systemClock.now(),
      })
      view = shown
      say('\n')
      const { outcome, facts, notes } = await runLocally({
        plan,
        lan,
        keys,
        job,
        gather: () => access.gather(spec, lan),
        notes: (facts) => access.notes(spec, facts),
        onEvent: (event) => {
          shown.event(event)
          json({ ...event })
        },
        signal: terminal.interrupted,
      }).finally(() => shown.end())
      json({ kind: 'result', outcome: outcome.outcome, job, notes })
      switch (outcome.outcome) {
        case 'succeeded':
          say(options.limit === undefined ? `\n✔ ${spec.name} is as its file says.\n\n` : '\n✔ This part is done.\n\n')
          say(clusterState(facts))
          say(
            options.limit === undefined
              ? `\nNext: slipway kubeconfig ${spec.name} -o ${spec.name}.kubeconfig\n`
              : `\nNext: slipway apply ${spec.name}, for the rest\n`,
          )
          return 0
        case 'cancelled':
          say(`\n✖ Stopped between two steps. slipway apply ${spec.name} goes on from here.\n`)
          return INTERRUPTED
        case 'stopped':
          say(`\n✖ Stopped. What is done stays done; slipway apply ${spec.name} goes on from here.\n`)
          say(`Next: do what → says above, or read everything again: slipway logs ${job}\n`)
          return terminal.interrupted.aborted ? INTERRUPTED : 1
        default:
          return outcome satisfies never
      }
    })
  },
}

function needRepository({ copy }: Workspace, spec: ClusterSpec): void {
  const { repository } = spec.gitops
  if (copy.repository === undefined && repository.sshUrl.includes('.invalid/')) throw noOrigin(copy.root)
  if (repository.knownHosts.length > 0) return
  throw new Problem({
    code: 'git.known-hosts',
    what: `the SSH host keys of ${new URL(repository.sshUrl).host} are not known, and the cluster must not trust whoever answers`,
    remedy: 'Give them with --known-hosts FILE, from a source that you trust.',
    retry: 'never',
  })
}

/** The engine reads the default branch of the forge: what is not there yet will not come to the cluster. */
async function warnOfStaleBundle(
  { copy }: Workspace,
  spec: ClusterSpec,
  { globals, terminal, note }: Call<unknown>,
): Promise<void> {
  const wanted = blueprint(spec).bundle
  const upstream = await openWorkspace(globals, terminal, `refs/remotes/origin/${copy.branch}`).catch(() => undefined)
  const there = await upstream?.read([...wanted.keys()])
  const missing = [...wanted].filter(([path, text]) => there?.get(path) !== text)
  if (missing.length === 0) return
  note(
    `! ${missing.length} of the files for the GitOps engine are not on ${copy.branch} of the remote, as far as this checkout knows.\n  → slipway render, commit, push; else the last step waits for them in vain.\n`,
  )
}

async function agreed(plan: Plan, { terminal, globals }: Call<unknown>): Promise<boolean> {
  if (!terminal.interactive || globals.json)
    throw new Problem({
      code: 'apply.not-confirmed',
      what: 'nobody can be asked here whether to go on',
      remedy: 'Look at the plan with --dry-run, then give --yes.',
      retry: 'never',
    })
  if (plan.destroys.length === 0) return /^y(es)?$/i.test((await terminal.ask('\nGo on? [y/N] ')).trim())
  const answer = await terminal.ask(`\nThis destroys what stands above. Type the name of the cluster to go on: `)
  return answer.trim() === plan.cluster
}
