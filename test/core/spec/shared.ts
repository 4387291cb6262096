import { existsSync } from 'node:fs'

/** Whether material outside the repository is there. In CI its absence is an error: skipping would hide a failure. */
export function requireShared(path: string): boolean {
  if (existsSync(path)) return true
  if (process.env['CI'] !== undefined && process.env['CI'] !== '')
    throw new Error(`CI is set, but ${path} is not there`)
  console.log(`skipped: ${path} is not there`)
  return false
}
