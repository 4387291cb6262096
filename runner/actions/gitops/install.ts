import type { Component, KubeObject } from '../../../src/core/component.ts'
import { isRecord, statusOf } from '../../../src/core/conditions.ts'
import { Problem } from '../../../src/core/problem.ts'
import type { SourceMirrors } from '../../../src/core/steps/gitops.ts'
import type { ActionContext } from '../../engine/action.ts'
import type { KubeApi } from '../../lan/kube-api.ts'
import type { Lan } from '../../lan/lan.ts'

const LOOK_AGAIN_MS = 2_000
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

/** Waits until every Deployment and StatefulSet among the objects has its replicas available. */
export async function awaitWorkloads(
  objects: readonly KubeObject[],
  namespace: string,
  lan: Lan,
  context: ActionContext,
): Promise<void> {
  const kube = await lan.kube()
  const workloads = objects.filter(({ kind }) => kind === 'Deployment' || kind === 'StatefulSet')
  for (;;) {
    const waiting = await unavailable(workloads, namespace, kube)
    if (waiting.length === 0) return
    context.progress(`waiting for ${waiting.slice(0, 4).join(', ')}`)
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
