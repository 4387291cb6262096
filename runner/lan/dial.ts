import { connect, isIPv4, type Socket } from 'node:net'
import { SocksClient } from 'socks'
import type { Dial } from './https-agent.ts'

/** A connection that carries small questions and answers: without Nagle's delay, and noticed when its peer is gone. */
const KEEP_ALIVE_MS = 30_000

/**
 * How the LAN is reached: directly, or through a SOCKS5 proxy, which then also looks up names. This machine itself is
 * never asked for through a proxy: there its loopback addresses would mean the proxy's own.
 * @param proxy - `socks5://host:port`, with user and password where the proxy asks for them.
 */
export function dialler(proxy?: string): Dial {
  const open = proxy === undefined ? direct : throughProxy(new URL(proxy))
  return async (host, port, { timeoutMs }) => {
    const socket = await (isLoopback(bare(host)) ? direct : open)(host, port, timeoutMs)
    socket.setNoDelay(true)
    socket.setKeepAlive(true, KEEP_ALIVE_MS)
    return socket
  }
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIPv4(host) && host.startsWith('127.'))
}

type Open = (host: string, port: number, timeoutMs: number) => Promise<Socket>

const direct: Open = (host, port, timeoutMs) =>
  new Promise((resolve, reject) => {
    const socket = connect({ host, port })
    const timer = setTimeout(
      () => socket.destroy(new Error(`${host}:${port} did not answer within ${timeoutMs} ms`)),
      timeoutMs,
    )
    socket.once('error', (error) => {
      clearTimeout(timer)
      reject(error)
    })
    socket.once('connect', () => {
      clearTimeout(timer)
      resolve(socket)
    })
  })

function throughProxy(proxy: URL): Open {
  const login =
    proxy.username === ''
      ? {}
      : { userId: decodeURIComponent(proxy.username), password: decodeURIComponent(proxy.password) }
  return (host, port, timeoutMs) =>
    SocksClient.createConnection({
      proxy: { host: bare(proxy.hostname), port: Number(proxy.port) || 1080, type: 5, ...login },
      command: 'connect',
      destination: { host: bare(host), port },
      timeout: timeoutMs,
    }).then(
      ({ socket }) => socket,
      (error: unknown) => {
        // Without the library's error as a cause: it carries the proxy's login.
        const why = error instanceof Error ? error.message : String(error)
        throw new Error(`${host}:${port} through the proxy at ${proxy.host}: ${why}`)
      },
    )
}

/** IPv6 addresses stand in brackets in URLs only. */
function bare(host: string): string {
  return host.replace(/^\[|\]$/g, '')
}
