import type { KubeObject } from '../src/core/component.ts'
import { conditionOf, isRecord, shortMessage, statusOf, text } from '../src/core/conditions.ts'
import type { EngineStatus } from '../src/core/facts.ts'

/** Reads a GitRepo as Fleet's controllers write it; its summary counts the bundles on the cluster. */
export function readFleetStatus(objects: readonly KubeObject[]): EngineStatus {
  const repo = objects.find((object) => object.kind === 'GitRepo')
  if (repo === undefined) return { state: 'unknown' }
  const status = statusOf(repo)
  const commit = text(status['commit'])
  const seen = /^[0-9a-f]{40}$/.test(commit) ? { commit } : {}
  for (const [type, bad] of [
    ['GitPolling', 'False'],
    ['Accepted', 'False'],
    ['Stalled', 'True'],
  ] as const) {
    const condition = conditionOf(repo, type)
    if (condition?.status === bad)
      return { state: 'failed', ...seen, message: shortMessage(`${type}: ${condition.message}`) }
  }
  const summary = isRecord(status['summary']) ? status['summary'] : {}
  const failing = Number(summary['errApplied'] ?? 0) > 0
  const ready = conditionOf(repo, 'Ready')
  if (failing)
    return { state: 'failed', ...seen, message: shortMessage(ready?.message ?? 'a bundle could not be applied') }
  return {
    state:
      ready?.status === 'True' && seen.commit !== undefined && text(status['gitJobStatus']) !== 'InProgress'
        ? 'ready'
        : 'progressing',
    ...seen,
  }
}
