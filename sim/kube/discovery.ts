import type { ResourceKind, ResourceTable } from './resource.ts'
import { apiVersionOf } from './resource.ts'

/** The documents under `/api` and `/apis` by which clients learn what is served. */

const VERBS = ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch']

const groupOf = (group: string, kinds: readonly ResourceKind[]) => {
  const versions = [...new Set(kinds.filter((kind) => kind.group === group).map(({ version }) => version))]
    .sort(byPriority)
    .map((version) => ({ groupVersion: `${group}/${version}`, version }))
  return { name: group, versions, preferredVersion: versions[0] }
}

/** `v2`, `v1`, `v1beta2`, `v1alpha1`: stable before beta before alpha, newer before older. */
function byPriority(a: string, b: string): number {
  const rank = (version: string) => {
    const [, major = '0', stage = '', minor = '0'] = /^v(\d+)(?:(alpha|beta)(\d+))?$/.exec(version) ?? []
    return (stage === '' ? 2 : stage === 'beta' ? 1 : 0) * 1_000_000 + Number(major) * 1_000 + Number(minor)
  }
  return rank(b) - rank(a)
}

export function discovery(table: ResourceTable, path: string): Record<string, unknown> | undefined {
  const kinds = table.all()
  const clean = path.replace(/\/$/, '')
  if (clean === '/api') return { kind: 'APIVersions', versions: ['v1'], serverAddressByClientCIDRs: [] }
  const groups = [...new Set(kinds.map(({ group }) => group))].filter((group) => group !== '')
  if (clean === '/apis')
    return { kind: 'APIGroupList', apiVersion: 'v1', groups: groups.map((group) => groupOf(group, kinds)) }
  const [, , group = '', version, more] = clean.split('/')
  if (more !== undefined) return undefined
  if (clean.startsWith('/apis/') && version === undefined)
    return groups.includes(group) ? { kind: 'APIGroup', apiVersion: 'v1', ...groupOf(group, kinds) } : undefined
  const groupVersion = clean === '/api/v1' ? 'v1' : `${group}/${version ?? ''}`
  const served = kinds.filter((kind) => apiVersionOf(kind) === groupVersion)
  if (served.length === 0 || !(clean === '/api/v1' || clean.startsWith('/apis/'))) return undefined
  return {
    kind: 'APIResourceList',
    apiVersion: 'v1',
    groupVersion,
    resources: served.flatMap((kind) => [
      {
        name: kind.plural,
        singularName: kind.singular,
        namespaced: kind.namespaced,
        kind: kind.kind,
        verbs: VERBS,
        ...(kind.shortNames.length === 0 ? {} : { shortNames: kind.shortNames }),
        ...(kind.categories.length === 0 ? {} : { categories: kind.categories }),
      },
      ...(kind.status
        ? [
            {
              name: `${kind.plural}/status`,
              singularName: '',
              namespaced: kind.namespaced,
              kind: kind.kind,
              verbs: ['get', 'patch', 'update'],
            },
          ]
        : []),
      ...(kind.kind === 'Pod' && kind.group === ''
        ? [
            {
              name: 'pods/eviction',
              singularName: '',
              namespaced: true,
              group: 'policy',
              version: 'v1',
              kind: 'Eviction',
              verbs: ['create'],
            },
          ]
        : []),
    ]),
  }
}
