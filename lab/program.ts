import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

/** Most that a program may take: a bootstrap over a slow line. */
const TIMEOUT_MS = 10 * 60_000
const MAX_OUTPUT_BYTES = 16 * 1024 * 1024

/**
 * Runs a program to its end.
 * @returns What it wrote to standard output.
 * @throws Error with its last lines when it does not end with 0.
 */
export async function program(name: string, ...parameters: readonly string[]): Promise<string> {
  try {
    const { stdout } = await promisify(execFile)(name, [...parameters], {
      timeout: TIMEOUT_MS,
      maxBuffer: MAX_OUTPUT_BYTES,
      env: { ...process.env, LC_ALL: 'C', PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin` },
    })
    return stdout
  } catch (error) {
    const { stderr = '' } = error as { readonly stderr?: string }
    const why = stderr.trim().split('\n').slice(-5).join('\n') || String(error)
    throw new Error(`${[name, ...parameters].join(' ').slice(0, 200)}: ${why}`, { cause: error })
  }
}
