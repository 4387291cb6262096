import type { KubeObject } from './object.ts'
import { at } from './object.ts'

/** Whether the newest generation of a workload runs everywhere. */
export function isRolledOut(object: KubeObject): boolean {
  const count = (...path: readonly string[]) => Number(at(object, ...path) ?? 0)
  if (count('status', 'observedGeneration') < (object.metadata.generation ?? 1)) return false
  if (object.kind === 'DaemonSet') {
    const wanted = count('status', 'desiredNumberScheduled')
    return count('status', 'updatedNumberScheduled') === wanted && count('status', 'numberAvailable') >= wanted
  }
  const wanted = Number(at(object, 'spec', 'replicas') ?? 1)
  return (
    count('status', 'updatedReplicas') >= wanted &&
    count('status', 'replicas') <= count('status', 'updatedReplicas') &&
    count('status', 'availableReplicas') >= wanted
  )
}
