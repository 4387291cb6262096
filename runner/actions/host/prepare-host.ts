import { Problem } from '../../../src/core/problem.ts'
import type { Step } from '../../../src/core/step.ts'
import type { Action, ActionContext } from '../../engine/action.ts'
import type { Lan } from '../../lan/lan.ts'
import type { RemoteResult } from '../../lan/remote.ts'
import { scriptProblem } from '../script-problem.ts'
import { CLOCK_WRONG, OTHER_OS, PREPARE } from './prepare-script.ts'
import { recipeParameters } from './recipe-parameters.ts'

/** Packages of half a gigabyte over a home connection, after waiting for another package run. */
const TIMEOUT_MS = 30 * 60_000
/** Looking costs a second, on a slow machine some. */
const CHECK_TIMEOUT_MS = 120_000

export const prepareHost: Action<'prepare-host', Lan> = {
  timeoutMs: TIMEOUT_MS,
  async check(step, lan, context) {
    const result = await prepare(step, lan, 'check', context)
    if (result.exit !== 0) throw problemOf(step, result)
    return differences(result.stdout).length === 0 ? 'done' : 'needed'
  },
  async apply(step, lan, context) {
    context.progress(`installing ${step.recipe.packages.length} packages and settings`)
    const result = await prepare(step, lan, 'apply', context)
    if (result.exit !== 0) throw problemOf(step, result)
  },
}

/** What the script found to differ, in its own words. */
export function differences(stdout: string): readonly string[] {
  return stdout
    .split('\n')
    .filter((line) => line.startsWith('needed: '))
    .map((line) => line.slice('needed: '.length))
}

function prepare(
  step: Step<'prepare-host'>,
  lan: Lan,
  mode: 'check' | 'apply',
  context: ActionContext,
): Promise<RemoteResult> {
  return lan.remote.run(
    step.target,
    PREPARE,
    {
      MODE: mode,
      FENCE: String(lan.fence),
      MARK: step.mark,
      DIGEST: step.recipeDigest,
      ...recipeParameters(step.recipe),
    },
    { timeoutMs: mode === 'check' ? CHECK_TIMEOUT_MS : TIMEOUT_MS, signal: context.signal },
  )
}

function problemOf({ target }: Step<'prepare-host'>, result: RemoteResult): Problem {
  const { machine } = target
  if (result.exit === CLOCK_WRONG)
    return new Problem({
      code: 'host.clock',
      what: `the clock of ${machine} is not synchronised`,
      where: machine,
      remedy: `Let ${machine} reach a time server (UDP 123), see \`chronyc sources\`, then comment \`/slipway apply\`.`,
      retry: 'later',
    })
  if (result.exit === OTHER_OS)
    return new Problem({
      code: 'host.other-os',
      what: `${machine}: ${result.stderr.trim()}`,
      where: machine,
      remedy: 'Install Debian 12 or 13, or Ubuntu 22.04 or 24.04.',
      retry: 'never',
    })
  return scriptProblem(machine, `preparing ${machine}`, result, {
    code: 'host.prepare',
    remedy: remedyFor(`${result.stderr}\n${result.stdout}`),
  })
}

/** Ways on from what apt and friends say most often. */
const REMEDIES: readonly (readonly [RegExp, string])[] = [
  [/Could not get lock|Unable to acquire the dpkg/, 'Another program installs packages there: wait for it.'],
  [
    /was not found|Unable to locate package/,
    'The repository lacks that version: choose one that it has, or see its mirror.',
  ],
  [
    /not signed|NO_PUBKEY|EXPKEYSIG/,
    "The repository's signing key is not the one fetched: see the mirror and its key.",
  ],
  [
    /Could not resolve|Failed to connect|Connection timed out|curl: \(/,
    'See whether the machine reaches the repository, or name a mirror in the spec.',
  ],
  [/enough free space|No space left/, 'Make room on its disk, or give it a larger one.'],
  [
    /PACKAGES were downgraded|Packages were downgraded/,
    'A newer version is installed already: remove it, or ask for that one in the spec.',
  ],
]

function remedyFor(output: string): string {
  const found = REMEDIES.find(([pattern]) => pattern.test(output))?.[1] ?? 'Mend what it names.'
  return `${found} Then comment \`/slipway apply\`; what is done stays done.`
}
