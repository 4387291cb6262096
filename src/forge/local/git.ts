import { spawn } from 'node:child_process'
import { Problem } from '../../core/problem.ts'
import { redact } from '../../secrets/redact.ts'

/** Listing and reading a repository takes well under a second; a hanging file system must not hold a command for ever. */
const GIT_TIMEOUT_MS = 60_000
/** Most that one `git` command may print; a tree listing of 100,000 files has about 10 MB. */
const MAX_OUTPUT_BYTES = 32 * 1024 * 1024

/** What git gave: its output, or its words when it ended with an error. */
export type GitResult =
  | { readonly ok: true; readonly output: Buffer }
  | { readonly ok: false; readonly exit: number; readonly words: string }

/**
 * Runs git in a folder, to read only: no locks are taken, nobody is asked for a password.
 * @throws Problem `git.missing` when there is no git, `git.too-much` when it prints more than 32 MiB.
 */
export function git(folder: string, ...args: readonly string[]): Promise<GitResult> {
  return new Promise((resolve, reject) => {
    const child = spawn('git', ['-c', 'core.hooksPath=/dev/null', ...args], {
      cwd: folder,
      env: { ...process.env, LC_ALL: 'C', GIT_OPTIONAL_LOCKS: '0', GIT_TERMINAL_PROMPT: '0' },
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: GIT_TIMEOUT_MS,
      killSignal: 'SIGKILL',
    })
    const parts: Buffer[] = []
    let size = 0
    let words = ''
    child.stdout.on('data', (part: Buffer) => {
      size += part.length
      if (size > MAX_OUTPUT_BYTES) child.kill('SIGKILL')
      else parts.push(part)
    })
    child.stderr.on('data', (part: Buffer) => {
      words = (words + part.toString()).slice(-2_000)
    })
    child.on('error', (cause) =>
      reject(
        new Problem(
          { code: 'git.missing', what: `starting git in ${folder}`, remedy: 'Install git.', retry: 'never' },
          { cause },
        ),
      ),
    )
    child.on('close', (exit) => {
      if (size > MAX_OUTPUT_BYTES)
        reject(new Problem({ code: 'git.too-much', what: `git ${args[0]} printed more than 32 MiB`, retry: 'never' }))
      else if (exit === 0) resolve({ ok: true, output: Buffer.concat(parts) })
      else resolve({ ok: false, exit: exit ?? -1, words: redact(words.trim()) })
    })
  })
}

/** One line of output, `undefined` when git ended with an error or printed nothing. */
export async function gitLine(folder: string, ...args: readonly string[]): Promise<string | undefined> {
  const result = await git(folder, ...args)
  const line = result.ok ? result.output.toString().trim() : ''
  return line === '' ? undefined : line
}
