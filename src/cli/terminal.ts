import { createInterface } from 'node:readline/promises'

/** Longest text that is read from standard input; tokens have a hundred characters. */
const MAX_INPUT_CHARACTERS = 64 * 1024

/** Where a command runs: what it may write to, ask and look at. Tests give their own. */
export interface Terminal {
  readonly out: (text: string) => void
  readonly err: (text: string) => void
  /** A person sits in front of it: lines may be redrawn and questions asked. */
  readonly interactive: boolean
  readonly colour: boolean
  readonly columns: number
  readonly folder: string
  readonly environment: Readonly<Record<string, string | undefined>>
  /** Everything on standard input, at most 64 KiB. */
  input(): Promise<string>
  ask(question: string): Promise<string>
  /** Aborted at the first Ctrl-C or SIGTERM. */
  readonly interrupted: AbortSignal
}

/** Exit status of a process that was interrupted, by convention. */
export const INTERRUPTED = 130

/**
 * The process's own terminal. Only a command that looks at `interrupted` changes what Ctrl-C does: for it, the first one
 * asks to stop and the second one ends the process.
 */
export function processTerminal(): Terminal {
  const { stdout, stderr, stdin, env } = process
  let interrupt: AbortController | undefined
  const interrupting = (): AbortController => {
    if (interrupt !== undefined) return interrupt
    const controller = new AbortController()
    for (const signal of ['SIGINT', 'SIGTERM'] as const)
      process.on(signal, () => {
        if (controller.signal.aborted) process.exit(INTERRUPTED)
        controller.abort()
      })
    interrupt = controller
    return controller
  }
  return {
    out: (text) => void stdout.write(text),
    err: (text) => void stderr.write(text),
    interactive: stdout.isTTY && stdin.isTTY && env['TERM'] !== 'dumb',
    colour: stdout.isTTY && (env['NO_COLOR'] ?? '') === '' && env['TERM'] !== 'dumb',
    columns: stdout.columns ?? 120,
    folder: process.cwd(),
    environment: env,
    async input() {
      let text = ''
      for await (const part of stdin.setEncoding('utf8')) {
        text += String(part)
        if (text.length > MAX_INPUT_CHARACTERS) break
      }
      return text.slice(0, MAX_INPUT_CHARACTERS)
    },
    async ask(question) {
      const lines = createInterface({ input: stdin, output: stdout })
      // While it reads a line, the terminal hands Ctrl-C to the reader instead of sending a signal.
      lines.once('SIGINT', () => interrupting().abort())
      try {
        return await lines.question(question, { signal: interrupting().signal })
      } catch {
        return ''
      } finally {
        lines.close()
      }
    },
    get interrupted() {
      return interrupting().signal
    },
  }
}
