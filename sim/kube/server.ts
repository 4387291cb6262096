import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { X509Certificate } from 'node:crypto'
import { parseAllDocuments } from 'yaml'
import type { FaultPlan } from '../faults.ts'
import type { DeleteOptions, KubeApi, ListOptions, PatchType, WriteOptions } from './api.ts'
import { inVersion, selection } from './api.ts'
import type { User } from './auth.ts'
import { ANONYMOUS, bootstrapUser, certificateUser, may, mayReadPath } from './auth.ts'
import { discovery } from './discovery.ts'
import { at, number, text } from './object.ts'
import type { ResourceKind } from './resource.ts'
import { apiVersionOf } from './resource.ts'
import {
  StatusError,
  badRequest,
  forbidden,
  forbiddenPath,
  gone,
  methodNotAllowed,
  noSuchPath,
  unauthorized,
} from './status.ts'
import { resourceKey } from './store.ts'

export type KubeFault =
  | 'serverError'
  | 'timeoutAfterEffect'
  | 'closedConnection'
  | 'tooManyRequests'
  | 'watchDropped'
  | 'gitUnreachable'

/** A real API server refuses request bodies above 3 MiB. */
const MAX_BODY_BYTES = 3 * 1_048_576
/** Bookmarks come about once a minute. */
const BOOKMARK_MS = 60_000
/** Without `timeoutSeconds` a watch ends after 30 to 60 minutes. */
const WATCH_MS = 1_800_000

export interface ServerInput {
  readonly api: KubeApi
  readonly faults: FaultPlan<KubeFault>
  readonly certificate: { readonly pem: string; readonly keyPem: string }
  readonly clientAuthority: string
  /** `v1.36.3`, read anew for each request. */
  readonly version: () => string
  /** Why the API cannot answer now, e.g. etcd without a quorum. */
  readonly outage: () => string | undefined
}

export interface ApiServer {
  readonly port: number
  close(): Promise<void>
}

/** The HTTPS face of the API server on a loopback port. */
export async function serveApi(input: ServerInput): Promise<ApiServer> {
  const open = new Set<ServerResponse>()
  const server = createServer(
    {
      key: input.certificate.keyPem,
      cert: input.certificate.pem,
      ca: input.clientAuthority,
      requestCert: true,
      rejectUnauthorized: false,
    },
    (request, response) => {
      open.add(response)
      response.on('close', () => open.delete(response))
      void new Exchange(input, request, response).answer()
    },
  )
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        for (const response of open) response.destroy()
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

interface Target {
  readonly kind: ResourceKind
  readonly namespace: string | undefined
  readonly name: string
  readonly subresource: string
}

class Exchange {
  readonly #input: ServerInput
  readonly #request: IncomingMessage
  readonly #response: ServerResponse
  readonly #url: URL

  constructor(input: ServerInput, request: IncomingMessage, response: ServerResponse) {
    this.#input = input
    this.#request = request
    this.#response = response
    this.#url = new URL(request.url ?? '/', 'https://kubernetes')
  }

  async answer(): Promise<void> {
    const { faults } = this.#input
    const call = `${this.#request.method} ${this.#request.url}`
    try {
      const body = await this.#body()
      if (faults.strikes('closedConnection', call)) return void this.#request.socket.destroy()
      if (faults.strikes('tooManyRequests', call)) {
        this.#response.setHeader('Retry-After', '1')
        throw new StatusError(429, 'TooManyRequests', 'Too many requests, please try again later.')
      }
      if (faults.strikes('serverError', call))
        throw new StatusError(500, 'InternalError', 'Internal error occurred: etcdserver: leader changed')
      const outage = this.#input.outage()
      if (outage !== undefined) throw new StatusError(500, '', outage)
      if (faults.strikes('timeoutAfterEffect', call)) {
        this.#handle(body, true)
        return void this.#request.socket.destroy()
      }
      this.#handle(body, false)
    } catch (error) {
      const status =
        error instanceof StatusError
          ? error
          : new StatusError(500, 'InternalError', `Internal error occurred: ${String(error)}`)
      if (this.#response.headersSent) this.#response.destroy()
      else this.#send(status.code, status.body())
    }
  }

  #handle(body: string, silent: boolean): void {
    const user = this.#user()
    const path = this.#url.pathname
    const target = this.#target(path)
    if (target === undefined) {
      if (!mayReadPath(user, path)) throw forbiddenPath(user.name, path, (this.#request.method ?? 'get').toLowerCase())
      return this.#plain(path)
    }
    const verb = this.#verb(target)
    if (!may(user, verb, target.kind, target.namespace, target.name))
      throw forbidden(user.name, verb, target.kind, target.name, target.namespace)
    if (verb === 'watch') return this.#watch(target)
    const [code, answer] = this.#operate(verb, target, body)
    if (!silent) this.#send(code, answer)
  }

  #user(): User {
    const { authorization } = this.#request.headers
    if (authorization !== undefined) {
      const [, token] = /^Bearer (.+)$/.exec(authorization) ?? []
      const user = token === undefined ? undefined : bootstrapUser(this.#input.api, token)
      if (user === undefined) throw unauthorized()
      return user
    }
    const socket = this.#request.socket as TLSSocket
    const peer = socket.getPeerX509Certificate()
    if (peer === undefined) return ANONYMOUS
    if (!socket.authorized) throw unauthorized()
    return certificateUser(new X509Certificate(peer.raw))
  }

  #plain(path: string): void {
    if (path === '/version' || path === '/version/') return this.#send(200, versionInfo(this.#input.version()))
    const check = /^\/(livez|readyz|healthz)\/?$/.exec(path)?.[1]
    if (check !== undefined)
      return this.#sendText(
        this.#url.searchParams.has('verbose')
          ? `${HEALTH_CHECKS.map((name) => `[+]${name} ok\n`).join('')}${check} check passed\n`
          : 'ok',
      )
    const document = discovery(this.#input.api.resources, path)
    if (document === undefined) throw noSuchPath()
    this.#send(200, document)
  }

  #target(path: string): Target | undefined {
    const [, root, ...parts] = path.split('/').map(decodeURIComponent)
    const apiVersion =
      root === 'api' ? parts.shift() : root === 'apis' ? `${parts.shift()}/${parts.shift()}` : undefined
    if (apiVersion === undefined || parts.length === 0 || parts[0] === '') return undefined
    const table = this.#input.api.resources
    const inNamespace =
      parts[0] === 'namespaces' &&
      parts.length > 2 &&
      !(parts.length === 3 && ['status', 'finalize'].includes(parts[2] ?? ''))
    const namespace = inNamespace ? parts[1] : undefined
    const [plural = '', name = '', subresource = '', ...more] = inNamespace ? parts.slice(2) : parts
    const kind = table.byPath(apiVersion, plural)
    if (kind === undefined || more.length > 0) throw noSuchPath()
    if (!kind.namespaced && namespace !== undefined) throw noSuchPath()
    if (kind.namespaced && namespace === undefined && name !== '') throw noSuchPath()
    return { kind, namespace, name, subresource }
  }

  #verb({ name }: Target): string {
    const watching = ['true', '1'].includes(this.#url.searchParams.get('watch') ?? '')
    switch (this.#request.method ?? '') {
      case 'GET':
        return watching && name === '' ? 'watch' : name === '' ? 'list' : 'get'
      case 'POST':
        return 'create'
      case 'PUT':
        return 'update'
      case 'PATCH':
        return 'patch'
      case 'DELETE':
        return name === '' ? 'deletecollection' : 'delete'
      default:
        throw methodNotAllowed()
    }
  }

  #operate(verb: string, { kind, namespace, name, subresource }: Target, body: string): readonly [number, unknown] {
    const { api } = this.#input
    if (
      subresource !== '' &&
      !(subresource === 'status' && kind.status) &&
      !(subresource === 'eviction' && kind.plural === 'pods') &&
      !(subresource === 'finalize' && kind.plural === 'namespaces') &&
      !(subresource === 'approval' && kind.plural === 'certificatesigningrequests')
    )
      throw noSuchPath()
    const options = this.#writeOptions(subresource)
    switch (verb) {
      case 'get':
        return [200, api.get(kind, namespace, name)]
      case 'list':
        return [200, api.list(kind, namespace, this.#listOptions())]
      case 'create': {
        if (subresource === 'eviction') {
          const eviction = parseBody(body)
          api.evict(namespace ?? '', name, deleteOptions(at(eviction, 'deleteOptions')))
          return [201, { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', code: 201 }]
        }
        if (name !== '') throw methodNotAllowed()
        const written = api.create(kind, namespace, parseBody(body), options)
        this.#warn(written.warnings)
        return [201, written.object]
      }
      case 'update': {
        const written = api.update(kind, namespace, name, parseBody(body), options)
        this.#warn(written.warnings)
        return [200, written.object]
      }
      case 'patch': {
        const written = api.patch(kind, namespace, name, this.#patchType(), parseBody(body), options)
        this.#warn(written.warnings)
        return [written.created ? 201 : 200, written.object]
      }
      case 'delete': {
        const { object, lingers } = api.delete(kind, namespace, name, this.#deleteOptions(body))
        if (lingers) return [200, object]
        return [
          200,
          {
            kind: 'Status',
            apiVersion: 'v1',
            metadata: {},
            status: 'Success',
            details: {
              name,
              ...(kind.group === '' ? {} : { group: kind.group }),
              kind: kind.plural,
              uid: object.metadata.uid,
            },
          },
        ]
      }
      case 'deletecollection': {
        const items = api.deleteCollection(kind, namespace, this.#listOptions(), this.#deleteOptions(body))
        return [
          200,
          {
            kind: `${kind.kind}List`,
            apiVersion: apiVersionOf(kind),
            metadata: { resourceVersion: String(api.store.revision) },
            items,
          },
        ]
      }
      default:
        throw methodNotAllowed()
    }
  }

  #watch({ kind, namespace, name }: Target): void {
    const { api, faults } = this.#input
    const query = this.#url.searchParams
    const matches = selection(kind, this.#listOptions())
    const resource = resourceKey(kind)
    const wanted = (object: { metadata: { namespace?: string; name: string } } | undefined) =>
      object !== undefined &&
      (namespace === undefined || object.metadata.namespace === namespace) &&
      (name === '' || object.metadata.name === name)
    const asked = query.get('resourceVersion') ?? ''
    const from = Number(asked)
    const response = this.#response
    response.writeHead(200, { 'Content-Type': 'application/json' })
    const line = (type: string, object: unknown) => response.write(`${JSON.stringify({ type, object })}\n`)
    if (asked !== '' && asked !== '0' && from < api.store.oldest) {
      line('ERROR', gone(`too old resource version: ${asked} (${api.store.oldest})`).body())
      return void response.end()
    }
    const tell = (event: ReturnType<typeof api.store.since>[number]) => {
      if (event.resource !== resource || !wanted(event.object)) return
      const now = event.type !== 'DELETED' && matches(event.object)
      const before = event.previous !== undefined && matches(event.previous)
      if (!now && !before) return
      if (faults.strikes('watchDropped', `WATCH ${this.#request.url}`)) response.destroy()
      else line(now ? (before ? 'MODIFIED' : 'ADDED') : 'DELETED', inVersion(kind, event.object))
    }
    if (asked === '' || asked === '0')
      for (const object of api.list(kind, namespace, this.#listOptions()).items)
        if (wanted(object)) line('ADDED', object)
    if (asked !== '' && asked !== '0') for (const event of api.store.since(from)) tell(event)
    else if (query.get('sendInitialEvents') === 'true') this.#bookmark(kind, line, true)
    const unsubscribe = api.store.subscribe(tell)
    const bookmarks =
      query.get('allowWatchBookmarks') === 'true'
        ? setInterval(() => this.#bookmark(kind, line), BOOKMARK_MS)
        : undefined
    const seconds = Number(query.get('timeoutSeconds') ?? '0')
    const end = setTimeout(() => response.end(), seconds > 0 ? seconds * 1000 : WATCH_MS)
    response.on('close', () => {
      unsubscribe()
      clearInterval(bookmarks)
      clearTimeout(end)
    })
    response.flushHeaders()
  }

  #bookmark(kind: ResourceKind, line: (type: string, object: unknown) => void, initialEnd = false): void {
    line('BOOKMARK', {
      kind: kind.kind,
      apiVersion: apiVersionOf(kind),
      metadata: {
        resourceVersion: String(this.#input.api.store.revision),
        ...(initialEnd ? { annotations: { 'k8s.io/initial-events-end': 'true' } } : {}),
      },
    })
  }

  #listOptions(): ListOptions {
    const query = this.#url.searchParams
    return {
      labelSelector: query.get('labelSelector') ?? '',
      fieldSelector: query.get('fieldSelector') ?? '',
      limit: Number(query.get('limit') ?? '0'),
      continue: query.get('continue') ?? '',
    }
  }

  #writeOptions(subresource: string): WriteOptions {
    const query = this.#url.searchParams
    const validation = query.get('fieldValidation')
    const dryRun = query.get('dryRun')
    if (dryRun !== null && dryRun !== '' && dryRun !== 'All')
      throw new StatusError(
        422,
        'Invalid',
        `CreateOptions.meta.k8s.io "" is invalid: dryRun: Unsupported value: ["${dryRun}"]: supported values: "All"`,
        {},
      )
    return {
      fieldManager:
        query.get('fieldManager') ??
        (this.#request.method === 'PATCH' && this.#patchType() === 'apply'
          ? ''
          : agentName(this.#request.headers['user-agent'])),
      dryRun: dryRun === 'All',
      force: query.get('force') === 'true',
      ...(validation === 'Strict' || validation === 'Ignore' || validation === 'Warn'
        ? { fieldValidation: validation }
        : {}),
      ...(subresource === 'status' || subresource === 'approval' ? { subresource: 'status' as const } : {}),
    }
  }

  #deleteOptions(body: string): DeleteOptions {
    const query = this.#url.searchParams
    const sent = deleteOptions(body === '' ? {} : parseBody(body))
    const propagation = query.get('propagationPolicy')
    const grace = query.get('gracePeriodSeconds')
    return {
      ...sent,
      ...(propagation === 'Orphan' || propagation === 'Background' || propagation === 'Foreground'
        ? { propagationPolicy: propagation }
        : {}),
      ...(grace === null ? {} : { gracePeriodSeconds: Number(grace) }),
      ...(query.get('dryRun') === 'All' ? { dryRun: true } : {}),
    }
  }

  #patchType(): PatchType {
    const type = (this.#request.headers['content-type'] ?? '').split(';')[0]?.trim() ?? ''
    switch (type) {
      case 'application/json-patch+json':
        return 'json'
      case 'application/merge-patch+json':
        return 'merge'
      case 'application/strategic-merge-patch+json':
        return 'strategic'
      case 'application/apply-patch+yaml':
        return 'apply'
      default:
        throw new StatusError(
          415,
          'UnsupportedMediaType',
          'the body of the request was in an unknown format - accepted media types include: application/json-patch+json, application/merge-patch+json, application/strategic-merge-patch+json, application/apply-patch+yaml',
          {},
        )
    }
  }

  #warn(warnings: readonly string[]): void {
    if (warnings.length > 0)
      this.#response.setHeader(
        'Warning',
        warnings.map((text) => `299 - ${JSON.stringify(text)}`),
      )
  }

  async #body(): Promise<string> {
    const chunks: Buffer[] = []
    let size = 0
    for await (const chunk of this.#request as AsyncIterable<Buffer>) {
      size += chunk.length
      if (size > MAX_BODY_BYTES)
        throw new StatusError(413, 'RequestEntityTooLarge', `Request entity too large: limit is ${MAX_BODY_BYTES}`)
      chunks.push(chunk)
    }
    return Buffer.concat(chunks).toString()
  }

  #send(code: number, value: unknown): void {
    const body = Buffer.from(`${JSON.stringify(value)}\n`)
    this.#response.writeHead(code, { 'Content-Type': 'application/json', 'Content-Length': body.length })
    this.#response.end(body)
  }

  #sendText(value: string): void {
    this.#response.writeHead(200, { 'Content-Type': 'text/plain; charset=utf-8' })
    this.#response.end(value)
  }
}

const agentName = (agent: string | undefined): string => (agent ?? 'unknown').split('/')[0] ?? 'unknown'

function parseBody(body: string): unknown {
  if (/^\s*[[{]/.test(body)) {
    try {
      return JSON.parse(body)
    } catch {
      // YAML in flow style is no JSON but may be an apply patch.
    }
  }
  const [document] = parseAllDocuments(body)
  if (document === undefined || document.errors.length > 0)
    throw badRequest(`error decoding the body: ${document?.errors[0]?.message.split('\n')[0] ?? 'empty'}`)
  return document.toJS()
}

function deleteOptions(options: unknown): DeleteOptions {
  const policy = text(options, 'propagationPolicy')
  const grace = number(options, 'gracePeriodSeconds')
  const uid = text(options, 'preconditions', 'uid')
  const resourceVersion = text(options, 'preconditions', 'resourceVersion')
  return {
    ...(policy === 'Orphan' || policy === 'Background' || policy === 'Foreground' ? { propagationPolicy: policy } : {}),
    ...(grace === undefined ? {} : { gracePeriodSeconds: grace }),
    ...(uid === undefined ? {} : { uid }),
    ...(resourceVersion === undefined ? {} : { resourceVersion }),
    ...(Array.isArray(at(options, 'dryRun')) ? { dryRun: true } : {}),
  }
}

export function versionInfo(version: string): Record<string, string> {
  const [major = '1', minor = '0'] = version.replace(/^v/, '').split('.')
  return {
    major,
    minor,
    emulationMajor: major,
    emulationMinor: minor,
    minCompatibilityMajor: major,
    minCompatibilityMinor: String(Number(minor) - 1),
    gitVersion: version,
    gitCommit: '0000000000000000000000000000000000000000',
    gitTreeState: 'clean',
    buildDate: '1970-01-01T00:00:00Z',
    goVersion: 'go1.26.8',
    compiler: 'gc',
    platform: 'linux/amd64',
  }
}

export const HEALTH_CHECKS: readonly string[] = [
  'ping',
  'log',
  'etcd',
  'etcd-readiness',
  'informer-sync',
  'poststarthook/start-apiserver-admission-initializer',
  'poststarthook/generic-apiserver-start-informers',
  'poststarthook/start-apiextensions-controllers',
  'poststarthook/crd-informer-synced',
  'poststarthook/rbac/bootstrap-roles',
  'poststarthook/apiservice-discovery-controller',
  'shutdown',
]
