// Runs on any Node far enough to say which one is needed; the tour itself is TypeScript and starts below.
const [major = 0] = process.versions.node.split('.').map(Number)
if (major < 24) {
  process.stderr.write(
    `The tour needs Node 24 or newer; this is ${process.version}.\nOn Linux \`npm ci\` brings one along: run it first. Elsewhere install Node 24.\n`,
  )
  process.exit(1)
}
await import('./main.ts')
