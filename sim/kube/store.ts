import type { KubeObject } from './object.ts'
import type { ResourceKind } from './resource.ts'

export interface WatchEvent {
  readonly revision: number
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED'
  /** `group/plural` of the object. */
  readonly resource: string
  readonly object: KubeObject
  readonly previous: KubeObject | undefined
}

/** Events kept for watches that start at an older revision; real etcd compacts after five minutes. */
const HISTORY_LENGTH = 5_000

export const resourceKey = ({ group, plural }: Pick<ResourceKind, 'group' | 'plural'>): string => `${group}/${plural}`
const objectKey = (namespace: string | undefined, name: string): string => `${namespace ?? ''}/${name}`

/**
 * What etcd is to an API server: objects with one growing revision, and the events of the last while.
 * Stored objects are never changed in place; writers hand over a value of their own.
 */
export class Store {
  readonly #objects = new Map<string, Map<string, KubeObject>>()
  readonly #listeners = new Set<(event: WatchEvent) => void>()
  #history: WatchEvent[] = []
  /** Some revisions pass before the first object that a client sees. */
  #revision = 100
  #oldest = 100

  get revision(): number {
    return this.#revision
  }

  /** The first revision from which a watch can still start. */
  get oldest(): number {
    return this.#oldest
  }

  get(kind: ResourceKind, namespace: string | undefined, name: string): KubeObject | undefined {
    return this.#objects.get(resourceKey(kind))?.get(objectKey(namespace, name))
  }

  /** In the order of namespace and name, as etcd lists. */
  list(kind: Pick<ResourceKind, 'group' | 'plural'>, namespace?: string): KubeObject[] {
    const all = [...(this.#objects.get(resourceKey(kind))?.entries() ?? [])]
    return all
      .filter(([key]) => namespace === undefined || key.startsWith(`${namespace}/`))
      .sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
      .map(([, object]) => object)
  }

  write(kind: ResourceKind, object: KubeObject): KubeObject {
    const resource = resourceKey(kind)
    const objects = this.#objects.get(resource) ?? new Map<string, KubeObject>()
    this.#objects.set(resource, objects)
    const key = objectKey(object.metadata.namespace, object.metadata.name)
    const previous = objects.get(key)
    this.#revision += 1
    const stored: KubeObject = { ...object, metadata: { ...object.metadata, resourceVersion: String(this.#revision) } }
    objects.set(key, stored)
    this.#tell({
      revision: this.#revision,
      type: previous === undefined ? 'ADDED' : 'MODIFIED',
      resource,
      object: stored,
      previous,
    })
    return stored
  }

  remove(kind: ResourceKind, namespace: string | undefined, name: string): KubeObject | undefined {
    const resource = resourceKey(kind)
    const objects = this.#objects.get(resource)
    const previous = objects?.get(objectKey(namespace, name))
    if (previous === undefined) return undefined
    objects?.delete(objectKey(namespace, name))
    this.#revision += 1
    const object = { ...previous, metadata: { ...previous.metadata, resourceVersion: String(this.#revision) } }
    this.#tell({ revision: this.#revision, type: 'DELETED', resource, object, previous })
    return object
  }

  since(revision: number): readonly WatchEvent[] {
    return this.#history.filter((event) => event.revision > revision)
  }

  subscribe(listener: (event: WatchEvent) => void): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  #tell(event: WatchEvent): void {
    this.#history.push(event)
    if (this.#history.length > HISTORY_LENGTH) {
      this.#history = this.#history.slice(-HISTORY_LENGTH / 2)
      this.#oldest = (this.#history[0]?.revision ?? this.#revision) - 1
    }
    for (const listener of this.#listeners) listener(event)
  }
}
