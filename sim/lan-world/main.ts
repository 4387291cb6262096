import { readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { scaledClock } from '../clock.ts'
import { serveMachines } from '../machines-http.ts'
import type { BareHost } from '../ssh/hosts.ts'
import { serveControl } from './control.ts'
import { lanWorld, MIRROR_ADDRESS, MIRROR_PORT } from './lan-world.ts'

/** `node sim/lan-world/main.ts --speed 60 --hosts hosts.json --socks-port 0 --machines-port 0` */
const { values } = parseArgs({
  options: {
    speed: { type: 'string', default: '1' },
    seed: { type: 'string', default: '1' },
    hosts: { type: 'string' },
    'socks-port': { type: 'string', default: '0' },
    'machines-port': { type: 'string', default: '0' },
  },
})

const world = await lanWorld({
  clock: scaledClock(Number(values.speed)),
  seed: Number(values.seed),
  socksPort: Number(values['socks-port']),
  bareHosts: values.hosts === undefined ? [] : (JSON.parse(readFileSync(values.hosts, 'utf8')) as readonly BareHost[]),
})
const machines = await serveMachines(world.hosts, Number(values['machines-port']))
const control = await serveControl(world)
process.stdout.write(
  `${JSON.stringify({
    ready: true,
    socks: world.lan.socksUrl,
    mirror: world.mirror.url,
    mirrorOnLan: `http://${MIRROR_ADDRESS}:${MIRROR_PORT}`,
    machines: machines.url,
    control: control.url,
  })}\n`,
)
process.once('SIGTERM', () => {
  void Promise.all([machines.close(), control.close(), world.close()]).then(() => process.exit(0))
})
