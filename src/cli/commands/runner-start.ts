import { openWorkingCopy } from '../../forge/local/working-copy.ts'
import { workFolder } from '../clusters.ts'
import type { CommandSpec } from '../command.ts'
import { needRunnerConfig } from '../runner-file.ts'
import { serviceLog } from '../service-log.ts'

export const runnerStart: CommandSpec<unknown> = {
  name: 'runner start',
  summary: 'ask the app for work, and do it, until asked to stop',
  details:
    'Outbound connections only. Stops after SIGTERM or Ctrl-C; running steps end first. A file named `stop` in the state folder keeps it from starting anything.',
  output: 'the log, one JSON document per line, as without a terminal',
  exits: { 0: 'stopped when asked', 1: 'not enrolled, or runner.yaml has mistakes' },
  async run({ globals, terminal }) {
    const { root } = await openWorkingCopy(workFolder(globals, terminal))
    const config = needRunnerConfig(root, globals, terminal)
    const { startRunner } = await import('../../../runner/start.ts')
    await startRunner(config.file, serviceLog(terminal, globals.json), terminal.interrupted)
    return 0
  },
}
