import { randomUUID } from 'node:crypto'
import { chmodSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import type { Store, Stored } from '../seams/store.ts'
import { checkExpiry, checkKey, checkLimit, checkPrefix, toText } from './document-limits.ts'

/** How long a writer waits for another process's write; one takes well under 10 ms. */
const BUSY_TIMEOUT_MS = 5_000

/** Writes between two removals of expired documents: often enough to keep the file small, too rare to be noticed. */
const WRITES_BETWEEN_PURGES = 500

/** Most expired documents removed at once, so that no request waits for a long clean-up. */
const PURGE_LIMIT = 1_000

/** Attempts to switch to write-ahead logging, which can be refused while another process opens the same new file. */
const WAL_ATTEMPTS = 20

const NOW = `strftime('%Y-%m-%dT%H:%M:%fZ', 'now')`
const ALIVE = `(expires_at IS NULL OR expires_at > ${NOW})`

export interface SqliteStore extends Store {
  close(): void
}

/**
 * Documents in one SQLite file, shared by any number of processes on one machine. Every write is a single statement
 * that names the version it replaces, and is on disk when it returns.
 * @param path - The file, made with mode 0600 when absent; `:memory:` for a private one.
 */
export function sqliteStore(path: string): SqliteStore {
  const database = new DatabaseSync(path, { timeout: BUSY_TIMEOUT_MS })
  if (path !== ':memory:') chmodSync(path, 0o600)
  useWal(database)
  database.exec(`
    PRAGMA synchronous = FULL;
    CREATE TABLE IF NOT EXISTS documents (
      key TEXT PRIMARY KEY, value TEXT NOT NULL, version TEXT NOT NULL, expires_at TEXT
    ) WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS documents_expiry ON documents (expires_at) WHERE expires_at IS NOT NULL;
  `)

  const select = database.prepare(`SELECT value, version FROM documents WHERE key = ? AND ${ALIVE}`)
  const create = database.prepare(
    `INSERT INTO documents (key, value, version, expires_at) VALUES (?, ?, ?, ?)
     ON CONFLICT (key) DO UPDATE SET value = excluded.value, version = excluded.version,
       expires_at = excluded.expires_at WHERE documents.expires_at <= ${NOW}`,
  )
  const replace = database.prepare(
    `UPDATE documents SET value = ?, version = ?, expires_at = ? WHERE key = ? AND version = ? AND ${ALIVE}`,
  )
  const remove = database.prepare(`DELETE FROM documents WHERE key = ? AND version = ? AND ${ALIVE}`)
  const range = database.prepare(
    `SELECT key, value, version FROM documents
     WHERE key >= ? AND key < ? AND key > ? AND ${ALIVE} ORDER BY key LIMIT ?`,
  )
  const purge = database.prepare(
    `DELETE FROM documents WHERE key IN (
       SELECT key FROM documents WHERE expires_at IS NOT NULL AND expires_at <= ${NOW} LIMIT ${PURGE_LIMIT})`,
  )
  const time = database.prepare(`SELECT ${NOW} AS now`)
  let writes = 0

  return {
    async get<T>(key: string): Promise<Stored<T> | undefined> {
      const row = select.get(checkKey(key))
      return row && { key, value: JSON.parse(String(row['value'])) as T, version: String(row['version']) }
    },

    async put(key, value, expected, options) {
      const text = toText(checkKey(key), value)
      const expiresAt = checkExpiry(options?.expiresAt)
      writes += 1
      if (writes % WRITES_BETWEEN_PURGES === 0) purge.run()
      const version = randomUUID()
      const { changes } =
        expected === undefined
          ? create.run(key, text, version, expiresAt)
          : replace.run(text, version, expiresAt, key, expected)
      return Number(changes) === 1 ? version : undefined
    },

    async delete(key, expected) {
      return Number(remove.run(checkKey(key), expected).changes) === 1
    },

    async list<T>(prefix: string, options: { readonly limit?: number; readonly after?: string } = {}) {
      checkPrefix(prefix)
      // Keys are ASCII, so DEL is above every character that can follow the prefix.
      const rows = range.all(prefix, `${prefix}\u007F`, options.after ?? '', checkLimit(options.limit))
      return rows.map((row): Stored<T> => ({
        key: String(row['key']),
        value: JSON.parse(String(row['value'])) as T,
        version: String(row['version']),
      }))
    },

    async now() {
      return String(time.get()?.['now'])
    },

    close() {
      database.close()
    },
  }
}

function useWal(database: DatabaseSync): void {
  for (let attempt = 1; ; attempt += 1) {
    try {
      database.exec('PRAGMA journal_mode = WAL')
      return
    } catch (cause) {
      if (attempt === WAL_ATTEMPTS) throw cause
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 25 * attempt)
    }
  }
}
