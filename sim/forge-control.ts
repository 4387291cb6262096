import { Hono } from 'hono'
import type { SimForge } from './forge.ts'
import { webServer, type WebServer } from './git/web-server.ts'

type Call = Exclude<keyof SimForge, 'kind' | 'apiUrl' | 'knownHosts' | typeof Symbol.asyncDispose>

const CALLS: { readonly [Name in Call]: true } = {
  credentials: true,
  createUser: true,
  addUserKey: true,
  createRepo: true,
  fork: true,
  grant: true,
  archive: true,
  deleteRepo: true,
  commit: true,
  openPull: true,
  pushToPull: true,
  pull: true,
  pulls: true,
  merge: true,
  close: true,
  reopen: true,
  comment: true,
  editComment: true,
  approve: true,
  comments: true,
  checks: true,
  annotations: true,
  deployKeys: true,
  deployments: true,
  sshUrl: true,
  readFile: true,
  setWebhook: true,
  lastDeliveries: true,
  redeliver: true,
  webhooksSettled: true,
  setFaults: true,
  stop: true,
}

function isCall(name: string): name is Call {
  return Object.hasOwn(CALLS, name)
}

/**
 * Offers a forge's calls to other processes: `POST /<call>` with a JSON array of arguments answers `{"result":…}` or
 * 400 `{"error":"…"}`. `GET /` tells kind and addresses. Loopback only, and for play-acting only: whoever reaches it is
 * everybody.
 */
export function serveForgeControl(forge: SimForge, port = 0): Promise<WebServer> {
  const { kind, apiUrl, knownHosts } = forge
  const app = new Hono()
    .get('/', (context) => context.json({ kind, apiUrl, knownHosts }))
    .post('/:call', async (context) => {
      const name = context.req.param('call')
      if (!isCall(name)) return context.json({ error: `no call ${name}` }, 404)
      const args: unknown[] = await context.req.json()
      try {
        const call = forge[name] as (...values: unknown[]) => Promise<unknown>
        return context.json({ result: await call.apply(forge, args) })
      } catch (error) {
        return context.json({ error: error instanceof Error ? error.message : String(error) }, 400)
      }
    })
  return webServer((request) => app.fetch(request), port)
}

/** The forge behind a control port, with the same calls as in its own process. */
export async function controlledForge(controlUrl: string): Promise<SimForge> {
  const described = (await (await fetch(controlUrl)).json()) as Pick<SimForge, 'kind' | 'apiUrl' | 'knownHosts'>
  const call = async (name: Call, args: readonly unknown[]): Promise<unknown> => {
    const response = await fetch(new URL(name, `${controlUrl.replace(/\/$/, '')}/`), {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(args.slice(0, args.findLastIndex((value) => value !== undefined) + 1)),
    })
    const answer = (await response.json()) as { readonly result?: unknown; readonly error?: string }
    if (answer.error !== undefined) throw new Error(answer.error)
    return answer.result
  }
  const calls = Object.keys(CALLS)
    .filter(isCall)
    .map((name) => [name, (...args: unknown[]) => call(name, args)] as const)
  // The compiler cannot see that the calls are those of the interface; CALLS above does not compile unless they are.
  const forwarded = Object.fromEntries(calls) as unknown as Pick<SimForge, Call>
  return { ...described, ...forwarded, [Symbol.asyncDispose]: () => forwarded.stop() }
}
