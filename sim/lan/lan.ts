import { once } from 'node:events'
import { connect, createServer, isIPv6 } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { FaultPlan } from '../faults.ts'
import type { Faults } from '../faults.ts'
import { seeded } from '../random.ts'
import { accept, readSocksRequest, refuse } from './socks.ts'
import type { SocksLogin } from './socks.ts'

/**
 * `hostUnreachable`: the proxy says so at once. `silence`: no answer at all, so the client's own deadline has to end the
 * wait. `refused`: nothing listens there. `reset`: the connection opens and breaks. A rule's `match` is compared with
 * `10.4.0.11:22`.
 */
export type LanFault = 'hostUnreachable' | 'silence' | 'refused' | 'reset'

export interface SimLanOptions {
  readonly seed?: number
  readonly faults?: Faults<LanFault>
  /** Asked from every client when given. */
  readonly login?: SocksLogin
  /** Port on 127.0.0.1; 0, the default, takes a free one. */
  readonly port?: number
  readonly observe?: (event: LanEvent) => void
}

interface LanEvent {
  /** As the client asked for it, e.g. `10.4.0.11:22` or `cp-1.lab.example:6443`. */
  readonly target: string
  readonly outcome: 'connected' | LanFault | 'unknown'
}

/** A port on 127.0.0.1, or code that serves the connection itself. */
type LanTarget = number | ((socket: Socket) => void)

/** A home network behind a SOCKS5 proxy: the only way to the simulated machines' own addresses. */
export interface SimLan extends AsyncDisposable {
  /** `socks5://127.0.0.1:PORT`, without a login. */
  readonly socksUrl: string
  /** From now on `address:port` is this port of 127.0.0.1. Replaces an earlier entry. */
  register(address: string, port: number, loopbackPort: number): void
  /** Like {@link SimLan.register}, for a target that may be code. */
  listen(address: string, port: number, target: LanTarget): void
  /** Open connections are kept; a server that stops closes its own. Harmless when nothing is there. */
  unregister(address: string, port: number): void
  /** Lets clients ask for `name` instead of the address, as the site's DNS would. */
  name(name: string, address: string): void
  /** How often a connection to the address has been opened, successfully, since the start. */
  connections(address: string, port?: number): number
  /** `10.4.0.11:22` of everything registered, sorted. */
  targets(): readonly string[]
  setFaults(faults: Faults<LanFault>): void
  close(): Promise<void>
}

/**
 * Starts the proxy on loopback. An address with no entry at all is unreachable; one with another port refuses.
 * @see https://www.rfc-editor.org/rfc/rfc1928
 */
export async function simLan(options: SimLanOptions = {}): Promise<SimLan> {
  const faults = new FaultPlan<LanFault>(options.faults ?? {}, seeded(options.seed ?? 1))
  const targets = new Map<string, LanTarget>()
  const addresses = new Set<string>()
  const names = new Map<string, string>()
  const counts = new Map<string, number>()
  const sockets = new Set<Socket>()

  const track = (socket: Socket) => {
    sockets.add(socket)
    socket.on('error', () => socket.destroy())
    socket.on('close', () => sockets.delete(socket))
  }
  const report = (target: string, outcome: LanEvent['outcome']) => options.observe?.({ target, outcome })

  async function serve(client: Socket): Promise<void> {
    const request = await readSocksRequest(client, options.login)
    if (request === undefined) return
    const asked = key(request.host, request.port)
    const address = canonical(names.get(request.host.toLowerCase()) ?? request.host)
    const place = key(address, request.port)
    if (faults.strikes('silence', asked)) return report(asked, 'silence')
    const refuseAs = (reason: 'hostUnreachable' | 'connectionRefused', outcome: LanEvent['outcome']) => {
      report(asked, outcome)
      refuse(client, reason)
    }
    if (faults.strikes('hostUnreachable', asked)) return refuseAs('hostUnreachable', 'hostUnreachable')
    if (faults.strikes('refused', asked)) return refuseAs('connectionRefused', 'refused')
    const target = targets.get(place)
    if (target === undefined) {
      return addresses.has(address) ? refuseAs('connectionRefused', 'refused') : refuseAs('hostUnreachable', 'unknown')
    }
    const reset = faults.strikes('reset', asked)
    const upstream = typeof target === 'number' ? await open(target) : undefined
    if (typeof target === 'number' && upstream === undefined) return refuseAs('connectionRefused', 'refused')
    if (upstream !== undefined) track(upstream)
    accept(client)
    if (reset) {
      report(asked, 'reset')
      upstream?.destroy()
      client.resetAndDestroy()
      return
    }
    counts.set(place, (counts.get(place) ?? 0) + 1)
    report(asked, 'connected')
    if (typeof target === 'function') target(client)
    else if (upstream !== undefined) join(client, upstream)
  }

  const server = createServer({ allowHalfOpen: true }, (client) => {
    track(client)
    serve(client).catch(() => client.destroy())
  })
  server.listen(options.port ?? 0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo

  const recount = () => {
    addresses.clear()
    for (const place of targets.keys()) addresses.add(place.slice(0, place.lastIndexOf(':')))
  }
  const listen = (address: string, onPort: number, target: LanTarget) => {
    targets.set(key(canonical(address), onPort), target)
    recount()
  }
  const close = async () => {
    if (!server.listening) return
    const closed = once(server, 'close')
    server.close()
    for (const socket of sockets) socket.destroy()
    await closed
  }
  return {
    socksUrl: `socks5://127.0.0.1:${port}`,
    register: listen,
    listen,
    unregister: (address, onPort) => {
      targets.delete(key(canonical(address), onPort))
      recount()
    },
    name: (name, address) => void names.set(name.toLowerCase(), address),
    connections: (address, onPort) => {
      const wanted = canonical(address)
      const matches = (place: string) =>
        onPort === undefined ? place.slice(0, place.lastIndexOf(':')) === wanted : place === key(wanted, onPort)
      return [...counts].reduce((sum, [place, count]) => (matches(place) ? sum + count : sum), 0)
    },
    targets: () => [...targets.keys()].toSorted(),
    setFaults: (next) => faults.set(next),
    close,
    [Symbol.asyncDispose]: close,
  }
}

function key(host: string, port: number): string {
  return `${host}:${port}`
}

/** One spelling per address: IPv6 without leading zeros and with `::`, names in lower case. */
function canonical(host: string): string {
  return isIPv6(host) ? new URL(`http://[${host}]/`).hostname : host.toLowerCase()
}

async function open(loopbackPort: number): Promise<Socket | undefined> {
  const socket = connect({ port: loopbackPort, host: '127.0.0.1', allowHalfOpen: true })
  try {
    await once(socket, 'connect')
    return socket
  } catch {
    return undefined
  }
}

function join(one: Socket, other: Socket): void {
  one.pipe(other)
  other.pipe(one)
  one.on('close', () => other.destroy())
  other.on('close', () => one.destroy())
}
