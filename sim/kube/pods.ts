import { createHash } from 'node:crypto'
import type { KubeApi } from './api.ts'
import { setCondition, conditionOf } from './conditions.ts'
import type { Controllers } from './controllers.ts'
import type { Nodes } from './nodes.ts'
import type { Fields, KubeObject, OwnerReference } from './object.ts'
import { at, copy, fields, isRecord, list, put, stamp, strings, text } from './object.ts'

/** Simulated time from binding to readiness (images are on the node) and from SIGTERM to the end. */
const POD_START_MS = 2_000
const POD_STOP_MS = 1_000
/** How long the containers of a Job run. */
const JOB_RUN_MS = 2_000

interface Taint {
  readonly key: string
  readonly value?: string
  readonly effect: string
}

/** Scheduler and kubelets: pods get a node, an address, run, and end. */
export class Pods {
  readonly #api: KubeApi
  readonly #controllers: Controllers
  readonly #nodes: Nodes
  /** UIDs of pods that are starting or stopping, so that each is timed once. */
  readonly #timed = new Set<string>()
  #addresses = 2

  constructor(api: KubeApi, controllers: Controllers, nodes: Nodes) {
    this.#api = api
    this.#controllers = controllers
    this.#nodes = nodes
    controllers.add(() => this.reconcile())
  }

  reconcile(): void {
    const kind = this.#api.kind('v1', 'Pod')
    const nodes = new Map(this.#api.store.list(this.#api.kind('v1', 'Node')).map((node) => [node.metadata.name, node]))
    for (const pod of this.#api.store.list(kind)) {
      const nodeName = text(pod, 'spec', 'nodeName')
      if (nodeName === undefined) this.#schedule(pod, [...nodes.values()])
      // The pod garbage collector takes pods of nodes that are gone.
      else if (!nodes.has(nodeName)) this.#api.store.remove(kind, pod.metadata.namespace, pod.metadata.name)
      else this.#run(pod, nodeName)
    }
  }

  #schedule(pod: KubeObject, nodes: readonly KubeObject[]): void {
    const kind = this.#api.kind('v1', 'Pod')
    const now = stamp(this.#api.clock.now())
    const waiting = this.#unboundClaim(pod)
    const pods = this.#api.store.list(kind)
    const load = (node: KubeObject) =>
      pods.filter((other) => text(other, 'spec', 'nodeName') === node.metadata.name).length
    const refusals = nodes.map((node) => refusal(pod, node))
    const fits = nodes.filter((_, index) => refusals[index] === undefined).sort((a, b) => load(a) - load(b))
    const [best] = fits
    if (best === undefined || waiting !== undefined) {
      const counted = new Map<string, number>()
      for (const reason of refusals) if (reason !== undefined) counted.set(reason, (counted.get(reason) ?? 0) + 1)
      const why =
        waiting ??
        `0/${nodes.length} nodes are available: ${[...counted].map(([reason, count]) => `${count} ${reason}`).join(', ')}. no new claims to deallocate, preemption: 0/${nodes.length} nodes are available: ${nodes.length} Preemption is not helpful for scheduling.`
      this.#api.settle(kind, pod, (draft) =>
        setCondition(draft, { type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message: why }, now, {
          lastProbeTime: null,
        }),
      )
      return
    }
    this.#api.settle(kind, pod, (draft) => bind(draft, best.metadata.name, now))
  }

  /** Claims bind when their class exists; without a class the pod waits. */
  #unboundClaim(pod: KubeObject): string | undefined {
    const claims = this.#api.kind('v1', 'PersistentVolumeClaim')
    for (const volume of list(pod, 'spec', 'volumes')) {
      const name = text(volume, 'persistentVolumeClaim', 'claimName')
      if (name === undefined) continue
      const claim = this.#api.store.get(claims, pod.metadata.namespace, name)
      if (claim === undefined) return `persistentvolumeclaim "${name}" not found`
      if (text(claim, 'status', 'phase') !== 'Bound') return 'pod has unbound immediate PersistentVolumeClaims'
    }
    return undefined
  }

  #run(pod: KubeObject, nodeName: string): void {
    const kubelet = this.#nodes.kubelets.get(nodeName)
    const uid = pod.metadata.uid ?? ''
    if (kubelet?.running !== true || this.#timed.has(uid)) return
    const kind = this.#api.kind('v1', 'Pod')
    const phase = text(pod, 'status', 'phase')
    const later = (ms: number, action: (live: KubeObject) => void) => {
      this.#timed.add(uid)
      this.#controllers.after(ms, () => {
        this.#timed.delete(uid)
        const live = this.#api.store.get(kind, pod.metadata.namespace, pod.metadata.name)
        if (live?.metadata.uid === uid && this.#nodes.kubelets.get(nodeName)?.running === true) action(live)
      })
    }
    if (pod.metadata.deletionTimestamp !== undefined)
      return later(POD_STOP_MS, () => void this.#api.store.remove(kind, pod.metadata.namespace, pod.metadata.name))
    const hostNetwork = at(pod, 'spec', 'hostNetwork') === true
    if (phase === 'Pending') {
      if (!hostNetwork && !kubelet.network) return
      return later(POD_START_MS, (live) => this.#start(live, kubelet.info.address, kubelet.podCidr))
    }
    const once = text(pod, 'spec', 'restartPolicy') !== 'Always'
    if (phase === 'Running' && once) return later(JOB_RUN_MS, (live) => this.#finish(live))
    // A node that came back runs its pods again.
    if (phase === 'Running' && conditionOf(pod, 'Ready')?.['status'] === 'False')
      return later(POD_START_MS, (live) => this.#start(live, kubelet.info.address, kubelet.podCidr))
  }

  #start(pod: KubeObject, hostAddress: string, podCidr: string): void {
    const now = stamp(this.#api.clock.now())
    const address =
      text(pod, 'status', 'podIP') ??
      (at(pod, 'spec', 'hostNetwork') === true
        ? hostAddress
        : `${podCidr.split('.').slice(0, 3).join('.')}.${(this.#addresses++ % 250) + 2}`)
    this.#api.settle(this.#api.kind('v1', 'Pod'), pod, (draft) => {
      const probe = { lastProbeTime: null }
      for (const type of ['PodReadyToStartContainers', 'Initialized', 'Ready', 'ContainersReady'])
        setReady(draft, type, now, probe)
      put(draft, ['status', 'phase'], 'Running')
      put(draft, ['status', 'hostIP'], hostAddress)
      put(draft, ['status', 'hostIPs'], [{ ip: hostAddress }])
      put(draft, ['status', 'podIP'], address)
      put(draft, ['status', 'podIPs'], [{ ip: address }])
      put(draft, ['status', 'startTime'], text(draft, 'status', 'startTime') ?? now)
      put(draft, ['status', 'containerStatuses'], containerStatuses(draft, { running: { startedAt: now } }, true))
    })
  }

  #finish(pod: KubeObject): void {
    const now = stamp(this.#api.clock.now())
    this.#api.settle(this.#api.kind('v1', 'Pod'), pod, (draft) => {
      put(draft, ['status', 'phase'], 'Succeeded')
      for (const type of ['Ready', 'ContainersReady'])
        setCondition(draft, { type, status: 'False', reason: 'PodCompleted', message: '' }, now, {
          lastProbeTime: null,
        })
      const ended = {
        terminated: {
          exitCode: 0,
          reason: 'Completed',
          startedAt: now,
          finishedAt: now,
          containerID: containerId(draft, 0),
        },
      }
      put(draft, ['status', 'containerStatuses'], containerStatuses(draft, ended, false))
    })
  }
}

/** Conditions of a healthy pod carry neither reason nor message. */
function setReady(draft: KubeObject, type: string, now: string, probe: Fields): void {
  setCondition(draft, { type, status: 'True', reason: '', message: '' }, now, probe)
  const condition = conditionOf(draft, type)
  if (condition !== undefined) {
    delete (condition as Fields)['reason']
    delete (condition as Fields)['message']
  }
}

export function bind(draft: KubeObject, nodeName: string, now: string): void {
  put(draft, ['spec', 'nodeName'], nodeName)
  setReady(draft, 'PodScheduled', now, { lastProbeTime: null })
}

const containerId = (pod: KubeObject, index: number): string =>
  `containerd://${createHash('sha256').update(`${pod.metadata.uid}/${index}`).digest('hex')}`

const containerStatuses = (pod: KubeObject, state: Fields, ready: boolean): readonly Fields[] =>
  list(pod, 'spec', 'containers').map((container, index) => ({
    containerID: containerId(pod, index),
    image: text(container, 'image') ?? '',
    imageID: `sha256:${createHash('sha256')
      .update(text(container, 'image') ?? '')
      .digest('hex')}`,
    lastState: {},
    name: text(container, 'name') ?? '',
    ready,
    restartCount: 0,
    started: ready,
    state,
  }))

function tolerates(pod: unknown, taint: Taint): boolean {
  return list(pod, 'spec', 'tolerations').some((toleration) => {
    const effect = text(toleration, 'effect') ?? ''
    if (effect !== '' && effect !== taint.effect) return false
    const key = text(toleration, 'key') ?? ''
    if (key !== '' && key !== taint.key) return false
    if (text(toleration, 'operator') === 'Exists') return true
    return key !== '' && (text(toleration, 'value') ?? '') === (taint.value ?? '')
  })
}

/** Why the pod cannot go to the node, as the scheduler counts reasons; `undefined` when it can. */
export function refusal(pod: unknown, node: KubeObject): string | undefined {
  if (
    at(node, 'spec', 'unschedulable') === true &&
    !tolerates(pod, { key: 'node.kubernetes.io/unschedulable', effect: 'NoSchedule' })
  )
    return 'node(s) were unschedulable'
  for (const taint of list(node, 'spec', 'taints') as readonly Taint[]) {
    if (taint.effect === 'PreferNoSchedule' || tolerates(pod, taint)) continue
    return `node(s) had untolerated taint(s)`
  }
  const labels = strings(node, 'metadata', 'labels')
  const selected = Object.entries(strings(pod, 'spec', 'nodeSelector')).every(([key, value]) => labels[key] === value)
  const terms = list(
    pod,
    'spec',
    'affinity',
    'nodeAffinity',
    'requiredDuringSchedulingIgnoredDuringExecution',
    'nodeSelectorTerms',
  )
  if (!selected || (terms.length > 0 && !terms.some((term) => termMatches(term, node, labels))))
    return "node(s) didn't match Pod's node affinity/selector"
  return undefined
}

function termMatches(term: unknown, node: KubeObject, labels: Readonly<Record<string, string>>): boolean {
  const matches = (expression: unknown, value: string | undefined) => {
    const values = list(expression, 'values')
    switch (text(expression, 'operator') ?? '') {
      case 'In':
        return value !== undefined && values.includes(value)
      case 'NotIn':
        return value === undefined || !values.includes(value)
      case 'Exists':
        return value !== undefined
      case 'DoesNotExist':
        return value === undefined
      default:
        return false
    }
  }
  return (
    list(term, 'matchExpressions').every((expression) => matches(expression, labels[text(expression, 'key') ?? ''])) &&
    list(term, 'matchFields').every((field) => matches(field, node.metadata.name))
  )
}

/** A pod as a controller makes it from its template. */
export function podFrom(
  owner: KubeObject,
  name: { readonly name: string } | { readonly generateName: string },
  labels: Readonly<Record<string, string>>,
): Fields {
  const template = fields(owner, 'spec', 'template')
  const reference: OwnerReference = {
    apiVersion: owner.apiVersion,
    blockOwnerDeletion: true,
    controller: true,
    kind: owner.kind,
    name: owner.metadata.name,
    uid: owner.metadata.uid ?? '',
  }
  return {
    metadata: {
      ...name,
      labels: { ...strings(template, 'metadata', 'labels'), ...labels },
      ...(isRecord(at(template, 'metadata', 'annotations'))
        ? { annotations: strings(template, 'metadata', 'annotations') }
        : {}),
      ownerReferences: [reference],
    },
    spec: copy(fields(template, 'spec')),
  }
}

/** Ten letters that stand for a template, as `pod-template-hash` does. */
export function templateHash(owner: KubeObject): string {
  const digest = createHash('sha256')
    .update(JSON.stringify(at(owner, 'spec', 'template')))
    .digest()
  return [...digest.subarray(0, 10)].map((byte) => 'bcdfghjklmnpqrstvwxz2456789'[byte % 27]).join('')
}
