import type { FileProblem } from '../../problem.ts'
import type { Machine, VirtualMachine } from '../cluster-spec.ts'
import { type Check, type Draft, problemAt } from '../draft.ts'
import {
  formatAddress,
  formatSubnet,
  numbersOf,
  type NumberRange,
  overlap,
  parseAddress,
  parseSubnet,
  rangeOf,
  type Subnet,
  subnetOf,
  within,
} from '../ipv4.ts'
import type { Path } from '../source-text.ts'

/** Networks that others give out on machines of a home or lab. */
const FOREIGN = [
  { name: "Docker's default network", cidr: '172.17.0.0/16' },
  { name: "Tailscale's addresses", cidr: '100.64.0.0/10' },
] as const

interface Named {
  readonly name: string
  readonly range: NumberRange
  readonly shown: string
  readonly path?: Path
}

/** One address plan: every machine inside its LAN, nothing twice, no range over another. */
export const addresses: Check = (draft) => [
  ...taken(draft),
  ...inLan(draft),
  ...ranges(draft),
  ...pool(draft),
  ...podSpace(draft),
]

function lansOf(draft: Draft): readonly Subnet[] {
  const lans = new Map<string, Subnet>()
  for (const machine of draft.spec.machines) {
    const number = parseAddress(machine.address)
    if (machine.kind !== 'vm' || number === undefined) continue
    const lan = subnetOf(number, machine.prefixLength)
    lans.set(formatSubnet(lan), lan)
  }
  return [...lans.values()]
}

function taken(draft: Draft): readonly FileProblem[] {
  const owners = new Map<string, string>()
  for (const [name, { gateway }] of Object.entries(draft.spec.providers))
    owners.set(gateway, `the gateway of provider "${name}"`)
  const { endpoint } = draft.spec
  if (endpoint.keptBy !== 'control-plane') owners.set(endpoint.host, 'the endpoint')
  const place = (machine: Machine) => Number(draft.placeOf(machine)[2] ?? 0)
  return [...draft.spec.machines]
    .sort((a, b) => place(a) - place(b))
    .flatMap((machine): readonly FileProblem[] => {
      const owner = owners.get(machine.address)
      if (owner === undefined) {
        owners.set(machine.address, `the address of "${machine.name}"`)
        return []
      }
      const free = freeAddress(draft, machine)
      return [
        problemAt(draft, addressPath(draft, machine), [
          'spec.address-taken',
          `${machine.role} "${machine.name}" uses ${machine.address}, already ${owner}`,
          `Give each machine its own address${free === undefined ? '' : `; ${free} is free in this file`}.`,
        ]),
      ]
    })
}

/** The next address above the machine's own that nothing in this file uses. */
function freeAddress(draft: Draft, machine: Machine): string | undefined {
  const own = parseAddress(machine.address)
  if (own === undefined) return undefined
  const { endpoint, machines, providers, network } = draft.spec
  const used = new Set([
    endpoint.host,
    ...machines.map(({ address }) => address),
    ...Object.values(providers).flatMap(({ gateway, nameservers }) => [gateway, ...nameservers]),
  ])
  const pools = network.cni.kind === 'cilium' ? (network.cni.loadBalancer?.addresses ?? []).map(numbersOf) : []
  const lan = rangeOf(subnetOf(own, machine.kind === 'vm' ? machine.prefixLength : 24))
  for (let number = own + 1; number < lan.last; number += 1)
    if (!used.has(formatAddress(number)) && !pools.some(({ first, last }) => first <= number && number <= last))
      return formatAddress(number)
  return undefined
}

function inLan(draft: Draft): readonly FileProblem[] {
  return draft.spec.machines.flatMap((machine): readonly FileProblem[] => {
    if (machine.kind !== 'vm') return []
    const gateway = parseAddress(draft.spec.providers[machine.provider]?.gateway ?? '')
    const own = parseAddress(machine.address)
    if (gateway === undefined || own === undefined) return []
    const lan = subnetOf(own, machine.prefixLength)
    if (!within({ first: gateway, last: gateway }, rangeOf(lan)))
      return [
        problemAt(draft, addressPath(draft, machine), [
          'spec.gateway-outside',
          `"${machine.name}" is in ${formatSubnet(lan)}, where the gateway ${formatAddress(gateway)} of provider "${machine.provider}" is not`,
          `Take an address of ${formatSubnet(subnetOf(gateway, machine.prefixLength))}, or correct the prefix or the gateway.`,
        ]),
      ]
    if (machine.prefixLength >= 31) return []
    const { first, last } = rangeOf(lan)
    if (own !== first && own !== last) return []
    return [
      problemAt(draft, addressPath(draft, machine), [
        'spec.address-reserved',
        `${machine.address} is the ${own === first ? 'network' : 'broadcast'} address of ${formatSubnet(lan)}`,
        'Take an address between the two.',
      ]),
    ]
  })
}

function ranges(draft: Draft): readonly FileProblem[] {
  const { network, kubernetes } = draft.spec
  const overTailnet = kubernetes.distribution === 'k3s' && kubernetes.tailnet !== undefined
  const named = (name: string, cidr: string, path?: Path): readonly Named[] => {
    const subnet = parseSubnet(cidr)
    return subnet === undefined
      ? []
      : [{ name, range: rangeOf(subnet), shown: cidr, ...(path === undefined ? {} : { path }) }]
  }
  const own = [
    ...named('the pod network', network.pods, ['spec', 'network', 'pods']),
    ...named('the service network', network.services, ['spec', 'network', 'services']),
  ]
  const hosts = draft.spec.machines
    .filter(({ kind }) => kind === 'host')
    .flatMap(({ name, address }) => named(`host "${name}"`, `${address}/32`))
  const others = [
    ...lansOf(draft).flatMap((lan) => named('the LAN', formatSubnet(lan))),
    ...hosts,
    ...FOREIGN.flatMap(({ name, cidr }) => named(name, cidr)),
    ...(overTailnet && kubernetes.tailnet !== undefined ? named('the tailnet', kubernetes.tailnet.cidr) : []),
  ]
  const problems: FileProblem[] = []
  const clash = (a: Named, b: Named) => {
    if (a.path === undefined || !overlap(a.range, b.range)) return
    const free = freeRange(a.shown, [...own.filter((one) => one !== a), ...others])
    problems.push(
      problemAt(draft, a.path, [
        'spec.ranges-overlap',
        `${a.name} ${a.shown} overlaps ${b.name}${b.name.includes(b.shown) ? '' : ` ${b.shown}`}`,
        `Choose a range that nothing else uses${free === undefined ? '' : `, such as ${free}`}; it cannot change later.`,
      ]),
    )
  }
  const [pods, services] = own
  if (pods !== undefined && services !== undefined) clash(services, pods)
  // Several hosts in one range are one mistake: the first says enough.
  for (const mine of own) {
    const hit = others.find((other) => overlap(mine.range, other.range))
    if (hit !== undefined) clash(mine, hit)
  }
  return problems
}

/** A private range of the same size that touches none of these. */
function freeRange(cidr: string, others: readonly Named[]): string | undefined {
  const prefix = parseSubnet(cidr)?.prefix
  if (prefix === undefined || prefix < 12) return undefined
  const candidates = ['10.244.0.0', '10.96.0.0', '10.245.0.0', '10.112.0.0', '172.24.0.0', '192.168.240.0']
  return candidates
    .map((text) => subnetOf(parseAddress(text) ?? 0, prefix))
    .filter((subnet) => !others.some((other) => overlap(rangeOf(subnet), other.range)))
    .map(formatSubnet)[0]
}

/** Addresses for LoadBalancer Services are ARP-announced: inside a LAN, on nothing that answers already. */
function pool(draft: Draft): readonly FileProblem[] {
  const { cni } = draft.spec.network
  if (cni.kind !== 'cilium' || cni.loadBalancer === undefined) return []
  const lans = lansOf(draft)
  return cni.loadBalancer.addresses.flatMap((range, i): readonly FileProblem[] => {
    const path: Path = ['spec', 'network', 'cni', 'loadBalancer', 'addresses', i]
    const numbers = numbersOf(range)
    const shown = range.from === range.to ? range.from : `${range.from}-${range.to}`
    if (lans.length > 0 && !lans.some((lan) => within(numbers, rangeOf(lan))))
      return [
        problemAt(draft, path, [
          'spec.pool-outside-lan',
          `${shown} is not inside ${lans.map(formatSubnet).join(' or ')}, so nobody would ask for it by ARP`,
          `Take free addresses of ${formatSubnet(lans[0] as Subnet)}, outside the DHCP range.`,
        ]),
      ]
    const { endpoint, machines, providers } = draft.spec
    const inside = (address: string) => {
      const number = parseAddress(address)
      return number !== undefined && overlap(numbers, { first: number, last: number })
    }
    const hit = [
      ...machines.filter(({ address }) => inside(address)).map(({ name }) => `machine "${name}"`),
      ...Object.entries(providers)
        .filter(([, { gateway }]) => inside(gateway))
        .map(([name]) => `the gateway of provider "${name}"`),
      ...(inside(endpoint.host) && !machines.some(({ address }) => address === endpoint.host) ? ['the endpoint'] : []),
    ]
    if (hit.length === 0) return []
    return [
      problemAt(draft, path, [
        'spec.pool-overlaps',
        `${shown} contains the address of ${hit.slice(0, 3).join(', ')}`,
        'Take addresses that nothing answers on.',
      ]),
    ]
  })
}

/** Every node gets a /24 of the pod network. */
function podSpace(draft: Draft): readonly FileProblem[] {
  const { pods } = draft.spec.network
  const prefix = parseSubnet(pods)?.prefix ?? 16
  const room = prefix > 24 ? 0 : 2 ** (24 - prefix)
  const count = draft.spec.machines.length
  if (count <= room) return []
  return [
    problemAt(
      draft,
      ['spec', 'network', 'pods'],
      [
        'spec.pod-network-small',
        `${pods} has room for ${room} nodes of a /24 each, but there are ${count} machines`,
        'Take a larger network, e.g. a /16 for 256 nodes; it cannot grow later.',
      ],
    ),
  ]
}

function addressPath(draft: Draft, machine: Machine | VirtualMachine): Path {
  return [...draft.placeOf(machine), machine.kind === 'vm' ? 'address' : 'host']
}
