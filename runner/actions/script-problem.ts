import { Problem } from '../../src/core/problem.ts'
import { redact } from '../../src/secrets/redact.ts'
import type { RemoteResult } from '../lan/remote.ts'
import { FENCED, NOT_OURS } from './fence.ts'

/** Lines of output that a problem quotes. */
const QUOTED_LINES = 6

/**
 * A script's failure in words: the lines that programs mark as errors, or else the last ones.
 * @param doing - What was being done, e.g. `joining w-2`.
 */
export function scriptProblem(
  machine: string,
  doing: string,
  result: RemoteResult,
  hint: { readonly code: string; readonly remedy: string },
): Problem {
  if (result.exit === FENCED)
    return new Problem({
      code: 'host.fenced',
      what: `${machine}: another run has taken over this machine`,
      remedy: 'Nothing to do here: the newer run goes on.',
      retry: 'never',
    })
  if (result.exit === NOT_OURS)
    return new Problem({
      code: 'host.another-cluster',
      what: `${machine} belongs to another cluster: ${redact(result.stderr.trim())}`,
      remedy: 'Give this cluster another machine, or reset that one by hand and remove /var/lib/slipway on it.',
      retry: 'later',
    })
  const lines = `${result.stderr}\n${result.stdout}`
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
  const telling = lines.filter((line) => /\[ERROR|^error|^E:|fatal|refused|not found/i.test(line))
  const quoted = (telling.length > 0 ? telling : lines).slice(-QUOTED_LINES).join(' · ')
  return new Problem({
    code: hint.code,
    what: `${doing}: ${redact(quoted) || `the script ended with ${result.exit}`}`,
    where: machine,
    remedy: hint.remedy,
    retry: 'later',
  })
}
