import { execFileSync } from 'node:child_process'
import { mkdtempSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { main } from '../../src/cli/main.ts'
import type { Terminal } from '../../src/cli/terminal.ts'

export interface Ran {
  readonly status: number
  readonly out: string
  readonly err: string
  /** The lines of standard output as JSON documents. */
  readonly json: readonly Record<string, unknown>[]
}

export interface ConsoleOptions {
  readonly environment?: Readonly<Record<string, string>>
  readonly input?: string
  /** Answers of the person in front of it; without any, nobody is there. */
  readonly answers?: string[]
  readonly interrupted?: AbortSignal
  readonly onOut?: (text: string) => void
}

/** Runs a command in this process, in a folder, with its output caught. */
export async function slipway(folder: string, argv: readonly string[], options: ConsoleOptions = {}): Promise<Ran> {
  let out = ''
  let err = ''
  const { answers } = options
  const terminal: Terminal = {
    out: (text) => {
      out += text
      options.onOut?.(text)
    },
    err: (text) => {
      err += text
    },
    interactive: answers !== undefined,
    colour: false,
    columns: 100,
    folder,
    environment: options.environment ?? {},
    input: async () => options.input ?? '',
    ask: async (question) => {
      out += question
      return answers?.shift() ?? ''
    },
    interrupted: options.interrupted ?? new AbortController().signal,
  }
  const status = await main(argv, terminal)
  const json = out
    .split('\n')
    .flatMap((line) => (line.startsWith('{') ? [JSON.parse(line) as Record<string, unknown>] : []))
  return { status, out, err, json }
}

/** An empty Git repository of its own in a temporary folder. */
export function temporaryRepository(
  origin?: string,
): { readonly folder: string; readonly git: (...args: readonly string[]) => string } & Disposable {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'slipway-cli-')))
  const git = (...args: readonly string[]): string =>
    execFileSync('git', ['-c', 'user.name=ada', '-c', 'user.email=ada@example.org', ...args], {
      cwd: folder,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, GIT_CONFIG_GLOBAL: '/dev/null', GIT_CONFIG_NOSYSTEM: '1' },
    }).trim()
  git('init', '--quiet', '--initial-branch', 'main')
  if (origin !== undefined) git('remote', 'add', 'origin', origin)
  return { folder, git, [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }) }
}
