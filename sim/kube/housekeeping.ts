import type { KubeApi } from './api.ts'
import { budgetState } from './api.ts'
import { conditionOf, setCondition } from './conditions.ts'
import type { Controllers } from './controllers.ts'
import type { KubeObject } from './object.ts'
import { at, fields, list, put, stamp, text } from './object.ts'
import { apiVersionOf, kindOf } from './resource.ts'

/** Time between the creation of a CustomResourceDefinition and its resources being served. */
const ESTABLISHED_MS = 200

/** Namespaces, custom resource definitions, volume claims, disruption budgets and the garbage collector. */
export class Housekeeping {
  readonly #api: KubeApi
  readonly #controllers: Controllers
  readonly #establishing = new Set<string>()
  readonly #authority: string

  constructor(api: KubeApi, controllers: Controllers, authority: string) {
    this.#api = api
    this.#controllers = controllers
    this.#authority = authority
    controllers.add(() => this.#namespaces())
    controllers.add(() => this.#definitions())
    controllers.add(() => this.#claims())
    controllers.add(() => this.#budgets())
    controllers.add(() => this.#collectGarbage())
  }

  #namespaces(): void {
    const kind = this.#api.kind('v1', 'Namespace')
    const accounts = this.#api.kind('v1', 'ServiceAccount')
    const maps = this.#api.kind('v1', 'ConfigMap')
    for (const { metadata } of this.#api.store.list(kind)) {
      if (metadata.deletionTimestamp === undefined) {
        if (this.#api.store.get(accounts, metadata.name, 'default') === undefined)
          this.#api.create(
            accounts,
            metadata.name,
            { metadata: { name: 'default' } },
            { fieldManager: 'kube-controller-manager' },
          )
        if (this.#api.store.get(maps, metadata.name, 'kube-root-ca.crt') === undefined)
          this.#api.create(
            maps,
            metadata.name,
            {
              metadata: {
                name: 'kube-root-ca.crt',
                annotations: {
                  'kubernetes.io/description':
                    'Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the internal service IP or kubernetes.default.svc. No other usage is guaranteed across distributions of Kubernetes clusters.',
                },
              },
              data: { 'ca.crt': this.#authority },
            },
            { fieldManager: 'kube-controller-manager' },
          )
        continue
      }
      let left = 0
      for (const inside of this.#api.resources.all()) {
        if (!inside.namespaced) continue
        for (const object of this.#api.store.list(inside, metadata.name)) {
          left += 1
          if (object.metadata.deletionTimestamp === undefined)
            this.#api.delete(inside, metadata.name, object.metadata.name)
        }
      }
      if (left === 0) this.#api.store.remove(kind, undefined, metadata.name)
    }
  }

  #definitions(): void {
    const kind = this.#api.kind('apiextensions.k8s.io/v1', 'CustomResourceDefinition')
    const definitions = this.#api.store.list(kind)
    for (const definition of definitions) {
      const uid = definition.metadata.uid ?? ''
      if (definition.metadata.deletionTimestamp !== undefined) this.#deleteInstances(definition)
      else if (conditionOf(definition, 'Established')?.['status'] !== 'True' && !this.#establishing.has(uid)) {
        this.#establishing.add(uid)
        this.#controllers.after(ESTABLISHED_MS, () => this.#establish(definition))
      } else if (
        conditionOf(definition, 'Established')?.['status'] === 'True' &&
        definition.metadata.finalizers === undefined
      )
        this.#api.settle(kind, definition, (draft) => {
          draft.metadata.finalizers = ['customresourcecleanup.apiextensions.k8s.io']
        })
    }
    this.#api.resources.setCustom(
      this.#api.store
        .list(kind)
        .filter((definition) => conditionOf(definition, 'Established')?.['status'] === 'True')
        .flatMap(kindOf),
    )
  }

  #establish(definition: KubeObject): void {
    const now = stamp(this.#api.clock.now())
    this.#establishing.delete(definition.metadata.uid ?? '')
    this.#api.settle(this.#api.kind('apiextensions.k8s.io/v1', 'CustomResourceDefinition'), definition, (draft) => {
      setCondition(
        draft,
        { type: 'NamesAccepted', status: 'True', reason: 'NoConflicts', message: 'no conflicts found' },
        now,
      )
      setCondition(
        draft,
        {
          type: 'Established',
          status: 'True',
          reason: 'InitialNamesAccepted',
          message: 'the initial names have been accepted',
        },
        now,
      )
      put(draft, ['status', 'acceptedNames'], fields(draft, 'spec', 'names'))
      const stored = list(draft, 'spec', 'versions').filter((version) => at(version, 'storage') === true)
      put(
        draft,
        ['status', 'storedVersions'],
        stored.map((version) => text(version, 'name') ?? ''),
      )
    })
  }

  #deleteInstances(definition: KubeObject): void {
    const crd = this.#api.kind('apiextensions.k8s.io/v1', 'CustomResourceDefinition')
    const [kind] = kindOf(definition)
    let left = 0
    if (kind !== undefined)
      for (const object of this.#api.store.list(kind)) {
        left += 1
        if (object.metadata.deletionTimestamp === undefined)
          this.#api.delete(kind, object.metadata.namespace, object.metadata.name)
      }
    if (left === 0) this.#api.store.remove(crd, undefined, definition.metadata.name)
  }

  /** A claim binds to a new volume when its class, or a default class, exists. */
  #claims(): void {
    const kind = this.#api.kind('v1', 'PersistentVolumeClaim')
    const classes = this.#api.store.list(this.#api.kind('storage.k8s.io/v1', 'StorageClass'))
    for (const claim of this.#api.store.list(kind)) {
      if (text(claim, 'status', 'phase') !== 'Pending') continue
      const wanted = text(claim, 'spec', 'storageClassName')
      const found = classes.find(({ metadata }) =>
        wanted === undefined
          ? metadata.annotations?.['storageclass.kubernetes.io/is-default-class'] === 'true'
          : metadata.name === wanted,
      )
      if (found === undefined) continue
      const volume = `pvc-${claim.metadata.uid}`
      const capacity = fields(claim, 'spec', 'resources', 'requests')
      const accessModes = list(claim, 'spec', 'accessModes')
      this.#api.create(this.#api.kind('v1', 'PersistentVolume'), undefined, {
        metadata: { name: volume },
        spec: {
          accessModes,
          capacity,
          claimRef: {
            apiVersion: 'v1',
            kind: 'PersistentVolumeClaim',
            name: claim.metadata.name,
            namespace: claim.metadata.namespace,
            uid: claim.metadata.uid,
          },
          csi: { driver: text(found, 'provisioner') ?? '', volumeHandle: volume },
          persistentVolumeReclaimPolicy: text(found, 'reclaimPolicy') ?? 'Delete',
          storageClassName: found.metadata.name,
          volumeMode: 'Filesystem',
        },
      })
      this.#api.settle(kind, claim, (draft) => {
        put(draft, ['spec', 'volumeName'], volume)
        put(draft, ['spec', 'storageClassName'], found.metadata.name)
        draft['status'] = { phase: 'Bound', accessModes, capacity }
      })
    }
  }

  #budgets(): void {
    const kind = this.#api.kind('policy/v1', 'PodDisruptionBudget')
    for (const budget of this.#api.store.list(kind)) {
      const state = budgetState(budget, this.#api.store.list(this.#api.kind('v1', 'Pod'), budget.metadata.namespace))
      this.#api.settle(kind, budget, (draft) => {
        put(draft, ['status'], {
          ...fields(draft, 'status'),
          currentHealthy: state.healthy,
          desiredHealthy: state.desired,
          disruptionsAllowed: state.allowed,
          expectedPods: state.expected,
          observedGeneration: draft.metadata.generation ?? 1,
        })
      })
    }
  }

  /** Objects whose owners are all gone go too; `foregroundDeletion` waits for the dependents. */
  #collectGarbage(): void {
    const all = this.#api.resources
      .all()
      .flatMap((kind) => this.#api.store.list(kind).map((object) => ({ kind, object })))
    const alive = new Map(all.map(({ object }) => [object.metadata.uid, object]))
    for (const { kind, object } of all) {
      if (object.apiVersion !== apiVersionOf(kind)) continue
      const { namespace, name, ownerReferences = [], deletionTimestamp, finalizers = [] } = object.metadata
      const orphaned = ownerReferences.length > 0 && ownerReferences.every(({ uid }) => alive.get(uid) === undefined)
      const ownerWaits = ownerReferences.some(
        ({ uid }) => alive.get(uid)?.metadata.finalizers?.includes('foregroundDeletion') === true,
      )
      if (
        (orphaned || ownerWaits) &&
        deletionTimestamp === undefined &&
        this.#api.store.get(kind, namespace, name) !== undefined
      ) {
        this.#api.delete(kind, namespace, name)
        continue
      }
      if (deletionTimestamp === undefined || !finalizers.includes('foregroundDeletion')) continue
      if (
        all.some(
          (other) => other.object.metadata.ownerReferences?.some(({ uid }) => uid === object.metadata.uid) === true,
        )
      )
        continue
      const rest = finalizers.filter((finalizer) => finalizer !== 'foregroundDeletion')
      if (rest.length === 0) this.#api.store.remove(kind, namespace, name)
      else
        this.#api.settle(kind, object, (draft) => {
          draft.metadata.finalizers = rest
        })
    }
  }
}
