import * as k8s from '@kubernetes/client-node'
import { describe, expect, test } from 'vitest'
import { clientConfig, flannel, node, startedCluster, TOKEN, until, CONTROL_PLANE_TAINT } from './kube-fixture.ts'

const ready = (object: k8s.V1Node): string | undefined =>
  object.status?.conditions?.find(({ type }) => type === 'Ready')?.status

describe('kubeadm init and join', () => {
  test('init answers at the node and at the shared endpoint, with a certificate for both', async () => {
    await using started = await startedCluster()
    const { lan, cluster, world } = started
    expect([...lan.ports.keys()].sort()).toEqual(['10.4.0.10:6443', '10.4.0.11:6443'])
    expect(world.clusterAt('10.4.0.11:6443')).toBe(cluster)
    expect(world.clusterAt('10.4.0.99:6443')).toBeUndefined()
    const nodes = await clientConfig(cluster).makeApiClient(k8s.CoreV1Api).listNode()
    expect(nodes.items.map(({ metadata }) => metadata?.name)).toEqual(['cp-1'])
    const version = await clientConfig(cluster).makeApiClient(k8s.VersionApi).getCode()
    expect(version.gitVersion).toBe('v1.36.3')
  })

  test('nodes are Ready once a CNI runs, and CoreDNS after that', async () => {
    await using started = await startedCluster()
    const { cluster } = started
    expect(
      await cluster.join({ token: TOKEN, caCertHashes: [cluster.caCertHash], node: node('w-1', '10.4.0.21') }),
    ).toEqual({ ok: true })
    const config = clientConfig(cluster)
    const core = config.makeApiClient(k8s.CoreV1Api)
    const before = await core.readNode({ name: 'w-1' })
    expect(ready(before)).toBe('False')
    expect(before.spec?.taints?.map(({ key }) => key)).toContain('node.kubernetes.io/not-ready')
    await core.createNamespace({ body: { metadata: { name: 'kube-flannel' } } })
    await config
      .makeApiClient(k8s.AppsV1Api)
      .createNamespacedDaemonSet({ namespace: 'kube-flannel', body: flannel() as k8s.V1DaemonSet })
    await until(async () => ((await core.listNode()).items.every((each) => ready(each) === 'True') ? true : undefined))
    const dns = await until(async () => {
      const found = await config
        .makeApiClient(k8s.AppsV1Api)
        .readNamespacedDeployment({ namespace: 'kube-system', name: 'coredns' })
      return found.status?.availableReplicas === 2 ? found : undefined
    })
    expect(dns.status?.conditions?.find(({ type }) => type === 'Available')?.status).toBe('True')
    expect((await core.readNode({ name: 'w-1' })).spec?.taints ?? []).toEqual([])
  })

  test('join refuses what kubeadm refuses', async () => {
    await using started = await startedCluster()
    const { cluster } = started
    const worker = node('w-1', '10.4.0.21')
    expect(await cluster.join({ token: 'aaaaaa.0000000000000000', caCertHashes: [], node: worker })).toEqual({
      ok: false,
      refused: 'unknown-token',
    })
    expect(await cluster.join({ token: TOKEN, caCertHashes: ['sha256:00'], node: worker })).toEqual({
      ok: false,
      refused: 'wrong-ca-hash',
    })
    const second = node('cp-2', '10.4.0.12', CONTROL_PLANE_TAINT)
    expect(await cluster.join({ token: TOKEN, caCertHashes: [], node: second, controlPlane: {} })).toEqual({
      ok: false,
      refused: 'no-certificate-key',
    })
    cluster.uploadCerts('ff00')
    const first = cluster.join({
      token: TOKEN,
      caCertHashes: [],
      node: second,
      controlPlane: { certificateKey: 'ff00' },
    })
    await until(() => (cluster.etcdMembers().some(({ learner }) => learner) ? true : undefined))
    const third = node('cp-3', '10.4.0.13', CONTROL_PLANE_TAINT)
    expect(
      await cluster.join({ token: TOKEN, caCertHashes: [], node: third, controlPlane: { certificateKey: 'ff00' } }),
    ).toEqual({ ok: false, refused: 'etcd-learner-busy' })
    expect(await first).toEqual({ ok: true })
    expect(cluster.etcdMembers().map(({ name, learner }) => [name, learner])).toEqual([
      ['cp-1', false],
      ['cp-2', false],
    ])
    expect(started.lan.ports.has('10.4.0.12:6443')).toBe(true)
  })

  test('a node whose kubelet stops turns NotReady, and Ready again when it returns', async () => {
    await using started = await startedCluster()
    const { cluster } = started
    await cluster.join({ token: TOKEN, caCertHashes: [], node: node('w-1', '10.4.0.21') })
    const config = clientConfig(cluster)
    const core = config.makeApiClient(k8s.CoreV1Api)
    await core.createNamespace({ body: { metadata: { name: 'kube-flannel' } } })
    await config
      .makeApiClient(k8s.AppsV1Api)
      .createNamespacedDaemonSet({ namespace: 'kube-flannel', body: flannel() as k8s.V1DaemonSet })
    const status = (wanted: string) =>
      until(async () => (ready(await core.readNode({ name: 'w-1' })) === wanted ? true : undefined))
    await status('True')
    cluster.kubelet('w-1', 'stopped')
    await status('Unknown')
    cluster.kubelet('w-1', 'running')
    await expect(status('True')).resolves.toBe(true)
  })
})

describe('the API', () => {
  test('server-side apply keeps owners apart', async () => {
    await using started = await startedCluster()
    const core = clientConfig(started.cluster).makeApiClient(k8s.CoreV1Api)
    const options = k8s.setHeaderOptions('Content-Type', k8s.PatchStrategy.ServerSideApply)
    const apply = (data: Record<string, string>, fieldManager: string, force?: boolean) =>
      core.patchNamespacedConfigMap(
        {
          namespace: 'default',
          name: 'app',
          body: { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'app' }, data },
          fieldManager,
          ...(force === undefined ? {} : { force }),
        },
        options,
      )
    expect((await apply({ a: '1', b: '1' }, 'one')).data).toEqual({ a: '1', b: '1' })
    await expect(apply({ a: '2' }, 'two')).rejects.toMatchObject({ code: 409 })
    expect((await apply({ a: '2' }, 'two', true)).data).toEqual({ a: '2', b: '1' })
    const after = await apply({}, 'one')
    expect(after.data).toEqual({ a: '2' })
    expect(after.metadata?.managedFields?.map(({ manager }) => manager).sort()).toEqual(['one', 'two'])
    expect((await apply({ a: '2' }, 'two')).metadata?.resourceVersion).toBe(after.metadata?.resourceVersion)
  })

  test('a watch sends what happens from a resource version on', async () => {
    await using started = await startedCluster()
    const config = clientConfig(started.cluster)
    const core = config.makeApiClient(k8s.CoreV1Api)
    const seen: string[] = []
    const list = await core.listNamespacedConfigMap({ namespace: 'default' })
    const abort = await new k8s.Watch(config).watch(
      '/api/v1/namespaces/default/configmaps',
      { resourceVersion: list.metadata?.resourceVersion, labelSelector: 'watched=yes' },
      (type: string, object: k8s.V1ConfigMap) => seen.push(`${type} ${object.metadata?.name}`),
      () => {},
    )
    const labels = { watched: 'yes' }
    await core.createNamespacedConfigMap({ namespace: 'default', body: { metadata: { name: 'a', labels } } })
    await core.createNamespacedConfigMap({ namespace: 'default', body: { metadata: { name: 'b' } } })
    await core.deleteNamespacedConfigMap({ namespace: 'default', name: 'a' })
    await until(() => (seen.length === 2 ? true : undefined))
    expect(seen).toEqual(['ADDED a', 'DELETED a'])
    abort.abort()
  })

  test('stale updates, duplicates and bad objects are refused with real reasons', async () => {
    await using started = await startedCluster()
    const core = clientConfig(started.cluster).makeApiClient(k8s.CoreV1Api)
    const made = await core.createNamespacedConfigMap({
      namespace: 'default',
      body: { metadata: { name: 'a' }, data: { x: '1' } },
    })
    const refusal = async (call: Promise<unknown>) => {
      const error = await call.then(
        () => new Error('was accepted'),
        (cause: unknown) => cause,
      )
      const { code, body } = error as { code: number; body: string }
      const { reason, message } = JSON.parse(body) as { reason: string; message: string }
      return [code, reason, message]
    }
    expect(
      await refusal(core.createNamespacedConfigMap({ namespace: 'default', body: { metadata: { name: 'a' } } })),
    ).toEqual([409, 'AlreadyExists', 'configmaps "a" already exists'])
    await core.replaceNamespacedConfigMap({
      namespace: 'default',
      name: 'a',
      body: Object.assign(new k8s.V1ConfigMap(), made, { data: { x: '2' } }),
    })
    expect(
      await refusal(
        core.replaceNamespacedConfigMap({
          namespace: 'default',
          name: 'a',
          body: Object.assign(new k8s.V1ConfigMap(), made, { data: { x: '3' } }),
        }),
      ),
    ).toEqual([
      409,
      'Conflict',
      'Operation cannot be fulfilled on configmaps "a": the object has been modified; please apply your changes to the latest version and try again',
    ])
    expect(await refusal(core.readNode({ name: 'none' }))).toEqual([404, 'NotFound', 'nodes "none" not found'])
    expect(
      await refusal(core.createNamespacedConfigMap({ namespace: 'none', body: { metadata: { name: 'a' } } })),
    ).toEqual([404, 'NotFound', 'namespaces "none" not found'])
    expect((await refusal(core.createNamespace({ body: { metadata: { name: 'Not_A_Name' } } })))[0]).toBe(422)
  })

  test('who may do what', async () => {
    await using started = await startedCluster()
    const { cluster } = started
    const kubelet = clientConfig(cluster, 'node:cp-1').makeApiClient(k8s.CoreV1Api)
    expect((await kubelet.listNode()).items).toHaveLength(1)
    await expect(kubelet.listNamespacedSecret({ namespace: 'kube-system' })).rejects.toMatchObject({ code: 403 })
    const joining = clientConfig(cluster)
    joining.users = [{ name: 'kubernetes-admin', token: TOKEN }]
    const tokenUser = joining.makeApiClient(k8s.CoreV1Api)
    expect(
      (await tokenUser.readNamespacedConfigMap({ namespace: 'kube-system', name: 'kubeadm-config' })).data,
    ).toBeDefined()
    await expect(tokenUser.listNode()).rejects.toMatchObject({ code: 403 })
    joining.users = [{ name: 'kubernetes-admin' }]
    const anonymous = joining.makeApiClient(k8s.CoreV1Api)
    const info = await anonymous.readNamespacedConfigMap({ namespace: 'kube-public', name: 'cluster-info' })
    expect(Object.keys(info.data ?? {}).sort()).toEqual(['jws-kubeconfig-abcdef', 'kubeconfig'])
    await expect(anonymous.listPodForAllNamespaces()).rejects.toMatchObject({ code: 403 })
    joining.users = [{ name: 'kubernetes-admin', token: 'abcdef.ffffffffffffffff' }]
    await expect(joining.makeApiClient(k8s.CoreV1Api).listNode()).rejects.toMatchObject({ code: 401 })
  })
})
