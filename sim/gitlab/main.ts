import { parseArgs } from 'node:util'
import { scaledClock } from '../clock.ts'
import { serveForgeControl } from '../forge-control.ts'
import { simGitlab } from './server.ts'

const { values } = parseArgs({
  options: {
    port: { type: 'string', default: '0' },
    control: { type: 'string', default: '0' },
    seed: { type: 'string', default: '1' },
    speed: { type: 'string', default: '1' },
  },
})

const gitlab = await simGitlab({
  port: Number(values.port),
  seed: Number(values.seed),
  clock: scaledClock(Number(values.speed)),
})
const control = await serveForgeControl(gitlab, Number(values.control))
process.once('SIGTERM', () => {
  void control
    .close()
    .then(() => gitlab.stop())
    .then(() => process.exit(0))
})
const { apiUrl, knownHosts } = gitlab
console.log(JSON.stringify({ ready: true, apiUrl, knownHosts, controlUrl: `http://127.0.0.1:${control.port}` }))
