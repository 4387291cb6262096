import { parseArgs } from 'node:util'
import { scaledClock } from '../clock.ts'
import { machinesOver } from '../machines-http.ts'
import { simProxmox } from './proxmox.ts'

/** `node sim/proxmox/main.ts --port 0 --machines http://127.0.0.1:PORT --speed 60 --image local:import/x.qcow2` */
const { values } = parseArgs({
  options: {
    port: { type: 'string', default: '0' },
    machines: { type: 'string' },
    speed: { type: 'string', default: '1' },
    seed: { type: 'string', default: '1' },
    image: { type: 'string', multiple: true, default: [] },
  },
})

const pve = await simProxmox({
  clock: scaledClock(Number(values.speed)),
  seed: Number(values.seed),
  port: Number(values.port),
  images: values.image,
  ...(values.machines !== undefined && { machines: machinesOver(values.machines) }),
})
const { url, caPem, fingerprint, authorization } = pve
process.stdout.write(`${JSON.stringify({ ready: true, url, caPem, fingerprint, authorization })}\n`)
process.once('SIGTERM', () => {
  void pve.close().then(() => process.exit(0))
})
