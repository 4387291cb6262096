import type { Component, KubeObject } from '../../../src/core/component.ts'
import { conditionOf, isRecord, statusOf } from '../../../src/core/conditions.ts'
import { Problem } from '../../../src/core/problem.ts'
import type { SourceMirrors } from '../../../src/core/steps/gitops.ts'
import { taintsOf } from '../../facts/kube-facts.ts'
import type { ActionContext } from '../../engine/action.ts'
import type { KubeApi } from '../../lan/kube-api.ts'
import type { Lan } from '../../lan/lan.ts'

const LOOK_AGAIN_MS = 2_000
/** How long pods may wait for a node before it is asked why: schedulers answer in seconds, first workers come in minutes. */
const NOWHERE_FOR_MS = 60_000
/** Namespaces that every cluster has. */
const GIVEN = new Set(['default', 'kube-system', 'kube-public', 'kube-node-lease'])

/** Fetches or renders a component and applies it into its namespace; returns its objects. */
export async function installComponent(
  component: Component,
  sources: { readonly mirrors: SourceMirrors; readonly kubernetesVersion: string },
  lan: Lan,
  context: ActionContext,
): Promise<readonly KubeObject[]> {
  const objects = await lan.sources.objects(component, { ...sources, signal: context.signal })
  const makesNamespace = objects.some(
    (object) => object.kind === 'Namespace' && object.metadata.name === component.namespace,
  )
  const namespace: readonly KubeObject[] =
    GIVEN.has(component.namespace) || makesNamespace
      ? []
      : [{ apiVersion: 'v1', kind: 'Namespace', metadata: { name: component.namespace } }]
  const kube = await lan.kube()
  await kube.apply([...namespace, ...objects], { namespace: component.namespace, signal: context.signal })
  return objects
}

/**
 * Waits until every Deployment and StatefulSet among the objects has its replicas available.
 * @throws Problem `gitops.nowhere-to-run` when no node takes their pods, `gitops.not-available` at the deadline.
 */
export async function awaitWorkloads(
  objects: readonly KubeObject[],
  namespace: string,
  lan: Lan,
  context: ActionContext,
): Promise<void> {
  const kube = await lan.kube()
  const workloads = objects.filter(({ kind }) => kind === 'Deployment' || kind === 'StatefulSet')
  const nowhereAfter = lan.clock.now() + NOWHERE_FOR_MS
  for (;;) {
    const waiting = await unavailable(workloads, namespace, kube)
    if (waiting.length === 0) return
    context.progress(`waiting for ${waiting.slice(0, 4).join(', ')}`)
    const tainted = lan.clock.now() > nowhereAfter ? await taintedNodes(namespace, kube) : []
    if (tainted.length > 0)
      throw new Problem({
        code: 'gitops.nowhere-to-run',
        what: `no node takes the pods of ${waiting.join(', ')}: all are tainted: ${tainted.slice(0, 10).join(', ')}`,
        remedy: 'Add a worker, or take a taint off one of them; then comment `/slipway apply`.',
        retry: 'later',
      })
    if (lan.clock.now() > context.deadline - LOOK_AGAIN_MS * 2)
      throw new Problem({
        code: 'gitops.not-available',
        what: `${waiting.join(', ')} did not become available`,
        remedy: `See their pods: kubectl -n ${namespace} get pods; then comment \`/slipway apply\`.`,
        retry: 'later',
      })
    await lan.clock.sleep(LOOK_AGAIN_MS, context.signal)
  }
}

/** Nodes with their taints, when pods wait for a node and every node keeps pods away for good; else none. */
async function taintedNodes(namespace: string, kube: KubeApi): Promise<readonly string[]> {
  const pods = await kube.list('v1', 'Pod', { namespace })
  if (!pods.some((pod) => conditionOf(pod, 'PodScheduled')?.status === 'False')) return []
  const nodes = (await kube.list('v1', 'Node')).map((node) => ({
    name: node.metadata.name,
    // Kubernetes itself sets these for a while: a node that is not ready yet, or cordoned.
    taints: taintsOf(node).filter(
      ({ key, effect }) => effect !== 'PreferNoSchedule' && !key.startsWith('node.kubernetes.io/'),
    ),
  }))
  if (nodes.some(({ taints }) => taints.length === 0)) return []
  return nodes.map(({ name, taints }) => `${name} (${taints.map(({ key }) => key).join(', ')})`)
}

async function unavailable(
  workloads: readonly KubeObject[],
  namespace: string,
  kube: KubeApi,
): Promise<readonly string[]> {
  const states = await Promise.all(
    workloads.map(async (workload) => {
      const now = await kube.get({
        apiVersion: workload.apiVersion,
        kind: workload.kind,
        namespace: workload.metadata.namespace ?? namespace,
        name: workload.metadata.name,
      })
      const spec = now !== undefined && isRecord(now['spec']) ? now['spec'] : {}
      const wanted = typeof spec['replicas'] === 'number' ? spec['replicas'] : 1
      const status = statusOf(now)
      const ready = Number(status['availableReplicas'] ?? status['readyReplicas'] ?? 0)
      return ready >= wanted ? [] : [workload.metadata.name]
    }),
  )
  return states.flat()
}
