import { request } from 'node:https'
import type { SimClock } from '../../sim/clock.ts'
import type { SimProxmox } from '../../sim/proxmox/proxmox.ts'

export interface Answer {
  readonly status: number
  readonly reason: string
  // The tests look into answers of many shapes; each states what it expects there.
  // oxlint-disable-next-line no-explicit-any
  readonly data: any
  readonly message: string
  readonly errors: Readonly<Record<string, string>>
}

export interface CallOptions {
  readonly form?: true
  readonly authorization?: string
}

/** Talks to the simulator as a client with the cluster's CA would. */
export function caller(pve: SimProxmox) {
  return (
    method: string,
    path: string,
    params?: Record<string, unknown>,
    options: CallOptions = {},
  ): Promise<Answer> => {
    const inQuery = method === 'GET' || method === 'DELETE'
    const form = new URLSearchParams(
      Object.entries(params ?? {}).map(([key, value]) => [key, String(value)]),
    ).toString()
    const body = inQuery || params === undefined ? undefined : options.form === true ? form : JSON.stringify(params)
    const type = options.form === true ? 'application/x-www-form-urlencoded' : 'application/json'
    return send(pve, method, `${path}${inQuery && form !== '' ? `?${form}` : ''}`, body, type, options.authorization)
  }
}

export async function send(
  pve: SimProxmox,
  method: string,
  path: string,
  body: string | Buffer | undefined,
  type: string,
  authorization = pve.authorization,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const outgoing = request(`${pve.url}/api2/json${path}`, {
      method,
      ca: pve.caPem,
      agent: false,
      headers: {
        ...(authorization !== '' && { Authorization: authorization }),
        ...(body !== undefined && { 'Content-Type': type, 'Content-Length': Buffer.byteLength(body) }),
      },
    })
    outgoing.on('error', reject)
    outgoing.on('response', (response) => {
      let text = ''
      response.on('data', (chunk: Buffer) => (text += chunk.toString()))
      response.on('error', reject)
      response.on('end', () => {
        const { data, message = '', errors = {} } = JSON.parse(text) as Partial<Answer>
        resolve({ status: response.statusCode ?? 0, reason: response.statusMessage ?? '', data, message, errors })
      })
    })
    outgoing.end(body)
  })
}

export interface TestClock extends SimClock {
  /** From now on waits of at least `ms` last until the function returned is called. */
  hold(ms: number): () => void
}

/** A clock on which a second of the simulated cluster lasts two milliseconds, unless another speed is given. */
export function fastClock(speed = 500): TestClock {
  const from = Date.now()
  let held = { ms: Number.POSITIVE_INFINITY, until: Promise.resolve() }
  return {
    now: () => from + (Date.now() - from) * speed,
    sleep: async (ms) => {
      const { ms: longest, until } = held
      await new Promise((resolve) => setTimeout(resolve, ms / speed))
      if (ms >= longest) await until
    },
    hold: (ms) => {
      const gate = Promise.withResolvers<void>()
      held = { ms, until: gate.promise }
      return () => {
        held = { ms: Number.POSITIVE_INFINITY, until: Promise.resolve() }
        gate.resolve()
      }
    },
  }
}

/** Polls a task until it has ended, and returns its exit status. */
export async function ended(call: ReturnType<typeof caller>, upid: string): Promise<string> {
  const [, node] = upid.split(':')
  for (let attempt = 0; attempt < 2_000; attempt++) {
    const { data } = await call('GET', `/nodes/${node}/tasks/${encodeURIComponent(upid)}/status`)
    if (data.status === 'stopped') return data.exitstatus as string
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  throw new Error(`task ${upid} did not end`)
}

export const IMAGE = 'debian-12-generic-amd64-20260101-abcd1234.qcow2'
export const KEY = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFakeKeyForTests site'

export const vmParams = (vmid: number, name: string, address: string) => ({
  vmid,
  name,
  pool: 'slipway',
  tags: 'slipway;lab',
  description: `slipway cluster lab machine ${name}`,
  ostype: 'l26',
  machine: 'q35',
  bios: 'ovmf',
  efidisk0: 'local-lvm:1,efitype=4m,pre-enrolled-keys=0',
  cpu: 'host',
  cores: 4,
  sockets: 1,
  memory: 8_192,
  balloon: 0,
  scsihw: 'virtio-scsi-single',
  scsi0: `local-lvm:0,import-from=local:import/${IMAGE},discard=on,iothread=1,ssd=1`,
  ide2: 'local-lvm:cloudinit',
  net0: 'virtio,bridge=vmbr0',
  serial0: 'socket',
  vga: 'std',
  agent: 'enabled=1,fstrim_cloned_disks=1',
  boot: 'order=scsi0',
  rng0: 'source=/dev/urandom',
  onboot: 1,
  ciuser: 'slipway',
  sshkeys: encodeURIComponent(KEY),
  ipconfig0: `ip=${address}/24,gw=10.4.0.1`,
  nameserver: '10.4.0.1 10.4.0.2',
  searchdomain: 'lab.example',
  ciupgrade: 0,
})
