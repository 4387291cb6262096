import { runnerStatus } from '../../app/status.ts'
import { DATABASE_OPTION, openDatabase } from '../app-database.ts'
import type { CommandSpec } from '../command.ts'
import { table } from '../table.ts'

export const runnerList: CommandSpec<{ readonly database?: string }> = {
  name: 'runner list',
  options: [DATABASE_OPTION],
  summary: 'show the runners that enrolled at the app',
  output:
    '{ runners: { id: string, repositories: { forge: string, id: string }[], enrolledAt: string, lastSeen?: string, version?: string, revoked?: string }[] }',
  exits: { 0: 'always, unless there is a problem', 1: 'a problem' },
  async run({ options, terminal, say, json }) {
    const store = openDatabase(options.database, terminal)
    try {
      const runners = await runnerStatus({ store })
      if (runners.length === 0) say('No runner has enrolled yet: slipway token create\n')
      else
        say(
          table([
            ['runner', 'repositories', 'last seen', 'version', ''],
            ...runners.map(({ id, repositories, lastSeen, version, revoked }) => [
              id,
              repositories.map((repo) => `${repo.forge}/${repo.id}`).join(', '),
              lastSeen ?? 'never',
              version ?? '',
              revoked === undefined ? '' : `revoked ${revoked}`,
            ]),
          ]),
        )
      json({ runners })
      return 0
    } finally {
      store.close()
    }
  },
}
