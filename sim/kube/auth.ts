import { X509Certificate } from 'node:crypto'
import type { KubeApi } from './api.ts'
import { text } from './object.ts'
import type { ResourceKind } from './resource.ts'

/** Who is calling, as authenticated. */
export interface User {
  readonly name: string
  readonly groups: readonly string[]
}

export const ANONYMOUS: User = { name: 'system:anonymous', groups: ['system:unauthenticated'] }

export function certificateUser(pem: X509Certificate): User {
  const lines = pem.subject.split('\n')
  const values = (key: string) =>
    lines.filter((line) => line.startsWith(`${key}=`)).map((line) => line.slice(key.length + 1))
  return { name: values('CN')[0] ?? '', groups: [...values('O'), 'system:authenticated'] }
}

/**
 * A bootstrap token, `abcdef.0123456789abcdef`, is a Secret in kube-system until its `expiration`.
 * @returns `undefined` for a token nobody knows, or one that has expired.
 */
export function bootstrapUser(api: KubeApi, token: string): User | undefined {
  const [id = '', secret = ''] = token.split('.')
  const found = api.store.get(api.kind('v1', 'Secret'), 'kube-system', `bootstrap-token-${id}`)
  const field = (name: string) => Buffer.from(text(found, 'data', name) ?? '', 'base64').toString()
  if (found === undefined || secret === '' || field('token-secret') !== secret) return undefined
  const expiration = field('expiration')
  if (expiration !== '' && Date.parse(expiration) <= api.clock.now()) return undefined
  return {
    name: `system:bootstrap:${id}`,
    groups: ['system:bootstrappers', 'system:bootstrappers:kubeadm:default-node-token', 'system:authenticated'],
  }
}

const isAdmin = ({ groups }: User): boolean =>
  groups.includes('system:masters') || groups.includes('kubeadm:cluster-admins')

const OPEN_PATHS = new Set(['/livez', '/readyz', '/healthz', '/version', '/version/'])
/** What a joining kubeadm reads with its token. */
const JOIN_CONFIG_MAPS = new Set(['kubeadm-config', 'kubelet-config', 'kube-proxy'])
const NODE_READS = new Set([
  'nodes',
  'pods',
  'services',
  'endpoints',
  'configmaps',
  'csinodes',
  'leases',
  'runtimeclasses',
])

export const mayReadPath = (user: User, path: string): boolean =>
  isAdmin(user) ||
  OPEN_PATHS.has(path) ||
  (user.groups.includes('system:authenticated') && /^\/(apis?|openapi)(\/|$)/.test(path))

/**
 * RBAC, reduced to the bindings that kubeadm makes: administrators may do all, joining nodes and kubelets what they
 * need, everyone may read `kube-public/cluster-info`.
 */
export function may(
  user: User,
  verb: string,
  kind: ResourceKind,
  namespace: string | undefined,
  name: string,
): boolean {
  if (isAdmin(user)) return true
  if (kind.plural === 'configmaps' && verb === 'get' && namespace === 'kube-public' && name === 'cluster-info')
    return true
  if (user.groups.includes('system:bootstrappers')) {
    if (kind.plural === 'configmaps' && verb === 'get' && namespace === 'kube-system') return JOIN_CONFIG_MAPS.has(name)
    if (kind.plural === 'nodes' && verb === 'get') return true
    return kind.plural === 'certificatesigningrequests' && ['create', 'get', 'list', 'watch'].includes(verb)
  }
  if (user.groups.includes('system:nodes')) {
    if (['get', 'list', 'watch'].includes(verb)) return NODE_READS.has(kind.plural)
    if (kind.plural === 'nodes')
      return ['create', 'update', 'patch'].includes(verb) && `system:node:${name}` === user.name
    if (kind.plural === 'leases') return namespace === 'kube-node-lease'
    return kind.plural === 'events' && ['create', 'patch'].includes(verb)
  }
  return false
}
