import { Problem } from '../../../src/core/problem.ts'
import type { HostRecipe } from '../../../src/core/steps/host.ts'
import { firewallRuleset } from './firewall-ruleset.ts'

/** Loads the firewall's table when the machine starts. */
const FIREWALL_UNIT = `[Unit]
Description=Slipway firewall
Before=network-pre.target
Wants=network-pre.target
DefaultDependencies=no

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/sbin/nft -f /etc/slipway/firewall.nft
ExecReload=/usr/sbin/nft -f /etc/slipway/firewall.nft

[Install]
WantedBy=multi-user.target
`

/**
 * A recipe as shell variables for the preparation script: lists are lines, fields of a line are separated by `|`, and
 * contents of files are base64.
 */
export function recipeParameters(recipe: HostRecipe): Readonly<Record<string, string>> {
  const firewall = firewallRuleset(recipe.firewall)
  const files = [
    { path: '/etc/modules-load.d/slipway.conf', mode: '0644', content: lines(recipe.modules), restarts: [] },
    {
      path: '/etc/sysctl.d/99-slipway.conf',
      mode: '0644',
      content: lines(
        Object.entries(recipe.sysctls)
          .sort(([a], [b]) => (a < b ? -1 : 1))
          .map(([key, value]) => `${key} = ${value}`),
      ),
      restarts: [],
    },
    ...recipe.files,
    ...(firewall === ''
      ? []
      : [
          {
            path: '/etc/systemd/system/slipway-firewall.service',
            mode: '0644',
            content: FIREWALL_UNIT,
            restarts: ['slipway-firewall.service'],
          },
          {
            path: '/etc/slipway/firewall.nft',
            mode: '0644',
            content: firewall,
            restarts: ['slipway-firewall.service'],
          },
        ]),
  ]
  const services = [
    ...recipe.services,
    ...(firewall === '' ? [] : [{ unit: 'slipway-firewall.service', state: 'enabled' as const }]),
  ]
  return {
    WANTED_HOSTNAME: recipe.hostname,
    REPOSITORIES: rows(recipe.repositories.map(({ name, keyUrl, line }) => [name, keyUrl, line])),
    PACKAGES: rows(recipe.packages.map(({ name, version, hold }) => [name, version ?? '*', hold ? 'hold' : 'free'])),
    MODULES: recipe.modules.join(' '),
    FILES: rows(
      files.map(({ path, mode, content, restarts }) => [
        path,
        mode.replace(/^0+/, ''),
        restarts.join(' '),
        Buffer.from(content).toString('base64'),
      ]),
    ),
    SERVICES: rows(recipe.services.length === 0 ? [] : services.map(({ unit, state }) => [unit, state])),
    TIME_SYNC: recipe.timeSync ? 'yes' : 'no',
  }
}

function lines(items: readonly string[]): string {
  return items.map((item) => `${item}\n`).join('')
}

function rows(table: readonly (readonly string[])[]): string {
  for (const field of table.flat())
    if (/[|\n]/.test(field))
      throw new Problem({
        code: 'host.recipe',
        what: `the recipe has a value with a line break or "|": ${JSON.stringify(field.slice(0, 80))}`,
        retry: 'never',
      })
  return table.map((row) => row.join('|')).join('\n')
}
