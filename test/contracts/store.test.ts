import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Store } from '../../src/seams/store.ts'
import { memoryStore } from '../../src/store/memory.ts'
import { type SqliteStore, sqliteStore } from '../../src/store/sqlite.ts'

const PAST = '2001-01-01T00:00:00.000Z'
const FUTURE = '2999-01-01T00:00:00.000Z'

const folder = mkdtempSync(join(tmpdir(), 'slipway-store-'))
const opened: SqliteStore[] = []
let files = 0
function openSqlite(path: string): SqliteStore {
  const store = sqliteStore(path)
  opened.push(store)
  return store
}
afterAll(() => {
  for (const store of opened) store.close()
  rmSync(folder, { recursive: true, force: true })
})

/** Each case gets fresh stores over the same documents: what one wrote, the other must see. */
const kinds: { name: string; open: () => { one: Store; other: Store } }[] = [
  {
    name: 'memory',
    open: () => {
      const one = memoryStore()
      return { one, other: one }
    },
  },
  {
    name: 'sqlite',
    open: () => {
      files += 1
      const path = join(folder, `${files}.db`)
      return { one: openSqlite(path), other: openSqlite(path) }
    },
  },
]

describe.each(kinds)('the $name store', ({ open }) => {
  let one: Store
  let other: Store
  beforeAll(() => {
    ;({ one, other } = open())
  })

  test('keeps a document and gives it back unchanged', async () => {
    const value = { text: 'naïve \u{1F680} \u2028', list: [1, null, true], nested: { empty: {} } }
    const version = await one.put('kept/a', value, undefined)
    expect(await other.get('kept/a')).toEqual({ key: 'kept/a', value, version })
    expect(await other.get('kept/b')).toBeUndefined()
  })

  test('what was given to it and what it gave are not tied to it', async () => {
    const value = { list: [1] }
    await one.put('tied', value, undefined)
    value.list.push(2)
    const read = await one.get<{ list: number[] }>('tied')
    read?.value.list.push(3)
    expect((await one.get<{ list: number[] }>('tied'))?.value.list).toEqual([1])
  })

  test('creates once', async () => {
    expect(await one.put('once', 1, undefined)).toBeTypeOf('string')
    expect(await other.put('once', 2, undefined)).toBeUndefined()
    expect((await one.get('once'))?.value).toBe(1)
  })

  test('replaces only the version that was named', async () => {
    const first = await one.put('cas', 1, undefined)
    const second = await other.put('cas', 2, first)
    expect(second).not.toBe(first)
    expect(await one.put('cas', 3, first)).toBeUndefined()
    expect(await one.put('never-there', 3, first)).toBeUndefined()
    expect((await one.get('cas'))?.value).toBe(2)
  })

  test('a version does not come back when a document is deleted and made again', async () => {
    const first = await one.put('again', 1, undefined)
    expect(await other.delete('again', first!)).toBe(true)
    expect(await other.delete('again', first!)).toBe(false)
    const second = await one.put('again', 1, undefined)
    expect(second).not.toBe(first)
    expect(await other.put('again', 2, first)).toBeUndefined()
    expect(await other.delete('again', first!)).toBe(false)
  })

  test('of many writers at the same version one wins', async () => {
    let version = await one.put('race', { winner: -1 }, undefined)
    for (let round = 0; round < 20; round += 1) {
      const outcomes = await Promise.all(
        Array.from({ length: 10 }, (_, i) => (i % 2 ? one : other).put('race', { winner: i }, version)),
      )
      const winners = outcomes.flatMap((outcome, i) => (outcome === undefined ? [] : [i]))
      expect(winners).toHaveLength(1)
      const now = await other.get<{ winner: number }>('race')
      expect(now?.value.winner).toBe(winners[0])
      version = now?.version
    }
  })

  test('an expired document is gone for reading, listing, replacing and deleting, and can be made anew', async () => {
    const version = await one.put('gone/a', 1, undefined, { expiresAt: PAST })
    await one.put('gone/b', 1, undefined, { expiresAt: FUTURE })
    expect(await other.get('gone/a')).toBeUndefined()
    expect((await other.list('gone/')).map((found) => found.key)).toEqual(['gone/b'])
    expect(await other.put('gone/a', 2, version)).toBeUndefined()
    expect(await other.delete('gone/a', version!)).toBe(false)
    expect(await other.put('gone/a', 3, undefined)).toBeTypeOf('string')
    expect((await one.get('gone/a'))?.value).toBe(3)
  })

  test('a write without expiry takes an earlier one away', async () => {
    const version = await one.put('kept-on', 1, undefined, { expiresAt: FUTURE })
    await one.put('kept-on', 2, version)
    expect((await one.get('kept-on'))?.value).toBe(2)
  })

  test('lists by prefix in key order, page by page, taking % and _ as themselves', async () => {
    const keys = ['p%/1', 'p%/2', 'p_/1', 'pa/1', 'p%', 'p%/10', 'p%/~', 'p%0']
    for (const key of keys) await one.put(key, key, undefined)
    const listed = async (prefix: string, options?: { limit?: number; after?: string }): Promise<string[]> =>
      (await other.list<string>(prefix, options)).map((found) => found.value)
    expect(await listed('p%/')).toEqual(['p%/1', 'p%/10', 'p%/2', 'p%/~'])
    expect(await listed('p_/')).toEqual(['p_/1'])
    expect(await listed('p%/', { limit: 2 })).toEqual(['p%/1', 'p%/10'])
    expect(await listed('p%/', { limit: 2, after: 'p%/10' })).toEqual(['p%/2', 'p%/~'])
    expect(await listed('p%/', { after: 'p%/~' })).toEqual([])
    expect((await listed('')).length).toBeGreaterThanOrEqual(keys.length)
  })

  test('refuses what is not a key, an instant or JSON, or is too large', async () => {
    await expect(one.put('with space', 1, undefined)).rejects.toThrow('is not a key')
    await expect(one.get('')).rejects.toThrow('is not a key')
    await expect(one.put('k', 1, undefined, { expiresAt: 'tomorrow' })).rejects.toThrow('is not an instant')
    await expect(one.put('k', undefined, undefined)).rejects.toThrow('is not JSON')
    await expect(one.put('k', 'x'.repeat(2_000_000), undefined)).rejects.toThrow('store.document-too-large')
  })

  test('tells the time as an instant that does not run backwards', async () => {
    const first = await one.now()
    expect(first).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
    expect((await other.now()) >= first).toBe(true)
  })
})

test('several processes on one SQLite file lose no update', async () => {
  const path = join(folder, 'processes.db')
  const store = openSqlite(path)
  await store.put('count', 0, undefined)
  const script = `
    import { sqliteStore } from ${JSON.stringify(join(import.meta.dirname, '../../src/store/sqlite.ts'))}
    const store = sqliteStore(process.argv[1])
    for (let done = 0; done < 40; ) {
      const now = await store.get('count')
      if (await store.put('count', now.value + 1, now.version)) done += 1
    }
    store.close()`
  const run = promisify(execFile)
  await Promise.all(
    [1, 2, 3].map(() => run(process.execPath, ['--input-type=module', '--eval', script, path], { timeout: 50_000 })),
  )
  expect((await store.get('count'))?.value).toBe(120)
})

test('a SQLite file is for its owner only and keeps documents over a restart', async () => {
  const path = join(folder, 'restart.db')
  const first = sqliteStore(path)
  await first.put('a', 1, undefined)
  first.close()
  expect(statSync(path).mode & 0o777).toBe(0o600)
  expect((await openSqlite(path).get('a'))?.value).toBe(1)
})
