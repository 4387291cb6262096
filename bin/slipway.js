#!/usr/bin/env node
// Runs on any Node far enough to say which one is needed; everything else is TypeScript and starts below.
const [major = 0] = process.versions.node.split('.').map(Number)
if (major < 24) {
  process.stderr.write(
    `slipway needs Node 24 or newer; this is ${process.version}.\nIn the checkout, \`npm ci\` brings one along: run \`npx slipway\`.\n`,
  )
  process.exit(1)
}
const { main } = await import('../src/cli/main.ts')
process.exitCode = await main(process.argv.slice(2))
