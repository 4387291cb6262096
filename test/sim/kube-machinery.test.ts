import * as k8s from '@kubernetes/client-node'
import { describe, expect, test } from 'vitest'
import { stringify } from 'yaml'
import { mergePatch, strategicMergePatch, jsonPatch } from '../../sim/kube/patch.ts'
import { fieldSelector, labelSelector } from '../../sim/kube/selector.ts'
import { builtInKinds } from '../../sim/kube/resource.ts'
import { clientConfig, flannel, node, startedCluster, until } from './kube-fixture.ts'

const kindNamed = (name: string) => {
  const found = builtInKinds().find(({ kind }) => kind === name)
  if (found === undefined) throw new Error(`no kind ${name}`)
  return found
}

const widgets = {
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: 'widgets.lab.example' },
  spec: {
    group: 'lab.example',
    scope: 'Namespaced',
    names: { kind: 'Widget', plural: 'widgets', shortNames: ['wd'] },
    versions: [
      {
        name: 'v1',
        served: true,
        storage: true,
        subresources: { status: {} },
        schema: {
          openAPIV3Schema: {
            type: 'object',
            required: ['spec'],
            properties: {
              spec: {
                type: 'object',
                required: ['size'],
                properties: {
                  size: { type: 'integer', minimum: 1 },
                  colour: { type: 'string', enum: ['red', 'blue'], default: 'red' },
                },
              },
              status: { type: 'object', properties: { seen: { type: 'boolean' } } },
            },
          },
        },
      },
    ],
  },
}

async function refusal(
  call: Promise<unknown>,
): Promise<{ readonly code: number; readonly reason: string; readonly message: string }> {
  const error = await call.then(
    () => ({ code: 0, body: '{"reason":"","message":"accepted"}' }),
    (cause: unknown) => cause as { code: number; body: string },
  )
  const { reason, message } = JSON.parse(error.body) as { reason: string; message: string }
  return { code: error.code, reason, message }
}

describe('custom resources', () => {
  test('are served once established, checked, defaulted, pruned, and have a status of their own', async () => {
    await using started = await startedCluster()
    const config = clientConfig(started.cluster)
    // Not through the typed client: its CRD model writes `default` as `_default`.
    expect((await started.cluster.kubectl(['apply', '-f', '-'], stringify(widgets))).exit).toBe(0)
    const custom = config.makeApiClient(k8s.CustomObjectsApi)
    const at = { group: 'lab.example', version: 'v1', namespace: 'default', plural: 'widgets' }
    const body = {
      apiVersion: 'lab.example/v1',
      kind: 'Widget',
      metadata: { name: 'a' },
      spec: { size: 2, unknown: true },
      status: { seen: true },
    }
    const made = await until(() => custom.createNamespacedCustomObject({ ...at, body }).catch(() => undefined))
    expect(made).toMatchObject({ spec: { size: 2, colour: 'red' }, metadata: { generation: 1 } })
    expect(made).not.toHaveProperty('spec.unknown')
    expect(made).not.toHaveProperty('status')
    const strict = await refusal(
      custom.createNamespacedCustomObject({
        ...at,
        body: { ...body, metadata: { name: 'b' } },
        fieldValidation: 'Strict',
      }),
    )
    expect(strict).toMatchObject({ code: 400, message: 'strict decoding error: unknown field "spec.unknown"' })
    const wrong = await refusal(
      custom.createNamespacedCustomObject({
        ...at,
        body: { ...body, metadata: { name: 'b' }, spec: { size: 0, colour: 'green' } },
      }),
    )
    expect(wrong).toMatchObject({ code: 422, reason: 'Invalid' })
    expect(wrong.message).toContain('spec.colour: Unsupported value: "green": supported values: "red", "blue"')
    const merge = k8s.setHeaderOptions('Content-Type', k8s.PatchStrategy.MergePatch)
    const status = await custom.patchNamespacedCustomObjectStatus(
      { ...at, name: 'a', body: { spec: { size: 9 }, status: { seen: true } } },
      merge,
    )
    expect(status).toMatchObject({ spec: { size: 2 }, status: { seen: true }, metadata: { generation: 1 } })
    expect(
      await custom.patchNamespacedCustomObject({ ...at, name: 'a', body: { spec: { size: 3 } } }, merge),
    ).toMatchObject({ metadata: { generation: 2 } })
    const resources = await custom.getAPIResources({ group: 'lab.example', version: 'v1' })
    expect(resources.resources.map(({ name }) => name)).toEqual(['widgets', 'widgets/status'])
    await config.makeApiClient(k8s.ApiextensionsV1Api).deleteCustomResourceDefinition({ name: 'widgets.lab.example' })
    await until(async () => ((await refusal(custom.listNamespacedCustomObject(at))).code === 404 ? true : undefined))
  })
})

describe('lists and deletions', () => {
  test('limit and continue go through everything once', async () => {
    await using started = await startedCluster()
    const core = clientConfig(started.cluster).makeApiClient(k8s.CoreV1Api)
    for (const name of ['a', 'b', 'c', 'd', 'e'])
      await core.createNamespacedConfigMap({ namespace: 'kube-public', body: { metadata: { name } } })
    const names: string[] = []
    let token: string | undefined
    do {
      const page: k8s.V1ConfigMapList = await core.listNamespacedConfigMap({
        namespace: 'kube-public',
        limit: 2,
        ...(token === undefined ? {} : { _continue: token }),
      })
      names.push(...page.items.map(({ metadata }) => metadata?.name ?? ''))
      token = page.metadata?._continue
    } while (token !== undefined && token !== '')
    expect(names).toEqual(['a', 'b', 'c', 'cluster-info', 'd', 'e', 'kube-root-ca.crt'])
  })

  test('a finalizer holds an object, a namespace takes its content along', async () => {
    await using started = await startedCluster()
    const core = clientConfig(started.cluster).makeApiClient(k8s.CoreV1Api)
    await core.createNamespace({ body: { metadata: { name: 'gone' } } })
    await core.createNamespacedConfigMap({
      namespace: 'gone',
      body: { metadata: { name: 'held', finalizers: ['lab.example/hold'] } },
    })
    await core.deleteNamespace({ name: 'gone' })
    const held = await until(async () => {
      const found = await core.readNamespacedConfigMap({ namespace: 'gone', name: 'held' })
      return found.metadata?.deletionTimestamp === undefined ? undefined : found
    })
    expect(held.metadata?.finalizers).toEqual(['lab.example/hold'])
    expect(
      await refusal(core.createNamespacedConfigMap({ namespace: 'gone', body: { metadata: { name: 'late' } } })),
    ).toMatchObject({ code: 403, reason: 'Forbidden' })
    await core.patchNamespacedConfigMap(
      { namespace: 'gone', name: 'held', body: { metadata: { finalizers: null } } },
      k8s.setHeaderOptions('Content-Type', k8s.PatchStrategy.MergePatch),
    )
    await until(async () => ((await refusal(core.readNamespace({ name: 'gone' }))).code === 404 ? true : undefined))
  })

  test('what an owner owned goes with it', async () => {
    await using started = await startedCluster()
    const { cluster } = started
    const core = clientConfig(cluster).makeApiClient(k8s.CoreV1Api)
    const owner = await core.createNamespacedConfigMap({ namespace: 'default', body: { metadata: { name: 'owner' } } })
    await core.createNamespacedConfigMap({
      namespace: 'default',
      body: {
        metadata: {
          name: 'owned',
          ownerReferences: [{ apiVersion: 'v1', kind: 'ConfigMap', name: 'owner', uid: owner.metadata?.uid ?? '' }],
        },
      },
    })
    await core.deleteNamespacedConfigMap({ namespace: 'default', name: 'owner' })
    const gone = await until(async () => {
      const answer = await refusal(core.readNamespacedConfigMap({ namespace: 'default', name: 'owned' }))
      return answer.code === 404 ? answer : undefined
    })
    expect(gone.reason).toBe('NotFound')
  })
})

describe('faults', () => {
  test('a request can take effect and lose its answer', async () => {
    await using started = await startedCluster({ faults: { timeoutAfterEffect: { calls: [1], match: 'POST' } } })
    const core = clientConfig(started.cluster).makeApiClient(k8s.CoreV1Api)
    await expect(
      core.createNamespacedConfigMap({ namespace: 'default', body: { metadata: { name: 'a' } } }),
    ).rejects.toThrow('fetch failed')
    expect((await core.readNamespacedConfigMap({ namespace: 'default', name: 'a' })).metadata?.name).toBe('a')
  })

  test('too many requests, server errors and dropped connections come as asked', async () => {
    await using started = await startedCluster({
      faults: { tooManyRequests: { calls: [1] }, serverError: { calls: [1] }, closedConnection: { calls: [3] } },
    })
    const core = clientConfig(started.cluster).makeApiClient(k8s.CoreV1Api)
    await expect(core.listNode()).rejects.toMatchObject({ code: 429, headers: { 'retry-after': '1' } })
    await expect(core.listNode()).rejects.toMatchObject({ code: 500 })
    await expect(core.listNode()).rejects.toThrow('fetch failed')
    expect((await core.listNode()).items).toHaveLength(1)
  })

  test('without a majority of etcd nothing answers', async () => {
    await using started = await startedCluster()
    const { cluster, lan } = started
    cluster.kubelet('cp-1', 'stopped')
    expect([...lan.ports.keys()]).toEqual([])
    expect((await cluster.kubectl(['get', 'nodes'], '')).exit).toBe(1)
    cluster.kubelet('cp-1', 'running')
    expect([...lan.ports.keys()].sort()).toEqual(['10.4.0.10:6443', '10.4.0.11:6443'])
  })
})

describe('patches', () => {
  test('RFC 7396 examples', () => {
    expect(mergePatch({ a: 'b' }, { a: null, c: 1 })).toEqual({ c: 1 })
    expect(mergePatch({ a: [1, 2] }, { a: [3] })).toEqual({ a: [3] })
    expect(mergePatch({ e: null }, { a: 1 })).toEqual({ e: null, a: 1 })
  })
  test('RFC 6902 operations', () => {
    expect(
      jsonPatch({ a: [1, 2], 'b/c': 1 }, [
        { op: 'add', path: '/a/1', value: 9 },
        { op: 'remove', path: '/b~1c' },
        { op: 'move', from: '/a/0', path: '/z' },
      ]),
    ).toEqual({ a: [9, 2], z: 1 })
    expect(() => jsonPatch({ a: 1 }, [{ op: 'test', path: '/a', value: 2 }])).toThrow('test failed')
    expect(() => jsonPatch({}, [{ op: 'remove', path: '/a' }])).toThrow('missing')
  })
  test('lists merge by the keys of the official document', () => {
    const deployment = {
      spec: {
        template: {
          spec: {
            containers: [
              { name: 'a', image: 'x:1', env: [{ name: 'K', value: '1' }] },
              { name: 'b', image: 'y:1' },
            ],
          },
        },
      },
    }
    const patch = {
      spec: {
        template: {
          spec: {
            containers: [
              { name: 'a', image: 'x:2' },
              { name: 'b', $patch: 'delete' },
            ],
          },
        },
      },
    }
    expect(strategicMergePatch(kindNamed('Deployment').schema, deployment, patch)).toEqual({
      spec: { template: { spec: { containers: [{ name: 'a', image: 'x:2', env: [{ name: 'K', value: '1' }] }] } } },
    })
  })
})

describe('selectors', () => {
  test.each([
    ['a=1', true],
    ['a==1,b!=2', true],
    ['a!=1', false],
    ['a in (1,2),c', false],
    ['!c', true],
    ['a notin (2,3)', true],
    ['b', false],
  ])('%s', (selector, expected) => expect(labelSelector(selector)({ a: '1' })).toBe(expected))
  test('a field that cannot be selected is refused', () => {
    expect(() => fieldSelector('spec.foo=1', kindNamed('Pod'))).toThrow('field label not supported: spec.foo')
  })
})

test('a Deployment rolls to a new template without going below its replicas', async () => {
  await using started = await startedCluster({}, { node: node('cp-1', '10.4.0.11') })
  const { cluster } = started
  const web = (image: string) => ({
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'web' },
    spec: {
      replicas: 2,
      selector: { matchLabels: { app: 'web' } },
      template: { metadata: { labels: { app: 'web' } }, spec: { containers: [{ name: 'web', image }] } },
    },
  })
  await cluster.kubectl(
    ['apply', '-f', '-'],
    [{ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'kube-flannel' } }, flannel(), web('web:1')]
      .map((object) => stringify(object))
      .join('---\n'),
  )
  expect((await cluster.kubectl(['rollout', 'status', 'deployment/web', '--timeout=120s'], '')).stdout).toBe(
    'deployment "web" successfully rolled out\n',
  )
  await cluster.kubectl(['apply', '-f', '-'], stringify(web('web:2')))
  expect((await cluster.kubectl(['rollout', 'status', 'deployment/web', '--timeout=120s'], '')).exit).toBe(0)
  const images = await cluster.kubectl(
    ['get', 'pods', '-l', 'app=web', '-o', 'jsonpath={.items[*].spec.containers[0].image}'],
    '',
  )
  expect(images.stdout).toContain('web:2 web:2')
})
