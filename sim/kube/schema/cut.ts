/**
 * Cuts what the API server needs out of the official OpenAPI document of Kubernetes (Apache-2.0): the stable kinds with
 * their plural and scope, and their schemas without descriptions.
 * Run: `node sim/kube/schema/cut.ts ../shared/schemas/kubernetes`; writes `kubernetes-v1.36.json` beside this file.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'

const GROUPS = [
  '',
  'admissionregistration.k8s.io',
  'apiextensions.k8s.io',
  'apps',
  'autoscaling',
  'batch',
  'certificates.k8s.io',
  'coordination.k8s.io',
  'discovery.k8s.io',
  'networking.k8s.io',
  'node.k8s.io',
  'policy',
  'rbac.authorization.k8s.io',
  'scheduling.k8s.io',
  'storage.k8s.io',
]
const SKIPPED_KINDS = new Set(['Binding', 'ComponentStatus', 'Eviction', 'Scale', 'TokenRequest'])
const KEPT = new Set([
  'type',
  'properties',
  'required',
  'items',
  'additionalProperties',
  '$ref',
  'format',
  'enum',
  'x-kubernetes-list-type',
  'x-kubernetes-list-map-keys',
  'x-kubernetes-map-type',
  'x-kubernetes-patch-merge-key',
  'x-kubernetes-patch-strategy',
])

interface Kind {
  group: string
  version: string
  kind: string
  apiVersion: string
  definition: string
  plural?: string
  namespaced?: boolean
  resource?: boolean
}

const folder = process.argv[2]
if (folder === undefined) throw new Error('usage: cut.ts FOLDER_WITH_SWAGGER')
const swagger = JSON.parse(gunzipSync(readFileSync(`${folder}/swagger-v1.36.json.gz`)).toString()) as {
  definitions: Record<string, unknown>
  paths: Record<string, unknown>
}
const kinds = (JSON.parse(readFileSync(`${folder}/kinds-v1.36.json`, 'utf8')) as Kind[]).filter(
  (kind) =>
    kind.resource === true &&
    GROUPS.includes(kind.group) &&
    /^v\d+$/.test(kind.version) &&
    !SKIPPED_KINDS.has(kind.kind),
)

const definitions: Record<string, unknown> = {}
const wanted = kinds.map((kind) => kind.definition)
for (let name = wanted.pop(); name !== undefined; name = wanted.pop()) {
  if (name in definitions) continue
  definitions[name] = undefined
  definitions[name] = strip(swagger.definitions[name])
}

function strip(value: unknown, inProperties = false): unknown {
  if (Array.isArray(value)) return value.map((item) => strip(item))
  if (typeof value !== 'object' || value === null) return value
  const out: Record<string, unknown> = {}
  for (const [key, item] of Object.entries(value)) {
    if (!inProperties && !KEPT.has(key)) continue
    if (!inProperties && key === '$ref' && typeof item === 'string') {
      const name = item.replace('#/definitions/', '')
      wanted.push(name)
      out[key] = name
    } else out[key] = strip(item, !inProperties && key === 'properties')
  }
  return out
}

const resources = kinds.map(({ group, version, kind, definition, plural, namespaced }) => ({
  group,
  version,
  kind,
  plural,
  namespaced,
  status: Object.keys(swagger.paths).some(
    (path) =>
      path.startsWith(group === '' ? '/api/v1/' : `/apis/${group}/${version}/`) &&
      path.endsWith(`/${plural ?? ''}/{name}/status`),
  ),
  definition,
}))
writeFileSync(
  new URL('kubernetes-v1.36.json', import.meta.url),
  `{\n"resources": [\n${resources.map((resource) => JSON.stringify(resource)).join(',\n')}\n],\n"definitions": {\n${Object.keys(
    definitions,
  )
    .sort()
    .map((name) => `${JSON.stringify(name)}: ${JSON.stringify(definitions[name])}`)
    .join(',\n')}\n}\n}\n`,
)
