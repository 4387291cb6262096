import { request } from 'node:http'
import { SocksClient } from 'socks'
import type { SimLan } from '../lan/lan.ts'
import { keyAt } from './package-catalogue.ts'

/** A fetch that takes longer has hung. */
const FETCH_TIMEOUT_MS = 10_000
/** Images and charts are not fetched by hosts here, so an answer is small. */
const MAX_BODY_BYTES = 32 * 2 ** 20

export interface Fetched {
  readonly status: number
  readonly body: Uint8Array
}

/**
 * What a host reaches with curl: publishers' signing keys, the mirror's copies of the internet, and plain HTTP servers
 * of the simulated LAN. `undefined` means that nothing answers.
 */
export function networkFetch(lan: SimLan, mirror: string | undefined): (url: string) => Promise<Fetched | undefined> {
  return async (url) => {
    const key = keyAt(url)
    if (key !== undefined) return { status: 200, body: Buffer.from(key) }
    const parsed = URL.parse(url)
    if (parsed === null) return undefined
    if (mirror !== undefined && parsed.protocol === 'https:') {
      const copy = await get(new URL(`/${parsed.host}${parsed.pathname}`, mirror))
      if (copy !== undefined) return copy
    }
    if (parsed.protocol !== 'http:') return undefined
    return get(parsed, lan)
  }
}

async function get(url: URL, lan?: SimLan): Promise<Fetched | undefined> {
  try {
    const socket = lan === undefined ? undefined : await through(lan, url)
    return await new Promise<Fetched>((resolve, reject) => {
      const asked = request(
        url,
        {
          timeout: FETCH_TIMEOUT_MS,
          agent: false,
          ...(socket === undefined ? {} : { createConnection: () => socket }),
        },
        (answer) => {
          const chunks: Buffer[] = []
          let size = 0
          answer.on('data', (chunk: Buffer) => {
            size += chunk.length
            if (size > MAX_BODY_BYTES) answer.destroy(new Error('answer too large'))
            else chunks.push(chunk)
          })
          answer.on('end', () => resolve({ status: answer.statusCode ?? 0, body: Buffer.concat(chunks) }))
          answer.on('error', reject)
        },
      )
      asked.on('timeout', () => asked.destroy(new Error('timed out')))
      asked.on('error', reject)
      asked.end()
    })
  } catch {
    return undefined
  }
}

async function through(lan: SimLan, url: URL) {
  const proxy = new URL(lan.socksUrl)
  const { socket } = await SocksClient.createConnection({
    proxy: {
      host: proxy.hostname,
      port: Number(proxy.port),
      type: 5,
      ...(proxy.username === ''
        ? {}
        : { userId: decodeURIComponent(proxy.username), password: decodeURIComponent(proxy.password) }),
    },
    command: 'connect',
    destination: { host: url.hostname, port: Number(url.port === '' ? 80 : url.port) },
    timeout: FETCH_TIMEOUT_MS,
  })
  return socket
}
