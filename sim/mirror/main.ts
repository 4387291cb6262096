import { parseArgs } from 'node:util'
import { simMirror } from './mirror.ts'

/** `node sim/mirror/main.ts --port 0` */
const { values } = parseArgs({ options: { port: { type: 'string', default: '0' } } })
const mirror = await simMirror({ port: Number(values.port) })
process.stdout.write(`${JSON.stringify({ ready: true, url: mirror.url, paths: mirror.paths() })}\n`)
process.once('SIGTERM', () => {
  void mirror.close().then(() => process.exit(0))
})
