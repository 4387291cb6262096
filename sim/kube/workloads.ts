import type { KubeApi } from './api.ts'
import { isReady } from './api.ts'
import { setCondition } from './conditions.ts'
import type { Controllers } from './controllers.ts'
import type { Fields, KubeObject } from './object.ts'
import { fields, list, number, put, same, stamp, text } from './object.ts'
import { bind, podFrom, refusal, templateHash } from './pods.ts'

/** Pods made for one owner in one pass; a real controller manager makes them in growing bursts. */
const MAX_NEW_PODS = 500

/** Taints that every DaemonSet pod tolerates. */
const DAEMON_TOLERATIONS: readonly Fields[] = [
  { key: 'node.kubernetes.io/not-ready', operator: 'Exists', effect: 'NoExecute' },
  { key: 'node.kubernetes.io/unreachable', operator: 'Exists', effect: 'NoExecute' },
  { key: 'node.kubernetes.io/disk-pressure', operator: 'Exists', effect: 'NoSchedule' },
  { key: 'node.kubernetes.io/memory-pressure', operator: 'Exists', effect: 'NoSchedule' },
  { key: 'node.kubernetes.io/pid-pressure', operator: 'Exists', effect: 'NoSchedule' },
  { key: 'node.kubernetes.io/unschedulable', operator: 'Exists', effect: 'NoSchedule' },
]

/** The controllers of Deployment, ReplicaSet, DaemonSet, StatefulSet and Job. */
export class Workloads {
  readonly #api: KubeApi

  constructor(api: KubeApi, controllers: Controllers) {
    this.#api = api
    controllers.add(() => this.reconcile())
  }

  reconcile(): void {
    for (const deployment of this.#all('apps/v1', 'Deployment')) this.#deployment(deployment)
    for (const set of this.#all('apps/v1', 'ReplicaSet')) this.#replicaSet(set)
    for (const set of this.#all('apps/v1', 'DaemonSet')) this.#daemonSet(set)
    for (const set of this.#all('apps/v1', 'StatefulSet')) this.#statefulSet(set)
    for (const job of this.#all('batch/v1', 'Job')) this.#job(job)
  }

  #all(apiVersion: string, kind: string): readonly KubeObject[] {
    return this.#api.store
      .list(this.#api.kind(apiVersion, kind))
      .filter(({ metadata }) => metadata.deletionTimestamp === undefined)
  }

  #owned(owner: KubeObject, apiVersion: string, kind: string): readonly KubeObject[] {
    return this.#api.store
      .list(this.#api.kind(apiVersion, kind), owner.metadata.namespace)
      .filter(
        ({ metadata }) =>
          metadata.ownerReferences?.some(({ uid, controller }) => controller === true && uid === owner.metadata.uid) ===
          true,
      )
  }

  #pods(owner: KubeObject): readonly KubeObject[] {
    return this.#owned(owner, 'v1', 'Pod').filter(({ metadata }) => metadata.deletionTimestamp === undefined)
  }

  #status(object: KubeObject, change: (draft: KubeObject) => void): void {
    this.#api.settle(this.#api.kind(object.apiVersion, object.kind), object, (draft) => {
      put(draft, ['status', 'observedGeneration'], draft.metadata.generation ?? 1)
      change(draft)
    })
  }

  #deployment(deployment: KubeObject): void {
    const sets = this.#api.kind('apps/v1', 'ReplicaSet')
    const hash = templateHash(deployment)
    const wanted = number(deployment, 'spec', 'replicas') ?? 1
    const owned = this.#owned(deployment, 'apps/v1', 'ReplicaSet')
    const current = owned.find(({ metadata }) => metadata.labels?.['pod-template-hash'] === hash)
    if (current === undefined) {
      const spec = fields(deployment, 'spec')
      const template = fields(spec, 'template')
      this.#api.create(sets, deployment.metadata.namespace, {
        metadata: {
          name: `${deployment.metadata.name}-${hash}`,
          annotations: { 'deployment.kubernetes.io/desired-replicas': String(wanted) },
          labels: { ...fields(template, 'metadata', 'labels'), 'pod-template-hash': hash },
          ownerReferences: [
            {
              apiVersion: 'apps/v1',
              blockOwnerDeletion: true,
              controller: true,
              kind: 'Deployment',
              name: deployment.metadata.name,
              uid: deployment.metadata.uid,
            },
          ],
        },
        spec: {
          replicas: wanted,
          selector: {
            ...fields(spec, 'selector'),
            matchLabels: { ...fields(spec, 'selector', 'matchLabels'), 'pod-template-hash': hash },
          },
          template: {
            ...template,
            metadata: {
              ...fields(template, 'metadata'),
              labels: { ...fields(template, 'metadata', 'labels'), 'pod-template-hash': hash },
            },
          },
        },
      })
      return
    }
    this.#api.settle(sets, current, (draft) => put(draft, ['spec', 'replicas'], wanted))
    const ready = this.#pods(current).filter(isReady).length
    const old = owned.filter((set) => set !== current)
    // The old pods go once the new ones are ready; partial steps of a rolling update are not simulated.
    if (ready >= wanted)
      for (const set of old) this.#api.settle(sets, set, (draft) => put(draft, ['spec', 'replicas'], 0))
    const oldPods = old.flatMap((set) => this.#pods(set))
    const available = ready + oldPods.filter(isReady).length
    const made = this.#pods(current).length
    const now = stamp(this.#api.clock.now())
    this.#status(deployment, (draft) => {
      counts(draft, {
        replicas: made + oldPods.length,
        updatedReplicas: made,
        readyReplicas: available,
        availableReplicas: available,
        unavailableReplicas: Math.max(0, wanted - available),
      })
      const enough = available >= wanted
      setCondition(
        draft,
        enough
          ? {
              type: 'Available',
              status: 'True',
              reason: 'MinimumReplicasAvailable',
              message: 'Deployment has minimum availability.',
            }
          : {
              type: 'Available',
              status: 'False',
              reason: 'MinimumReplicasUnavailable',
              message: 'Deployment does not have minimum availability.',
            },
        now,
        { lastUpdateTime: now },
      )
      const name = current.metadata.name
      const done = ready >= wanted && oldPods.length === 0
      setCondition(
        draft,
        done
          ? {
              type: 'Progressing',
              status: 'True',
              reason: 'NewReplicaSetAvailable',
              message: `ReplicaSet "${name}" has successfully progressed.`,
            }
          : {
              type: 'Progressing',
              status: 'True',
              reason: 'ReplicaSetUpdated',
              message: `ReplicaSet "${name}" is progressing.`,
            },
        now,
        { lastUpdateTime: now },
      )
    })
  }

  #replicaSet(set: KubeObject): void {
    const pods = this.#pods(set)
    const wanted = number(set, 'spec', 'replicas') ?? 1
    for (let count = pods.length; count < Math.min(wanted, pods.length + MAX_NEW_PODS); count++)
      this.#makePod(set, { generateName: `${set.metadata.name}-` }, {})
    for (const pod of [...pods]
      .sort((a, b) => Number(isReady(a)) - Number(isReady(b)))
      .slice(0, Math.max(0, pods.length - wanted)))
      this.#api.delete(this.#api.kind('v1', 'Pod'), pod.metadata.namespace, pod.metadata.name)
    const ready = pods.filter(isReady).length
    this.#status(set, (draft) => {
      counts(draft, { fullyLabeledReplicas: pods.length, readyReplicas: ready, availableReplicas: ready })
      put(draft, ['status', 'replicas'], pods.length)
    })
  }

  #makePod(
    owner: KubeObject,
    name: { readonly name: string } | { readonly generateName: string },
    labels: Readonly<Record<string, string>>,
  ): void {
    this.#api.create(this.#api.kind('v1', 'Pod'), owner.metadata.namespace, podFrom(owner, name, labels), {
      fieldManager: 'kube-controller-manager',
    })
  }

  #daemonSet(set: KubeObject): void {
    const kind = this.#api.kind('v1', 'Pod')
    const hash = templateHash(set)
    const nodes = this.#api.store.list(this.#api.kind('v1', 'Node'))
    const hostNetwork = fields(set, 'spec', 'template', 'spec')['hostNetwork'] === true
    const tolerations = [
      ...list(set, 'spec', 'template', 'spec', 'tolerations'),
      ...DAEMON_TOLERATIONS,
      ...(hostNetwork
        ? [{ key: 'node.kubernetes.io/network-unavailable', operator: 'Exists', effect: 'NoSchedule' }]
        : []),
    ]
    const template = { spec: { ...fields(set, 'spec', 'template', 'spec'), tolerations } }
    const pods = this.#pods(set)
    const wanted = nodes.filter((node) => refusal(template, node) === undefined)
    const now = stamp(this.#api.clock.now())
    for (const node of wanted) {
      const { name } = node.metadata
      if (this.#owned(set, 'v1', 'Pod').some((pod) => text(pod, 'spec', 'nodeName') === name)) continue
      const pod = podFrom(set, { generateName: `${set.metadata.name}-` }, { 'controller-revision-hash': hash })
      put(pod, ['spec', 'tolerations'], tolerations)
      put(pod, ['spec', 'affinity'], {
        nodeAffinity: {
          requiredDuringSchedulingIgnoredDuringExecution: {
            nodeSelectorTerms: [{ matchFields: [{ key: 'metadata.name', operator: 'In', values: [name] }] }],
          },
        },
      })
      const { object } = this.#api.create(kind, set.metadata.namespace, pod, {
        fieldManager: 'kube-controller-manager',
      })
      this.#api.settle(kind, object, (draft) => bind(draft, name, now))
    }
    for (const pod of pods)
      if (!nodes.some(({ metadata }) => metadata.name === text(pod, 'spec', 'nodeName')) || !stays(pod, nodes))
        this.#api.delete(kind, pod.metadata.namespace, pod.metadata.name)
    const outdated = pods.filter(({ metadata }) => metadata.labels?.['controller-revision-hash'] !== hash)
    const ready = pods.filter(isReady)
    const [next] = outdated
    if (
      next !== undefined &&
      ready.length >= Math.min(wanted.length, pods.length) &&
      text(set, 'spec', 'updateStrategy', 'type') !== 'OnDelete'
    )
      this.#api.delete(kind, next.metadata.namespace, next.metadata.name)
    this.#status(set, (draft) => {
      for (const [key, value] of Object.entries({
        currentNumberScheduled: pods.length,
        desiredNumberScheduled: wanted.length,
        numberMisscheduled: 0,
        numberReady: ready.length,
      }))
        put(draft, ['status', key], value)
      counts(draft, {
        numberAvailable: ready.length,
        numberUnavailable: Math.max(0, wanted.length - ready.length),
        updatedNumberScheduled: pods.length - outdated.length,
      })
    })
  }

  #statefulSet(set: KubeObject): void {
    const kind = this.#api.kind('v1', 'Pod')
    const hash = `${set.metadata.name}-${templateHash(set)}`
    const all = this.#owned(set, 'v1', 'Pod')
    const pods = this.#pods(set)
    const wanted = number(set, 'spec', 'replicas') ?? 1
    const ordered = text(set, 'spec', 'podManagementPolicy') !== 'Parallel'
    for (let ordinal = 0; ordinal < wanted; ordinal++) {
      const name = `${set.metadata.name}-${ordinal}`
      const found = all.find(({ metadata }) => metadata.name === name)
      if (found === undefined) {
        this.#makeClaims(set, ordinal)
        this.#makePod(
          claimed(set, ordinal),
          { name },
          {
            'apps.kubernetes.io/pod-index': String(ordinal),
            'controller-revision-hash': hash,
            'statefulset.kubernetes.io/pod-name': name,
          },
        )
      }
      if (ordered && (found === undefined || !isReady(found))) break
    }
    const number_ = ({ metadata }: KubeObject) => Number(metadata.name.slice(metadata.name.lastIndexOf('-') + 1))
    for (const pod of pods)
      if (number_(pod) >= wanted) this.#api.delete(kind, pod.metadata.namespace, pod.metadata.name)
    const outdated = pods
      .filter(({ metadata }) => metadata.labels?.['controller-revision-hash'] !== hash)
      .sort((a, b) => number_(b) - number_(a))
    const [next] = outdated
    if (next !== undefined && pods.length === wanted && pods.every(isReady))
      this.#api.delete(kind, next.metadata.namespace, next.metadata.name)
    const ready = pods.filter(isReady).length
    this.#status(set, (draft) => {
      put(draft, ['status', 'replicas'], pods.length)
      put(draft, ['status', 'availableReplicas'], ready)
      put(draft, ['status', 'updateRevision'], hash)
      put(
        draft,
        ['status', 'currentRevision'],
        outdated.length === 0 ? hash : (text(draft, 'status', 'currentRevision') ?? hash),
      )
      put(draft, ['status', 'collisionCount'], 0)
      counts(draft, {
        readyReplicas: ready,
        currentReplicas: pods.length - outdated.length,
        updatedReplicas: pods.length - outdated.length,
      })
    })
  }

  #makeClaims(set: KubeObject, ordinal: number): void {
    const kind = this.#api.kind('v1', 'PersistentVolumeClaim')
    for (const template of list(set, 'spec', 'volumeClaimTemplates')) {
      const name = `${text(template, 'metadata', 'name') ?? ''}-${set.metadata.name}-${ordinal}`
      if (this.#api.store.get(kind, set.metadata.namespace, name) === undefined)
        this.#api.create(kind, set.metadata.namespace, {
          metadata: { name, labels: fields(template, 'metadata', 'labels') },
          spec: fields(template, 'spec'),
        })
    }
  }

  #job(job: KubeObject): void {
    if (job['status'] !== undefined && (number(job, 'status', 'succeeded') ?? 0) > 0) return
    const pods = this.#owned(job, 'v1', 'Pod')
    const now = stamp(this.#api.clock.now())
    if (pods.length === 0)
      return this.#makePod(
        job,
        { generateName: `${job.metadata.name}-` },
        {
          'batch.kubernetes.io/controller-uid': job.metadata.uid ?? '',
          'batch.kubernetes.io/job-name': job.metadata.name,
          'job-name': job.metadata.name,
        },
      )
    const done = pods.some((pod) => text(pod, 'status', 'phase') === 'Succeeded')
    this.#api.settle(this.#api.kind('batch/v1', 'Job'), job, (draft) => {
      put(draft, ['status', 'startTime'], text(draft, 'status', 'startTime') ?? now)
      put(draft, ['status', 'ready'], pods.filter(isReady).length)
      counts(draft, { active: done ? 0 : pods.length, succeeded: done ? 1 : 0 })
      if (!done) return
      put(draft, ['status', 'completionTime'], now)
      for (const type of ['SuccessCriteriaMet', 'Complete'])
        setCondition(
          draft,
          { type, status: 'True', reason: 'CompletionsReached', message: 'Reached expected number of succeeded pods' },
          now,
          { lastProbeTime: now },
        )
    })
  }
}

/** The pod's volumes of the claims made from `volumeClaimTemplates`. */
function claimed(set: KubeObject, ordinal: number): KubeObject {
  const claims = list(set, 'spec', 'volumeClaimTemplates').map((template) => text(template, 'metadata', 'name') ?? '')
  if (claims.length === 0) return set
  const copied = structuredClone(set)
  put(
    copied,
    ['spec', 'template', 'spec', 'volumes'],
    [
      ...list(set, 'spec', 'template', 'spec', 'volumes'),
      ...claims.map((name) => ({
        name,
        persistentVolumeClaim: { claimName: `${name}-${set.metadata.name}-${ordinal}` },
      })),
    ],
  )
  return copied
}

/** Sets counters; a zero is left out, as Go's `omitempty` does. */
function counts(draft: KubeObject, values: Readonly<Record<string, number>>): void {
  const status = { ...fields(draft, 'status') }
  for (const [key, value] of Object.entries(values)) {
    if (value === 0) delete status[key]
    else status[key] = value
  }
  if (!same(status, draft['status'])) draft['status'] = status
}

/** A DaemonSet's pod leaves a node only when a NoExecute taint it does not tolerate appears. */
function stays(pod: KubeObject, nodes: readonly KubeObject[]): boolean {
  const node = nodes.find(({ metadata }) => metadata.name === text(pod, 'spec', 'nodeName'))
  const executing = list(node, 'spec', 'taints').filter((taint) => text(taint, 'effect') === 'NoExecute')
  return node !== undefined && refusal(pod, { ...node, spec: { taints: executing } }) === undefined
}
