import type { KubeObject } from '../src/core/component.ts'
import { conditionOf, isRecord, shortMessage, statusOf, text } from '../src/core/conditions.ts'
import type { EngineStatus } from '../src/core/facts.ts'

/** Conditions by which the application controller says that something is wrong. */
const ERRORS = ['ComparisonError', 'InvalidSpecError', 'SyncError', 'UnknownError'] as const

/**
 * Reads an Application as the application controller writes it. A sync that keeps failing stays `Running` while it
 * retries: its message tells.
 */
export function readArgocdStatus(objects: readonly KubeObject[]): EngineStatus {
  const application = objects.find((object) => object.kind === 'Application')
  if (application === undefined) return { state: 'unknown' }
  const status = statusOf(application)
  const sync = record(status['sync'])
  const operation = record(status['operationState'])
  const revision = text(sync['revision'])
  const seen = /^[0-9a-f]{40}$/.test(revision) ? { commit: revision } : {}
  for (const type of ERRORS) {
    const condition = conditionOf(application, type)
    if (condition !== undefined)
      return { state: 'failed', ...seen, message: shortMessage(`${type}: ${condition.message}`) }
  }
  const message = text(operation['message'])
  const failing =
    ['Failed', 'Error'].includes(text(operation['phase'])) ||
    (text(operation['phase']) === 'Running' && /failed|error/i.test(message))
  const health = text(record(status['health'])['status'])
  if (text(sync['status']) === 'Synced' && !failing)
    return { state: health === 'Healthy' ? 'ready' : health === 'Degraded' ? 'failed' : 'progressing', ...seen }
  return failing ? { state: 'failed', ...seen, message: shortMessage(message) } : { state: 'progressing', ...seen }
}

function record(value: unknown): Readonly<Record<string, unknown>> {
  return isRecord(value) ? value : {}
}
