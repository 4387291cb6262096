import { randomUUID } from 'node:crypto'
import type { SimClock } from '../clock.ts'
import type { Random } from '../random.ts'
import { problems, setDefaults } from './admission.ts'
import { apply, trackUpdate } from './apply.ts'
import type { KubeObject, ManagedFields } from './object.ts'
import { at, copy, fields, isRecord, list, number, put, same, stamp, strings, text } from './object.ts'
import { jsonPatch, mergePatch, strategicMergePatch } from './patch.ts'
import type { ResourceKind } from './resource.ts'
import { ResourceTable, apiVersionOf } from './resource.ts'
import { typeMismatch, unknownFields } from './schema.ts'
import { fieldSelector, labelSelector, matchesSelector } from './selector.ts'
import {
  STALE,
  StatusError,
  alreadyExists,
  badRequest,
  conflict,
  gone,
  invalid,
  notFound,
  tooManyRequests,
} from './status.ts'
import { Store } from './store.ts'

export type PatchType = 'json' | 'merge' | 'strategic' | 'apply'

export interface WriteOptions {
  readonly fieldManager?: string
  readonly dryRun?: boolean
  readonly fieldValidation?: 'Strict' | 'Warn' | 'Ignore'
  readonly force?: boolean
  readonly subresource?: 'status'
}

export interface DeleteOptions {
  readonly propagationPolicy?: 'Orphan' | 'Background' | 'Foreground'
  readonly gracePeriodSeconds?: number
  readonly dryRun?: boolean
  readonly uid?: string
  readonly resourceVersion?: string
}

export interface ListOptions {
  readonly labelSelector?: string
  readonly fieldSelector?: string
  readonly limit?: number
  readonly continue?: string
}

export interface Written {
  readonly object: KubeObject
  readonly created: boolean
  readonly warnings: readonly string[]
}

const NAME_LETTERS = 'bcdfghjklmnpqrstvwxz2456789'
/** Service addresses are handed out from the tenth upwards; .1 is the API server and .10 the cluster's DNS. */
const FIRST_SERVICE_ADDRESS = 11

/** The API server without its wire: every verb, with the same refusals whoever calls. */
export class KubeApi {
  readonly store = new Store()
  readonly resources = new ResourceTable()
  readonly clock: SimClock
  readonly random: Random
  #serviceCount = FIRST_SERVICE_ADDRESS
  readonly #servicePrefix: string

  constructor(clock: SimClock, random: Random, serviceSubnet: string) {
    this.clock = clock
    this.random = random
    this.#servicePrefix = serviceSubnet.split('.').slice(0, 2).join('.')
  }

  kind(apiVersion: string, name: string): ResourceKind {
    const found = this.resources.byKind(apiVersion, name)
    if (found === undefined)
      throw new StatusError(404, 'NotFound', `no matches for kind "${name}" in version "${apiVersion}"`, {})
    return found
  }

  get(kind: ResourceKind, namespace: string | undefined, name: string): KubeObject {
    const found = this.store.get(kind, namespace, name)
    if (found === undefined) throw notFound(kind, name)
    return inVersion(kind, found)
  }

  list(
    kind: ResourceKind,
    namespace: string | undefined,
    options: ListOptions = {},
  ): Record<string, unknown> & { items: KubeObject[] } {
    const matches = selection(kind, options)
    const all = this.store.list(kind, namespace).filter(matches)
    let from = 0
    let revision = this.store.revision
    if (options.continue !== undefined && options.continue !== '') {
      const token = parseContinue(options.continue)
      if (token.rv < this.store.oldest)
        throw gone('The provided continue parameter is too old to display a consistent list result.')
      revision = token.rv
      from = all.findIndex((object) => position(object) > token.after)
      if (from < 0) from = all.length
    }
    const limit = options.limit ?? 0
    const items = limit > 0 ? all.slice(from, from + limit) : all.slice(from)
    const rest = all.length - from - items.length
    const last = items.at(-1)
    return {
      kind: `${kind.kind}List`,
      apiVersion: apiVersionOf(kind),
      metadata: {
        resourceVersion: String(revision),
        ...(rest > 0 && last !== undefined
          ? {
              continue: Buffer.from(JSON.stringify({ rv: revision, after: position(last) })).toString('base64url'),
              remainingItemCount: rest,
            }
          : {}),
      },
      items: items.map((object) => inVersion(kind, object)),
    }
  }

  create(kind: ResourceKind, namespace: string | undefined, input: unknown, options: WriteOptions = {}): Written {
    const object = this.#read(kind, namespace, undefined, input)
    const warnings = this.#checkFields(kind, object, options)
    this.#requireNamespace(kind, object)
    if ((object.metadata.name ?? '') === '' && object.metadata.generateName !== undefined)
      object.metadata.name = object.metadata.generateName + this.letters(5)
    if (this.store.get(kind, object.metadata.namespace, object.metadata.name) !== undefined)
      throw alreadyExists(kind, object.metadata.name)
    if (kind.status && kind.kind !== 'Node') delete object['status']
    return { object: this.#insert(kind, object, options), created: true, warnings }
  }

  #insert(kind: ResourceKind, object: KubeObject, options: WriteOptions): KubeObject {
    setDefaults(kind, object)
    if (kind.kind === 'Service') this.#giveServiceAddress(object)
    object.metadata.uid = randomUUID()
    object.metadata.creationTimestamp = stamp(this.clock.now())
    delete object.metadata.deletionTimestamp
    delete object.metadata.resourceVersion
    if (hasGeneration(kind)) object.metadata.generation = 1
    else delete object.metadata.generation
    const found = problems(kind, object, undefined)
    if (found.length > 0) throw invalid(kind, object.metadata.name ?? '', found)
    if (object.metadata.managedFields === undefined)
      object.metadata.managedFields = trackUpdate(kind.schema, undefined, object, this.#writer(options))
    return options.dryRun === true ? object : inVersion(kind, this.store.write(kind, object))
  }

  update(
    kind: ResourceKind,
    namespace: string | undefined,
    name: string,
    input: unknown,
    options: WriteOptions = {},
  ): Written {
    const object = this.#read(kind, namespace, name, input)
    const warnings = this.#checkFields(kind, object, options)
    const live = this.get(kind, namespace, name)
    return { object: this.#replace(kind, live, object, options), created: false, warnings }
  }

  patch(
    kind: ResourceKind,
    namespace: string | undefined,
    name: string,
    type: PatchType,
    patch: unknown,
    options: WriteOptions = {},
  ): Written {
    const found = this.store.get(kind, namespace, name)
    const live = found === undefined ? undefined : inVersion(kind, found)
    if (type === 'apply') return this.#apply(kind, namespace, name, live, patch, options)
    if (live === undefined) throw notFound(kind, name)
    if (type === 'strategic' && kind.crd !== undefined)
      throw new StatusError(
        415,
        'UnsupportedMediaType',
        'the body of the request was in an unknown format - accepted media types include: application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml',
        {},
      )
    const base: KubeObject = copy(live)
    const next =
      type === 'json'
        ? jsonPatch(base, patch)
        : type === 'merge'
          ? mergePatch(base, patch)
          : strategicMergePatch(kind.schema, base, patch)
    const object = this.#read(kind, namespace, name, next)
    const warnings = this.#checkFields(kind, object, options)
    return { object: this.#replace(kind, live, object, options), created: false, warnings }
  }

  #apply(
    kind: ResourceKind,
    namespace: string | undefined,
    name: string,
    live: KubeObject | undefined,
    patch: unknown,
    options: WriteOptions,
  ): Written {
    if (options.fieldManager === undefined || options.fieldManager === '')
      throw invalidOption('fieldManager: Required value: is required for apply patch')
    const applied = this.#read(kind, namespace, name, patch)
    if (applied.metadata.managedFields !== undefined) throw badRequest('metadata.managedFields must be nil')
    const subject = `${namespace === undefined ? '' : namespace}/${name}; ${kind.group}/${kind.version}, Kind=${kind.kind}`
    const mismatch = typeMismatch(kind.schema, applied)
    if (mismatch !== undefined)
      throw new StatusError(500, '', `failed to create typed patch object (${subject}): ${mismatch}\n`)
    const undeclared = unknownFields(kind.schema, applied)[0]
    if (undeclared !== undefined && options.fieldValidation !== 'Ignore')
      throw new StatusError(
        500,
        '',
        `failed to create typed patch object (${subject}): .${undeclared}: field not declared in schema`,
      )
    const writer = { ...this.#writer(options), manager: options.fieldManager }
    if (live === undefined) {
      if (options.subresource === 'status') throw notFound(kind, name)
      if (applied.metadata.uid !== undefined)
        throw conflict(
          kind,
          name,
          `uid mismatch: the provided object specified uid ${applied.metadata.uid}, and no existing object was found`,
        )
      this.#requireNamespace(kind, applied)
      if (kind.status && kind.kind !== 'Node') delete applied['status']
      const object = apply(kind.schema, undefined, applied, writer, options.force === true)
      return { object: this.#insert(kind, object, options), created: true, warnings: [] }
    }
    const next = apply(kind.schema, live, applied, writer, options.force === true)
    return {
      object: this.#replace(kind, live, next, options, next.metadata.managedFields),
      created: false,
      warnings: [],
    }
  }

  /** Puts `next` in the place of `live`: what each endpoint may change, checks, generation, owners of fields. */
  #replace(
    kind: ResourceKind,
    live: KubeObject,
    next: KubeObject,
    options: WriteOptions,
    owners?: ManagedFields[],
  ): KubeObject {
    const { name } = live.metadata
    const asked = next.metadata.resourceVersion
    if (asked !== undefined && asked !== '' && asked !== live.metadata.resourceVersion)
      throw conflict(kind, name, STALE)
    if (next.metadata.uid !== undefined && next.metadata.uid !== live.metadata.uid)
      throw conflict(
        kind,
        name,
        `Precondition failed: UID in precondition: ${next.metadata.uid}, UID in object meta: ${live.metadata.uid ?? ''}`,
      )
    if (options.subresource === 'status') {
      const { status } = next as { status?: unknown }
      next = { ...copy(live), metadata: { ...copy(live.metadata) } }
      if (status === undefined) delete next['status']
      else next['status'] = status
    } else if (kind.status) {
      if (live['status'] === undefined) delete next['status']
      else next['status'] = live['status']
    }
    next.metadata = {
      ...next.metadata,
      name,
      uid: live.metadata.uid ?? '',
      creationTimestamp: live.metadata.creationTimestamp ?? '',
      resourceVersion: live.metadata.resourceVersion ?? '',
    }
    for (const key of ['deletionTimestamp', 'deletionGracePeriodSeconds', 'generation'] as const) {
      if (live.metadata[key] === undefined) delete next.metadata[key]
      else Object.assign(next.metadata, { [key]: live.metadata[key] })
    }
    setDefaults(kind, next)
    if (kind.kind === 'Service' && at(next, 'spec', 'clusterIP') === undefined)
      for (const key of ['clusterIP', 'clusterIPs', 'ipFamilies', 'ipFamilyPolicy'])
        put(next, ['spec', key], at(live, 'spec', key))
    const found = problems(kind, next, live)
    if (found.length > 0) throw invalid(kind, name, found)
    if (hasGeneration(kind) && !same(withoutMetaAndStatus(live), withoutMetaAndStatus(next)))
      next.metadata.generation = (live.metadata.generation ?? 1) + 1
    next.metadata.managedFields = owners ?? trackUpdate(kind.schema, live, next, this.#writer(options))
    if (same(withoutTimes(live), withoutTimes(next))) return live
    if (options.dryRun === true) return next
    if (
      live.metadata.deletionTimestamp !== undefined &&
      (next.metadata.finalizers ?? []).length === 0 &&
      kind.kind !== 'Pod' &&
      kind.kind !== 'Namespace'
    ) {
      this.store.remove(kind, next.metadata.namespace, name)
      return next
    }
    return inVersion(kind, this.store.write(kind, next))
  }

  /** @returns the object while it lingers (finalizers, graceful end of a pod), `undefined` when it is gone at once. */
  delete(
    kind: ResourceKind,
    namespace: string | undefined,
    name: string,
    options: DeleteOptions = {},
  ): { readonly object: KubeObject; readonly lingers: boolean } {
    const live = this.get(kind, namespace, name)
    if (options.uid !== undefined && options.uid !== live.metadata.uid)
      throw conflict(
        kind,
        name,
        `Precondition failed: UID in precondition: ${options.uid}, UID in object meta: ${live.metadata.uid ?? ''}`,
      )
    if (options.resourceVersion !== undefined && options.resourceVersion !== live.metadata.resourceVersion)
      throw conflict(
        kind,
        name,
        `Precondition failed: ResourceVersion in precondition: ${options.resourceVersion}, ResourceVersion in object meta: ${live.metadata.resourceVersion ?? ''}`,
      )
    if (options.dryRun === true) return { object: live, lingers: false }
    if (options.propagationPolicy === 'Orphan') this.#orphan(live)
    const finalizers = [...(live.metadata.finalizers ?? [])]
    if (options.propagationPolicy === 'Foreground' && !finalizers.includes('foregroundDeletion'))
      finalizers.push('foregroundDeletion')
    const grace =
      kind.kind === 'Pod'
        ? (options.gracePeriodSeconds ?? number(live, 'spec', 'terminationGracePeriodSeconds') ?? 30)
        : 0
    const waitsForKubelet =
      kind.kind === 'Pod' &&
      grace > 0 &&
      text(live, 'spec', 'nodeName') !== undefined &&
      !['Succeeded', 'Failed'].includes(text(live, 'status', 'phase') ?? '')
    if (finalizers.length === 0 && !waitsForKubelet && kind.kind !== 'Namespace') {
      this.store.remove(kind, namespace, name)
      return { object: live, lingers: false }
    }
    if (live.metadata.deletionTimestamp !== undefined && same(finalizers, live.metadata.finalizers ?? []))
      return { object: live, lingers: true }
    const next: KubeObject = {
      ...live,
      ...(kind.kind === 'Namespace' ? { status: { ...fields(live, 'status'), phase: 'Terminating' } } : {}),
      metadata: {
        ...live.metadata,
        deletionTimestamp: live.metadata.deletionTimestamp ?? stamp(this.clock.now() + grace * 1000),
        deletionGracePeriodSeconds: grace,
        ...(finalizers.length === 0 ? {} : { finalizers }),
        ...(hasGeneration(kind) ? { generation: (live.metadata.generation ?? 1) + 1 } : {}),
      },
    }
    return { object: inVersion(kind, this.store.write(kind, next)), lingers: true }
  }

  deleteCollection(
    kind: ResourceKind,
    namespace: string | undefined,
    selectors: ListOptions,
    options: DeleteOptions,
  ): KubeObject[] {
    const doomed = this.list(kind, namespace, selectors).items
    for (const { metadata } of doomed) this.delete(kind, metadata.namespace, metadata.name, options)
    return doomed
  }

  /**
   * The eviction subresource of a pod.
   * @throws {@link StatusError} 429 when a PodDisruptionBudget allows no further disruption.
   */
  evict(namespace: string, name: string, options: DeleteOptions): void {
    const pods = this.kind('v1', 'Pod')
    const pod = this.get(pods, namespace, name)
    if (pod.metadata.deletionTimestamp === undefined)
      for (const budget of this.store.list({ group: 'policy', plural: 'poddisruptionbudgets' }, namespace)) {
        if (!matchesSelector(at(budget, 'spec', 'selector'), pod.metadata.labels ?? {})) continue
        const state = budgetState(budget, this.store.list(pods, namespace))
        if (state.allowed <= 0 && isReady(pod))
          throw tooManyRequests("Cannot evict pod as it would violate the pod's disruption budget.", {
            causes: [
              {
                reason: 'DisruptionBudget',
                message: `The disruption budget ${budget.metadata.name} needs ${state.desired} healthy pods and has ${state.healthy} currently`,
              },
            ],
          })
      }
    this.delete(pods, namespace, name, options)
  }

  /** A write by a controller or kubelet: no defaults, no field owners; returns whether anything changed. */
  settle(kind: ResourceKind, object: KubeObject, change: (draft: KubeObject) => void): boolean {
    const live = this.store.get(kind, object.metadata.namespace, object.metadata.name)
    if (live === undefined || live.metadata.uid !== object.metadata.uid) return false
    const draft = copy(live)
    change(draft)
    if (same(draft, live)) return false
    if (hasGeneration(kind) && !same(withoutMetaAndStatus(live), withoutMetaAndStatus(draft)))
      draft.metadata.generation = (live.metadata.generation ?? 1) + 1
    this.store.write(kind, draft)
    return true
  }

  letters(length: number): string {
    return Array.from({ length }, () => NAME_LETTERS[Math.floor(this.random() * NAME_LETTERS.length)]).join('')
  }

  #writer(options: WriteOptions) {
    return {
      manager: options.fieldManager === undefined || options.fieldManager === '' ? 'unknown' : options.fieldManager,
      ...(options.subresource === undefined ? {} : { subresource: options.subresource }),
      time: stamp(this.clock.now()),
    }
  }

  /** The sent body as an object of this kind, or why it is not one. */
  #read(kind: ResourceKind, namespace: string | undefined, name: string | undefined, input: unknown): KubeObject {
    if (!isRecord(input)) throw badRequest('the object provided is unrecognized (must be of type object)')
    const object = copy(input) as KubeObject
    object.apiVersion ??= apiVersionOf(kind)
    object.kind ??= kind.kind
    if (object.apiVersion !== apiVersionOf(kind) || object.kind !== kind.kind)
      throw badRequest(
        `the API version in the data (${object.apiVersion}) does not match the expected API version (${apiVersionOf(kind)}), or kind ${object.kind} is not ${kind.kind}`,
      )
    object.metadata = isRecord(object.metadata) ? object.metadata : { name: '' }
    if (name !== undefined) {
      if ((object.metadata.name ?? '') === '') object.metadata.name = name
      if (object.metadata.name !== name)
        throw badRequest(
          `the name of the object (${object.metadata.name}) does not match the name on the URL (${name})`,
        )
    }
    if (namespace !== undefined) {
      object.metadata.namespace ??= namespace
      if (object.metadata.namespace !== namespace)
        throw badRequest(`the namespace of the provided object does not match the namespace sent on the request`)
    } else if (!kind.namespaced) delete object.metadata.namespace
    return object
  }

  #checkFields(kind: ResourceKind, object: KubeObject, { fieldValidation = 'Warn' }: WriteOptions): readonly string[] {
    if (kind.crd === undefined) {
      const wrong = typeMismatch(kind.schema, object)
      if (wrong !== undefined) {
        const [path = '', why = ''] = wrong.split(': ')
        throw badRequest(
          `${kind.kind} in version "${kind.version}" cannot be handled as a ${kind.kind}: json: cannot unmarshal into Go struct field ${kind.kind}${path} of the expected type (${why})`,
        )
      }
    }
    const unknown = unknownFields(kind.schema, object).map((field) => `unknown field "${field}"`)
    if (unknown.length === 0 || fieldValidation === 'Ignore') return []
    if (fieldValidation === 'Warn') return unknown
    const problem = `strict decoding error: ${unknown.join(', ')}`
    throw badRequest(
      kind.crd === undefined
        ? `${kind.kind} in version "${kind.version}" cannot be handled as a ${kind.kind}: ${problem}`
        : problem,
    )
  }

  #requireNamespace(kind: ResourceKind, object: KubeObject): void {
    if (!kind.namespaced) return
    const namespace = object.metadata.namespace ?? ''
    const found = this.store.get(this.kind('v1', 'Namespace'), undefined, namespace)
    if (found === undefined) throw notFound(this.kind('v1', 'Namespace'), namespace)
    if (found.metadata.deletionTimestamp !== undefined)
      throw new StatusError(
        403,
        'Forbidden',
        `${kind.plural}${kind.group === '' ? '' : `.${kind.group}`} "${object.metadata.name}" is forbidden: unable to create new content in namespace ${namespace} because it is being terminated`,
        {
          name: object.metadata.name,
          kind: kind.plural,
          causes: [
            {
              reason: 'NamespaceTerminating',
              message: `namespace ${namespace} is being terminated`,
              field: 'metadata.namespace',
            },
          ],
        },
      )
  }

  #giveServiceAddress(object: KubeObject): void {
    if (text(object, 'spec', 'type') === 'ExternalName' || text(object, 'spec', 'clusterIP') === 'None') return
    const address =
      text(object, 'spec', 'clusterIP') ??
      `${this.#servicePrefix}.${Math.floor(this.#serviceCount / 256)}.${this.#serviceCount++ % 256}`
    put(object, ['spec', 'clusterIP'], address)
    put(object, ['spec', 'clusterIPs'], [address])
    put(object, ['spec', 'ipFamilies'], ['IPv4'])
    put(object, ['spec', 'ipFamilyPolicy'], 'SingleStack')
  }

  #orphan(owner: KubeObject): void {
    for (const kind of this.resources.all())
      for (const object of this.store.list(kind))
        if (object.metadata.ownerReferences?.some(({ uid }) => uid === owner.metadata.uid) === true)
          this.settle(kind, object, (draft) => {
            draft.metadata.ownerReferences = (draft.metadata.ownerReferences ?? []).filter(
              ({ uid }) => uid !== owner.metadata.uid,
            )
          })
  }
}

export function selection(kind: ResourceKind, options: ListOptions): (object: KubeObject) => boolean {
  const byLabel = labelSelector(options.labelSelector ?? '')
  const byField = fieldSelector(options.fieldSelector ?? '', kind, options.labelSelector)
  return (object) => byLabel(object.metadata.labels ?? {}) && byField(object)
}

/** A stored object read in another served version of its kind carries that version; nothing else is converted. */
export const inVersion = (kind: ResourceKind, object: KubeObject): KubeObject =>
  object.apiVersion === apiVersionOf(kind) ? object : { ...object, apiVersion: apiVersionOf(kind) }

export const isReady = (pod: KubeObject): boolean =>
  list(pod, 'status', 'conditions').some(
    (condition) => text(condition, 'type') === 'Ready' && text(condition, 'status') === 'True',
  )

/** How many pods of a budget are healthy, must be, and may go. */
export function budgetState(budget: KubeObject, pods: readonly KubeObject[]) {
  const mine = pods.filter((pod) => matchesSelector(at(budget, 'spec', 'selector'), strings(pod, 'metadata', 'labels')))
  const healthy = mine.filter((pod) => isReady(pod) && pod.metadata.deletionTimestamp === undefined).length
  const share = (value: unknown, roundUp: boolean): number => {
    if (typeof value === 'number') return value
    const exact = (Number.parseFloat(String(value)) / 100) * mine.length
    return roundUp ? Math.ceil(exact) : Math.floor(exact)
  }
  const minimum = at(budget, 'spec', 'minAvailable')
  const maximum = at(budget, 'spec', 'maxUnavailable')
  const desired =
    minimum !== undefined ? share(minimum, true) : mine.length - (maximum === undefined ? 1 : share(maximum, true))
  return { expected: mine.length, healthy, desired, allowed: Math.max(0, healthy - desired) }
}

/** Kinds without a desired state have no generation. */
const hasGeneration = (kind: ResourceKind): boolean =>
  kind.crd !== undefined ||
  (kind.status && !['Node', 'Namespace', 'Service', 'PersistentVolume', 'PersistentVolumeClaim'].includes(kind.kind))

const withoutMetaAndStatus = (object: KubeObject) => ({ ...object, metadata: undefined, status: undefined })
const withoutTimes = (object: KubeObject) => ({
  ...object,
  metadata: {
    ...object.metadata,
    managedFields: object.metadata.managedFields?.map((entry) => ({ ...entry, time: '' })),
  },
})
const position = ({ metadata }: KubeObject): string => `${metadata.namespace ?? ''}/${metadata.name}`

function parseContinue(token: string): { readonly rv: number; readonly after: string } {
  try {
    const { rv, after } = JSON.parse(Buffer.from(token, 'base64url').toString()) as { rv: unknown; after: unknown }
    if (typeof rv === 'number' && typeof after === 'string') return { rv, after }
  } catch {
    // Falls through to the refusal below, as for a token of a wrong shape.
  }
  throw badRequest('continue key is not valid')
}

const invalidOption = (message: string) =>
  new StatusError(422, 'Invalid', `PatchOptions.meta.k8s.io "" is invalid: ${message}`, {
    group: 'meta.k8s.io',
    kind: 'PatchOptions',
  })
