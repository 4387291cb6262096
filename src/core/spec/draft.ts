import type { FileProblem } from '../problem.ts'
import type { ClusterDocument } from './cluster-document.ts'
import type { ClusterSpec, Machine } from './cluster-spec.ts'
import type { Path, SourceText } from './source-text.ts'

/** A resolved spec on its way through the checks, together with where its parts were written. */
export interface Draft {
  readonly spec: ClusterSpec
  readonly document: ClusterDocument
  readonly source: SourceText
  /** Where the entry of a machine stands: `['spec', 'machines', 3]`. */
  readonly placeOf: (machine: Machine) => Path
  /** `false` when broken machines were left out: then nothing can be said about how many there are. */
  readonly complete: boolean
  /** Parts that were too broken to read and stand in the spec as an assumption: no check may build on them. */
  readonly assumed: ReadonlySet<Assumed>
}

export type Assumed = 'name' | 'kubernetes' | 'cni' | 'gitops'

/** One family of rules. Reports everything it finds, changes nothing. */
export type Check = (draft: Draft) => readonly FileProblem[]

/** A problem at a path, never worth retrying: only an edit helps. */
export function problemAt(
  draft: Pick<Draft, 'source'>,
  path: Path,
  [code, what, remedy]: readonly [code: string, what: string, remedy: string],
  at: 'key' | 'value' = 'value',
): FileProblem {
  return draft.source.problemAt(path, { code, what, remedy, retry: 'never' }, at)
}
