import { resolve } from 'node:path'
import { Problem } from '../../core/problem.ts'
import type { RepoInfo } from '../../seams/forge.ts'
import type { CommandSpec } from '../command.ts'
import { serviceLog } from '../service-log.ts'

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
    const { openApp } = await import('../../entry/node.ts')
    const { createToken } = await import('../../app/enroll-runner.ts')
    const names = options.repo ?? []
    const config = readConfig({
      ...terminal.environment,
      ...(options.database === undefined ? {} : { SLIPWAY_DATABASE: resolve(terminal.folder, options.database) }),
    })
    const built = await openApp(config, serviceLog({ ...terminal, out: terminal.err }, true, secretsOf(config)))
    try {
      const offered: RepoInfo[] = []
      for (const forge of built.app.forges.values()) offered.push(...(await forge.repositories()))
      const { token, expiresAt } = await createToken(built.app, chosen(offered, names))
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

function chosen(offered: readonly RepoInfo[], names: readonly string[]): readonly RepoInfo[] {
  return names.map((name) => {
    const found = offered.filter(({ fullName }) => fullName.toLowerCase() === name.toLowerCase())
    if (found[0] !== undefined && found.length === 1) return found[0]
    throw new Problem({
      code: 'token.repository',
      what: found.length === 0 ? `the app has no repository "${name}"` : `"${name}" is at both forges`,
      remedy: `It has ${offered.map(({ fullName }) => fullName).join(', ') || 'none'}. Give the app access at the forge first.`,
      retry: 'never',
    })
  })
}
