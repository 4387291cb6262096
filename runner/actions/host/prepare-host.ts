import type { FirewallRule, HostRecipe } from '../../../src/core/steps/host.ts'
import type { Step } from '../../../src/core/step.ts'
import { Problem } from '../../../src/core/problem.ts'
import type { Action } from '../../engine/action.ts'
import type { Lan } from '../../lan/lan.ts'
import { scriptProblem } from '../script-problem.ts'
import { CLOCK_WRONG, NO_VERSION, PREPARATION } from './preparation-script.ts'

/** Packages of some two hundred megabytes over a home connection, behind a lock that may be held for minutes. */
const TIMEOUT_MS = 25 * 60_000
const CHECK_TIMEOUT_MS = 2 * 60_000

export const prepareHost: Action<'prepare-host', Lan> = {
  timeoutMs: TIMEOUT_MS,
  async check(step, lan, context) {
    const result = await lan.remote.run(step.target, PREPARATION, parameters(step, lan, 'check'), {
      timeoutMs: CHECK_TIMEOUT_MS,
      signal: context.signal,
    })
    if (result.exit !== 0 || !/^settled check$/m.test(result.stdout))
      throw scriptProblem(step.target.machine, `looking at ${step.target.machine}`, result, HINT)
    return /^needed /m.test(result.stdout) ? 'needed' : 'done'
  },
  async apply(step, lan, context) {
    context.progress('installing packages and settings')
    const result = await lan.remote.run(step.target, PREPARATION, parameters(step, lan, 'apply'), {
      timeoutMs: TIMEOUT_MS,
      signal: context.signal,
    })
    if (result.exit === CLOCK_WRONG)
      throw new Problem({
        code: 'host.clock',
        what: `${step.target.machine}: ${result.stderr.trim()}`,
        where: step.target.machine,
        remedy: "Set its clock (chronyc makestep) or the runner's: certificates would not be valid.",
        retry: 'later',
      })
    if (result.exit === NO_VERSION)
      throw new Problem({
        code: 'host.no-version',
        what: `${step.target.machine}: ${result.stderr.trim()}`,
        where: step.target.machine,
        remedy: 'Name a version that the repository or its mirror has.',
        retry: 'later',
      })
    if (result.exit !== 0) throw scriptProblem(step.target.machine, `preparing ${step.target.machine}`, result, HINT)
  },
}

const HINT = {
  code: 'host.prepare',
  remedy: 'Mend what it names on the machine, then comment `/slipway apply`: what is done already is not done again.',
} as const

function parameters(
  { recipe, recipeDigest, mark }: Step<'prepare-host'>,
  lan: Lan,
  mode: 'check' | 'apply',
): Readonly<Record<string, string>> {
  return {
    MODE: mode,
    FENCE: String(lan.fence),
    MARK: mark,
    NOW: String(Math.round(lan.clock.now() / 1_000)),
    DIGEST: recipeDigest,
    HOST_NAME: recipe.hostname,
    MODULES: recipe.modules.join('\n'),
    SYSCTLS: lines(Object.entries(recipe.sysctls)),
    REPOSITORIES: lines(recipe.repositories.map(({ name, keyUrl, line }) => [name, keyUrl, line])),
    PACKAGES: lines(recipe.packages.map(({ name, version, hold }) => [name, version ?? '-', hold ? 'hold' : '-'])),
    FILES: lines(
      recipe.files.map(({ mode: fileMode, path, content, restarts }) => [
        fileMode,
        path,
        base64(content),
        restarts.join(',') || '-',
      ]),
    ),
    UNITS: lines(recipe.services.map(({ unit, state }) => [unit, state])),
    FIREWALL: recipe.firewall.kind === 'managed' ? base64(nftables(recipe.firewall.rules)) : '',
  }
}

function lines(rows: readonly (readonly string[])[]): string {
  return rows.map((row) => row.join(' ')).join('\n')
}

function base64(text: string): string {
  return Buffer.from(text).toString('base64')
}

/** Our own table, so that rules of others stay as they are; replaced whole in one transaction. */
export function nftables(rules: Extract<HostRecipe['firewall'], { kind: 'managed' }>['rules']): string {
  const rule = ({ protocol, ports, from, why }: FirewallRule): string =>
    `    ${from.length === 0 ? '' : `ip saddr { ${from.join(', ')} } `}${protocol} dport ${ports} accept comment "${why}"`
  return [
    'table inet slipway',
    'delete table inet slipway',
    'table inet slipway {',
    '  chain input {',
    '    type filter hook input priority filter; policy drop;',
    '    ct state established,related accept',
    '    iifname "lo" accept',
    '    meta l4proto { icmp, ipv6-icmp } accept',
    ...rules.map(rule),
    '  }',
    '}',
    '',
  ].join('\n')
}
