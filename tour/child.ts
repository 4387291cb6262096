import { spawn, type ChildProcess } from 'node:child_process'
import { appendFileSync } from 'node:fs'

/** A simulator is up within a second or two; a cold disk may need longer. */
const READY_MS = 30_000
const STOP_MS = 5_000

/** A program of the tour as its own process; what it prints goes to a file beside the others'. */
export interface Child {
  readonly name: string
  readonly pid: number
  /** What its first line of JSON said, for programs that print one when they are ready. */
  readonly ready: Readonly<Record<string, string>>
  running(): boolean
  /** At once and without warning, as a power loss would. */
  kill(): Promise<void>
  stop(): Promise<void>
}

/**
 * Starts `node` with a script and waits until it says that it is ready: by its first line of JSON, or by a line that
 * `until` recognises.
 */
export async function startChild(
  name: string,
  script: readonly string[],
  options: { readonly log: string; readonly env?: Readonly<Record<string, string>>; readonly until?: RegExp },
): Promise<Child> {
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', ...script], {
    env: { ...process.env, ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  const ready = await readiness(name, child, options)
  return {
    name,
    pid: child.pid ?? 0,
    ready,
    running: () => child.exitCode === null && child.signalCode === null,
    async kill() {
      child.kill('SIGKILL')
      await ended
    },
    async stop() {
      if (child.exitCode !== null || child.signalCode !== null) return
      child.kill('SIGTERM')
      const timer = setTimeout(() => child.kill('SIGKILL'), STOP_MS)
      await ended
      clearTimeout(timer)
    },
  }
}

function readiness(
  name: string,
  child: ChildProcess,
  { log, until }: { readonly log: string; readonly until?: RegExp },
): Promise<Readonly<Record<string, string>>> {
  return new Promise((resolve, reject) => {
    let text = ''
    const fail = (why: string): void => reject(new Error(`${name} ${why}\n${text.slice(-2_000)}`))
    const timer = setTimeout(() => {
      child.kill('SIGKILL')
      fail(`did not become ready within ${READY_MS / 1_000} s`)
    }, READY_MS)
    const read = (part: Buffer): void => {
      appendFileSync(log, part)
      if (text.length > 100_000) return
      text += part.toString()
      for (const line of text.split('\n').slice(0, -1)) {
        const said = until === undefined ? readyLine(line) : until.test(line) ? {} : undefined
        if (said === undefined) continue
        clearTimeout(timer)
        resolve(said)
      }
    }
    child.stdout?.on('data', read)
    child.stderr?.on('data', read)
    child.once('error', (error) => fail(`could not be started: ${error.message}`))
    child.once('exit', (code) => {
      clearTimeout(timer)
      fail(`ended with ${code ?? 'a signal'}`)
    })
  })
}

function readyLine(line: string): Readonly<Record<string, string>> | undefined {
  if (!line.startsWith('{')) return undefined
  try {
    const said = JSON.parse(line) as Readonly<Record<string, string>>
    return 'ready' in said ? said : undefined
  } catch {
    return undefined
  }
}
