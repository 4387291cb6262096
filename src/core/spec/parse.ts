import { DEFAULT_KUBERNETES } from '../catalogue.ts'
import type { FileProblem } from '../problem.ts'
import { checks } from './check/index.ts'
import { type ClusterDocument, clusterDocument } from './cluster-document.ts'
import type { ClusterSpec } from './cluster-spec.ts'
import type { Assumed } from './draft.ts'
import { resolve, type SpecContext } from './resolve.ts'
import { flatten, type FlatIssue, nameKnownFields, schemaProblems, valueAt } from './schema-problem.ts'
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
  const { document, issues, origins, assumed } = parseLeniently(source.value)
  const problems: FileProblem[] = issues.flatMap((issue) => schemaProblems(issue, source))
  if (document === undefined) return { problems: inOrder(problems) }
  const resolved = resolve(document, context, source, origins)
  const dropped = issues.length > 0 && origins.length !== machineCount(source.value)
  const draft = { ...resolved.draft, complete: resolved.draft.complete && !dropped, assumed }
  problems.push(...resolved.problems)
  for (const check of checks) problems.push(...check(draft))
  const places = new Set(problems.map(placeOf))
  problems.push(...unsupported(draft).filter((problem) => !places.has(placeOf(problem))))
  return problems.length === 0 ? { spec: draft.spec, problems } : { problems: inOrder(problems) }
}

/** What stands in for a part that cannot be read, so that the others still can. */
const ASSUMPTIONS: readonly { readonly path: Path; readonly value: unknown; readonly part?: Assumed }[] = [
  { path: ['apiVersion'], value: 'slipway.dev/v1alpha1' },
  { path: ['kind'], value: 'Cluster' },
  { path: ['metadata'], value: { name: 'assumed' }, part: 'name' },
  { path: ['spec', 'kubernetes'], value: { distribution: 'kubeadm', version: DEFAULT_KUBERNETES }, part: 'kubernetes' },
  { path: ['spec', 'network', 'cni'], value: { kind: 'flannel' }, part: 'cni' },
  { path: ['spec', 'network'], value: { cni: { kind: 'flannel' } }, part: 'cni' },
  { path: ['spec', 'gitops'], value: { engine: 'flux' }, part: 'gitops' },
]

interface Lenient {
  readonly document: ClusterDocument | undefined
  readonly issues: readonly FlatIssue[]
  readonly origins: readonly number[]
  readonly assumed: ReadonlySet<Assumed>
}

/**
 * The document, and the issues of the file as it is. Where there are some, the document is what remains after the broken
 * parts have been left out, so that one typo does not hide the other problems; `undefined` when too little remains.
 */
function parseLeniently(value: unknown): Lenient {
  const rest = structuredClone(value)
  const origins = Array.from({ length: machineCount(value) }, (_, i) => i)
  const assumed = new Set<Assumed>()
  let first: readonly FlatIssue[] | undefined
  for (let round = 0; round < MAX_ROUNDS; round += 1) {
    const result = clusterDocument.safeParse(rest, { error: nameKnownFields })
    if (result.success) return { document: result.data, issues: first ?? [], origins, assumed }
    const issues = flatten(result.error.issues)
    first ??= issues
    // From the end, so that the indices of earlier list entries stay right.
    for (const { issue, path } of issues.toReversed()) {
      const broken = issue.code === 'unrecognized_keys' ? issue.keys.map((key) => [...path, key]) : [path]
      if (!broken.every((at) => leaveOut(rest, at, origins) || assume(rest, at, assumed)))
        return { document: undefined, issues: first, origins, assumed }
    }
  }
  return { document: undefined, issues: first ?? [], origins, assumed }
}

/**
 * Removes the value at `path` or, when it is absent, what it is missing from. `false` when that is the cluster itself or
 * one of its sections.
 */
function leaveOut(value: unknown, path: Path, origins: number[]): boolean {
  const steps: { readonly holder: Record<string | number, unknown>; readonly part: string | number }[] = []
  let at = value
  for (const part of path) {
    if (typeof at !== 'object' || at === null || !Object.hasOwn(at, part)) break
    const holder = at as Record<string | number, unknown>
    steps.push({ holder, part })
    at = holder[part]
  }
  const last = steps.at(-1)
  if (last === undefined || (steps.length < path.length && steps.length < 3)) return false
  if (Array.isArray(last.holder)) {
    last.holder.splice(Number(last.part), 1)
    if (steps.length === 3 && path[1] === 'machines') origins.splice(Number(last.part), 1)
  } else delete last.holder[last.part]
  return true
}

/** Puts the assumption for the section that `path` leads into. */
function assume(value: unknown, path: Path, assumed: Set<Assumed>): boolean {
  const found = ASSUMPTIONS.find((one) => one.path.every((part, i) => part === path[i]))
  const holder = found === undefined ? undefined : valueAt(value, found.path.slice(0, -1))
  if (found === undefined || typeof holder !== 'object' || holder === null) return false
  ;(holder as Record<string, unknown>)[String(found.path.at(-1))] = found.value
  if (found.part !== undefined) assumed.add(found.part)
  return true
}

function machineCount(value: unknown): number {
  const machines = (value as { spec?: { machines?: unknown } } | null)?.spec?.machines
  return Array.isArray(machines) ? machines.length : 0
}

function placeOf({ line, column }: FileProblem): string {
  return `${line}:${column}`
}

/** By place, each once: a range of machines makes a mistake once. Beyond {@link MAX_PROBLEMS} only their number. */
function inOrder(problems: readonly FileProblem[]): readonly FileProblem[] {
  const seen = new Set<string>()
  const sorted = problems
    .filter((problem) => {
      const key = `${placeOf(problem)}:${problem.code}`
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
