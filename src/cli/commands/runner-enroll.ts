import { readFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { resolve } from 'node:path'
import { fileKeystore } from '../../../runner/keystore.ts'
import { siteKey } from '../../../runner/lan/file-keys.ts'
import { Problem } from '../../core/problem.ts'
import { openWorkingCopy } from '../../forge/local/working-copy.ts'
import { workFolder } from '../clusters.ts'
import type { CommandSpec } from '../command.ts'
import { needRunnerConfig } from '../runner-file.ts'
import type { Terminal } from '../terminal.ts'

/** Variable that holds a token, for places where neither a file nor a pipe is at hand. */
const TOKEN_VARIABLE = 'SLIPWAY_ENROLL_TOKEN'

interface EnrollOptions {
  readonly app?: string
  readonly name?: string
  readonly tokenFile?: string
}

export const runnerEnroll: CommandSpec<EnrollOptions> = {
  name: 'runner enroll',
  options: [
    ['--app <url>', 'address of the app; default: `app` in runner.yaml'],
    ['--name <name>', "name of this runner; default: this machine's"],
    ['--token-file <file>', `file with the token; without it the variable ${TOKEN_VARIABLE}, then standard input`],
  ],
  summary: 'make this machine a runner of an app, with a one-time token',
  details:
    "Makes the runner's signing key and its read-only Git key; only the public halves leave this machine. The app's key is pinned from then on. A token is never taken from the command line, where other users could see it.",
  output: '{ runner: string, app: string, repositories: string[], publicKey: string }',
  exits: { 0: 'enrolled', 1: 'a problem' },
  async run({ options, globals, terminal, say, json }) {
    const { root } = await openWorkingCopy(workFolder(globals, terminal))
    const config = needRunnerConfig(root, globals, terminal)
    const app = options.app ?? config.app
    if (app === undefined)
      throw new Problem({
        code: 'cli.option',
        what: 'the address of the app is not known',
        remedy: 'Give --app https://…, or write `app:` into runner.yaml.',
        retry: 'never',
      })
    const token = await readToken(options.tokenFile, terminal)
    const { enroll } = await import('../../../runner/enroll.ts')
    const keys = fileKeystore(config.state)
    const name = options.name ?? hostname().toLowerCase().split('.')[0] ?? ''
    const identity = await enroll({ app: app.replace(/\/+$/, ''), token, name, config, keys })
    const { publicKey } = await siteKey(keys)
    const repositories = identity.repositories.map(({ fullName }) => fullName)
    say(`✔ ${identity.name} works for ${repositories.join(', ')}.\n`)
    say(`\nIt logs in on machines with this key; existing hosts need it in authorized_keys:\n  ${publicKey}\n`)
    say('\nNext: slipway runner start\n')
    json({ runner: identity.name, app: identity.app, repositories, publicKey })
    return 0
  },
}

async function readToken(file: string | undefined, terminal: Terminal): Promise<string> {
  const token = (await tokenText(file, terminal)).trim()
  // Never quoted: it may be some other secret that was given by mistake.
  if (/^\S{8,200}$/.test(token)) return token
  throw new Problem({
    code: 'cli.token',
    what: 'there is no enrolment token where it was looked for',
    remedy: `Write the output of \`slipway token create\` into a file and name it with --token-file, or pipe it in.`,
    retry: 'never',
  })
}

async function tokenText(file: string | undefined, terminal: Terminal): Promise<string> {
  if (file === undefined) {
    const given = terminal.environment[TOKEN_VARIABLE]
    return given !== undefined && given !== '' ? given : terminal.input()
  }
  try {
    return readFileSync(resolve(terminal.folder, file), 'utf8')
  } catch (cause) {
    throw new Problem({ code: 'cli.token', what: `reading the token from ${file}`, retry: 'never' }, { cause })
  }
}
