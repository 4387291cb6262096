import type { KubeObject } from './object.ts'
import { isRecord, list, put, text } from './object.ts'

export interface Condition {
  readonly type: string
  readonly status: 'True' | 'False' | 'Unknown'
  readonly reason: string
  readonly message: string
  readonly observedGeneration?: number
}

export const conditionOf = (object: unknown, type: string): Readonly<Record<string, unknown>> | undefined =>
  list(object, 'status', 'conditions').find((item): item is Record<string, unknown> => text(item, 'type') === type)

/** Sets a condition; its `lastTransitionTime` moves only when the status does. `extra` are fields some kinds add. */
export function setCondition(
  draft: KubeObject,
  condition: Condition,
  now: string,
  extra: Readonly<Record<string, unknown>> = {},
): void {
  const old = conditionOf(draft, condition.type)
  const moved = old === undefined || old['status'] !== condition.status
  const next = { ...extra, ...condition, lastTransitionTime: moved ? now : old['lastTransitionTime'] }
  for (const key of Object.keys(extra)) if (!moved && old[key] !== undefined) Object.assign(next, { [key]: old[key] })
  const others = list(draft, 'status', 'conditions')
  const index = others.findIndex((item) => isRecord(item) && item['type'] === condition.type)
  put(draft, ['status', 'conditions'], index < 0 ? [...others, next] : others.with(index, next))
}

export function dropCondition(draft: KubeObject, type: string): void {
  const kept = list(draft, 'status', 'conditions').filter((item) => text(item, 'type') !== type)
  put(draft, ['status', 'conditions'], kept)
}
