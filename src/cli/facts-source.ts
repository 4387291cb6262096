import { readFileSync, statSync } from 'node:fs'
import { resolve } from 'node:path'
import type { RunnerConfig } from '../../runner/config.ts'
import type { Facts } from '../core/facts.ts'
import { noFacts } from '../core/facts.ts'
import { Problem } from '../core/problem.ts'
import type { ClusterSpec } from '../core/spec/cluster-spec.ts'
import { FactsJson } from '../core/wire.ts'
import type { Terminal } from './terminal.ts'

/** What a plan is compared with: the network as it is now, nothing, or a document that was kept. */
export type FactsSource =
  | { readonly from: 'live'; readonly config: RunnerConfig }
  | { readonly from: 'none'; readonly because?: string }
  | { readonly from: 'file'; readonly file: string }

/** Largest facts document; one of 1,000 machines has about 1 MB. */
const MAX_BYTES = 8 * 1024 * 1024

/** @param wanted - `live`, `none`, a file, or nothing: live when there is a `runner.yaml`. */
export function factsSource(
  wanted: string | undefined,
  config: RunnerConfig | undefined,
  terminal: Terminal,
): FactsSource {
  if (wanted === 'none') return { from: 'none' }
  if (wanted !== undefined && wanted !== 'live') return { from: 'file', file: resolve(terminal.folder, wanted) }
  if (config !== undefined) return { from: 'live', config }
  if (wanted === undefined)
    return {
      from: 'none',
      because: 'there is no runner.yaml, so nothing was looked at: this is the plan of a new cluster',
    }
  throw new Problem({
    code: 'runner.no-config',
    what: '--facts live needs a runner.yaml, which says how the machines are reached',
    remedy: 'Name one with --config FILE, or plan from the text alone with --facts none.',
    retry: 'never',
  })
}

/** Facts of one cluster from that source. Live: looks, changes nothing. */
export async function readFacts(source: FactsSource, spec: ClusterSpec): Promise<Facts> {
  switch (source.from) {
    case 'none':
      return noFacts(spec.name)
    case 'file':
      return factsFile(source.file, spec.name)
    case 'live': {
      const { withLan } = await import('./lan-session.ts')
      return withLan(source.config, spec, { fence: 0 }, (lan, access) => access.gather(spec, lan))
    }
    default:
      return source satisfies never
  }
}

function factsFile(file: string, cluster: string): Facts {
  const bad = (what: string, cause?: unknown): Problem =>
    new Problem(
      {
        code: 'facts.file',
        what: `reading facts from ${file}: ${what}`,
        remedy: 'Give a document as `slipway plan --json` shows it under `facts`.',
        retry: 'never',
      },
      { cause },
    )
  let value: unknown
  try {
    if (statSync(file).size > MAX_BYTES) throw bad('it is larger than 8 MiB')
    value = JSON.parse(readFileSync(file, 'utf8'))
  } catch (error) {
    if (error instanceof Problem) throw error
    throw bad(error instanceof SyntaxError ? 'it is not JSON' : 'it cannot be read', error)
  }
  const parsed = FactsJson.safeParse(value)
  if (!parsed.success)
    throw bad(parsed.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join('; '))
  if (parsed.data.cluster !== cluster) throw bad(`it is of the cluster "${parsed.data.cluster}", not "${cluster}"`)
  // The schema's optional members may be undefined where the type says absent; JSON has no undefined.
  return parsed.data as Facts
}
