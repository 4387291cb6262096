import { readFileSync, statSync } from 'node:fs'
import { request, type Dispatcher } from 'undici'
import { isRecord } from '../../src/core/conditions.ts'
import { Problem } from '../../src/core/problem.ts'
import { redact } from '../../src/secrets/redact.ts'
import type { Clock } from '../../src/seams/clock.ts'
import type { ProxmoxConnection } from '../config.ts'
import { httpsAgent, type Dial, type ServerTrust } from './https-agent.ts'
import type { ProxmoxApi, ProxmoxVm } from './proxmox-api.ts'

/** pveproxy gives up on a forwarded request after 30 s. */
const ANSWER_TIMEOUT_MS = 45_000
/** Largest answer that is read; the list of 1,000 VMs has about 1 MB. */
const MAX_ANSWER_BYTES = 16 * 1024 * 1024
/** Further attempts of a question, with the wait before each. What changes something is never repeated in here. */
const QUESTION_WAITS_MS = [500, 2_000, 5_000] as const
/** Polls of a task grow from the first to the last. */
const FIRST_POLL_MS = 500
const LAST_POLL_MS = 2_000
/** A task that was just started may not be known to the node's list yet. */
const UNKNOWN_TASK_MS = 5_000
/** Lines of a task's log that are read at once. */
const LOG_LINES = 500
const MAX_VMS = 1_000
/** Configurations read at once for the list of VMs. */
const PARALLEL_READS = 4

/** An answer that says no, or a request that was never answered (status 0). */
export class ProxmoxRefusal extends Problem {
  readonly status: number
  constructor(connection: string, status: number, what: string, cause?: unknown) {
    super(
      {
        code: status === 0 ? 'proxmox.unreachable' : status === 401 ? 'proxmox.credentials' : 'proxmox.refused',
        what: `Proxmox "${connection}": ${what}`,
        ...(status === 0
          ? { remedy: "See whether the node that the runner's connection names is up and reachable." }
          : status === 401
            ? { remedy: "Check the token in the connection's `tokenFile`: USER@REALM!TOKENID=UUID." }
            : status === 403
              ? { remedy: 'Give user and token the privilege named, on the path named.' }
              : {}),
        retry: status === 0 || status >= 500 || status === 429 || isPassing(what) ? 'now' : 'never',
      },
      { cause },
    )
    this.status = status
  }
}

/** Locks that are waited for too briefly, and nodes that are busy. */
function isPassing(text: string): boolean {
  return /got timeout|can't lock file|VM is locked|got no worker upid|no quorum|got signal|connection (refused|reset)/i.test(
    text,
  )
}

interface Answer {
  readonly status: number
  readonly reason: string
  readonly body: Readonly<Record<string, unknown>>
}

/**
 * The API of a Proxmox VE cluster through one of its nodes.
 * @throws Problem `proxmox.token-file` when the token cannot be read or can be read by others.
 */
export function proxmoxClient(
  name: string,
  connection: ProxmoxConnection,
  dial: Dial,
  clock: Clock,
): ProxmoxApi & { close(): Promise<void> } {
  const authorization = `PVEAPIToken=${readToken(name, connection.tokenFile)}`
  const agent = httpsAgent(dial, trustOf(connection), ANSWER_TIMEOUT_MS)
  const base = `${connection.url.replace(/\/+$/, '')}/api2/json`

  async function once(
    method: Dispatcher.HttpMethod,
    path: string,
    body?: Readonly<Record<string, unknown>>,
    signal?: AbortSignal,
  ): Promise<Answer> {
    try {
      const response = await request(`${base}${path}`, {
        method,
        dispatcher: agent,
        headers: {
          authorization,
          accept: 'application/json',
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        },
        body: body === undefined ? null : JSON.stringify(body),
        ...(signal === undefined ? {} : { signal }),
      })
      const chunks: Buffer[] = []
      let size = 0
      for await (const chunk of response.body as AsyncIterable<Buffer>) {
        size += chunk.length
        if (size > MAX_ANSWER_BYTES) throw new Error('the answer is too long')
        chunks.push(chunk)
      }
      return {
        status: response.statusCode,
        reason: response.statusText,
        body: jsonObject(Buffer.concat(chunks).toString('utf8')),
      }
    } catch (error) {
      if (error instanceof Problem || signal?.aborted === true) throw error
      const why = error instanceof Error ? error.message : String(error)
      throw new ProxmoxRefusal(name, 0, `${method} ${plain(path)}: ${redact(why)}`, error)
    }
  }

  async function call(
    method: Dispatcher.HttpMethod,
    path: string,
    body?: Readonly<Record<string, unknown>>,
    signal?: AbortSignal,
  ): Promise<unknown> {
    const answer = await once(method, path, body, signal)
    if (answer.status >= 300) throw refusal(name, method, path, answer)
    return answer.body['data']
  }

  async function get(path: string, signal?: AbortSignal): Promise<unknown> {
    for (let attempt = 0; ; attempt++) {
      try {
        return await call('GET', path, undefined, signal)
      } catch (error) {
        const wait = QUESTION_WAITS_MS[attempt]
        if (!(error instanceof ProxmoxRefusal) || !isWorthAsking(error) || wait === undefined) throw error
        await clock.sleep(wait, signal)
      }
    }
  }

  async function listed(): Promise<readonly Listed[]> {
    return records(await get('/cluster/resources?type=vm')).map((row) => ({
      vmid: Number(row['vmid']),
      node: String(row['node']),
      name: typeof row['name'] === 'string' ? row['name'] : '',
      running: row['status'] === 'running',
      template: Number(row['template'] ?? 0) === 1,
      kind: row['type'] === 'lxc' ? 'lxc' : 'qemu',
    }))
  }

  /** `undefined` when it has gone in the meantime. */
  async function withConfig(row: Listed): Promise<ProxmoxVm | undefined> {
    let config: unknown
    try {
      config = await get(`/nodes/${row.node}/${row.kind}/${row.vmid}/config`)
    } catch (error) {
      if (error instanceof ProxmoxRefusal && /does not exist/.test(error.what)) return undefined
      throw error
    }
    const values = isRecord(config) ? config : {}
    const { description, lock, name: configured } = values
    return {
      vmid: row.vmid,
      node: row.node,
      name: typeof configured === 'string' ? configured : row.name,
      running: row.running,
      template: row.template,
      description: typeof description === 'string' ? description : '',
      ...(typeof lock === 'string' ? { lock } : {}),
      config: values,
    }
  }

  async function taskEnd(
    upid: string,
    options: { readonly timeoutMs: number; readonly signal?: AbortSignal; readonly progress?: (text: string) => void },
  ): Promise<void> {
    const node = upid.split(':')[1] ?? ''
    const path = `/nodes/${node}/tasks/${encodeURIComponent(upid)}`
    const kind = upid.split(':')[5] ?? 'task'
    const started = clock.now()
    let told = 0
    for (let poll = FIRST_POLL_MS; ; poll = Math.min(poll * 1.5, LAST_POLL_MS)) {
      const status = await get(`${path}/status`, options.signal).catch((error: unknown) => {
        const young = clock.now() - started < UNKNOWN_TASK_MS
        if (young && error instanceof ProxmoxRefusal && /no such task/.test(error.what)) return {}
        throw error
      })
      const { status: state, exitstatus } = isRecord(status) ? status : {}
      if (state === 'stopped') {
        const outcome = typeof exitstatus === 'string' ? exitstatus : 'no result'
        if (outcome === 'OK' || outcome.startsWith('WARNINGS')) return
        throw new Problem({
          code: 'proxmox.task-failed',
          what: `Proxmox "${name}": ${kind} on ${node}: ${redact(outcome).slice(0, 1_000)}`,
          remedy: `The task's log is on ${node}, under ${kind} ${upid.split(':')[6] ?? ''}.`,
          retry: isPassing(outcome) ? 'now' : 'later',
        })
      }
      if (clock.now() - started > options.timeoutMs)
        throw new Problem({
          code: 'proxmox.task-slow',
          what: `Proxmox "${name}": ${kind} on ${node} has not ended within ${Math.round(options.timeoutMs / 1000)} s`,
          remedy: `See the task's log on ${node}; when the task has ended or was stopped, comment \`/slipway apply\`.`,
          retry: 'later',
        })
      if (options.progress !== undefined && poll === LAST_POLL_MS) told = await tell(path, told, options.progress)
      await clock.sleep(poll, options.signal)
    }
  }

  /** Hands on the newest line of a task's log; a log that cannot be read is no reason to stop. */
  async function tell(path: string, from: number, progress: (text: string) => void): Promise<number> {
    const lines = records(await call('GET', `${path}/log?start=${from}&limit=${LOG_LINES}`).catch(() => []))
    const last = lines.at(-1)?.['t']
    if (typeof last === 'string' && last !== '' && last !== 'no content') progress(last.slice(0, 300))
    return from + lines.length
  }

  return {
    name,
    async version() {
      const answer = await get('/version')
      return isRecord(answer) ? String(answer['version']) : ''
    },
    async findVm(vmid) {
      const row = (await listed()).find((entry) => entry.vmid === vmid)
      return row === undefined ? undefined : withConfig(row)
    },
    async vms() {
      const queue = (await listed()).slice(0, MAX_VMS)
      const found: ProxmoxVm[] = []
      const worker = async (): Promise<void> => {
        for (let row = queue.shift(); row !== undefined; row = queue.shift()) {
          const vm = await withConfig(row)
          if (vm !== undefined) found.push(vm)
        }
      }
      await Promise.all(Array.from({ length: PARALLEL_READS }, worker))
      return found.sort((a, b) => a.vmid - b.vmid)
    },
    async images(node, storage) {
      const rows = records(await get(`/nodes/${node}/storage/${storage}/content?content=import`))
      return rows
        .flatMap(({ volid }) => (typeof volid === 'string' ? [volid.slice(volid.lastIndexOf('/') + 1)] : []))
        .sort()
    },
    async storageContent(storage) {
      const rows = records(await get('/cluster/resources?type=storage'))
      const row = rows.find((entry) => entry['storage'] === storage)
      return typeof row?.['content'] === 'string' ? row['content'].split(',').filter((kind) => kind !== '') : []
    },
    get: (path) => get(path),
    async change(method, path, body, options) {
      // A DELETE has its parameters in the query: proxies may drop its body.
      const query = method === 'DELETE' ? queryOf(body) : ''
      const data = await call(method, `${path}${query}`, method === 'DELETE' ? undefined : body, options.signal)
      if (typeof data === 'string' && data.startsWith('UPID:')) await taskEnd(data, options)
      return data
    },
    async guestAddresses(node, vmid) {
      const answer = await call('GET', `/nodes/${node}/qemu/${vmid}/agent/network-get-interfaces`).catch(
        (error: unknown) => {
          if (error instanceof ProxmoxRefusal && error.status >= 500) return undefined
          throw error
        },
      )
      if (!isRecord(answer)) return undefined
      return records(answer['result']).map(({ 'hardware-address': mac, ...entry }) => ({
        mac: typeof mac === 'string' ? mac.toLowerCase() : '',
        addresses: records(entry['ip-addresses']).flatMap((address) =>
          address['ip-address-type'] === 'ipv4' ? [String(address['ip-address'])] : [],
        ),
      }))
    },
    close: () => agent.destroy(),
  }
}

interface Listed {
  readonly vmid: number
  readonly node: string
  readonly name: string
  readonly running: boolean
  readonly template: boolean
  readonly kind: 'qemu' | 'lxc'
}

/** Questions are harmless; they are asked again unless the answer will stay the same. */
function isWorthAsking(error: ProxmoxRefusal): boolean {
  return error.retry === 'now' && !/does not exist|no such task/.test(error.what)
}

function readToken(name: string, file: string): string {
  const bad = (what: string, remedy: string, cause?: unknown): Problem =>
    new Problem(
      { code: 'proxmox.token-file', what: `connection "${name}": ${what}`, where: file, remedy, retry: 'never' },
      { cause },
    )
  let text: string
  try {
    if ((statSync(file).mode & 0o077) !== 0) throw bad(`${file} can be read by others`, `chmod 0600 ${file}`)
    text = readFileSync(file, 'utf8').trim()
  } catch (error) {
    if (error instanceof Problem) throw error
    throw bad(`reading ${file}`, 'Write the API token there: USER@REALM!TOKENID=UUID, mode 0600.', error)
  }
  if (!/^[^\s@]+@[^\s!]+![^\s=]+=[0-9a-fA-F-]{36}$/.test(text))
    throw bad(`${file} holds no API token`, 'Write it as USER@REALM!TOKENID=UUID, on one line.')
  return text
}

function trustOf({ tls }: ProxmoxConnection): ServerTrust {
  if (tls.check === 'fingerprint') return { fingerprint: tls.sha256 }
  if (tls.check === 'system') return {}
  try {
    return { ca: readFileSync(tls.file, 'utf8') }
  } catch (error) {
    throw new Problem(
      {
        code: 'proxmox.ca-file',
        what: `reading ${tls.file}`,
        remedy: 'Copy /etc/pve/pve-root-ca.pem of a Proxmox node there.',
        retry: 'never',
      },
      { cause: error },
    )
  }
}

function refusal(name: string, method: string, path: string, { status, reason, body }: Answer): ProxmoxRefusal {
  const { message, errors } = body
  const fields = isRecord(errors)
    ? Object.entries(errors).map(([field, text]) => `${field}: ${String(text).trim()}`)
    : []
  const said = typeof message === 'string' && message.trim() !== '' ? message.trim() : reason
  const words = [said || `HTTP ${status}`, ...fields].join('; ')
  return new ProxmoxRefusal(name, status, `${method} ${plain(path)}: ${redact(words).slice(0, 1_000)}`)
}

function plain(path: string): string {
  return path.split('?', 1)[0] ?? path
}

function queryOf(body: Readonly<Record<string, unknown>>): string {
  const pairs = Object.entries(body).map(([key, value]): [string, string] => [key, String(value)])
  return pairs.length === 0 ? '' : `?${new URLSearchParams(pairs).toString()}`
}

function records(value: unknown): readonly Readonly<Record<string, unknown>>[] {
  return Array.isArray(value) ? value.filter((entry: unknown) => isRecord(entry)) : []
}

function jsonObject(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text)
    return isRecord(value) ? value : {}
  } catch {
    return { message: text.slice(0, 500) }
  }
}
