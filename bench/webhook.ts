import { spawn } from 'node:child_process'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { mkdtempSync, rmSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { serve as listen } from '@hono/node-server'
import { controlledForge } from '../sim/forge-control.ts'
import type { SimForge } from '../sim/forge.ts'
import type { App } from '../src/app/app.ts'
import { readConfig } from '../src/entry/config.ts'
import { openApp } from '../src/entry/node.ts'
import { buildHandler } from '../src/http/handler.ts'
import type { Clock } from '../src/seams/clock.ts'
import { newSigningKey } from '../src/secrets/signing.ts'
import { clusterText } from './cluster-text.ts'

/** Pulls that are measured, after a few that warm up. */
const ROUNDS = 30
const WARM_UP = 8
/** Nodes of the cluster that each pull adds. */
const NODES = 10
/** How much faster the app's time runs, so that the pauses between two edits of a comment do not last. */
const SPEED = 20
const FULL = 'home/lab'
const AUTHOR = 'ada'

export interface WebhookFigures {
  /** Processor time of the app per pull, in milliseconds, in the order of measuring. */
  readonly computeMs: readonly number[]
  /** Wall time from the push to the last thing shown, likewise. */
  readonly wallMs: readonly number[]
  /** Most requests to the forge that one pull caused. */
  readonly reads: number
  readonly writes: number
  /** Requests of the last pull, `GET /repos/…`, with how often each was made. */
  readonly requests: ReadonlyMap<string, number>
}

/**
 * From the webhook of a pull that adds a cluster to its comment, check and bundle commit, with what that commit's own
 * webhook causes. The forge is a process of its own, so that processor time here is the app's alone.
 */
export async function measureWebhook(kind: 'github' | 'gitlab'): Promise<WebhookFigures> {
  const child = spawn(process.execPath, [join(import.meta.dirname, `../sim/${kind}/main.ts`)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const folder = mkdtempSync(join(tmpdir(), 'slipway-bench-'))
  try {
    const sim = await controlledForge(await controlUrl(child.stdout))
    return await measure(sim, join(folder, 'app.sqlite'))
  } finally {
    child.kill('SIGTERM')
    rmSync(folder, { recursive: true, force: true })
  }
}

async function measure(sim: SimForge, database: string): Promise<WebhookFigures> {
  await sim.createUser(AUTHOR)
  await sim.createRepo(FULL, { 'README.md': '# lab\n' })
  await sim.grant(FULL, AUTHOR, 'admin')
  const { secret, ...forge } = await settingsOf(sim)
  const config = readConfig({
    SLIPWAY_SIGNING_KEY: await newSigningKey(),
    SLIPWAY_DATABASE: database,
    SLIPWAY_PUBLIC_URL: 'https://slipway.test',
    ...forge,
  })
  const errors: string[] = []
  const log = {
    info: () => undefined,
    warn: (message: string) => void errors.push(message),
    error: (message: string, fields?: unknown) => void errors.push(`${message} ${String(Object(fields)['error'])}`),
  }
  const built = await openApp(config, log)
  // The same app, but what it leaves for after the answer can be waited for.
  const left = new Set<Promise<void>>()
  const clock = fastClock()
  const app: App = {
    ...built.app,
    clock,
    store: { ...built.app.store, now: async () => new Date(clock.now()).toISOString() },
    defer(name, work) {
      const done: Promise<void> = work()
        .catch((error: unknown) => log.error(name, { error }))
        .finally(() => left.delete(done))
      left.add(done)
    },
  }
  const handler = buildHandler(app)
  const server = listen({ fetch: (request) => handler.fetch(request), hostname: '127.0.0.1', port: 0 })
  const settled = async (): Promise<void> => {
    do {
      await sim.webhooksSettled()
      await Promise.all(left)
    } while (left.size > 0)
  }

  const computeMs: number[] = []
  const wallMs: number[] = []
  let [reads, writes] = [0, 0]
  let requests = new Map<string, number>()
  try {
    await new Promise<void>((resolve) => server.once('listening', () => resolve()))
    const { port } = server.address() as AddressInfo
    await sim.setWebhook(`http://127.0.0.1:${port}/webhooks/${sim.kind}`, secret)
    for (let round = 0; round < WARM_UP + ROUNDS; round += 1) {
      const files = { 'clusters/home/cluster.yaml': clusterText(NODES) }
      const counted = countRequests(sim.apiUrl)
      const [cpu, start] = [process.cpuUsage(), performance.now()]
      const { number } = await sim.openPull(FULL, { branch: `add-${round}`, files, title: 'a cluster', author: AUTHOR })
      await settled()
      const { user, system } = process.cpuUsage(cpu)
      const wall = performance.now() - start
      requests = counted.stop()
      const comments = await sim.comments(FULL, number)
      if (!comments.some(({ body }) => body.includes('a new cluster of 10 machines')) || errors.length > 0)
        throw new Error(`pull ${number} has no plan comment: ${errors.join('; ')}`)
      if (round < WARM_UP) continue
      computeMs.push((user + system) / 1000)
      wallMs.push(wall)
      const of = (read: boolean): number =>
        [...requests].reduce((sum, [name, count]) => sum + (name.startsWith('GET ') === read ? count : 0), 0)
      reads = Math.max(reads, of(true))
      writes = Math.max(writes, of(false))
    }
  } finally {
    await new Promise((resolve) => server.close(resolve))
    await built.close()
  }
  return { computeMs, wallMs, reads, writes, requests }
}

/** Real time from now on, {@link SPEED} times as fast. */
function fastClock(): Clock {
  const start = Date.now()
  return {
    now: () => start + (Date.now() - start) * SPEED,
    sleep: (ms, signal) => sleep(ms / SPEED, undefined, signal ? { signal } : {}).catch(() => undefined),
  }
}

/** Counts what this process asks a server, whatever library asks. */
function countRequests(apiUrl: string): { stop(): Map<string, number> } {
  const origin = new URL(apiUrl).origin
  const counts = new Map<string, number>()
  const onRequest = (message: unknown): void => {
    const { request } = message as { request: { method: string; origin: string | URL; path: string } }
    if (new URL(request.origin).origin !== origin) return
    const name = `${request.method} ${
      request.path
        .split('?')[0]
        ?.replaceAll(/\/[0-9a-f]{40}\b/g, '/{sha}')
        .replaceAll(/\/\d+(?=\/|$)/g, '/{n}') ?? ''
    }`
    counts.set(name, (counts.get(name) ?? 0) + 1)
  }
  subscribe('undici:request:create', onRequest)
  return {
    stop() {
      unsubscribe('undici:request:create', onRequest)
      return counts
    },
  }
}

async function settingsOf(sim: SimForge): Promise<Record<string, string> & { readonly secret: string }> {
  const credentials = await sim.credentials()
  const secret = credentials.webhookSecret
  if (credentials.kind === 'github')
    return {
      secret,
      SLIPWAY_GITHUB_APP_ID: String(credentials.appId),
      SLIPWAY_GITHUB_PRIVATE_KEY: credentials.privateKeyPem,
      SLIPWAY_GITHUB_WEBHOOK_SECRET: secret,
      SLIPWAY_GITHUB_API_URL: credentials.apiUrl,
      SLIPWAY_GITHUB_KNOWN_HOSTS: sim.knownHosts,
    }
  return {
    secret,
    SLIPWAY_GITLAB_URL: credentials.url,
    SLIPWAY_GITLAB_TOKEN: credentials.token,
    SLIPWAY_GITLAB_WEBHOOK_SECRET: secret,
    SLIPWAY_GITLAB_KNOWN_HOSTS: sim.knownHosts,
  }
}

async function controlUrl(output: NodeJS.ReadableStream): Promise<string> {
  for await (const line of createInterface({ input: output })) {
    const said = JSON.parse(line) as { readonly ready?: boolean; readonly controlUrl?: string }
    if (said.ready === true && said.controlUrl !== undefined) return said.controlUrl
  }
  throw new Error('the simulated forge ended before it was ready')
}
