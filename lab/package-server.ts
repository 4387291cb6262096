import { createWriteStream, existsSync, mkdirSync, renameSync, rmSync, createReadStream, statSync } from 'node:fs'
import { createServer, get as getHttp, type IncomingMessage, type ServerResponse } from 'node:http'
import { get as getHttps } from 'node:https'
import type { AddressInfo } from 'node:net'
import { dirname, join } from 'node:path'
import { pipeline } from 'node:stream/promises'

/** A mirror that is silent for so long is gone. */
const MIRROR_TIMEOUT_MS = 60_000

export interface PackageServer extends AsyncDisposable {
  readonly url: string
  /** Paths that were asked for below the folder, oldest first. */
  readonly asked: readonly string[]
}

/**
 * All that machines of the lab can fetch: Debian's packages through the mirror of this machine, at `/debian`, and the
 * files of a folder at `/site`. Packages are kept, since those of a name and version never change.
 * @param address - Where it listens: the machines' network, and nothing else.
 * @param kept - Folder for packages that were fetched before.
 */
export async function openPackageServer(
  address: string,
  mirror: string,
  kept: string,
  site: string,
): Promise<PackageServer> {
  const asked: string[] = []
  const server = createServer((request, response) => {
    const path = new URL(request.url ?? '/', 'http://lab').pathname
    const answer =
      /(^|\/)\.\.?(\/|$)/.test(decodeURIComponent(path)) || !['GET', 'HEAD'].includes(request.method ?? '')
        ? Promise.resolve(refuse(response, 403))
        : path.startsWith('/site/')
          ? (asked.push(path.slice('/site'.length)),
            sendFile(join(site, decodeURIComponent(path.slice('/site'.length))), response))
          : path.startsWith('/debian/')
            ? debian(path.slice('/debian'.length), request, response)
            : Promise.resolve(refuse(response, 404))
    answer.catch((error: unknown) => {
      if (response.headersSent) response.destroy(error instanceof Error ? error : undefined)
      else refuse(response, 502)
    })
  })

  async function debian(path: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const lasting = path.startsWith('/pool/')
    const file = join(kept, decodeURIComponent(path))
    if (lasting && existsSync(file)) return sendFile(file, response)
    const from = await fetched(`${mirror}${path}`, request)
    const status = from.statusCode ?? 502
    if (!lasting || status !== 200) {
      const names = ['content-length', 'content-type', 'last-modified', 'etag'] as const
      response.writeHead(
        status,
        Object.fromEntries(
          names.flatMap((name) => (from.headers[name] === undefined ? [] : [[name, from.headers[name]]])),
        ),
      )
      return pipeline(from, response)
    }
    mkdirSync(dirname(file), { recursive: true })
    const making = `${file}.${process.pid}.${asked.length}.${Math.random()}`
    try {
      await pipeline(from, createWriteStream(making))
      renameSync(making, file)
    } finally {
      rmSync(making, { force: true })
    }
    return sendFile(file, response)
  }

  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(0, address, resolve))
  return {
    url: `http://${address}:${(server.address() as AddressInfo).port}`,
    asked,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

function fetched(url: string, { headers }: IncomingMessage): Promise<IncomingMessage> {
  const since = headers['if-modified-since']
  return new Promise((resolve, reject) => {
    const request = (url.startsWith('https:') ? getHttps : getHttp)(
      url,
      { timeout: MIRROR_TIMEOUT_MS, headers: since === undefined ? {} : { 'if-modified-since': since } },
      resolve,
    )
    request.on('timeout', () => request.destroy(new Error(`${url} is silent`)))
    request.on('error', reject)
  })
}

async function sendFile(file: string, response: ServerResponse): Promise<void> {
  if (!existsSync(file) || !statSync(file).isFile()) return refuse(response, 404)
  response.writeHead(200, { 'content-length': statSync(file).size })
  await pipeline(createReadStream(file), response)
}

function refuse(response: ServerResponse, status: number): void {
  response.writeHead(status).end()
}
