#!/usr/bin/env node
// Runs on any Node far enough to find a new enough one; everything else is TypeScript and starts below.
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const [major = 0] = process.versions.node.split('.').map(Number)
if (major < 24) {
  // `npm ci` brings one along on Linux, so the command works from any folder and by its path too.
  const brought = fileURLToPath(new URL('../node_modules/.bin/node', import.meta.url))
  if (existsSync(brought)) {
    const { status } = spawnSync(brought, process.argv.slice(1), { stdio: 'inherit' })
    process.exit(status ?? 1)
  }
  process.stderr.write(
    `slipway needs Node 24 or newer; this is ${process.version}, and the checkout has brought none along.\n`,
  )
  process.exit(1)
}
const { main } = await import('../src/cli/main.ts')
process.exitCode = await main(process.argv.slice(2))
