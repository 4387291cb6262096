import { once } from 'node:events'
import { createServer } from 'node:http'
import type { IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { GuestInterface, Machines, MachineSpec } from './machine.ts'

/** A machine's description with its keys is a few KiB. */
const MAX_BODY_BYTES = 64 * 1_024

/** One call: `POST /` with the method's name and arguments; the answer is `{"result": …}` or `{"error": text}`. */
type MachineCall =
  | { readonly call: 'powerOn'; readonly machine: MachineSpec }
  | { readonly call: 'powerOff'; readonly id: string; readonly how: 'shutdown' | 'stop' }
  | { readonly call: 'destroy'; readonly id: string }
  | { readonly call: 'interfaces'; readonly id: string }

/** Offers machines to a hypervisor in another process, over JSON on loopback. Port 0, the default, takes a free one. */
export async function serveMachines(
  machines: Machines,
  port = 0,
): Promise<{ readonly url: string; close(): Promise<void> }> {
  const server = createServer((request, response) => {
    void (async () => {
      const answer = await readCall(request)
        .then((call) => perform(machines, call))
        .then(
          (result) => ({ result: result ?? null }),
          (error: unknown) => ({ error: error instanceof Error ? error.message : String(error) }),
        )
      response.writeHead(200, { 'Content-Type': 'application/json' }).end(JSON.stringify(answer))
    })()
  })
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: async () => {
      if (!server.listening) return
      const closed = once(server, 'close')
      server.close()
      server.closeAllConnections()
      await closed
    },
  }
}

/** The machines that {@link serveMachines} offers at `url`. */
export function machinesOver(url: string): Machines {
  const send = async (call: MachineCall): Promise<unknown> => {
    const response = await fetch(url, { method: 'POST', body: JSON.stringify(call) })
    const answer = (await response.json()) as { readonly result?: unknown; readonly error?: string }
    if (answer.error !== undefined) throw new Error(answer.error)
    return answer.result
  }
  return {
    powerOn: async (machine) => void (await send({ call: 'powerOn', machine })),
    powerOff: async (id, how) => void (await send({ call: 'powerOff', id, how })),
    destroy: async (id) => void (await send({ call: 'destroy', id })),
    interfaces: async (id) => {
      const found = await send({ call: 'interfaces', id })
      return found === null ? undefined : (found as readonly GuestInterface[])
    },
  }
}

async function readCall(request: IncomingMessage): Promise<MachineCall> {
  let body = ''
  for await (const chunk of request) {
    body += String(chunk)
    if (body.length > MAX_BODY_BYTES) throw new Error('call of a machine is too long')
  }
  return JSON.parse(body) as MachineCall
}

function perform(machines: Machines, call: MachineCall): Promise<unknown> {
  switch (call.call) {
    case 'powerOn':
      return machines.powerOn(call.machine)
    case 'powerOff':
      return machines.powerOff(call.id, call.how)
    case 'destroy':
      return machines.destroy(call.id)
    case 'interfaces':
      return machines.interfaces(call.id)
    default:
      return Promise.reject(new Error('unknown call of a machine')) satisfies Promise<never>
  }
}
