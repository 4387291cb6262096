import { createHmac } from 'node:crypto'
import { stringify } from 'yaml'
import type { KubeApi } from './api.ts'
import type { ClusterInit } from './cluster.ts'
import { withV } from './nodes.ts'
import type { Fields } from './object.ts'
import { fields, put, text } from './object.ts'

/** What `kubeadm init` and the API server put into an empty cluster. */
export function seedCluster(api: KubeApi, input: ClusterInit, authority: string): void {
  const make = (apiVersion: string, kind: string, namespace: string | undefined, object: Fields) =>
    api.create(api.kind(apiVersion, kind), namespace, object, { fieldManager: 'kubeadm' })
  for (const name of ['default', 'kube-system', 'kube-public', 'kube-node-lease'])
    make('v1', 'Namespace', undefined, { metadata: { name } })
  const services = input.serviceSubnet.split('.').slice(0, 2).join('.')
  const dns = `${services}.0.10`
  make('v1', 'Service', 'default', {
    metadata: { name: 'kubernetes', labels: { component: 'apiserver', provider: 'kubernetes' } },
    spec: { clusterIP: `${services}.0.1`, ports: [{ name: 'https', port: 443, targetPort: 6443 }] },
  })
  make('v1', 'ConfigMap', 'kube-system', {
    metadata: { name: 'kubeadm-config' },
    data: { ClusterConfiguration: stringify(input.clusterConfiguration, { sortMapEntries: true }) },
  })
  make('v1', 'ConfigMap', 'kube-system', {
    metadata: { name: 'kubelet-config' },
    data: {
      kubelet: stringify({
        apiVersion: 'kubelet.config.k8s.io/v1beta1',
        cgroupDriver: 'systemd',
        clusterDNS: [dns],
        clusterDomain: 'cluster.local',
        kind: 'KubeletConfiguration',
        rotateCertificates: true,
        staticPodPath: '/etc/kubernetes/manifests',
      }),
    },
  })
  const kubeconfig = stringify({
    apiVersion: 'v1',
    clusters: [
      {
        cluster: { 'certificate-authority-data': base64(authority), server: `https://${input.controlPlaneEndpoint}` },
        name: '',
      },
    ],
    contexts: null,
    'current-context': '',
    kind: 'Config',
    users: null,
  })
  make('v1', 'ConfigMap', 'kube-public', { metadata: { name: 'cluster-info' }, data: { kubeconfig } })
  make('rbac.authorization.k8s.io/v1', 'ClusterRole', undefined, {
    metadata: { name: 'cluster-admin', labels: { 'kubernetes.io/bootstrapping': 'rbac-defaults' } },
    rules: [
      { apiGroups: ['*'], resources: ['*'], verbs: ['*'] },
      { nonResourceURLs: ['*'], verbs: ['*'] },
    ],
  })
  make('rbac.authorization.k8s.io/v1', 'ClusterRoleBinding', undefined, {
    metadata: { name: 'kubeadm:cluster-admins' },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'cluster-admin' },
    subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'Group', name: 'kubeadm:cluster-admins' }],
  })
  make('v1', 'ServiceAccount', 'kube-system', { metadata: { name: 'coredns' } })
  make('v1', 'ConfigMap', 'kube-system', {
    metadata: { name: 'coredns' },
    data: {
      Corefile:
        '.:53 {\n    errors\n    health\n    ready\n    kubernetes cluster.local in-addr.arpa ip6.arpa\n    forward . /etc/resolv.conf\n    cache 30\n}\n',
    },
  })
  make('v1', 'Service', 'kube-system', {
    metadata: {
      name: 'kube-dns',
      labels: { 'k8s-app': 'kube-dns', 'kubernetes.io/cluster-service': 'true', 'kubernetes.io/name': 'CoreDNS' },
    },
    spec: {
      clusterIP: dns,
      selector: { 'k8s-app': 'kube-dns' },
      ports: [
        { name: 'dns', port: 53, protocol: 'UDP' },
        { name: 'dns-tcp', port: 53, protocol: 'TCP' },
      ],
    },
  })
  make('apps/v1', 'Deployment', 'kube-system', coreDns())
  if (!input.skipKubeProxy) {
    make('v1', 'ServiceAccount', 'kube-system', { metadata: { name: 'kube-proxy' } })
    make('v1', 'ConfigMap', 'kube-system', {
      metadata: { name: 'kube-proxy', labels: { app: 'kube-proxy' } },
      data: {
        'config.conf': stringify({
          apiVersion: 'kubeproxy.config.k8s.io/v1alpha1',
          clusterCIDR: input.podSubnet,
          kind: 'KubeProxyConfiguration',
        }),
      },
    })
    make('apps/v1', 'DaemonSet', 'kube-system', kubeProxy(withV(input.kubernetesVersion)))
  }
}

const base64 = (value: string): string => Buffer.from(value).toString('base64')

/**
 * A bootstrap token: its Secret, and the signature under it that proves `cluster-info` to a joining node.
 * @see https://kubernetes.io/docs/reference/access-authn-authz/bootstrap-tokens/
 */
export function putToken(api: KubeApi, token: string, ttlMs: number): void {
  const [id = '', secret = ''] = token.split('.')
  const secrets = api.kind('v1', 'Secret')
  const name = `bootstrap-token-${id}`
  if (api.store.get(secrets, 'kube-system', name) !== undefined) api.delete(secrets, 'kube-system', name)
  api.create(
    secrets,
    'kube-system',
    {
      metadata: { name },
      type: 'bootstrap.kubernetes.io/token',
      stringData: {
        'token-id': id,
        'token-secret': secret,
        'usage-bootstrap-authentication': 'true',
        'usage-bootstrap-signing': 'true',
        'auth-extra-groups': 'system:bootstrappers:kubeadm:default-node-token',
        ...(ttlMs > 0 ? { expiration: new Date(api.clock.now() + ttlMs).toISOString().replace(/\.\d+Z$/, 'Z') } : {}),
      },
    },
    { fieldManager: 'kubeadm' },
  )
  const maps = api.kind('v1', 'ConfigMap')
  const info = api.get(maps, 'kube-public', 'cluster-info')
  const encode = (value: string) => Buffer.from(value).toString('base64url')
  const header = encode(JSON.stringify({ alg: 'HS256', kid: id }))
  const payload = encode(text(info, 'data', 'kubeconfig') ?? '')
  const signature = createHmac('sha256', secret).update(`${header}.${payload}`).digest('base64url')
  api.settle(maps, info, (draft) => put(draft, ['data', `jws-kubeconfig-${id}`], `${header}..${signature}`))
}

/** The Secret with the encrypted control plane certificates; its token owner ends it after two hours. */
export function putCertificates(api: KubeApi, names: readonly string[]): void {
  const secrets = api.kind('v1', 'Secret')
  if (api.store.get(secrets, 'kube-system', 'kubeadm-certs') !== undefined)
    api.delete(secrets, 'kube-system', 'kubeadm-certs')
  api.create(
    secrets,
    'kube-system',
    {
      metadata: { name: 'kubeadm-certs' },
      // What is inside stays with the simulator: a joining host gets the files through `KubeCluster.pki`.
      data: Object.fromEntries(names.map((name) => [name, base64('encrypted')])),
    },
    { fieldManager: 'kubeadm' },
  )
}

/** Mirror pods of the static pods of a control plane. */
export function putStaticPods(api: KubeApi, node: string, version: string): void {
  const pods = api.kind('v1', 'Pod')
  const owner = api.get(api.kind('v1', 'Node'), undefined, node)
  const images: Readonly<Record<string, string>> = {
    etcd: 'registry.k8s.io/etcd:3.6.8-0',
    'kube-apiserver': `registry.k8s.io/kube-apiserver:${withV(version)}`,
    'kube-controller-manager': `registry.k8s.io/kube-controller-manager:${withV(version)}`,
    'kube-scheduler': `registry.k8s.io/kube-scheduler:${withV(version)}`,
  }
  for (const [component, image] of Object.entries(images)) {
    const name = `${component}-${node}`
    const old = api.store.get(pods, 'kube-system', name)
    if (old !== undefined) {
      if (JSON.stringify(old['spec']).includes(image)) continue
      api.store.remove(pods, 'kube-system', name)
    }
    api.create(
      pods,
      'kube-system',
      {
        metadata: {
          name,
          annotations: { 'kubernetes.io/config.mirror': 'simulated', 'kubernetes.io/config.source': 'file' },
          labels: { component, tier: 'control-plane' },
          ownerReferences: [{ apiVersion: 'v1', controller: true, kind: 'Node', name: node, uid: owner.metadata.uid }],
        },
        spec: {
          containers: [{ name: component, image }],
          hostNetwork: true,
          nodeName: node,
          priorityClassName: 'system-node-critical',
          tolerations: [{ effect: 'NoExecute', operator: 'Exists' }],
        },
      },
      { fieldManager: 'kubelet' },
    )
  }
}

const coreDns = (): Fields => ({
  metadata: { name: 'coredns', labels: { 'k8s-app': 'kube-dns' } },
  spec: {
    replicas: 2,
    selector: { matchLabels: { 'k8s-app': 'kube-dns' } },
    template: {
      metadata: { labels: { 'k8s-app': 'kube-dns' } },
      spec: {
        containers: [
          {
            name: 'coredns',
            image: 'registry.k8s.io/coredns/coredns:v1.14.2',
            args: ['-conf', '/etc/coredns/Corefile'],
          },
        ],
        priorityClassName: 'system-cluster-critical',
        serviceAccountName: 'coredns',
        tolerations: [
          { key: 'CriticalAddonsOnly', operator: 'Exists' },
          { key: 'node-role.kubernetes.io/control-plane', effect: 'NoSchedule' },
        ],
      },
    },
  },
})

const kubeProxy = (version: string): Fields => ({
  metadata: { name: 'kube-proxy', labels: { 'k8s-app': 'kube-proxy' } },
  spec: {
    selector: { matchLabels: { 'k8s-app': 'kube-proxy' } },
    template: {
      metadata: { labels: { 'k8s-app': 'kube-proxy' } },
      spec: {
        containers: [{ name: 'kube-proxy', image: `registry.k8s.io/kube-proxy:${version}` }],
        hostNetwork: true,
        priorityClassName: 'system-node-critical',
        serviceAccountName: 'kube-proxy',
        tolerations: [{ operator: 'Exists' }],
      },
    },
  },
})

/** After `kubeadm upgrade apply`: the new version in `kubeadm-config` and in the images of kube-proxy. */
export function setVersion(api: KubeApi, version: string): void {
  const maps = api.kind('v1', 'ConfigMap')
  const config = api.get(maps, 'kube-system', 'kubeadm-config')
  api.settle(maps, config, (draft) => {
    const old = text(draft, 'data', 'ClusterConfiguration') ?? ''
    put(
      draft,
      ['data', 'ClusterConfiguration'],
      old.replace(/^kubernetesVersion: .*$/m, `kubernetesVersion: ${withV(version)}`),
    )
  })
  const sets = api.kind('apps/v1', 'DaemonSet')
  const proxy = api.store.get(sets, 'kube-system', 'kube-proxy')
  if (proxy !== undefined)
    api.settle(sets, proxy, (draft) => {
      put(
        draft,
        ['spec', 'template', 'spec', 'containers'],
        [
          {
            ...fields((draft['spec'] as { template: { spec: { containers: unknown[] } } }).template.spec.containers[0]),
            image: `registry.k8s.io/kube-proxy:${withV(version)}`,
          },
        ],
      )
    })
}
