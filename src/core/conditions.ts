import type { KubeObject } from './component.ts'

/** A status condition as controllers write it. */
export interface Condition {
  readonly type: string
  readonly status: string
  readonly reason: string
  readonly message: string
}

/** Longest message of an engine that is kept: enough for a cause, short enough for a comment. */
const MESSAGE_CHARACTERS = 600

/** `status` of an object as plain data; empty when the controller has not written one. */
export function statusOf(object: KubeObject | undefined): Readonly<Record<string, unknown>> {
  const status = object?.['status']
  return isRecord(status) ? status : {}
}

export function conditionOf(object: KubeObject | undefined, type: string): Condition | undefined {
  const conditions = statusOf(object)['conditions']
  if (!Array.isArray(conditions)) return undefined
  const found: unknown = conditions.find((condition: unknown) => isRecord(condition) && condition['type'] === type)
  if (!isRecord(found)) return undefined
  return { type, status: text(found['status']), reason: text(found['reason']), message: text(found['message']) }
}

/** A controller's message, shortened in the middle of nothing: at the end, with a mark. */
export function shortMessage(message: string): string {
  const flat = message.trim()
  return flat.length <= MESSAGE_CHARACTERS ? flat : `${flat.slice(0, MESSAGE_CHARACTERS - 1)}…`
}

export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

export function text(value: unknown): string {
  return typeof value === 'string' ? value : ''
}
