import { randomBytes } from 'node:crypto'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { serve as listen } from '@hono/node-server'
import type { App } from '../app/app.ts'
import { sweep } from '../app/sweep.ts'
import { githubForge } from '../forge/github/index.ts'
import { gitlabForge } from '../forge/gitlab/index.ts'
import { buildHandler } from '../http/handler.ts'
import type { Clock } from '../seams/clock.ts'
import type { Forge, ForgeName } from '../seams/forge.ts'
import type { Log } from '../seams/log.ts'
import type { Random } from '../seams/random.ts'
import { signerFrom } from '../secrets/signing.ts'
import { sqliteStore } from '../store/sqlite.ts'
import type { AppConfig } from './config.ts'

/** How often the store is swept; forges are asked far less often, see `app/sweep.ts`. */
const SWEEP_MS = 15_000

/** How long running work may take when the process is asked to stop; what is left is found by the next sweep. */
const STOP_MS = 10_000

const systemClock: Clock = {
  now: () => Date.now(),
  // Asked to stop is no error for who waits: it ends the wait.
  sleep: (ms, signal) => sleep(ms, undefined, signal ? { signal } : {}).catch(() => undefined),
}

const systemRandom: Random = {
  bytes: (length) => randomBytes(length),
  id: () => randomBytes(18).toString('base64url'),
}

export interface BuiltApp {
  readonly app: App
  /** Ends waits, finishes what goes on within {@link STOP_MS}, closes the store. */
  close(): Promise<void>
}

/** Puts the app together over real forges and a SQLite file, without listening: for `serve` and for single commands. */
export async function openApp(config: AppConfig, log: Log, clock: Clock = systemClock): Promise<BuiltApp> {
  const signer = await signerFrom(config.signingKey)
  const forges = new Map<ForgeName, Forge>()
  if (config.github) {
    const { knownHosts, ...github } = config.github
    forges.set('github', githubForge({ ...github, ...(knownHosts && { sshKnownHosts: knownHosts }) }))
  }
  if (config.gitlab) {
    const { knownHosts, ...gitlab } = config.gitlab
    forges.set('gitlab', gitlabForge({ ...gitlab, ...(knownHosts && { sshKnownHosts: knownHosts }) }))
  }
  const store = sqliteStore(config.database)
  const stopping = new AbortController()
  const going = new Set<Promise<void>>()
  const app: App = {
    forges,
    store,
    clock,
    random: systemRandom,
    log,
    signer,
    settings: { publicUrl: config.publicUrl, ...(config.docsUrl !== undefined && { docsUrl: config.docsUrl }) },
    defer(name, work) {
      // Work that starts while stopping is left to the next start's sweep.
      if (stopping.signal.aborted) return
      const done = work()
        .catch((error: unknown) => log.error(name, { error }))
        .finally(() => going.delete(done))
      going.add(done)
    },
    stopping: stopping.signal,
  }
  return {
    app,
    async close() {
      stopping.abort()
      const waiting = new AbortController()
      const patience = sleep(STOP_MS, undefined, { signal: waiting.signal }).catch(() => undefined)
      await Promise.race([Promise.allSettled(going), patience])
      waiting.abort()
      store.close()
    },
  }
}

export interface Serving {
  readonly app: App
  /** Where it listens, with the real port. */
  readonly address: { readonly host: string; readonly port: number }
  stop(): Promise<void>
}

/** Starts the app: listens, sweeps on a timer, and stops gracefully when asked. */
export async function serve(config: AppConfig, log: Log, clock: Clock = systemClock): Promise<Serving> {
  const built = await openApp(config, log, clock)
  const { app } = built
  const handler = buildHandler(app)
  const server = listen({
    fetch: (request) => handler.fetch(request),
    hostname: config.listen.host,
    port: config.listen.port,
    ...(config.tls && {
      createServer: createTlsServer,
      serverOptions: { cert: config.tls.certificate, key: config.tls.key },
    }),
  })
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('listening', () => resolve())
      server.once('error', reject)
    })
  } catch (error) {
    await built.close()
    throw error
  }
  const { port } = server.address() as AddressInfo
  log.info('listening', { host: config.listen.host, port, tls: config.tls !== undefined })

  const timer = new AbortController()
  const sweepForEver = async (): Promise<void> => {
    // Whatever happened while the app was down, its webhooks are lost.
    for (let first = true; !timer.signal.aborted; first = false) {
      await sweep(app, { forges: first }).catch((error: unknown) => log.error('sweeping', { error }))
      await sleep(SWEEP_MS, undefined, { signal: timer.signal }).catch(() => undefined)
    }
  }
  const sweeping = sweepForEver()
  return {
    app,
    address: { host: config.listen.host, port },
    async stop() {
      timer.abort()
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      if ('closeIdleConnections' in server) server.closeIdleConnections()
      const cut = new AbortController()
      const cutOff = sleep(STOP_MS, undefined, { signal: cut.signal })
        .then(() => 'closeAllConnections' in server && server.closeAllConnections())
        .catch(() => undefined)
      await Promise.all([closed, sweeping])
      cut.abort()
      await cutOff
      await built.close()
      log.info('stopped')
    },
  }
}
