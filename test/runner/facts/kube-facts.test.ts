import { expect, test } from 'vitest'
import { kubeFacts } from '../../../runner/facts/kube-facts.ts'
import type { KubeApi } from '../../../runner/lan/kube-api.ts'
import type { Lan } from '../../../runner/lan/lan.ts'
import { noFacts } from '../../../src/core/facts.ts'
import { FactsJson } from '../../../src/core/wire.ts'

test('a kubelet that reports nonsense of any length leaves facts that the wire takes', async () => {
  const long = 'x'.repeat(5_000)
  const node = {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name: 'w-1' },
    status: { nodeInfo: { kubeletVersion: long }, addresses: [{ type: 'InternalIP', address: long }] },
  }
  const kube = {
    version: async () => long,
    list: async () => [node],
    get: async () => ({ data: { 'component.flannel': 'no digest', 'component.cni': 'a'.repeat(64) } }),
  } as unknown as KubeApi
  const lan = { kube: async () => kube, keys: { registeredKey: () => undefined } } as unknown as Lan
  const { kubernetes } = await kubeFacts(lan)
  const facts = { ...noFacts('home'), takenAt: '2026-11-21T12:00:00.000Z', runner: 'closet', kubernetes }
  expect(FactsJson.safeParse(facts).error?.issues).toBeUndefined()
  expect(Object.keys(kubernetes?.components ?? {})).toEqual(['cni'])
})
