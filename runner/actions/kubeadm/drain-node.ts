import type { KubeObject } from '../../../src/core/component.ts'
import { isRecord } from '../../../src/core/conditions.ts'
import { Problem } from '../../../src/core/problem.ts'
import type { Action } from '../../engine/action.ts'
import type { KubeApi } from '../../lan/kube-api.ts'
import type { Lan } from '../../lan/lan.ts'

const TIMEOUT_MS = 20 * 60_000
const LOOK_AGAIN_MS = 2_000

export const drainNode: Action<'drain-node', Lan> = {
  timeoutMs: TIMEOUT_MS,
  async check(step, lan) {
    const kube = await lan.kube()
    const node = await kube.get({ apiVersion: 'v1', kind: 'Node', name: step.node })
    if (node === undefined) return 'done'
    const spec = isRecord(node['spec']) ? node['spec'] : {}
    return spec['unschedulable'] === true && (await movable(kube, step.node)).length === 0 ? 'done' : 'needed'
  },
  async apply(step, lan, context) {
    const kube = await lan.kube()
    await kube.patch({ apiVersion: 'v1', kind: 'Node', name: step.node }, { spec: { unschedulable: true } })
    const until = lan.clock.now() + step.timeoutSeconds * 1_000
    for (;;) {
      const pods = await movable(kube, step.node)
      if (pods.length === 0) return
      const blocked: string[] = []
      for (const pod of pods) {
        const outcome = await kube.evict(pod.metadata.namespace ?? 'default', pod.metadata.name)
        if (outcome === 'budget') blocked.push(`${pod.metadata.namespace ?? 'default'}/${pod.metadata.name}`)
      }
      context.progress(
        blocked.length === 0
          ? `${pods.length} pods are moving away`
          : `waiting for the budget of ${blocked.slice(0, 5).join(', ')}`,
      )
      if (lan.clock.now() > until)
        throw new Problem({
          code: 'kube.drain-blocked',
          what: `${step.node} could not be drained within ${step.timeoutSeconds} s: ${(blocked.length > 0 ? blocked : pods.map((pod) => `${pod.metadata.namespace ?? 'default'}/${pod.metadata.name}`)).slice(0, 10).join(', ')}`,
          where: step.node,
          remedy:
            'See which PodDisruptionBudget forbids it (kubectl get pdb -A), then comment `/slipway apply`. The node takes no new pods meanwhile.',
          retry: 'later',
        })
      await lan.clock.sleep(LOOK_AGAIN_MS, context.signal)
    }
  },
}

/** Pods that have to leave: not those of DaemonSets, not static ones, not finished ones. */
async function movable(kube: KubeApi, node: string): Promise<readonly KubeObject[]> {
  const pods = await kube.list('v1', 'Pod', { fieldSelector: `spec.nodeName=${node}` })
  return pods.filter((pod) => {
    const metadata = pod.metadata as KubeObject['metadata'] & {
      readonly ownerReferences?: readonly { readonly kind: string }[]
    }
    const phase = isRecord(pod['status']) ? pod['status']['phase'] : undefined
    return (
      metadata.annotations?.['kubernetes.io/config.mirror'] === undefined &&
      metadata.ownerReferences?.some(({ kind }) => kind === 'DaemonSet' || kind === 'Node') !== true &&
      phase !== 'Succeeded' &&
      phase !== 'Failed'
    )
  })
}
