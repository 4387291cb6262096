import type { KubeObject } from '../src/core/component.ts'
import { conditionOf, shortMessage, statusOf, text } from '../src/core/conditions.ts'
import type { EngineStatus } from '../src/core/facts.ts'

/**
 * Reads GitRepository and Kustomizations as source- and kustomize-controller write them. A source that cannot be
 * fetched outweighs what was applied before: nothing newer can arrive.
 */
export function readFluxStatus(objects: readonly KubeObject[]): EngineStatus {
  const watched = objects.filter((object) => ['GitRepository', 'Kustomization', 'HelmRelease'].includes(object.kind))
  if (watched.length === 0) return { state: 'unknown' }
  const commit = appliedCommit(objects)
  const seen = commit === undefined ? {} : { commit }
  const failed = watched
    .map((object) => ({ object, ready: conditionOf(object, 'Ready') }))
    .find(({ ready }) => ready?.status === 'False' && !waiting(ready.reason))
  if (failed?.ready !== undefined)
    return {
      state: 'failed',
      ...seen,
      message: shortMessage(
        `${failed.object.kind} ${failed.object.metadata.name}: ${failed.ready.reason}: ${failed.ready.message}`,
      ),
    }
  if (watched.every((object) => isSettled(object))) return { state: 'ready', ...seen }
  return { state: 'progressing', ...seen }
}

/** Reasons that mean "not yet" although the condition says False. */
function waiting(reason: string): boolean {
  return ['DependencyNotReady', 'Progressing', 'ProgressingWithRetry', 'ArtifactFailed'].includes(reason)
}

function isSettled(object: KubeObject): boolean {
  const generation = (object.metadata as { readonly generation?: number }).generation
  const observed = statusOf(object)['observedGeneration']
  return conditionOf(object, 'Ready')?.status === 'True' && (generation === undefined || observed === generation)
}

function appliedCommit(objects: readonly KubeObject[]): string | undefined {
  const root = objects.find((object) => object.kind === 'Kustomization')
  return /sha1:([0-9a-f]{40})$/.exec(text(statusOf(root)['lastAppliedRevision']))?.[1]
}
