import type { KubeApi } from './api.ts'
import type { NodeInfo } from './cluster.ts'
import { setCondition, conditionOf } from './conditions.ts'
import type { Controllers } from './controllers.ts'
import type { Fields, KubeObject } from './object.ts'
import { fields, isRecord, list, put, stamp, text } from './object.ts'

/** DaemonSets whose pod on a node writes the CNI configuration that makes the node Ready. */
const CNI_DAEMON_SETS = new Set(['kube-flannel-ds', 'cilium', 'calico-node'])
/** Simulated time from a running CNI pod to the kubelet's next look at /etc/cni/net.d. */
const CNI_SEEN_MS = 1_000
/** `node-monitor-grace-period` of the controller manager since 1.32. */
const MONITOR_GRACE_MS = 50_000
/** The default toleration of `unreachable` that admission gives to every pod. */
const EVICTION_MS = 300_000
const KUBELET_BACK_MS = 3_000
/** Where pods live when nobody configured a subnet. */
const UNMANAGED_PODS = '10.85.0.0/16'

const NOT_READY = 'node.kubernetes.io/not-ready'
const UNREACHABLE = 'node.kubernetes.io/unreachable'
const NO_NETWORK =
  'container runtime network not ready: NetworkReady=false reason:NetworkPluginNotReady message:Network plugin returns error: cni plugin not initialized'

/** What the simulator knows of a kubelet, beside its Node object. */
export interface Kubelet {
  info: NodeInfo
  readonly controlPlane: boolean
  readonly uid: string
  running: boolean
  /** Whether a CNI configuration lies on the node. */
  network: boolean
  /** The kubelet is about to notice its network. */
  looking: boolean
  /** Counts power changes, so that a delayed look sees whether it is still about the same one. */
  era: number
  readonly podCidr: string
}

export class Nodes {
  readonly #api: KubeApi
  readonly #controllers: Controllers
  readonly kubelets = new Map<string, Kubelet>()
  readonly #podPrefix: string
  /** Without a pod subnet the controller manager gives nodes no range; the CNI then has its own. */
  readonly #allocates: boolean
  #podNetworks = 0

  constructor(api: KubeApi, controllers: Controllers, podSubnet: string) {
    this.#api = api
    this.#controllers = controllers
    this.#podPrefix = (podSubnet === '' ? UNMANAGED_PODS : podSubnet).split('.').slice(0, 2).join('.')
    this.#allocates = podSubnet !== ''
    controllers.add(() => this.reconcile())
  }

  #kind() {
    return this.#api.kind('v1', 'Node')
  }

  /** A kubelet registers its node; one of the same name is taken over, as a reinstalled machine does. */
  register(info: NodeInfo, controlPlane: boolean): void {
    const kind = this.#kind()
    const old = this.#api.store.get(kind, undefined, info.name)
    const known = this.kubelets.get(info.name)
    const podCidr = text(old, 'spec', 'podCIDR') ?? `${this.#podPrefix}.${this.#podNetworks++}.0/24`
    const now = stamp(this.#api.clock.now())
    if (old === undefined)
      this.#api.create(kind, undefined, nodeObject(info, controlPlane, this.#allocates ? podCidr : undefined), {
        fieldManager: 'kubelet',
      })
    const created = this.#api.get(kind, undefined, info.name)
    this.kubelets.set(info.name, {
      info,
      controlPlane,
      uid: created.metadata.uid ?? '',
      running: true,
      network: false,
      looking: false,
      era: (known?.era ?? 0) + 1,
      podCidr,
    })
    this.#api.settle(kind, created, (draft) => {
      put(draft, ['status'], { ...fields(draft, 'status'), ...nodeStatus(info) })
      const calm = { lastHeartbeatTime: now }
      setCondition(
        draft,
        {
          type: 'MemoryPressure',
          status: 'False',
          reason: 'KubeletHasSufficientMemory',
          message: 'kubelet has sufficient memory available',
        },
        now,
        calm,
      )
      setCondition(
        draft,
        {
          type: 'DiskPressure',
          status: 'False',
          reason: 'KubeletHasNoDiskPressure',
          message: 'kubelet has no disk pressure',
        },
        now,
        calm,
      )
      setCondition(
        draft,
        {
          type: 'PIDPressure',
          status: 'False',
          reason: 'KubeletHasSufficientPID',
          message: 'kubelet has sufficient PID available',
        },
        now,
        calm,
      )
      setCondition(draft, { type: 'Ready', status: 'False', reason: 'KubeletNotReady', message: NO_NETWORK }, now, calm)
    })
    if (
      this.#api.store.get(this.#api.kind('coordination.k8s.io/v1', 'Lease'), 'kube-node-lease', info.name) === undefined
    )
      this.#api.create(this.#api.kind('coordination.k8s.io/v1', 'Lease'), 'kube-node-lease', {
        metadata: { name: info.name },
        spec: {
          holderIdentity: info.name,
          leaseDurationSeconds: 40,
          renewTime: new Date(this.#api.clock.now()).toISOString().replace('Z', '000Z'),
        },
      })
  }

  power(name: string, state: 'running' | 'stopped'): void {
    const kubelet = this.kubelets.get(name)
    if (kubelet === undefined || kubelet.running === (state === 'running')) return
    kubelet.running = state === 'running'
    kubelet.looking = false
    const era = ++kubelet.era
    const still = () => this.kubelets.get(name)?.era === era
    if (kubelet.running)
      return this.#controllers.after(KUBELET_BACK_MS, () => still() && this.#setReachable(name, true))
    this.#controllers.after(MONITOR_GRACE_MS, () => {
      if (!still()) return
      this.#setReachable(name, false)
      this.#controllers.after(EVICTION_MS, () => still() && this.#evictAll(name))
    })
  }

  #setReachable(name: string, reachable: boolean): void {
    const node = this.#api.store.get(this.#kind(), undefined, name)
    if (node === undefined) return
    const now = stamp(this.#api.clock.now())
    this.#api.settle(this.#kind(), node, (draft) => {
      if (reachable) {
        for (const type of ['MemoryPressure', 'DiskPressure', 'PIDPressure'])
          setCondition(
            draft,
            {
              type,
              status: 'False',
              reason: 'KubeletHasSufficientResources',
              message: 'kubelet has sufficient resources',
            },
            now,
            { lastHeartbeatTime: now },
          )
        setCondition(draft, { type: 'Ready', status: 'False', reason: 'KubeletNotReady', message: NO_NETWORK }, now, {
          lastHeartbeatTime: now,
        })
        return setTaints(draft, [UNREACHABLE], [])
      }
      for (const type of ['MemoryPressure', 'DiskPressure', 'PIDPressure', 'Ready'])
        setCondition(
          draft,
          { type, status: 'Unknown', reason: 'NodeStatusUnknown', message: 'Kubelet stopped posting node status.' },
          now,
          { lastHeartbeatTime: now },
        )
      setTaints(
        draft,
        [NOT_READY, UNREACHABLE],
        [
          { effect: 'NoSchedule', key: UNREACHABLE, timeAdded: now },
          { effect: 'NoExecute', key: UNREACHABLE, timeAdded: now },
        ],
      )
    })
    const pods = this.#api.kind('v1', 'Pod')
    if (!reachable)
      for (const pod of this.#api.store.list(pods))
        if (text(pod, 'spec', 'nodeName') === name)
          this.#api.settle(pods, pod, (draft) =>
            setCondition(draft, { type: 'Ready', status: 'False', reason: 'NodeNotReady', message: '' }, now, {
              lastProbeTime: null,
            }),
          )
  }

  /** The taint manager gives up on the pods of a lost node; they stay Terminating, nobody can confirm their end. */
  #evictAll(name: string): void {
    const pods = this.#api.kind('v1', 'Pod')
    for (const pod of this.#api.store.list(pods)) {
      if (text(pod, 'spec', 'nodeName') !== name || pod.metadata.deletionTimestamp !== undefined) continue
      if (pod.metadata.ownerReferences?.some(({ kind }) => kind === 'DaemonSet' || kind === 'Node') === true) continue
      this.#api.delete(pods, pod.metadata.namespace, pod.metadata.name)
    }
  }

  setKubeletVersion(name: string, version: string): void {
    const kubelet = this.kubelets.get(name)
    const node = this.#api.store.get(this.#kind(), undefined, name)
    if (kubelet === undefined || node === undefined) return
    kubelet.info = { ...kubelet.info, kubeletVersion: version }
    this.#api.settle(this.#kind(), node, (draft) =>
      put(draft, ['status', 'nodeInfo', 'kubeletVersion'], withV(version)),
    )
  }

  reconcile(): void {
    const kind = this.#kind()
    const pods = this.#api.store.list(this.#api.kind('v1', 'Pod'))
    const now = stamp(this.#api.clock.now())
    for (const [name, kubelet] of this.kubelets) {
      const node = this.#api.store.get(kind, undefined, name)
      if (node === undefined || node.metadata.uid !== kubelet.uid || !kubelet.running) continue
      kubelet.network ||= pods.some((pod) => text(pod, 'spec', 'nodeName') === name && isCniPod(pod))
      if (kubelet.network && !kubelet.looking && conditionOf(node, 'Ready')?.['status'] === 'False') {
        kubelet.looking = true
        const { era } = kubelet
        this.#controllers.after(CNI_SEEN_MS, () => {
          if (this.kubelets.get(name)?.era !== era) return
          kubelet.looking = false
          this.#markReady(name)
        })
      }
      if (conditionOf(node, 'Ready')?.['status'] === 'False' && !taintKeys(node).includes(NOT_READY))
        this.#api.settle(kind, node, (draft) =>
          setTaints(draft, [], [{ effect: 'NoSchedule', key: NOT_READY, timeAdded: now }]),
        )
    }
  }

  #markReady(name: string): void {
    const node = this.#api.store.get(this.#kind(), undefined, name)
    if (node === undefined || this.kubelets.get(name)?.running !== true) return
    const now = stamp(this.#api.clock.now())
    this.#api.settle(this.#kind(), node, (draft) => {
      setCondition(
        draft,
        { type: 'Ready', status: 'True', reason: 'KubeletReady', message: 'kubelet is posting ready status' },
        now,
        { lastHeartbeatTime: now },
      )
      setTaints(draft, [NOT_READY], [])
    })
  }
}

const isCniPod = (pod: KubeObject): boolean =>
  text(pod, 'status', 'phase') === 'Running' &&
  pod.metadata.ownerReferences?.some(({ kind, name }) => kind === 'DaemonSet' && CNI_DAEMON_SETS.has(name)) === true

const taintKeys = (node: KubeObject): readonly string[] =>
  list(node, 'spec', 'taints').map((taint) => text(taint, 'key') ?? '')

function setTaints(draft: KubeObject, without: readonly string[], add: readonly Fields[]): void {
  const kept = list(draft, 'spec', 'taints').filter(
    (taint) => isRecord(taint) && !without.includes(text(taint, 'key') ?? ''),
  )
  const taints = [...kept, ...add]
  if (taints.length > 0) put(draft, ['spec', 'taints'], taints)
  else if (isRecord(draft['spec'])) delete draft['spec']['taints']
}

export const withV = (version: string): string => (version.startsWith('v') ? version : `v${version}`)

function nodeObject(info: NodeInfo, controlPlane: boolean, podCidr: string | undefined): Fields {
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: {
      name: info.name,
      annotations: {
        'node.alpha.kubernetes.io/ttl': '0',
        'volumes.kubernetes.io/controller-managed-attach-detach': 'true',
      },
      labels: {
        'beta.kubernetes.io/arch': 'amd64',
        'beta.kubernetes.io/os': 'linux',
        'kubernetes.io/arch': 'amd64',
        'kubernetes.io/hostname': info.name,
        'kubernetes.io/os': 'linux',
        ...(controlPlane
          ? {
              'node-role.kubernetes.io/control-plane': '',
              'node.kubernetes.io/exclude-from-external-load-balancers': '',
            }
          : {}),
        ...info.labels,
      },
    },
    spec: {
      ...(podCidr === undefined ? {} : { podCIDR: podCidr, podCIDRs: [podCidr] }),
      taints: [...info.taints, { effect: 'NoSchedule', key: NOT_READY }],
    },
    status: nodeStatus(info),
  }
}

function nodeStatus(info: NodeInfo): Fields {
  const memoryKi = info.memoryMiB * 1024
  const size = {
    cpu: String(info.cores),
    'ephemeral-storage': '20511312Ki',
    'hugepages-1Gi': '0',
    'hugepages-2Mi': '0',
    pods: '110',
  }
  return {
    addresses: [
      { address: info.address, type: 'InternalIP' },
      { address: info.name, type: 'Hostname' },
    ],
    // The kubelet keeps 100 MiB for evictions.
    allocatable: { ...size, memory: `${Math.max(0, memoryKi - 102_400)}Ki` },
    capacity: { ...size, memory: `${memoryKi}Ki` },
    daemonEndpoints: { kubeletEndpoint: { Port: 10250 } },
    nodeInfo: {
      architecture: 'amd64',
      bootID: '00000000-0000-4000-8000-000000000000',
      containerRuntimeVersion: info.containerRuntime,
      kernelVersion: '6.1.0-40-cloud-amd64',
      kubeProxyVersion: '',
      kubeletVersion: withV(info.kubeletVersion),
      machineID: machineId(info.name),
      operatingSystem: 'linux',
      osImage: info.osImage,
      systemUUID: machineId(info.name),
    },
  }
}

const machineId = (name: string): string => Buffer.from(name).toString('hex').padEnd(32, '0').slice(0, 32)
