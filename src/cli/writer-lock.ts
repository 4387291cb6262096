import { chmodSync, mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import * as z from 'zod'
import type { Keystore } from '../../runner/keystore.ts'
import { clusterFolder } from '../../runner/lan/file-keys.ts'
import { Problem } from '../core/problem.ts'
import { LOCAL } from '../forge/local/index.ts'

const Holder = z.object({ pid: z.number(), fence: z.number(), since: z.string() })

/** The right to be the only one on this machine who changes a cluster. */
export interface WriterLock extends Disposable {
  /** Rises with every lock of this cluster; each script on a host refuses a lower one than it has seen. */
  readonly fence: number
}

/**
 * Takes the lock of a cluster. It is a lock of the operating system on a file of the keystore: it ends with the process,
 * however that ends, so nothing stale is ever left. Who holds it, with process id and fence, is in `lock.json` beside it.
 * @throws Problem `apply.busy`
 */
export function lockWriter(keys: Keystore, cluster: string, since: string): WriterLock {
  const folder = clusterFolder(LOCAL.id, cluster)
  const file = keys.path(`${folder}/lock.sqlite`)
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 })
  const database = new DatabaseSync(file, { timeout: 0 })
  try {
    chmodSync(file, 0o600)
    // With this mode the lock of the first write is kept until the file is closed.
    database.exec('PRAGMA locking_mode = EXCLUSIVE')
    database.exec('PRAGMA synchronous = FULL')
    database.exec('BEGIN EXCLUSIVE')
    database.exec('CREATE TABLE IF NOT EXISTS fence (id INTEGER PRIMARY KEY CHECK (id = 1), value INTEGER NOT NULL)')
    database.exec('INSERT INTO fence (id, value) VALUES (1, 1) ON CONFLICT (id) DO UPDATE SET value = value + 1')
    const fence = Number(database.prepare('SELECT value FROM fence').get()?.['value'])
    database.exec('COMMIT')
    keys.write(`${folder}/lock.json`, `${JSON.stringify({ pid: process.pid, fence, since })}\n`)
    return { fence, [Symbol.dispose]: () => database.close() }
  } catch (error) {
    database.close()
    if (!isBusy(error)) throw error
    throw new Problem(
      {
        code: 'apply.busy',
        what: `another process is at work on ${cluster}${holderText(keys.read(`${folder}/lock.json`))}`,
        remedy: 'Wait until it has ended, or stop it with Ctrl-C where it runs.',
        retry: 'later',
      },
      { cause: error },
    )
  }
}

/** SQLite's result code for a file that somebody else has locked. */
const SQLITE_BUSY = 5

function isBusy(error: unknown): boolean {
  return error instanceof Error && 'errcode' in error && error.errcode === SQLITE_BUSY
}

function holderText(text: string | undefined): string {
  try {
    const { pid, since } = Holder.parse(JSON.parse(text ?? ''))
    return ` (process ${pid}, since ${since})`
  } catch {
    return ''
  }
}
