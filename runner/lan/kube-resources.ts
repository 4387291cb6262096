import { isRecord } from '../../src/core/conditions.ts'
import { Problem } from '../../src/core/problem.ts'
import type { ObjectRef } from './kube-api.ts'

interface Resource {
  readonly plural: string
  readonly namespaced: boolean
}

/** Where objects are in the API's tree, learnt from the server itself. */
export interface KubeResources {
  /** @throws Problem `kube.no-kind` when the server knows no such kind. */
  path(ref: ObjectRef): Promise<string>
  collection(apiVersion: string, kind: string, namespace?: string): Promise<string>
  /** Asks anew next time: definitions have changed. */
  forget(): void
}

/** @param read - A discovery document by its path; `undefined` for a group that does not exist. */
export function kubeResources(
  read: (path: string) => Promise<Readonly<Record<string, unknown>> | undefined>,
): KubeResources {
  const known = new Map<string, Promise<ReadonlyMap<string, Resource>>>()

  function group(apiVersion: string): Promise<ReadonlyMap<string, Resource>> {
    const present = known.get(apiVersion)
    if (present !== undefined) return present
    const asked = read(root(apiVersion)).then(byKind)
    known.set(apiVersion, asked)
    asked.catch(() => known.delete(apiVersion))
    return asked
  }

  async function resource(apiVersion: string, kind: string): Promise<Resource> {
    const found = (await group(apiVersion)).get(kind)
    if (found !== undefined) return found
    // A definition may have come since.
    known.delete(apiVersion)
    const now = (await group(apiVersion)).get(kind)
    if (now !== undefined) return now
    known.delete(apiVersion)
    throw new Problem({
      code: 'kube.no-kind',
      what: `the cluster knows no kind "${kind}" in "${apiVersion}"`,
      remedy: 'Its definition has to be installed first.',
      retry: 'later',
    })
  }

  async function collection(apiVersion: string, kind: string, namespace?: string): Promise<string> {
    const { plural, namespaced } = await resource(apiVersion, kind)
    const scope = namespaced && namespace !== undefined ? `/namespaces/${encodeURIComponent(namespace)}` : ''
    return `${root(apiVersion)}${scope}/${plural}`
  }

  return {
    collection,
    async path({ apiVersion, kind, namespace, name }) {
      const { namespaced } = await resource(apiVersion, kind)
      const place = await collection(apiVersion, kind, namespaced ? (namespace ?? 'default') : undefined)
      return `${place}/${encodeURIComponent(name)}`
    },
    forget: () => known.clear(),
  }
}

function root(apiVersion: string): string {
  return apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`
}

function byKind(document: Readonly<Record<string, unknown>> | undefined): ReadonlyMap<string, Resource> {
  const list = document?.['resources']
  const found = new Map<string, Resource>()
  for (const entry of Array.isArray(list) ? list : []) {
    if (!isRecord(entry)) continue
    const { name, kind, namespaced } = entry
    // Subresources (`pods/log`) have a slash.
    if (typeof name !== 'string' || typeof kind !== 'string' || name.includes('/')) continue
    if (!found.has(kind)) found.set(kind, { plural: name, namespaced: namespaced === true })
  }
  return found
}
