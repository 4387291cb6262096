import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { serve, type HttpBindings } from '@hono/node-server'
import type { Context, MiddlewareHandler } from 'hono'
import type { FaultPlan } from '../faults.ts'
import type { ForgeFault } from '../forge.ts'

/** A request to a simulated forge and its answer, for tests that hold clients against the official schemas. */
export interface Exchange {
  readonly method: string
  /** Path and query, as sent. */
  readonly url: string
  readonly requestHeaders: Readonly<Record<string, string>>
  readonly requestBody: string
  readonly status: number
  readonly responseHeaders: Readonly<Record<string, string>>
  readonly responseBody: string
}

export type Observe = (exchange: Exchange) => void

export interface WebServer extends AsyncDisposable {
  readonly port: number
  close(): Promise<void>
}

export async function webServer(
  fetch: (request: Request, env: HttpBindings) => Response | Promise<Response>,
  port = 0,
): Promise<WebServer> {
  const server = serve({ fetch: (request, env) => fetch(request, env as HttpBindings), port, hostname: '127.0.0.1' })
  if (!server.listening) await once(server, 'listening')
  const address = server.address() as AddressInfo
  const close = async () => {
    if ('closeAllConnections' in server) server.closeAllConnections()
    await new Promise<void>((resolve) => server.close(() => resolve()))
  }
  return { port: address.port, close, [Symbol.asyncDispose]: close }
}

/** Tells `observe` of every exchange; bodies are read as text. */
export function observing(observe: Observe): MiddlewareHandler {
  return async (context, next) => {
    const requestBody = await context.req.raw.clone().text()
    await next()
    const url = new URL(context.req.url)
    observe({
      method: context.req.method,
      url: `${url.pathname}${url.search}`,
      requestHeaders: Object.fromEntries(context.req.raw.headers),
      requestBody,
      status: context.res.status,
      responseHeaders: Object.fromEntries(context.res.headers),
      responseBody: await context.res.clone().text(),
    })
  }
}

/**
 * Faults of the way between client and forge.
 * @param limited - The forge's own refusal of a client that asks too often.
 */
export function faulty(
  faults: FaultPlan<ForgeFault>,
  limited: (context: Context) => Response,
): MiddlewareHandler<{ Bindings: HttpBindings }> {
  return async (context, next) => {
    const call = `${context.req.method} ${context.req.path}`
    if (faults.strikes('closedConnection', call)) {
      context.env.incoming.socket.destroy()
      return context.body(null, 502)
    }
    if (faults.strikes('serverError', call)) return context.html('<h1>502 Bad Gateway</h1>', 502)
    if (faults.strikes('rateLimited', call)) return limited(context)
    await next()
    if (faults.strikes('timeoutAfterEffect', call)) context.env.incoming.socket.destroy()
    return undefined
  }
}
