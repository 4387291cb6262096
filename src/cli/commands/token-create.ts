import { resolve } from 'node:path'
import type { CommandSpec } from '../command.ts'

export const tokenCreate: CommandSpec<{ readonly repo?: readonly string[]; readonly database?: string }> = {
  name: 'token create',
  options: [
    ['--repo <owner/name...>', 'repositories that the runner shall work for'],
    ['--database <file>', "the app's database; default: SLIPWAY_DATABASE"],
  ],
  summary: 'make a one-time token with which a runner enrols',
  details:
    "Runs on the app's host with the app's settings. The token is shown once, counts for an hour and for one runner; only its hash is kept.",
  output: '{ token: string, expiresAt: string, repositories: string[] }',
  exits: { 0: 'the token is on standard output', 1: 'a problem' },
  async run({ options, terminal, say, note, json }) {
    const { readConfig, secretsOf } = await import('../../entry/config.ts')
    const { jsonLog } = await import('../../entry/log.ts')
    const { openApp } = await import('../../entry/node.ts')
    const { createToken } = await import('../../app/enroll-runner.ts')
    const { findRepositories } = await import('../../app/find-repositories.ts')
    const names = options.repo ?? []
    const config = readConfig({
      ...terminal.environment,
      ...(options.database === undefined ? {} : { SLIPWAY_DATABASE: resolve(terminal.folder, options.database) }),
    })
    const built = await openApp(config, jsonLog(terminal.err, secretsOf(config)))
    try {
      // A token counts for what is named, never for everything by omission.
      const repositories = names.length === 0 ? [] : await findRepositories(built.app, names)
      const { token, expiresAt } = await createToken(built.app, repositories)
      say(`${token}\n`)
      note(`Counts until ${expiresAt} for one runner of ${names.join(', ')}.\n`)
      note('Next, on the runner: slipway runner enroll --app URL --name NAME --token-file FILE\n')
      json({ token, expiresAt, repositories: names })
      return 0
    } finally {
      await built.close()
    }
  },
}
