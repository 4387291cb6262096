import { once } from 'node:events'
import { createServer } from 'node:https'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { scaledClock } from '../clock.ts'
import type { SimClock } from '../clock.ts'
import { FaultPlan } from '../faults.ts'
import type { Faults } from '../faults.ts'
import type { Machines } from '../machine.ts'
import { seeded } from '../random.ts'
import { authenticate } from './access.ts'
import type { TokenSpec } from './access.ts'
import { forbidden, PveError } from './answer.ts'
import { readBody } from './body.ts'
import { clusterRoutes } from './cluster-routes.ts'
import type { Release } from './cluster-routes.ts'
import { control } from './control.ts'
import type { Control } from './control.ts'
import { memoryMachines } from './memory-machines.ts'
import { nodeRoutes } from './node-routes.ts'
import { makePki } from './pki.ts'
import { qemuRoutes } from './qemu-routes.ts'
import { checkParameters, matchRoute } from './route.ts'
import type { Route } from './route.ts'
import { DEFAULT_STORAGES } from './storage.ts'
import type { StorageSpec } from './storage.ts'
import { DURATIONS, IMAGE_BYTES, World } from './world.ts'
import type { Download, Durations, NodeSpec, PciMapping, ProxmoxFault } from './world.ts'

const BASE = '/api2/json'
/** An answer that never comes is cut off after this, as a proxy in between would; simulated time. */
const HELD_ANSWER_MS = 120_000
/** Answers of the server and of the proxy between cluster nodes, in the order they are given. */
const SERVER_ERRORS = [
  [596, 'Connection timed out'],
  [500, 'got no worker upid - start worker failed'],
  [595, 'No route to host'],
  [599, 'Too many redirections'],
] as const

const RELEASES: Readonly<Record<'8' | '9', Release>> = {
  8: { version: '8.4.14', repoid: 'b502d23c55afcba1' },
  9: { version: '9.1.2', repoid: '9d436f37a0ac4172' },
}

const DEFAULT_NODES: readonly NodeSpec[] = [
  { node: 'pve1', cores: 16, memoryMiB: 65_536, bridges: ['vmbr0'] },
  { node: 'pve2', cores: 16, memoryMiB: 65_536, bridges: ['vmbr0'] },
]
const DEFAULT_TOKEN: TokenSpec = { id: 'slipway@pve!runner', secret: '6b1c0d1e-5f0a-4c7e-9a53-2f8f7d3f0c11' }

/** One request and its answer, for tests that hold both against the API description. */
export interface Exchange {
  readonly method: string
  /** With parameters, e.g. `/nodes/{node}/qemu`; undefined when there is no such call. */
  readonly route: string | undefined
  readonly path: string
  readonly params: Readonly<Record<string, unknown>>
  readonly status: number
  readonly data: unknown
  readonly message?: string
}

export interface SimProxmoxOptions {
  readonly clock?: SimClock
  readonly seed?: number
  readonly faults?: Faults<ProxmoxFault>
  /** Port on 127.0.0.1; 0, the default, takes a free one. */
  readonly port?: number
  readonly release?: '8' | '9'
  /** Names the cluster, and begins every machine id: `pve/401`. */
  readonly cluster?: string
  readonly nodes?: readonly NodeSpec[]
  readonly storages?: readonly StorageSpec[]
  readonly pools?: readonly string[]
  readonly mappings?: readonly PciMapping[]
  readonly tokens?: readonly TokenSpec[]
  /** Files that are there from the start, on every node, e.g. `local:import/debian-12-generic-amd64.qcow2`. */
  readonly images?: readonly string[]
  /** What runs behind the VMs; without it they are only on or off. */
  readonly machines?: Machines
  readonly durations?: Partial<Durations>
  /** What a URL holds for `download-url`; undefined is a 404. Without it every URL holds what the caller expects. */
  readonly downloads?: (url: string) => Download | undefined
  readonly observe?: (exchange: Exchange) => void
}

export interface SimProxmox extends AsyncDisposable {
  /** `https://127.0.0.1:PORT` */
  readonly url: string
  readonly caPem: string
  /** SHA-256 of the leaf certificate, upper-case pairs with colons. */
  readonly fingerprint: string
  /** `PVEAPIToken=…` of the first token. */
  readonly authorization: string
  readonly control: Control
  /** The calls that are simulated, with the names of their parameters. */
  readonly routes: readonly { readonly method: string; readonly path: string; readonly parameters: readonly string[] }[]
  close(): Promise<void>
}

/**
 * Starts a Proxmox VE cluster's API on loopback.
 * @see https://pve.proxmox.com/pve-docs/api-viewer/
 */
export async function simProxmox(options: SimProxmoxOptions = {}): Promise<SimProxmox> {
  const clock = options.clock ?? scaledClock()
  const random = seeded(options.seed ?? 1)
  const faults = new FaultPlan<ProxmoxFault>(options.faults ?? {}, random)
  const release = options.release ?? '9'
  const tokens = options.tokens ?? [DEFAULT_TOKEN]
  const nodes = options.nodes ?? DEFAULT_NODES
  const world = new World({
    clock,
    random,
    faults,
    nodes,
    machines: options.machines ?? memoryMachines(clock),
    cluster: options.cluster ?? 'pve',
    version: RELEASES[release].version,
    storages: options.storages ?? DEFAULT_STORAGES,
    pools: options.pools ?? ['slipway'],
    mappings: options.mappings ?? [],
    durations: { ...DURATIONS, ...options.durations },
    downloads: options.downloads ?? (() => ({ sizeBytes: IMAGE_BYTES, checksums: {} })),
  })
  for (const image of options.images ?? []) {
    const [storage = '', file = ''] = image.split(':')
    for (const { node } of nodes) world.addImage(node, storage, file.slice(file.indexOf('/') + 1))
  }
  const routes = [...clusterRoutes(RELEASES[release]), ...nodeRoutes, ...qemuRoutes]
  const pki = await makePki([...nodes.map(({ node }) => node), 'localhost'], ['127.0.0.1', '::1'])
  let serverErrors = 0

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = 'GET' } = request
    const url = new URL(request.url ?? '/', 'https://pve')
    const path = url.pathname.startsWith(`${BASE}/`) ? url.pathname.slice(BASE.length) : url.pathname
    const found = url.pathname.startsWith(`${BASE}/`) ? matchRoute(routes, method, path) : undefined
    const call = `${method} ${path}`
    let params: Readonly<Record<string, unknown>> = {}
    const observe = (status: number, data: unknown, message?: string) =>
      options.observe?.({
        method,
        path,
        route: found?.route.path,
        params,
        status,
        data,
        ...(message !== undefined && { message }),
      })
    try {
      if (faults.strikes('closedConnection', call)) {
        request.socket.destroy()
        return observe(0, null, 'connection closed')
      }
      const fault = struck(call)
      if (fault !== undefined) throw fault
      const access = authenticate(request.headers.authorization, tokens, release)
      const { values, file } = await readBody(request, url)
      if (found === undefined) throw new PveError(501, `Method '${method} ${path}' not implemented`)
      params = { ...values, ...found.captured }
      const checked = checkParameters(found.route, params)
      checkNeeds(world, found.route, found.captured, access)
      const { token: user } = access
      const data =
        (await found.route.run({ world, access, user, ...checked, ...(file !== undefined && { file }) })) ?? null
      observe(200, data)
      if (faults.strikes('timeoutAfterEffect', call)) {
        await clock.sleep(HELD_ANSWER_MS)
        return void request.socket.destroy()
      }
      answer(response, 200, 'OK', { data })
    } catch (error) {
      // A plain error is a die in the code behind the call, as in the real server.
      const { status, message, errors } =
        error instanceof PveError ? error : new PveError(500, (error as Error).message)
      observe(status, null, message)
      if (status === 429) response.setHeader('Retry-After', '1')
      answer(response, status, message, {
        data: null,
        message: `${message}\n`,
        ...(errors !== undefined && { errors }),
      })
    }
  }

  function struck(call: string): PveError | undefined {
    if (faults.strikes('rateLimited', call)) return new PveError(429, 'Too Many Requests')
    if (!faults.strikes('serverError', call)) return undefined
    const [status, message] = SERVER_ERRORS[serverErrors++ % SERVER_ERRORS.length] ?? SERVER_ERRORS[0]
    return new PveError(status, message)
  }

  const server = createServer({ key: pki.keyPem, cert: `${pki.certPem}${pki.caPem}` }, (request, response) => {
    serve(request, response).catch(() => request.socket.destroy())
  })
  const sockets = new Set<Socket>()
  server.on('connection', (socket: Socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
  })
  server.listen(options.port ?? 0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const close = async () => {
    if (!server.listening) return
    const closed = once(server, 'close')
    server.close()
    for (const socket of sockets) socket.destroy()
    await closed
  }
  const [token = DEFAULT_TOKEN] = tokens
  return {
    url: `https://127.0.0.1:${port}`,
    caPem: pki.caPem,
    fingerprint: pki.fingerprint,
    authorization: `PVEAPIToken=${token.id}=${token.secret}`,
    control: control(world),
    routes: routes.map(({ method, path, parameters = {} }) => ({ method, path, parameters: Object.keys(parameters) })),
    close,
    [Symbol.asyncDispose]: close,
  }
}

function checkNeeds(
  world: World,
  route: Route,
  captured: Readonly<Record<string, string>>,
  access: ReturnType<typeof authenticate>,
): void {
  if (route.needs === undefined) return
  const [template, ...privileges] = route.needs
  const path = template.replace(/\{(\w+)\}/g, (_, name: string) => captured[name] ?? '')
  const pool = world.vms.get(Number(captured['vmid']))?.pool
  if (!access.may(path, privileges, pool)) throw forbidden(path, privileges)
}

function answer(response: ServerResponse, status: number, reason: string, body: unknown): void {
  // The reason phrase carries the error's text; anything but printable ASCII would break the status line.
  const phrase = reason.replace(/[^\x20-\x7e]+/g, ' ').trim()
  response.writeHead(status, phrase, { 'Content-Type': 'application/json;charset=UTF-8', 'Cache-Control': 'max-age=0' })
  response.end(JSON.stringify(body))
}
