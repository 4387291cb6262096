import { once } from 'node:events'
import { createServer } from 'node:http'
import type { IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { LanFaults, LanWorld } from './lan-world.ts'

const MAX_BODY_BYTES = 4 * 1_048_576

/** `POST /` with one of these; the answer is `{"result": …}` or `{"error": text}`. */
type ControlCall =
  | { readonly call: 'overview' }
  | { readonly call: 'kubectl'; readonly endpoint: string; readonly argv: readonly string[]; readonly stdin?: string }
  | { readonly call: 'commands'; readonly host: string }
  | { readonly call: 'mutations'; readonly host: string }
  | { readonly call: 'readFile'; readonly host: string; readonly path: string }
  | { readonly call: 'crash'; readonly host: string }
  | { readonly call: 'start'; readonly host: string }
  | { readonly call: 'faults'; readonly faults: LanFaults }

/** What a narrator in another process looks at and breaks, over JSON on loopback. */
export async function serveControl(world: LanWorld): Promise<{ readonly url: string; close(): Promise<void> }> {
  const server = createServer((request, response) => {
    void (async () => {
      const answer = await read(request)
        .then((call) => perform(world, call))
        .then(
          (result) => ({ result: result ?? null }),
          (error: unknown) => ({ error: error instanceof Error ? error.message : String(error) }),
        )
      response.writeHead(200, { 'Content-Type': 'application/json' }).end(JSON.stringify(answer))
    })()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: async () => {
      const closed = once(server, 'close')
      server.close()
      server.closeAllConnections()
      await closed
    },
  }
}

async function read(request: IncomingMessage): Promise<ControlCall> {
  let body = ''
  for await (const chunk of request) {
    body += String(chunk)
    if (body.length > MAX_BODY_BYTES) throw new Error('the call is too long')
  }
  return JSON.parse(body) as ControlCall
}

async function perform(world: LanWorld, call: ControlCall): Promise<unknown> {
  const { hosts, kube, lan } = world
  switch (call.call) {
    case 'overview':
      return {
        targets: lan.targets(),
        hosts: hosts.names().map((name) => ({ name, state: hosts.state(name) })),
        clusters: kube.clusters.map((cluster) => ({
          endpoint: cluster.endpoint,
          version: cluster.version,
          nodes: [...cluster.nodes.kubelets.keys()],
        })),
      }
    case 'kubectl': {
      const cluster = kube.clusterAt(call.endpoint)
      if (cluster === undefined) throw new Error(`no cluster answers at ${call.endpoint}`)
      return cluster.kubectl(call.argv, call.stdin ?? '')
    }
    case 'commands':
      return hosts.commands(call.host)
    case 'mutations':
      return hosts.mutations(call.host)
    case 'readFile':
      return hosts.readFile(call.host, call.path)
    case 'crash':
      return hosts.crash(call.host)
    case 'start':
      return hosts.start(call.host)
    case 'faults':
      return world.setFaults(call.faults)
    default:
      return call satisfies never
  }
}
