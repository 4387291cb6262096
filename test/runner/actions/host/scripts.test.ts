import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const ACTIONS = fileURLToPath(new URL('../../../../runner/actions', import.meta.url))

test('no script of root writes to a name in /tmp that anybody on the machine could have made a link of', () => {
  const files = readdirSync(ACTIONS, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'))
  expect(files.length).toBeGreaterThan(10)
  expect(files.filter((file) => readFileSync(join(ACTIONS, file), 'utf8').includes('/tmp/'))).toEqual([])
})
