import type { KubeApi } from '../../lan/kube-api.ts'

const NAMESPACE = 'slipway-system'
const REF = { apiVersion: 'v1', kind: 'ConfigMap', namespace: NAMESPACE, name: 'slipway' } as const

/** What Slipway has put onto the cluster, kept on the cluster itself: digests and versions by name, nothing secret. */
export async function readRecord(kube: KubeApi): Promise<ReadonlyMap<string, string>> {
  const found = await kube.get(REF)
  const data = found?.['data']
  return new Map(
    typeof data === 'object' && data !== null ? Object.entries(data as Readonly<Record<string, string>>) : [],
  )
}

/** Adds entries to the record, or takes them out (`null`), leaving the others as they are: several steps write at once. */
export async function writeRecord(kube: KubeApi, entries: Readonly<Record<string, string | null>>): Promise<void> {
  if ((await kube.get(REF)) === undefined)
    await kube.apply([
      { apiVersion: 'v1', kind: 'Namespace', metadata: { name: NAMESPACE } },
      { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: REF.name, namespace: NAMESPACE } },
    ])
  await kube.patch(REF, { data: entries })
}
