import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { generatedPages } from './pages.ts'

/** Writes every generated file of the repository: `npm run docs`. A test fails when one of them is stale. */
const root = join(import.meta.dirname, '..')
for (const [path, text] of generatedPages()) {
  mkdirSync(dirname(join(root, path)), { recursive: true })
  writeFileSync(join(root, path), text)
  console.log(path)
}
