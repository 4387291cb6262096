import type { KubeObject } from '../../../src/core/component.ts'
import { Problem } from '../../../src/core/problem.ts'
import type { Step } from '../../../src/core/step.ts'
import { managedOf, taintsOf } from '../../facts/kube-facts.ts'
import type { Action } from '../../engine/action.ts'
import type { Lan } from '../../lan/lan.ts'

const TIMEOUT_MS = 120_000
/** Annotations that say which labels and taints are ours: only those are ever taken away. */
export const LABELS_ANNOTATION = 'slipway.dev/labels'
export const TAINTS_ANNOTATION = 'slipway.dev/taints'

type Taint = { readonly key: string; readonly value?: string; readonly effect: string }

export const labelNode: Action<'label-node', Lan> = {
  timeoutMs: TIMEOUT_MS,
  async check(step, lan) {
    const node = await nodeOf(step, lan)
    const labels = node.metadata.labels ?? {}
    const taints = taintsOf(node)
    const settled =
      Object.entries(step.labels).every(([key, value]) => labels[key] === value) &&
      step.removeLabels.every((key) => labels[key] === undefined) &&
      step.taints.every((wanted) =>
        taints.some((taint) => same(taint, wanted) && (taint.value ?? '') === (wanted.value ?? '')),
      ) &&
      step.removeTaints.every((gone) => !taints.some((taint) => same(taint, gone))) &&
      equal(managedOf(node, LABELS_ANNOTATION), Object.keys(step.labels)) &&
      equal(
        managedOf(node, TAINTS_ANNOTATION),
        step.taints.map(({ key }) => key),
      )
    return settled ? 'done' : 'needed'
  },
  async apply(step, lan) {
    const node = await nodeOf(step, lan)
    const kept: readonly Taint[] = taintsOf(node).filter(
      (taint) =>
        !step.taints.some((wanted) => same(taint, wanted)) && !step.removeTaints.some((gone) => same(taint, gone)),
    )
    const kube = await lan.kube()
    // The version makes the server refuse the list of taints if somebody has changed it since it was read.
    const { resourceVersion } = node.metadata as { readonly resourceVersion?: string }
    await kube.patch(
      { apiVersion: 'v1', kind: 'Node', name: step.node },
      {
        metadata: {
          ...(resourceVersion === undefined ? {} : { resourceVersion }),
          labels: { ...step.labels, ...Object.fromEntries(step.removeLabels.map((key) => [key, null])) },
          annotations: {
            [LABELS_ANNOTATION]: list(Object.keys(step.labels)),
            [TAINTS_ANNOTATION]: list(step.taints.map(({ key }) => key)),
          },
        },
        spec: { taints: [...kept, ...step.taints] },
      },
    )
  },
}

async function nodeOf(step: Step<'label-node'>, lan: Lan): Promise<KubeObject> {
  const node = await (await lan.kube()).get({ apiVersion: 'v1', kind: 'Node', name: step.node })
  if (node !== undefined) return node
  throw new Problem({
    code: 'kube.no-node',
    what: `the cluster has no node "${step.node}"`,
    remedy: 'Comment `/slipway plan`: the node has to join again.',
    retry: 'later',
  })
}

function same(
  a: { readonly key: string; readonly effect: string },
  b: { readonly key: string; readonly effect: string },
): boolean {
  return a.key === b.key && a.effect === b.effect
}

function list(keys: readonly string[]): string {
  return [...new Set(keys)].sort().join(',')
}

function equal(present: readonly string[], wanted: readonly string[]): boolean {
  return list(present) === list(wanted)
}
