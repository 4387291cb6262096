import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { Problem } from '../core/problem.ts'
import { sqliteStore, type SqliteStore } from '../store/sqlite.ts'
import type { Terminal } from './terminal.ts'

/** For `--database`, wherever a command looks into the app's database. */
export const DATABASE_OPTION = ['--database <file>', "the app's database; default: SLIPWAY_DATABASE"] as const

/**
 * Opens the database of an app on this machine; the app may be running.
 * @throws Problem `cli.database` when it is not named or not there: an empty one is not made.
 */
export function openDatabase(given: string | undefined, terminal: Terminal): SqliteStore {
  const name = given ?? terminal.environment['SLIPWAY_DATABASE']
  const file = name === undefined || name === '' ? undefined : resolve(terminal.folder, name)
  if (file !== undefined && existsSync(file)) return sqliteStore(file)
  throw new Problem({
    code: 'cli.database',
    what: file === undefined ? "the app's database is not named" : `there is no database ${file}`,
    remedy: "Run this on the app's host, and give --database FILE or set SLIPWAY_DATABASE.",
    retry: 'never',
  })
}
