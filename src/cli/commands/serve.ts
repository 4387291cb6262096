import { once } from 'node:events'
import type { CommandSpec } from '../command.ts'
import { serviceLog } from '../service-log.ts'

export const serve: CommandSpec<unknown> = {
  name: 'serve',
  summary: 'run the app: webhooks, plans on pull requests, work for runners',
  details: 'Settings come from the environment only. Runs until it is asked to stop (SIGTERM or Ctrl-C).',
  output: 'the log, one JSON document per line, as without a terminal',
  exits: { 0: 'stopped when asked', 1: 'a setting is missing or wrong, or the port is taken' },
  async run({ globals, terminal }) {
    const { readConfig, secretsOf } = await import('../../entry/config.ts')
    const { serve: start } = await import('../../entry/node.ts')
    const config = readConfig(terminal.environment)
    // Before anything starts, so that from then on a signal asks instead of kills.
    const { interrupted } = terminal
    const serving = await start(config, serviceLog(terminal, globals.json, secretsOf(config)))
    if (!interrupted.aborted) await once(interrupted, 'abort')
    await serving.stop()
    return 0
  },
}
