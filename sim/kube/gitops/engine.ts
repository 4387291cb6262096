import type { SimClock } from '../../clock.ts'
import type { FaultPlan } from '../../faults.ts'
import type { KubeApi } from '../api.ts'
import { conditionOf } from '../conditions.ts'
import type { Controllers } from '../controllers.ts'
import { isRolledOut } from '../rolled-out.ts'
import type { KubeObject } from '../object.ts'
import { at, number, text } from '../object.ts'
import type { ResourceKind } from '../resource.ts'
import type { KubeFault } from '../server.ts'
import { StatusError } from '../status.ts'
import type { GitAccess, GitRemote, Tree } from './checkout.ts'
import { GitError, fetchTree, remoteCommit } from './checkout.ts'

export interface EngineParts {
  readonly api: KubeApi
  readonly controllers: Controllers
  readonly clock: SimClock
  readonly faults: FaultPlan<KubeFault>
  readonly gitAccess?: GitAccess
}

/** One kind that a controller reconciles. */
export interface Reconciler {
  readonly apiVersion: string
  readonly kind: string
  /** The Deployment or StatefulSet that must be Available for this to happen at all. */
  readonly controller: string
  /** What, beside the object itself, starts a reconciliation when it changes, e.g. the revision of its source. */
  inputs(object: KubeObject): string
  /** @returns simulated milliseconds until the next reconciliation without a cause; `undefined` for none. */
  reconcile(kind: ResourceKind, object: KubeObject): Promise<number | undefined>
}

/** Simulated time below which no interval goes. */
const SHORTEST_INTERVAL_MS = 1_000
/** Checkouts kept in memory, so that a poll without news clones nothing. */
const MAX_TREES = 20

/** Calls reconcilers as a controller's work queue does: on change, on request, and at their interval. */
export class Engines {
  readonly parts: EngineParts
  readonly #reconcilers: Reconciler[] = []
  readonly #seen = new Map<string, string>()
  readonly #busy = new Set<string>()
  readonly #again = new Set<string>()
  readonly #trees = new Map<string, Tree>()

  constructor(parts: EngineParts) {
    this.parts = parts
    parts.controllers.add(() => this.#look())
  }

  add(reconciler: Reconciler): void {
    this.#reconcilers.push(reconciler)
  }

  #isRunning(controller: string): boolean {
    const { api } = this.parts
    return [
      ...api.store.list({ group: 'apps', plural: 'deployments' }),
      ...api.store.list({ group: 'apps', plural: 'statefulsets' }),
    ].some((object) => object.metadata.name === controller && (number(object, 'status', 'availableReplicas') ?? 0) > 0)
  }

  #look(): void {
    const { api } = this.parts
    for (const reconciler of this.#reconcilers) {
      const kind = api.resources.byKind(reconciler.apiVersion, reconciler.kind)
      if (kind === undefined || !this.#isRunning(reconciler.controller)) continue
      for (const object of api.store.list(kind)) {
        const key = `${kind.plural}.${kind.group}/${object.metadata.namespace}/${object.metadata.name}`
        const { uid, generation, annotations, deletionTimestamp } = object.metadata
        const state = JSON.stringify([uid, generation, annotations, deletionTimestamp, reconciler.inputs(object)])
        if (this.#seen.get(key) === state) continue
        this.#seen.set(key, state)
        this.#start(key, reconciler, kind, object.metadata.namespace, object.metadata.name)
      }
    }
  }

  #start(key: string, reconciler: Reconciler, kind: ResourceKind, namespace: string | undefined, name: string): void {
    if (this.#busy.has(key)) return void this.#again.add(key)
    this.#busy.add(key)
    const { api, controllers } = this.parts
    const run = async () => {
      const object = api.store.get(kind, namespace, name)
      if (object === undefined || controllers.stopped) return
      const next =
        at(object, 'spec', 'suspend') === true && object.metadata.deletionTimestamp === undefined
          ? undefined
          : await reconciler.reconcile(kind, object)
      const { uid } = object.metadata
      if (next !== undefined)
        controllers.after(Math.max(next, SHORTEST_INTERVAL_MS), () => {
          if (api.store.get(kind, namespace, name)?.metadata.uid === uid && this.#isRunning(reconciler.controller))
            this.#start(key, reconciler, kind, namespace, name)
        })
    }
    void run()
      // A reconciler reports what it can in the object's status; the rest is a bug here, kept visible without ending the world.
      .catch((error: unknown) =>
        process.emitWarning(error instanceof Error ? error : String(error), { code: 'SIM_GITOPS' }),
      )
      .finally(() => {
        this.#busy.delete(key)
        if (this.#again.delete(key)) this.#start(key, reconciler, kind, namespace, name)
      })
  }

  /**
   * The tree at the remote's ref, cloned only when the commit is new.
   * @throws {@link GitError}
   */
  async tree(remote: GitRemote): Promise<Tree> {
    if (this.parts.faults.strikes('gitUnreachable', remote.url))
      throw new GitError('unreachable', `connect to host: Connection timed out`)
    const reached = { ...remote, url: this.parts.gitAccess?.resolve(remote.url) ?? remote.url }
    const commit = /^[0-9a-f]{40}$/.test(remote.ref) ? remote.ref : await remoteCommit(reached)
    const key = `${remote.url} ${commit}`
    const known = this.#trees.get(key)
    if (known !== undefined) return known
    const tree = await fetchTree(reached)
    this.#trees.set(`${remote.url} ${tree.commit}`, tree)
    const [oldest] = this.#trees.keys()
    if (this.#trees.size > MAX_TREES && oldest !== undefined) this.#trees.delete(oldest)
    return tree
  }

  /** A checkout made before, by its commit. */
  treeOf(url: string, commit: string): Tree | undefined {
    return this.#trees.get(`${url} ${commit}`)
  }
}

/** Whether an object is as it should be, after kstatus: rolled out, established, Ready. */
export function isHealthy(object: KubeObject): boolean {
  if (['Deployment', 'DaemonSet', 'StatefulSet'].includes(object.kind) && object.apiVersion === 'apps/v1')
    return isRolledOut(object)
  if (object.kind === 'CustomResourceDefinition') return conditionOf(object, 'Established')?.['status'] === 'True'
  if (object.kind === 'Job') return conditionOf(object, 'Complete')?.['status'] === 'True'
  const ready = conditionOf(object, 'Ready')
  if (object.kind === 'PersistentVolumeClaim') return text(object, 'status', 'phase') === 'Bound'
  const observed = number(object, 'status', 'observedGeneration')
  if (observed !== undefined && observed < (object.metadata.generation ?? 1)) return false
  return ready === undefined || ready['status'] === 'True'
}

/** Namespaces and definitions come before what needs them, as every engine applies. */
export const isFoundation = ({ kind }: KubeObject): boolean =>
  kind === 'Namespace' || kind === 'CustomResourceDefinition'

export const titleOf = (object: KubeObject): string =>
  [object.kind, object.metadata.namespace, object.metadata.name].filter((part) => part !== undefined).join('/')

/** What the API said, or `undefined` for an error that is no answer of the API. */
export const refusalOf = (error: unknown): StatusError | undefined => (error instanceof StatusError ? error : undefined)

/** A Secret's fields, decoded. */
export function secretData(secret: KubeObject | undefined): Readonly<Record<string, string>> {
  const data = (secret?.['data'] ?? {}) as Record<string, string>
  return Object.fromEntries(Object.entries(data).map(([key, value]) => [key, Buffer.from(value, 'base64').toString()]))
}
