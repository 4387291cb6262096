import { POLICY_FILE } from '../../core/layout.ts'
import { parsePolicy } from '../../core/policy.ts'
import { terminalProblems } from '../../core/report/terminal.ts'
import { openWorkspace, readClusters } from '../clusters.ts'
import type { CommandSpec } from '../command.ts'

export const validate: CommandSpec<{ readonly at?: string }> = {
  name: 'validate',
  arguments: '[cluster...]',
  argumentText: 'names of clusters; all of the repository when none is given',
  options: [['--at <commit>', 'read a commit, branch or tag instead of the files on disk']],
  summary: 'check cluster files and the policy: all mistakes at once, each with its place and remedy',
  details: 'Reads text only; nothing is contacted. The same check runs on every pull request.',
  output:
    '{ clusters: { cluster: string, file: string, problems: FileProblem[] }[], policy: { file: string, problems: FileProblem[] } }',
  exits: { 0: 'no problems', 1: 'problems' },
  async run({ options, names, globals, terminal, say, json }) {
    const workspace = await openWorkspace(globals, terminal, options.at)
    const clusters = await readClusters(workspace, names)
    const policy = parsePolicy((await workspace.read([POLICY_FILE])).get(POLICY_FILE), POLICY_FILE)
    const problems = [...clusters.flatMap((cluster) => cluster.problems), ...policy.problems]
    if (problems.length > 0) say(terminalProblems(problems))
    else {
      for (const { cluster, spec } of clusters)
        say(`✔ ${cluster}: ${spec?.machines.length} machines, Kubernetes ${spec?.kubernetes.version}, no problems\n`)
      say('\nNext: slipway plan\n')
    }
    json({
      clusters: clusters.map(({ cluster, file, problems: found }) => ({ cluster, file, problems: found })),
      policy: { file: POLICY_FILE, problems: policy.problems },
    })
    return problems.length === 0 ? 0 : 1
  },
}
