import { posix } from 'node:path'
import { Bash, defineCommand, latin1FromBytes, parse, serialize } from 'just-bash'
import type { CommandNode, ResolvedCommandContext, ScriptNode, StatementNode } from 'just-bash'
import type { FileError } from './disk.ts'
import { DiskError, DiskView, REDIRECT_MARK } from './disk.ts'
import type { SimHost } from './host.ts'
import type { Login } from './login.ts'
import { loginEnv } from './login.ts'
import type { Answer, Call, Program, ShellState, Start } from './program.ts'
import { quoteAll } from './program.ts'
import { programs } from './programs/index.ts'
import { completeScript } from './script-tree.ts'

/** Longest that one script may take in real time; a hung `kubeadm join` is ended by its client, not by this. */
const MAX_SCRIPT_MS = 3_600_000
/** A polling loop of an hour with a step a second stays far below. */
const MAX_COMMANDS = 1_000_000

export interface Run extends Start {
  readonly login: Login
}

export interface RunResult extends Answer {
  /** Set when the shell was ended by a signal, e.g. `KILL`. */
  readonly killedBy?: string
}

/**
 * Runs a script as `bash -c` would on the host: its own shell, the host's files seen with the rights of `login`, and
 * the host's programs found through PATH.
 */
export async function runScript(host: SimHost, run: Run): Promise<RunResult> {
  const files = new DiskView(host.disk, run.login.uid, run.login.gid)
  const stop = new AbortController()
  const signal = AbortSignal.any([host.powerSignal, stop.signal, ...(run.signal === undefined ? [] : [run.signal])])
  let killedBy: string | undefined
  // The shell's own variables as the last command of this folder saw them; the shell gives only exported ones back.
  let variables: ReadonlyMap<string, string> = new Map()
  const shell: ShellState = {
    pid: host.nextPid(),
    exitTrap: undefined,
    umasks: [],
    kill(name) {
      killedBy = name
      stop.abort()
    },
  }
  const env = run.env ?? loginEnv(run.login)
  const cwd = run.cwd ?? run.login.home
  const [name, ...args] = run.args ?? []
  const bash = new Bash({
    fs: files,
    cwd: host.disk.find(cwd)?.kind === 'dir' ? cwd : '/',
    env: { ...env },
    defenseInDepth: false,
    sleep: (ms) => host.clock.sleep(ms),
    processInfo: { pid: shell.pid, ppid: 1, uid: run.login.uid, gid: run.login.gid },
    executionLimits: {
      maxExecutionTimeMs: MAX_SCRIPT_MS,
      maxCommandCount: MAX_COMMANDS,
      maxLoopIterations: MAX_COMMANDS,
    },
    customCommands: Object.entries(programs).map(([program, execute]) =>
      defineCommand(program, (argv, context) => start(program, execute, argv, context)),
    ),
  })

  bash.registerTransformPlugin(completeScript)

  async function start(program: string, execute: Program, argv: string[], context: ResolvedCommandContext) {
    const exported = { ...context.exportedEnv }
    if (program === 'trap' || shell.exitTrap !== undefined) variables = new Map(context.env)
    const call: Call = {
      host,
      name: program,
      argv,
      login: run.login,
      env: exported,
      cwd: context.cwd,
      stdin: latin1FromBytes(context.stdin),
      files,
      signal: context.signal ?? signal,
      shell,
      run: (child) =>
        runScript(host, {
          login: run.login,
          env: exported,
          cwd: context.cwd,
          stdin: latin1FromBytes(context.stdin),
          signal: context.signal ?? signal,
          ...child,
        }),
      original: async (words) => {
        const answer = await context.origCommand?.([...words])
        if (answer === undefined) return { stdout: '', stderr: `bash: ${program}: command not found\n`, exit: 127 }
        return { stdout: answer.stdout, stderr: answer.stderr, exit: answer.exitCode, ...kindOf(answer) }
      },
    }
    const answer = await execute(call)
    return { stdout: answer.stdout, stderr: answer.stderr, exitCode: answer.exit, ...kindOf(answer) }
  }

  const prologue = [
    ...(run.options ?? []).map((option) => (/^[a-z]$/i.test(option) ? `set -${option}` : `set -o ${option}`)),
    ...(args.length > 0 ? [`set -- ${quoteAll(args)}`] : []),
  ].join('; ')
  const script = prologue === '' ? run.script : `${prologue}\n${run.script}`
  const options = { rawScript: true, stdin: run.stdin ?? '', stdinKind: 'bytes', signal } as const
  let result = await settle(bash.exec(script, options))
  if (shell.exitTrap !== undefined && killedBy === undefined && result !== 'aborted') {
    const body = `${functionsOf(script)}\n${shell.exitTrap}`
    const trapped = await settle(
      bash.exec(body, {
        ...options,
        env: { ...Object.fromEntries(variables), ...result.env },
        replaceEnv: true,
        stdin: '',
      }),
    )
    if (trapped !== 'aborted')
      result = { ...result, stdout: result.stdout + trapped.stdout, stderr: result.stderr + trapped.stderr }
  }
  if (result === 'aborted') return { stdout: '', stderr: '', exit: 130, killedBy: killedBy ?? 'TERM' }
  const answer: Answer = {
    stdout: result.stdout,
    stderr: asBashSays(result.stderr, name, run.script, files, cwd),
    exit: result.exitCode,
    ...kindOf(result),
  }
  return killedBy === undefined ? answer : { ...answer, exit: 137, killedBy }
}

type Bashed = Awaited<ReturnType<Bash['exec']>>

async function settle(running: Promise<Bashed>): Promise<Bashed | 'aborted'> {
  try {
    return await running
  } catch (cause) {
    if (cause instanceof Error && /abort/i.test(`${cause.name} ${cause.message}`)) return 'aborted'
    // A redirection inside `eval` or a sourced file, which the marks do not reach.
    if (cause instanceof DiskError)
      return { stdout: '', stderr: `bash: ${WORDS[cause.code] ?? cause.code}\n`, exitCode: 1, env: {} }
    throw cause
  }
}

function kindOf(answer: object): { stdoutKind?: 'text' | 'bytes' } {
  const kind = (answer as { stdoutKind?: unknown; stdoutEncoding?: unknown }).stdoutKind
  return kind === 'bytes' || kind === 'text' ? { stdoutKind: kind } : {}
}

const WORDS: Partial<Record<FileError, string>> = {
  ENOENT: 'No such file or directory',
  EACCES: 'Permission denied',
  EPERM: 'Operation not permitted',
  ENOSPC: 'No space left on device',
  ENOTDIR: 'Not a directory',
}

/**
 * Puts messages right: why the target of a redirection could not be opened, and the line of a command that was not
 * found, which the shell here leaves out and which is known for a script of one line.
 */
function asBashSays(
  stderr: string,
  name: string | undefined,
  script: string,
  { refused, disk }: DiskView,
  cwd: string,
): string {
  const line = script.trimEnd().includes('\n') ? '' : `line 1: `
  return stderr
    .replaceAll(REDIRECT_MARK, '')
    .replaceAll(/^bash: (.*): Is a directory$/gm, (whole, target: string) => {
      const [, code] = [...refused].find(([path]) => path === target || path.endsWith(`/${target}`)) ?? []
      return code === undefined ? whole : `${name ?? 'bash'}: ${line}${target}: ${WORDS[code] ?? 'Is a directory'}`
    })
    .replaceAll(/^(bash|\w+): (?:cannot \w+ )?'?([^\s':]+)'?: No such file or directory$/gm, (whole, _, path: string) =>
      disk.find(posix.resolve(cwd, path)) === undefined
        ? whole
        : whole.replace('No such file or directory', 'Permission denied'),
    )
    .replaceAll(/^bash: execution aborted\n/gm, '')
    .replaceAll(/^bash: (?=\S+: command not found$)/gm, `${name ?? 'bash'}: ${line}`)
}

/** Function definitions of a script as text, since an EXIT trap usually calls one of them. */
function functionsOf(script: string): string {
  const found: StatementNode[] = []
  const visit = (statements: readonly StatementNode[]): void => {
    for (const statement of statements)
      for (const pipeline of statement.pipelines)
        for (const command of pipeline.commands as readonly CommandNode[]) {
          if (command.type === 'FunctionDef') {
            found.push({
              type: 'Statement',
              operators: [],
              background: false,
              pipelines: [{ type: 'Pipeline', negated: false, commands: [command] }],
            })
          } else if (command.type === 'Group') visit(command.body)
        }
  }
  const tree: ScriptNode = parse(script)
  visit(tree.statements)
  return found.length === 0 ? '' : serialize({ type: 'Script', statements: found })
}
