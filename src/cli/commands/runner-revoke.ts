import { revokeRunner } from '../../app/enroll-runner.ts'
import { runnerStatus } from '../../app/status.ts'
import { Problem } from '../../core/problem.ts'
import { DATABASE_OPTION, openDatabase } from '../app-database.ts'
import type { CommandSpec } from '../command.ts'

export const runnerRevoke: CommandSpec<{ readonly database?: string }> = {
  name: 'runner revoke',
  arguments: '<runner>',
  argumentText: 'name of the runner',
  options: [DATABASE_OPTION],
  summary: "take a runner's right to ask for work away, at once",
  details: 'Its read-only key at the forge stays: remove it there.',
  output: '{ runner: string, revoked: boolean }',
  exits: { 0: 'it may not ask any more', 1: 'a problem' },
  async run({ options, names, terminal, say, json }) {
    const runner = names[0] ?? ''
    const store = openDatabase(options.database, terminal)
    try {
      const known = (await runnerStatus({ store })).map(({ id }) => id)
      if (!known.includes(runner))
        throw new Problem({
          code: 'runner.unknown',
          what: `there is no runner "${runner}"`,
          remedy: known.length === 0 ? 'None has enrolled yet.' : `There is ${known.join(', ')}.`,
          retry: 'never',
        })
      const revoked = await revokeRunner({ store }, runner)
      say(revoked ? `✔ ${runner} may not ask for work any more.\n` : `✔ ${runner} was revoked already.\n`)
      say(`Next: remove the key "slipway runner ${runner}" at the forge.\n`)
      json({ runner, revoked })
      return 0
    } finally {
      store.close()
    }
  },
}
