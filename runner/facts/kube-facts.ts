import type { KubeObject } from '../../src/core/component.ts'
import { conditionOf, isRecord, statusOf } from '../../src/core/conditions.ts'
import type { GitopsFacts, KubernetesFacts, NodeFacts } from '../../src/core/facts.ts'
import { Problem } from '../../src/core/problem.ts'
import { sshFingerprint } from '../../src/secrets/ssh-key.ts'
import { readRecord } from '../actions/gitops/record.ts'
import type { KubeApi } from '../lan/kube-api.ts'
import type { Lan } from '../lan/lan.ts'

/** What a kubelet says of itself may be anything; one odd node must not make the facts of all others unusable. */
const MAX_VERSION = 60
const MAX_ADDRESS = 63
const DIGEST = /^[0-9a-f]{64}$/

export type Taint = { readonly key: string; readonly value?: string; readonly effect: string }

/** What the cluster's own API and the keystore tell; `kubernetes` is absent while there is no cluster. */
export async function kubeFacts(
  lan: Lan,
): Promise<{ readonly kubernetes?: KubernetesFacts; readonly gitops?: GitopsFacts }> {
  const kube = await apiOf(lan)
  if (kube === undefined) return await gitopsFacts(lan, undefined, new Map())
  const version = (await kube.version()).replace(/^v/, '').slice(0, MAX_VERSION)
  const nodes = await kube.list('v1', 'Node')
  const record = await readRecord(kube)
  const components = Object.fromEntries(
    [...record].flatMap(([key, value]) =>
      key.startsWith('component.') && DIGEST.test(value) ? [[key.slice('component.'.length), value] as const] : [],
    ),
  )
  return {
    kubernetes: {
      version,
      nodes: Object.fromEntries(nodes.map((node) => [node.metadata.name, nodeFacts(node)])),
      components,
    },
    ...(await gitopsFacts(lan, kube, record)),
  }
}

async function apiOf(lan: Lan): Promise<KubeApi | undefined> {
  try {
    return await lan.kube()
  } catch (error) {
    if (error instanceof Problem && error.code === 'kube.no-credentials') return undefined
    throw error
  }
}

async function gitopsFacts(
  lan: Lan,
  kube: KubeApi | undefined,
  record: ReadonlyMap<string, string>,
): Promise<{ readonly gitops?: GitopsFacts }> {
  const { engine, keys, spec } = lan
  const registered = keys.registeredKey()
  if (record.get('engine.name') === undefined && registered === undefined) return {}
  const [version, installed, pointed] = [
    record.get('engine.version'),
    record.get('engine.installed'),
    record.get('engine.pointed'),
  ]
  const watched =
    pointed === undefined || kube === undefined
      ? []
      : await Promise.all(engine.watched(spec).map((ref) => kube.get(ref).catch(() => undefined)))
  const fingerprint = await sshFingerprint((await keys.deployKey()).publicKey)
  return {
    gitops: {
      engine: (record.get('engine.name') ?? engine.name) as GitopsFacts['engine'],
      ...(version === undefined ? {} : { version }),
      ...(installed === undefined ? {} : { installedDigest: installed }),
      // An engine that was given another key than the one in the keystore will follow nothing.
      ...(pointed === undefined || record.get('engine.key') !== fingerprint ? {} : { pointedDigest: pointed }),
      deployKey: { fingerprint, registered: registered === fingerprint },
      ...(spec.gitops.secrets.sops && pointed !== undefined ? { recipient: (await keys.ageKey()).recipient } : {}),
      ...(pointed === undefined ? {} : { status: engine.readStatus(watched.filter((object) => object !== undefined)) }),
    },
  }
}

function nodeFacts(node: KubeObject): NodeFacts {
  const labels = node.metadata.labels ?? {}
  const info = statusOf(node)['nodeInfo']
  const spec = isRecord(node['spec']) ? node['spec'] : {}
  return {
    ready: conditionOf(node, 'Ready')?.status === 'True',
    role: 'node-role.kubernetes.io/control-plane' in labels ? 'control-plane' : 'worker',
    kubeletVersion:
      isRecord(info) && typeof info['kubeletVersion'] === 'string' ? info['kubeletVersion'].slice(0, MAX_VERSION) : '',
    address: addressOf(node),
    labels,
    // Kubernetes sets these itself while a node is not ready, unreachable or cordoned.
    taints: taintsOf(node).filter(({ key }) => !key.startsWith('node.kubernetes.io/')),
    unschedulable: spec['unschedulable'] === true,
    managedLabels: managedOf(node, 'slipway.dev/labels'),
    managedTaints: managedOf(node, 'slipway.dev/taints'),
  }
}

/** `InternalIP` of a node, empty when it has not reported one. */
export function addressOf(node: KubeObject): string {
  const addresses = statusOf(node)['addresses']
  const found: unknown = Array.isArray(addresses)
    ? addresses.find((entry: unknown) => isRecord(entry) && entry['type'] === 'InternalIP')
    : undefined
  return isRecord(found) && typeof found['address'] === 'string' ? found['address'].slice(0, MAX_ADDRESS) : ''
}

export function taintsOf(node: KubeObject): readonly Taint[] {
  const spec = isRecord(node['spec']) ? node['spec'] : {}
  const taints = spec['taints']
  if (!Array.isArray(taints)) return []
  return taints.flatMap((taint: unknown) =>
    isRecord(taint) && typeof taint['key'] === 'string' && typeof taint['effect'] === 'string'
      ? [
          {
            key: taint['key'],
            effect: taint['effect'],
            ...(typeof taint['value'] === 'string' && taint['value'] !== '' ? { value: taint['value'] } : {}),
          },
        ]
      : [],
  )
}

/** Names in one of our annotations, in order. */
export function managedOf(node: KubeObject, annotation: string): readonly string[] {
  return (node.metadata.annotations?.[annotation] ?? '')
    .split(',')
    .filter((name) => name !== '')
    .sort()
}
