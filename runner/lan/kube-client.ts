import type { Dispatcher } from 'undici'
import { request } from 'undici'
import type { KubeObject } from '../../src/core/component.ts'
import { conditionOf } from '../../src/core/conditions.ts'
import { Problem } from '../../src/core/problem.ts'
import { redact } from '../../src/secrets/redact.ts'
import type { Clock } from '../../src/seams/clock.ts'
import { httpsAgent, type Dial } from './https-agent.ts'
import type { KubeApi, ObjectRef } from './kube-api.ts'
import { kubeResources, type KubeResources } from './kube-resources.ts'
import { readKubeconfig } from './kubeconfig.ts'

/** Field manager of everything that Slipway applies itself. */
export const FIELD_MANAGER = 'slipway'
/** The API server gives up on a request after 60 s itself. */
const ANSWER_TIMEOUT_MS = 65_000
/** Largest answer that is read; a list page of 500 big objects has some MB. */
const MAX_ANSWER_BYTES = 32 * 1024 * 1024
const PAGE = 500
/** Objects in one list, over all pages; a homelab has thousands of Pods at most. */
const MAX_LISTED = 20_000
/** Attempts of a request that the server put off, with the wait before each further one. */
const PUT_OFF_WAITS_MS = [500, 2_000, 5_000] as const
/** A definition is usually established within a second. */
const ESTABLISH_TIMEOUT_MS = 60_000
const ESTABLISH_POLL_MS = 500
/** How long an object may wait for its kind (a definition that an operator brings) or for a webhook that is starting. */
const MISSING_KIND_TIMEOUT_MS = 120_000
const MISSING_KIND_POLL_MS = 3_000
/** Server-side applies in flight at once. */
const PARALLEL_APPLIES = 4

/** An answer of the API server that says no, or a request that it never answered. */
class KubeRefusal extends Problem {
  /** HTTP status; 0 when nothing answered. */
  readonly status: number
  constructor(status: number, what: string, cause?: unknown) {
    super(
      {
        code: status === 0 ? 'kube.unreachable' : status === 401 ? 'kube.credentials' : 'kube.refused',
        what,
        retry: status === 0 || status >= 500 || status === 429 || status === 409 ? 'now' : 'later',
        ...(status === 0 ? { remedy: 'See whether the control plane is up and its address reachable.' } : {}),
      },
      { cause },
    )
    this.status = status
  }
}

interface Answer {
  readonly status: number
  readonly body: Record<string, unknown>
}

/**
 * The Kubernetes API with a kubeconfig's credentials, its authority pinned.
 * @param dial - Opens connections, through a proxy where there is one.
 */
export function kubeClient(kubeconfig: string, dial: Dial, clock: Clock): KubeApi {
  const { server, ca, clientCertificate } = readKubeconfig(kubeconfig)
  const agent = httpsAgent(dial, { ca, clientCertificate }, ANSWER_TIMEOUT_MS)
  const lifetime = new AbortController()

  async function send(
    method: Dispatcher.HttpMethod,
    path: string,
    body?: { readonly type: string; readonly value: unknown },
    signal?: AbortSignal,
  ): Promise<Answer> {
    const ends = AbortSignal.any([lifetime.signal, ...(signal === undefined ? [] : [signal])])
    for (let attempt = 0; ; attempt++) {
      const answer = await once(method, path, body, ends)
      const wait = PUT_OFF_WAITS_MS[attempt]
      // 429 means that nothing was done, so any call may be repeated; not so an eviction, whose 429 is an answer.
      if (answer.status !== 429 || wait === undefined || path.endsWith('/eviction')) return answer
      await clock.sleep(wait, ends)
    }
  }

  async function once(
    method: Dispatcher.HttpMethod,
    path: string,
    body: { readonly type: string; readonly value: unknown } | undefined,
    signal: AbortSignal,
  ): Promise<Answer> {
    try {
      const response = await request(`${server}${path}`, {
        method,
        dispatcher: agent,
        signal,
        headers: { accept: 'application/json', ...(body === undefined ? {} : { 'content-type': body.type }) },
        body: body === undefined ? null : JSON.stringify(body.value),
      })
      const chunks: Buffer[] = []
      let size = 0
      for await (const chunk of response.body as AsyncIterable<Buffer>) {
        size += chunk.length
        if (size > MAX_ANSWER_BYTES) throw new Error('the answer is too long')
        chunks.push(chunk)
      }
      return { status: response.statusCode, body: jsonObject(Buffer.concat(chunks).toString('utf8')) }
    } catch (error) {
      if (error instanceof Problem || signal.aborted) throw error
      const why = error instanceof Error ? error.message : String(error)
      throw new KubeRefusal(0, `${method} ${plain(path)} at ${server}: ${redact(why)}`, error)
    }
  }

  /** @throws KubeRefusal for any status from 300. */
  async function call(
    method: Dispatcher.HttpMethod,
    path: string,
    body?: { readonly type: string; readonly value: unknown },
    signal?: AbortSignal,
  ): Promise<Record<string, unknown>> {
    const answer = await send(method, path, body, signal)
    if (answer.status >= 300) throw refusal(method, path, answer)
    return answer.body
  }

  const resources: KubeResources = kubeResources(async (path) => {
    const answer = await send('GET', path)
    if (answer.status === 404) return undefined
    if (answer.status >= 300) throw refusal('GET', path, answer)
    return answer.body
  })

  async function applyOne(object: KubeObject, namespace: string | undefined, signal?: AbortSignal): Promise<void> {
    const deadline = clock.now() + MISSING_KIND_TIMEOUT_MS
    for (;;) {
      try {
        const path = await resources.path({
          ...refOf(object),
          ...(object.metadata.namespace === undefined && namespace !== undefined ? { namespace } : {}),
        })
        await call(
          'PATCH',
          `${path}?fieldManager=${FIELD_MANAGER}&force=true`,
          { type: 'application/apply-patch+yaml', value: object },
          signal,
        )
        return
      } catch (error) {
        if (!(error instanceof Problem) || !mayPass(error) || clock.now() >= deadline) throw applyProblem(object, error)
        await clock.sleep(MISSING_KIND_POLL_MS, signal)
      }
    }
  }

  async function established(definition: KubeObject, signal?: AbortSignal): Promise<void> {
    const deadline = clock.now() + ESTABLISH_TIMEOUT_MS
    for (;;) {
      if (conditionOf(await api.get(refOf(definition)), 'Established')?.status === 'True') return
      if (clock.now() >= deadline)
        throw new Problem({
          code: 'kube.not-established',
          what: `definition "${definition.metadata.name}" was not established within ${ESTABLISH_TIMEOUT_MS / 1000} s`,
          remedy: 'Look at its conditions with `kubectl describe crd`.',
          retry: 'later',
        })
      await clock.sleep(ESTABLISH_POLL_MS, signal)
    }
  }

  const api: KubeApi = {
    async version() {
      const { gitVersion } = await call('GET', '/version')
      return typeof gitVersion === 'string' ? gitVersion : ''
    },
    async get(ref) {
      const path = await resources.path(ref).catch((error: unknown) => {
        // A kind that the cluster does not know has no objects.
        if (error instanceof Problem && error.code === 'kube.no-kind') return undefined
        throw error
      })
      if (path === undefined) return undefined
      const answer = await send('GET', path)
      if (answer.status === 404) return undefined
      if (answer.status >= 300) throw refusal('GET', path, answer)
      return answer.body as unknown as KubeObject
    },
    async list(apiVersion, kind, options = {}) {
      const path = await resources.collection(apiVersion, kind, options.namespace)
      const items: KubeObject[] = []
      let next: string | undefined
      do {
        const query = new URLSearchParams({
          limit: String(PAGE),
          ...(options.labelSelector === undefined ? {} : { labelSelector: options.labelSelector }),
          ...(options.fieldSelector === undefined ? {} : { fieldSelector: options.fieldSelector }),
          ...(next === undefined ? {} : { continue: next }),
        })
        const page = await call('GET', `${path}?${query.toString()}`)
        // Items of a list carry neither of these themselves.
        for (const item of (page['items'] ?? []) as KubeObject[]) items.push({ ...item, apiVersion, kind })
        const { continue: rest } = (page['metadata'] ?? {}) as { readonly continue?: string }
        next = rest === '' ? undefined : rest
      } while (next !== undefined && items.length < MAX_LISTED)
      return items
    },
    async apply(objects, options = {}) {
      const { namespace, signal } = options
      const [first, definitions, rest] = inOrder(objects)
      for (const object of first) await applyOne(object, undefined, signal)
      await inParallel(definitions, (object) => applyOne(object, undefined, signal))
      for (const definition of definitions) await established(definition, signal)
      if (definitions.length > 0) resources.forget()
      await inParallel(rest, (object) => applyOne(object, namespace, signal))
    },
    async patch(ref, patch) {
      const path = `${await resources.path(ref)}?fieldManager=${FIELD_MANAGER}`
      return (await call('PATCH', path, {
        type: 'application/merge-patch+json',
        value: patch,
      })) as unknown as KubeObject
    },
    async delete(ref) {
      const path = await resources.path(ref)
      const answer = await send('DELETE', path)
      if (answer.status >= 300 && answer.status !== 404) throw refusal('DELETE', path, answer)
    },
    async evict(namespace, pod) {
      const path = `/api/v1/namespaces/${encodeURIComponent(namespace)}/pods/${encodeURIComponent(pod)}/eviction`
      const answer = await send('POST', path, {
        type: 'application/json',
        value: { apiVersion: 'policy/v1', kind: 'Eviction', metadata: { name: pod, namespace } },
      })
      if (answer.status === 404) return 'gone'
      if (answer.status === 429) return 'budget'
      if (answer.status >= 300) throw refusal('POST', path, answer)
      return 'evicted'
    },
    async close() {
      lifetime.abort()
      await agent.destroy()
    },
  }
  return api
}

/** Namespaces, then definitions, then the rest in the order given. */
function inOrder(objects: readonly KubeObject[]): readonly [KubeObject[], KubeObject[], KubeObject[]] {
  const namespaces: KubeObject[] = []
  const definitions: KubeObject[] = []
  const rest: KubeObject[] = []
  for (const object of objects) {
    if (object.kind === 'Namespace' && object.apiVersion === 'v1') namespaces.push(object)
    else if (object.kind === 'CustomResourceDefinition') definitions.push(object)
    else rest.push(object)
  }
  return [namespaces, definitions, rest]
}

/** Each object starts in order; a failure lets those that run end and starts no more. */
async function inParallel(objects: readonly KubeObject[], work: (object: KubeObject) => Promise<void>): Promise<void> {
  const queue = [...objects]
  const failures: unknown[] = []
  const worker = async (): Promise<void> => {
    for (let object = queue.shift(); object !== undefined && failures.length === 0; object = queue.shift())
      await work(object).catch((error: unknown) => failures.push(error))
  }
  await Promise.all(Array.from({ length: PARALLEL_APPLIES }, worker))
  if (failures.length > 0) throw failures[0]
}

/** A kind that comes later, or a server (or its webhook) that is only just starting. */
function mayPass(error: Problem): boolean {
  if (error.code === 'kube.no-kind') return true
  return error instanceof KubeRefusal && (error.status === 0 || error.status >= 500 || error.status === 429)
}

function refOf(object: KubeObject): ObjectRef {
  const { name, namespace } = object.metadata
  return {
    apiVersion: object.apiVersion,
    kind: object.kind,
    name,
    ...(namespace === undefined ? {} : { namespace }),
  }
}

function refusal(method: string, path: string, { status, body }: Answer): KubeRefusal {
  const said = typeof body['message'] === 'string' ? body['message'] : `HTTP ${status}`
  return new KubeRefusal(status, `${method} ${plain(path)}: ${redact(said).slice(0, 1_000)}`)
}

function applyProblem(object: KubeObject, error: unknown): unknown {
  if (!(error instanceof Problem)) return error
  return new Problem(
    {
      code: 'kube.apply',
      what: `applying ${object.kind} "${object.metadata.name}": ${error.what}`,
      ...(error.remedy === undefined ? {} : { remedy: error.remedy }),
      retry: error.retry,
    },
    { cause: error },
  )
}

/** Without the query, which says nothing to a reader. */
function plain(path: string): string {
  return path.split('?', 1)[0] ?? path
}

function jsonObject(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value === 'object' && value !== null) return value as Record<string, unknown>
  } catch {
    // A proxy in between, or plain text such as "ok": kept as the message.
  }
  return { message: text.slice(0, 500) }
}
