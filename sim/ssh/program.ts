import type { DiskView } from './disk.ts'
import type { SimHost } from './host.ts'
import type { Login } from './login.ts'

export interface Answer {
  readonly stdout: string
  readonly stderr: string
  readonly exit: number
}

/** One program started on a host, with everything that it may look at. */
export interface Call {
  readonly host: SimHost
  readonly name: string
  readonly argv: readonly string[]
  readonly login: Login
  /** Exported variables. */
  readonly env: Readonly<Record<string, string>>
  readonly cwd: string
  /** One character for each byte. */
  readonly stdin: string
  readonly files: DiskView
  readonly signal: AbortSignal | undefined
  /** Starts another program or script in a shell of its own and waits for it. */
  run(start: Start): Promise<Answer>
  /** The shell's own program of that name, where there is one. */
  original(argv: readonly string[]): Promise<Answer>
  /** For the shell's own words, such as `trap`. */
  readonly shell: ShellState
}

export interface Start {
  readonly script: string
  /** `$0` and what follows. */
  readonly args?: readonly string[]
  /** For `set`, e.g. `eu` and `pipefail`. */
  readonly options?: readonly string[]
  readonly login?: Login
  readonly env?: Readonly<Record<string, string>>
  readonly cwd?: string
  readonly stdin?: string
  readonly signal?: AbortSignal
}

/** What a running shell keeps beside its variables. */
export interface ShellState {
  readonly pid: number
  exitTrap: string | undefined
  /** Masks to return to at the end of a subshell. */
  readonly umasks: number[]
  /** Ends the whole shell as a signal does. */
  kill(signal: string): void
}

export type Program = (call: Call) => Answer | Promise<Answer>

export const out = (stdout = '', exit = 0): Answer => ({ stdout, stderr: '', exit })
export const err = (stderr: string, exit = 1, stdout = ''): Answer => ({ stdout, stderr, exit })

export const quote = (word: string): string =>
  /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`

export const quoteAll = (words: readonly string[]): string => words.map(quote).join(' ')

/**
 * Splits `argv` into switches and the rest. `valued` names the switches that take a value (`-o`, `--format`);
 * `--name=value`, `-ovalue` and joined short switches (`-qy`) are understood.
 */
export function switches(
  argv: readonly string[],
  valued: readonly string[] = [],
): {
  readonly flags: ReadonlySet<string>
  readonly values: ReadonlyMap<string, readonly string[]>
  readonly rest: string[]
} {
  const flags = new Set<string>()
  const values = new Map<string, string[]>()
  const rest: string[] = []
  const keep = (name: string, value: string): void => {
    flags.add(name)
    const kept = values.get(name) ?? []
    kept.push(value)
    values.set(name, kept)
  }
  for (let n = 0; n < argv.length; n++) {
    const word = argv[n]!
    if (word === '--') {
      rest.push(...argv.slice(n + 1))
      break
    }
    if (word.startsWith('--')) {
      const equals = word.indexOf('=')
      if (equals > 0) keep(word.slice(0, equals), word.slice(equals + 1))
      else if (valued.includes(word)) keep(word, argv[++n] ?? '')
      else flags.add(word)
    } else if (word.startsWith('-') && word.length > 1) {
      for (let at = 1; at < word.length; at++) {
        const flag = `-${word[at]}`
        if (!valued.includes(flag)) {
          flags.add(flag)
          continue
        }
        const joined = word.slice(at + 1)
        keep(flag, joined === '' ? (argv[++n] ?? '') : joined)
        break
      }
    } else rest.push(word)
  }
  return { flags, values, rest }
}
