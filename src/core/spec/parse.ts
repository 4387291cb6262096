import type { FileProblem } from '../problem.ts'
import { checks } from './check/index.ts'
import { type ClusterDocument, clusterDocument } from './cluster-document.ts'
import type { ClusterSpec } from './cluster-spec.ts'
import { resolve, type SpecContext } from './resolve.ts'
import { flatten, type FlatIssue, nameKnownFields, schemaProblems } from './schema-problem.ts'
import { type Path, readSource } from './source-text.ts'
import { unsupported } from './support.ts'

/** More are not read by anybody; the number of the rest is said. */
export const MAX_PROBLEMS = 100
/** Rounds of leaving out what is broken, so that the checks can still look at the rest. Parts nest no deeper. */
const MAX_ROUNDS = 12

/**
 * Reads a `cluster.yaml`. All problems of the file are reported together, in the order of its lines: form, contradictions,
 * and what this release cannot plan yet. Never throws for anything that a file can hold.
 * @param file - Path in the repository, e.g. `clusters/home/cluster.yaml`; its folder must bear the cluster's name.
 * @returns The spec, only when there is no problem at all.
 */
export function parseClusterSpec(
  text: string,
  file: string,
  context: SpecContext,
): { readonly spec?: ClusterSpec; readonly problems: readonly FileProblem[] } {
  const read = readSource(text, file)
  if (!('source' in read)) return { problems: read.problems }
  const { source } = read
  const { document, issues, origins } = parseLeniently(source.value)
  const problems: FileProblem[] = issues.flatMap((issue) => schemaProblems(issue, source))
  if (document === undefined) return { problems: inOrder(problems) }
  const resolved = resolve(document, context, source, origins)
  const dropped = issues.length > 0 && origins.length !== machineCount(source.value)
  const draft = { ...resolved.draft, complete: resolved.draft.complete && !dropped }
  problems.push(...resolved.problems)
  for (const check of checks) problems.push(...check(draft))
  problems.push(...unsupported(draft))
  return problems.length === 0 ? { spec: draft.spec, problems } : { problems: inOrder(problems) }
}

/**
 * The document, and the issues of the file as it is. Where there are some, the document is what remains after the broken
 * parts have been left out, so that one typo does not hide the other problems; `undefined` when too little remains.
 */
function parseLeniently(value: unknown): {
  readonly document: ClusterDocument | undefined
  readonly issues: readonly FlatIssue[]
  readonly origins: readonly number[]
} {
  const rest = structuredClone(value)
  const origins = Array.from({ length: machineCount(value) }, (_, i) => i)
  let first: readonly FlatIssue[] | undefined
  for (let round = 0; round < MAX_ROUNDS; round += 1) {
    const result = clusterDocument.safeParse(rest, { error: nameKnownFields })
    if (result.success) return { document: result.data, issues: first ?? [], origins }
    const issues = flatten(result.error.issues)
    first ??= issues
    // From the end, so that the indices of earlier list entries stay right.
    for (const { issue, path } of issues.toReversed()) {
      const broken = issue.code === 'unrecognized_keys' ? issue.keys.map((key) => [...path, key]) : [path]
      if (!broken.every((at) => leaveOut(rest, at, origins))) return { document: undefined, issues: first, origins }
    }
  }
  return { document: undefined, issues: first ?? [], origins }
}

/** Removes the value at `path` or, when it is absent, what it is missing from. `false` when that is the cluster itself. */
function leaveOut(value: unknown, path: Path, origins: number[]): boolean {
  const parents: { readonly holder: Record<string | number, unknown>; readonly part: string | number }[] = []
  let at = value
  for (const part of path) {
    if (typeof at !== 'object' || at === null) break
    const holder = at as Record<string | number, unknown>
    if (!Object.hasOwn(holder, part)) break
    parents.push({ holder, part })
    at = holder[part]
  }
  const last = parents.at(-1)
  if (last === undefined || (parents.length < path.length && parents.length < 3)) return false
  if (Array.isArray(last.holder)) {
    last.holder.splice(Number(last.part), 1)
    if (parents.length === 3 && path[1] === 'machines') origins.splice(Number(last.part), 1)
  } else delete last.holder[last.part]
  return true
}

function machineCount(value: unknown): number {
  const machines = (value as { spec?: { machines?: unknown } } | null)?.spec?.machines
  return Array.isArray(machines) ? machines.length : 0
}

/** By place, each problem once; beyond {@link MAX_PROBLEMS} only their number. */
function inOrder(problems: readonly FileProblem[]): readonly FileProblem[] {
  const seen = new Set<string>()
  const sorted = problems
    .filter(({ line, column, code, what }) => {
      const key = `${line}:${column}:${code}:${what}`
      return !seen.has(key) && seen.add(key)
    })
    .sort((a, b) => a.line - b.line || a.column - b.column || (a.code < b.code ? -1 : a.code > b.code ? 1 : 0))
  const last = sorted[MAX_PROBLEMS - 1]
  if (sorted.length <= MAX_PROBLEMS || last === undefined) return sorted
  return [
    ...sorted.slice(0, MAX_PROBLEMS - 1),
    {
      ...last,
      code: 'spec.too-many-problems',
      what: `${sorted.length - MAX_PROBLEMS + 1} more problems follow`,
      remedy: 'Correct the ones above first.',
    },
  ]
}
