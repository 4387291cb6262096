import { isIP, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { Agent, type buildConnector } from 'undici'
import { Problem } from '../../src/core/problem.ts'

/** Opens a connection; how it gets there (directly, through a proxy) is the opener's business. */
export type Dial = (host: string, port: number, options: { readonly timeoutMs: number }) => Promise<Socket>

/** How a server is known, and who we are. Without `ca` and `fingerprint` the system's authorities count. */
export interface ServerTrust {
  /** PEM of the only authorities that count. */
  readonly ca?: string
  /** SHA-256 of the leaf certificate, `AA:BB:…`; then names and authorities do not count. */
  readonly fingerprint?: string
  readonly clientCertificate?: { readonly cert: string; readonly key: string }
}

/** Connections to one server that are kept open; an API server answers more over few than over many. */
const CONNECTIONS = 4
/** Dial and TLS handshake on a LAN; a sleeping machine does not answer later either. */
const CONNECT_TIMEOUT_MS = 10_000

/**
 * An undici dispatcher whose connections are made by `dial` and whose servers are checked before the first byte of a
 * request, credentials included, leaves.
 */
export function httpsAgent(dial: Dial, trust: ServerTrust, answerTimeoutMs: number): Agent {
  return new Agent({
    connections: CONNECTIONS,
    headersTimeout: answerTimeoutMs,
    bodyTimeout: answerTimeoutMs,
    connect: (options, callback) => {
      open(dial, trust, options).then(
        (socket) => callback(null, socket),
        (error: unknown) => callback(error instanceof Error ? error : new Error(String(error)), null),
      )
    },
  })
}

async function open(dial: Dial, trust: ServerTrust, options: buildConnector.Options): Promise<Socket> {
  const host = options.hostname.replace(/^\[|\]$/g, '')
  const secure = options.protocol === 'https:'
  const socket = await dial(host, Number(options.port) || (secure ? 443 : 80), { timeoutMs: CONNECT_TIMEOUT_MS })
  if (!secure) return socket
  return new Promise((resolve, reject) => {
    const tls = connectTls({
      socket,
      host,
      ...(isIP(host) === 0 ? { servername: host } : {}),
      minVersion: 'TLSv1.2',
      rejectUnauthorized: trust.fingerprint === undefined,
      ALPNProtocols: ['http/1.1'],
      ...(trust.ca === undefined ? {} : { ca: trust.ca }),
      ...trust.clientCertificate,
    })
    const timer = setTimeout(() => tls.destroy(new Error(`no TLS answer from ${host}`)), CONNECT_TIMEOUT_MS)
    tls.once('error', (error) => {
      clearTimeout(timer)
      reject(isUntrusted(error) ? untrusted(host, error.message, error) : error)
    })
    tls.once('secureConnect', () => {
      clearTimeout(timer)
      const seen = tls.getPeerCertificate().fingerprint256
      if (trust.fingerprint !== undefined && seen?.toUpperCase() !== trust.fingerprint.toUpperCase()) {
        tls.destroy()
        reject(untrusted(host, `its certificate has fingerprint ${seen ?? 'none'}, expected ${trust.fingerprint}`))
      } else resolve(tls)
    })
  })
}

/** Codes that Node gives to certificates it does not accept. */
const UNTRUSTED =
  /^(CERT_|SELF_SIGNED|DEPTH_ZERO|UNABLE_TO_(GET|VERIFY)|ERR_TLS_CERT_ALTNAME_INVALID|HOSTNAME_MISMATCH|INVALID_CA)/

function isUntrusted(error: Error): boolean {
  return 'code' in error && typeof error.code === 'string' && UNTRUSTED.test(error.code)
}

function untrusted(host: string, why: string, cause?: unknown): Problem {
  return new Problem(
    {
      code: 'tls.untrusted',
      what: `the server at ${host} is not the one expected: ${why}`,
      remedy: 'If its certificate was renewed on purpose, write the new authority or fingerprint down.',
      retry: 'never',
    },
    { cause },
  )
}
