import { existsSync, readFileSync } from 'node:fs'
import { Ajv } from 'ajv'
import { describe, expect, test } from 'vitest'
import { stringify } from 'yaml'
import type { KubeObject } from '../../sim/kube/object.ts'
import { TOKEN, flannel, node, startedCluster, until } from './kube-fixture.ts'

const SCHEMAS = new URL('../../../shared/schemas/kubernetes/v1.36-standalone-strict/', import.meta.url)

const extra = [
  { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'kube-flannel' } },
  flannel(),
  {
    apiVersion: 'apps/v1',
    kind: 'StatefulSet',
    metadata: { name: 'db' },
    spec: {
      serviceName: 'db',
      replicas: 2,
      selector: { matchLabels: { app: 'db' } },
      template: {
        metadata: { labels: { app: 'db' } },
        spec: { containers: [{ name: 'db', image: 'postgres:18', ports: [{ containerPort: 5432 }] }] },
      },
      volumeClaimTemplates: [
        {
          metadata: { name: 'data' },
          spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } },
        },
      ],
    },
  },
  {
    apiVersion: 'storage.k8s.io/v1',
    kind: 'StorageClass',
    metadata: { name: 'local', annotations: { 'storageclass.kubernetes.io/is-default-class': 'true' } },
    provisioner: 'lab/local',
  },
  {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'db' },
    spec: { clusterIP: 'None', selector: { app: 'db' }, ports: [{ port: 5432 }] },
  },
  { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'db' }, stringData: { password: 'x' } },
  {
    apiVersion: 'policy/v1',
    kind: 'PodDisruptionBudget',
    metadata: { name: 'db' },
    spec: { minAvailable: 1, selector: { matchLabels: { app: 'db' } } },
  },
  {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: { name: 'once' },
    spec: { template: { spec: { restartPolicy: 'Never', containers: [{ name: 'once', image: 'busybox:1' }] } } },
  },
  {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: 'widgets.lab.example' },
    spec: {
      group: 'lab.example',
      scope: 'Namespaced',
      names: { kind: 'Widget', plural: 'widgets' },
      versions: [
        {
          name: 'v1',
          served: true,
          storage: true,
          schema: {
            openAPIV3Schema: {
              type: 'object',
              properties: { spec: { type: 'object', properties: { size: { type: 'integer' } } } },
            },
          },
        },
      ],
    },
  },
]

/** `deployment-apps-v1.json`, `node-v1.json`, `role-rbac-v1.json`: the group without its domain. */
function schemaFile({ apiVersion, kind }: KubeObject): URL {
  const [group = '', version] = apiVersion.includes('/') ? apiVersion.split('/') : ['', apiVersion]
  return new URL(
    `${[kind.toLowerCase(), ...(group === '' ? [] : [group.split('.')[0]]), version].join('-')}.json`,
    SCHEMAS,
  )
}

describe.skipIf(!existsSync(SCHEMAS) && process.env['CI'] === undefined)(
  'the official schemas (../shared is needed)',
  () => {
    test('hold for every object of a busy cluster', async () => {
      await using started = await startedCluster()
      const { cluster } = started
      await cluster.join({ token: TOKEN, caCertHashes: [], node: node('w-1', '10.4.0.21') })
      const applied = await cluster.kubectl(
        ['apply', '-f', '-'],
        extra.map((object) => stringify(object)).join('---\n'),
      )
      expect(applied.stderr).toBe('')
      await until(async () =>
        (await cluster.kubectl(['get', 'job', 'once', '-o', 'jsonpath={.status.succeeded}'], '')).stdout === '1'
          ? true
          : undefined,
      )
      await until(async () =>
        (await cluster.kubectl(['get', 'sts', 'db', '-o', 'jsonpath={.status.readyReplicas}'], '')).stdout === '2'
          ? true
          : undefined,
      )
      await cluster.kubectl(['cordon', 'w-1'], '')
      const ajv = new Ajv({ strict: false, allErrors: true, validateFormats: false })
      const kinds = new Set<string>()
      for (const kind of cluster.api.resources.all())
        for (const object of cluster.api.list(kind, undefined).items) {
          if (kind.crd !== undefined) continue
          kinds.add(kind.kind)
          const validate = ajv.compile(JSON.parse(readFileSync(schemaFile(object), 'utf8')) as object)
          expect(validate(object) ? [] : validate.errors, `${object.kind} ${object.metadata.name}`).toEqual([])
        }
      expect([...kinds]).toEqual(
        expect.arrayContaining([
          'Node',
          'Pod',
          'Deployment',
          'DaemonSet',
          'StatefulSet',
          'Job',
          'Secret',
          'ConfigMap',
          'Service',
          'PersistentVolume',
          'PersistentVolumeClaim',
          'CustomResourceDefinition',
          'PodDisruptionBudget',
          'Lease',
        ]),
      )
    })
  },
)
