import { Command, Option } from 'commander'
import { coloured } from './colour.ts'
import type { Terminal } from './terminal.ts'

/** Options that every command takes. */
export interface Globals {
  readonly json: boolean
  /** Folder to work in instead of the current one. */
  readonly C?: string
  readonly config?: string
  readonly knownHosts?: string
  readonly debug: boolean
}

/** One invocation of a command. */
export interface Call<Options> {
  readonly options: Options
  /** Positional arguments in order. */
  readonly names: readonly string[]
  readonly globals: Globals
  readonly terminal: Terminal
  /** Text for people on standard output; with `--json` it is left out. */
  readonly say: (text: string) => void
  /** Text for people on standard error, `--json` or not: warnings, questions, hints. */
  readonly note: (text: string) => void
  /** The command's one JSON document; without `--json` it is left out. */
  readonly json: (value: Readonly<Record<string, unknown>>) => void
}

/** A command as data: the program and its reference page are both made from it. */
export interface CommandSpec<Options> {
  /** `plan`, or `runner enroll` for a command of a group. */
  readonly name: string
  /** As Commander takes it: `[cluster...]`, `<name>`. */
  readonly arguments?: string
  readonly argumentText?: string
  readonly options?: readonly (readonly [flags: string, text: string])[]
  /** One line, without a full stop. */
  readonly summary: string
  /** More for the reference page, in Markdown. */
  readonly details?: string
  /** What `--json` prints, as an example in TypeScript's type notation. */
  readonly output: string
  /** Exit status → when. */
  readonly exits: Readonly<Record<number, string>>
  /** @returns the exit status */
  run(call: Call<Options>): Promise<number>
}

/** A command of any options; Commander checks flags, so what a command's own type says is what it was given. */
export type AnyCommand = CommandSpec<never>

export const GLOBAL_OPTIONS: readonly (readonly [flags: string, text: string])[] = [
  ['--json', 'print JSON instead of text'],
  ['-C <folder>', 'work in this folder instead of the current one'],
  ['--config <file>', "the runner's settings; default: runner.yaml at the root of the repository, if it is there"],
  [
    '--known-hosts <file>',
    'host keys of the forge that `origin` is at; those of github.com and gitlab.com are built in',
  ],
  ['--no-color', 'no colours; the variable NO_COLOR does the same'],
  ['--debug', 'show where an unexpected error came from'],
]

/** Builds the program; `finished` is told the exit status of the command that ran. */
export function buildProgram(
  commands: readonly AnyCommand[],
  terminal: Terminal,
  finished: (command: string, status: number) => void,
): Command {
  const program = new Command('slipway')
    .description('Merge a pull request, launch a cluster.')
    .exitOverride()
    .configureOutput({ writeOut: terminal.out, writeErr: terminal.err, getOutHasColors: () => false })
    .configureHelp({ showGlobalOptions: true })
    .helpCommand(true)
  for (const [flags, text] of GLOBAL_OPTIONS) program.addOption(new Option(flags, text))
  const groups = new Map<string, Command>()
  for (const spec of commands) {
    const [first = '', second] = spec.name.split(' ')
    let parent = program
    if (second !== undefined) {
      parent = groups.get(first) ?? program.command(first).description(GROUPS[first] ?? '')
      groups.set(first, parent)
    }
    const command = parent.command(second ?? first).description(spec.summary)
    if (spec.arguments !== undefined) command.argument(spec.arguments, spec.argumentText)
    for (const [flags, text] of spec.options ?? []) command.addOption(new Option(flags, text))
    command.action(async (...given: unknown[]) => {
      const { options, names } = readArguments(given)
      const globals = program.opts<GivenGlobals>()
      const call = callOf(terminal, globals, options, names)
      finished(spec.name, await (spec as CommandSpec<unknown>).run(call))
    })
  }
  return program
}

/** Descriptions of the groups that commands come in. */
export const GROUPS: Readonly<Record<string, string>> = {
  runner: 'the agent on your network that does the work',
  token: 'one-time tokens with which runners enrol',
}

/** Flags that were not given are absent. */
type GivenGlobals = Omit<Globals, 'json' | 'debug'> & {
  readonly json?: true
  readonly debug?: true
  readonly color: boolean
}

/** Commander gives a command its arguments, then its options, then itself. */
function readArguments(given: readonly unknown[]): { readonly options: unknown; readonly names: readonly string[] } {
  const names = given
    .slice(0, -2)
    .flat()
    .filter((name) => typeof name === 'string')
  return { options: given.at(-2), names }
}

function callOf(terminal: Terminal, globals: GivenGlobals, options: unknown, names: readonly string[]): Call<unknown> {
  const paint = globals.color && terminal.colour ? coloured : (text: string) => text
  return {
    options,
    names,
    globals: { ...globals, json: globals.json === true, debug: globals.debug === true },
    terminal,
    say: (text) => (globals.json ? undefined : terminal.out(paint(text))),
    note: (text) => terminal.err(paint(text)),
    json: (value) => (globals.json ? terminal.out(`${JSON.stringify(value)}\n`) : undefined),
  }
}
