import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { FaultPlan } from '../faults.ts'
import type { Faults } from '../faults.ts'
import { seeded } from '../random.ts'
import { content } from './content.ts'

/** `changed`: the file differs from what was served before. `truncated`: the connection ends half way. */
export type MirrorFault = 'notFound' | 'serverError' | 'closedConnection' | 'truncated' | 'changed'

export interface SimMirrorOptions {
  readonly seed?: number
  readonly faults?: Faults<MirrorFault>
  /** Port on 127.0.0.1; 0, the default, takes a free one. */
  readonly port?: number
  /** Path → content; without it what `content.ts` has. */
  readonly files?: ReadonlyMap<string, Uint8Array>
  readonly observe?: (request: { readonly path: string; readonly status: number }) => void
}

export interface SimMirror extends AsyncDisposable {
  /** `http://127.0.0.1:PORT` */
  readonly url: string
  /** For an entry in the LAN's table. */
  readonly port: number
  /** Every path that is served, sorted. */
  paths(): readonly string[]
  set(path: string, bytes: Uint8Array): void
  remove(path: string): void
  /** How often the path has been served as a whole. */
  served(path: string): number
  setFaults(faults: Faults<MirrorFault>): void
  close(): Promise<void>
}

/** A site's file server with what upstream projects publish, over plain HTTP. */
export async function simMirror(options: SimMirrorOptions = {}): Promise<SimMirror> {
  const files = new Map(options.files ?? content())
  const faults = new FaultPlan<MirrorFault>(options.faults ?? {}, seeded(options.seed ?? 1))
  const counts = new Map<string, number>()

  function serve(request: IncomingMessage, response: ServerResponse): void {
    const path = decodeURIComponent(new URL(request.url ?? '/', 'http://mirror').pathname)
    const refuse = (status: number, text: string) => {
      options.observe?.({ path, status })
      response.writeHead(status, { 'Content-Type': 'text/plain' }).end(`${text}\n`)
    }
    if (request.method !== 'GET' && request.method !== 'HEAD') return refuse(405, 'method not allowed')
    if (faults.strikes('closedConnection', path)) return void request.socket.destroy()
    if (faults.strikes('serverError', path)) return refuse(503, 'service unavailable')
    const stored = faults.strikes('notFound', path) ? undefined : files.get(path)
    if (stored === undefined) return refuse(404, 'not found')
    const bytes = faults.strikes('changed', path) ? Buffer.concat([stored, Buffer.from('\n# changed\n')]) : stored
    const etag = `"${createHash('sha256').update(bytes).digest('hex').slice(0, 32)}"`
    if (request.headers['if-none-match'] === etag) {
      options.observe?.({ path, status: 304 })
      return void response.writeHead(304, { ETag: etag }).end()
    }
    options.observe?.({ path, status: 200 })
    response.writeHead(200, { 'Content-Type': typeOf(path), 'Content-Length': bytes.length, ETag: etag })
    if (request.method === 'HEAD') return void response.end()
    if (faults.strikes('truncated', path)) {
      response.write(bytes.subarray(0, bytes.length / 2), () => request.socket.destroy())
      return
    }
    counts.set(path, (counts.get(path) ?? 0) + 1)
    response.end(bytes)
  }

  const server = createServer(serve)
  server.listen(options.port ?? 0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const close = async () => {
    if (!server.listening) return
    const closed = once(server, 'close')
    server.close()
    server.closeAllConnections()
    await closed
  }
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    paths: () => [...files.keys()].toSorted(),
    set: (path, bytes) => void files.set(path, bytes),
    remove: (path) => void files.delete(path),
    served: (path) => counts.get(path) ?? 0,
    setFaults: (next) => faults.set(next),
    close,
    [Symbol.asyncDispose]: close,
  }
}

function typeOf(path: string): string {
  if (path.endsWith('.tgz')) return 'application/gzip'
  return path.endsWith('.yaml') ? 'application/yaml' : 'application/octet-stream'
}
