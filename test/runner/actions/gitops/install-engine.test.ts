import { expect, test } from 'vitest'
import { installEngine } from '../../../../runner/actions/gitops/install-engine.ts'
import type { ActionContext } from '../../../../runner/engine/action.ts'
import type { KubeApi, ObjectRef } from '../../../../runner/lan/kube-api.ts'
import type { Lan } from '../../../../runner/lan/lan.ts'
import type { Component, KubeObject } from '../../../../src/core/component.ts'
import type { Step } from '../../../../src/core/step.ts'

const component = { name: 'engine', namespace: 'engine-system', source: { from: 'objects', version: '1', objects: [] } }
const step = {
  kind: 'install-engine',
  cluster: 'home',
  engine: 'argocd',
  version: '3.4.4',
  components: [component as unknown as Component],
  componentsDigest: 'new',
  mirrors: { charts: {}, manifests: {}, binaries: {} },
  kubernetesVersion: '1.36.3',
} as unknown as Step<'install-engine'>

const deployment: KubeObject = {
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name: 'server', namespace: 'engine-system' },
  spec: { replicas: 1 },
}

/** A cluster with one node, and the engine's Deployment as available as `available` says. */
function site(taints: readonly object[], available: number) {
  let now = 0
  const data: Record<string, string | null> = { 'engine.pointed': 'old', 'engine.installed': 'old' }
  const trail: string[] = []
  const pending = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'server-1', namespace: 'engine-system' },
    status: { phase: 'Pending', conditions: [{ type: 'PodScheduled', status: 'False', reason: 'Unschedulable' }] },
  }
  const kube = {
    async get({ kind }: ObjectRef) {
      if (kind === 'ConfigMap') return { data: Object.fromEntries(Object.entries(data).filter(([, v]) => v !== null)) }
      return { ...deployment, status: { availableReplicas: available } }
    },
    async list(_version: string, kind: string) {
      if (kind === 'Pod') return available > 0 ? [] : [pending]
      return [{ apiVersion: 'v1', kind: 'Node', metadata: { name: 'cp-1' }, spec: { taints } }]
    },
    async apply() {
      trail.push(`apply, pointed ${data['engine.pointed'] ?? 'nowhere'}`)
    },
    async patch(_ref: ObjectRef, patch: { readonly data: Record<string, string | null> }) {
      Object.assign(data, patch.data)
    },
  } as unknown as KubeApi
  const clock = { now: () => now, sleep: async (ms: number) => void (now += ms) }
  const lan = { kube: async () => kube, sources: { objects: async () => [deployment] }, clock } as unknown as Lan
  const context: ActionContext = {
    progress: () => undefined,
    signal: new AbortController().signal,
    deadline: installEngine.timeoutMs,
  }
  return { apply: () => installEngine.apply(step, lan, context), data, trail, elapsed: () => now }
}

test('an engine that is installed anew has to be pointed anew: its own manifests bring back their known hosts', async () => {
  const { apply, data, trail } = site([], 1)
  await apply()
  expect(trail).toEqual(['apply, pointed nowhere'])
  expect(data).toMatchObject({ 'engine.pointed': null, 'engine.installed': 'new' })
})

test('pods that no node takes are told with the taints, long before the step runs out of time', async () => {
  const taint = { key: 'node-role.kubernetes.io/control-plane', effect: 'NoSchedule' }
  const { apply, elapsed } = site([taint], 0)
  await expect(apply()).rejects.toMatchObject({
    code: 'gitops.nowhere-to-run',
    what: expect.stringContaining('cp-1 (node-role.kubernetes.io/control-plane)'),
  })
  expect(elapsed()).toBeLessThan(installEngine.timeoutMs / 4)
})

test('a node that is only not ready yet is waited for', async () => {
  const { apply } = site([{ key: 'node.kubernetes.io/not-ready', effect: 'NoSchedule' }], 0)
  await expect(apply()).rejects.toMatchObject({ code: 'gitops.not-available' })
})
