import { connect, type Socket } from 'node:net'
import { expect, test } from 'vitest'
import type { Dial } from '../../../runner/lan/https-agent.ts'
import { kubeClient } from '../../../runner/lan/kube-client.ts'
import { readKubeconfig } from '../../../runner/lan/kubeconfig.ts'
import { systemClock } from '../../../runner/system-clock.ts'
import type { KubeObject } from '../../../src/core/component.ts'
import type { Clock } from '../../../src/seams/clock.ts'
import type { LanMap } from '../../sim/kube-fixture.ts'
import { node, startedCluster, TOKEN } from '../../sim/kube-fixture.ts'

/** Waits of minutes pass in milliseconds; the time told goes on as if they had not. */
function fastClock(): Clock {
  let skipped = 0
  return {
    now: () => Date.now() + skipped,
    sleep: async (ms, signal) => {
      skipped += ms
      await systemClock.sleep(5, signal)
    },
  }
}

const through =
  (lan: LanMap): Dial =>
  (host, port) =>
    new Promise<Socket>((resolve, reject) => {
      const target = lan.ports.get(`${host}:${port}`)
      if (target === undefined) return reject(new Error(`nothing is at ${host}:${port}`))
      const socket = connect(target, '127.0.0.1', () => resolve(socket))
      socket.once('error', reject)
    })

type Started = Awaited<ReturnType<typeof startedCluster>>
const clientOf = ({ lan, cluster }: Started, dial = through(lan)) =>
  kubeClient(cluster.kubeconfig('admin', 'https://10.4.0.10:6443'), dial, fastClock())

const configMap = (name: string, data: Record<string, string>, namespace?: string): KubeObject => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name, ...(namespace === undefined ? {} : { namespace }) },
  data,
})

const definition: KubeObject = {
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: 'kettles.home.example' },
  spec: {
    group: 'home.example',
    scope: 'Namespaced',
    names: { plural: 'kettles', singular: 'kettle', kind: 'Kettle', listKind: 'KettleList' },
    versions: [
      {
        name: 'v1',
        served: true,
        storage: true,
        schema: { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } },
      },
    ],
  },
}

const kettle: KubeObject = {
  apiVersion: 'home.example/v1',
  kind: 'Kettle',
  metadata: { name: 'kitchen', namespace: 'tea' },
  spec: { litres: 2 },
}

test('objects go in whatever their order, and changing them again changes only what differs', async () => {
  await using started = await startedCluster()
  const kube = clientOf(started)
  const namespace = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'tea' } }
  await kube.apply([kettle, configMap('cups', { count: '4' }), definition, namespace], { namespace: 'tea' })
  expect(
    await kube.get({ apiVersion: 'home.example/v1', kind: 'Kettle', namespace: 'tea', name: 'kitchen' }),
  ).toMatchObject({ spec: { litres: 2 } })
  const ref = { apiVersion: 'v1', kind: 'ConfigMap', namespace: 'tea', name: 'cups' }
  const before = await kube.get(ref)
  expect(before).toMatchObject({ data: { count: '4' } })
  await kube.apply([configMap('cups', { count: '4' })], { namespace: 'tea' })
  expect((await kube.get(ref))?.metadata).toEqual(before?.metadata)
  await kube.close()
})

test('an object waits for a definition that comes later', async () => {
  await using started = await startedCluster()
  const kube = clientOf(started)
  await kube.apply([{ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'tea' } }])
  const waiting = kube.apply([kettle])
  await kube.apply([definition])
  await waiting
  expect(await kube.list('home.example/v1', 'Kettle')).toHaveLength(1)
  await kube.close()
})

test('an object of a kind that never comes is a problem that names both', async () => {
  await using started = await startedCluster()
  const kube = clientOf(started)
  await expect(kube.apply([kettle])).rejects.toMatchObject({
    code: 'kube.apply',
    what: 'applying Kettle "kitchen": the cluster knows no kind "Kettle" in "home.example/v1"',
  })
  expect(await kube.get({ apiVersion: 'home.example/v1', kind: 'Kettle', name: 'kitchen' })).toBeUndefined()
  await kube.close()
})

test('reading, listing by selector, patching and deleting', async () => {
  await using started = await startedCluster()
  await started.cluster.join({
    token: TOKEN,
    caCertHashes: [started.cluster.caCertHash],
    node: node('w-1', '10.4.0.21'),
  })
  const kube = clientOf(started)
  expect(await kube.version()).toBe('v1.36.3')
  expect((await kube.list('v1', 'Node')).map(({ kind, metadata }) => [kind, metadata.name])).toEqual([
    ['Node', 'cp-1'],
    ['Node', 'w-1'],
  ])
  expect(await kube.list('v1', 'Node', { labelSelector: 'node-role.kubernetes.io/control-plane' })).toHaveLength(1)
  const ref = { apiVersion: 'v1', kind: 'Node', name: 'w-1' }
  const patched = await kube.patch(ref, { metadata: { labels: { shelf: 'top' } } })
  expect(patched.metadata.labels).toMatchObject({ shelf: 'top' })
  await kube.delete(ref)
  await kube.delete(ref)
  expect(await kube.get(ref)).toBeUndefined()
  await kube.close()
})

test('a request that the server puts off is made again; one that it refuses says why', async () => {
  await using started = await startedCluster({ faults: { tooManyRequests: { calls: [1] } } })
  const kube = clientOf(started)
  expect(await kube.version()).toBe('v1.36.3')
  await expect(kube.apply([configMap('cups', {}, 'nowhere')])).rejects.toMatchObject({
    code: 'kube.apply',
    what: expect.stringContaining('namespaces "nowhere" not found'),
    retry: 'later',
  })
  await kube.close()
})

test('an apply whose answer was lost is applied again and comes out the same', async () => {
  await using started = await startedCluster({
    faults: { timeoutAfterEffect: { match: 'configmaps/cups', calls: [1] } },
  })
  const kube = clientOf(started)
  await kube.apply([configMap('cups', { count: '4' }, 'default')])
  const found = await kube.get({ apiVersion: 'v1', kind: 'ConfigMap', namespace: 'default', name: 'cups' })
  expect(found).toMatchObject({ data: { count: '4' } })
  await kube.close()
})

test('an API of another authority gets no request', async () => {
  await using mine = await startedCluster({ seed: 1 })
  await using other = await startedCluster({ seed: 2 })
  const kube = clientOf(mine, through(other.lan))
  await expect(kube.version()).rejects.toMatchObject({ code: 'tls.untrusted', retry: 'never' })
  await kube.close()
})

test('an API that is not there is a problem to try again', async () => {
  await using started = await startedCluster()
  const kube = clientOf(started, () => Promise.reject(new Error('connect EHOSTUNREACH')))
  await expect(kube.version()).rejects.toMatchObject({ code: 'kube.unreachable', retry: 'now' })
  await kube.close()
})

test('a kubeconfig without credentials is refused without being quoted', () => {
  expect(() => readKubeconfig('current-context: x\nusers: [{name: a, user: {token: very-secret}}]')).toThrow(
    expect.objectContaining({ code: 'kube.kubeconfig', what: expect.not.stringContaining('very-secret') }),
  )
})
