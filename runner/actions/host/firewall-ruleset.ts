import type { FirewallRule, HostRecipe } from '../../../src/core/steps/host.ts'

/**
 * nftables rules of a managed firewall in a table of their own: what the recipe does not name is dropped on its way in.
 * Forwarding is the network's business. The table is replaced as a whole, so loading the file again changes nothing.
 * @see https://wiki.nftables.org/wiki-nftables/index.php/Atomic_rule_replacement
 */
export function firewallRuleset(firewall: HostRecipe['firewall']): string {
  if (firewall.kind === 'none') return ''
  return `table inet slipway
delete table inet slipway
table inet slipway {
  chain input {
    type filter hook input priority filter; policy drop;
    ct state established,related accept
    ct state invalid drop
    iifname "lo" accept
    meta l4proto { icmp, ipv6-icmp } accept
${firewall.rules.flatMap(ruleLines).join('\n')}
  }
}
`
}

function ruleLines({ protocol, ports, from, why }: FirewallRule): readonly string[] {
  const accept = `${protocol} dport { ${ports} } accept comment ${JSON.stringify(why)}`
  if (from.length === 0) return [`    ${accept}`]
  return (['ip', 'ip6'] as const).flatMap((family) => {
    const sources = from.filter((cidr) => cidr.includes(':') === (family === 'ip6'))
    return sources.length === 0 ? [] : [`    ${family} saddr { ${sources.join(', ')} } ${accept}`]
  })
}
