import type { FileProblem } from '../../problem.ts'
import { type Check, type Draft, problemAt } from '../draft.ts'
import { numbersOf, parseAddress, parseSubnet, rangeOf, within } from '../ipv4.ts'
import type { Path } from '../source-text.ts'

/** Parts that are fine alone and do not work together. */
export const combinations: Check = (draft) => [
  ...components(draft),
  ...(draft.assumed.has('kubernetes') ? [] : [...k3s(draft), ...tailnet(draft)]),
]

function components(draft: Draft): readonly FileProblem[] {
  const { components: wanted, network } = draft.document.spec
  const at = (name: string): Path => ['spec', 'components', name]
  const refuse = (name: string, what: string, remedy: string) =>
    problemAt(draft, at(name), ['compat.components', what, remedy], 'key')
  const problems: FileProblem[] = []
  if (wanted['gpu-operator'] !== undefined && wanted['gpu-device-plugin'] !== undefined)
    problems.push(
      refuse(
        'gpu-device-plugin',
        'the GPU operator brings a device plugin of its own',
        'Keep one of the two: the plugin alone is enough for most labs.',
      ),
    )
  if (wanted.dcgm !== undefined && wanted['gpu-operator']?.dcgm === true)
    problems.push(
      refuse(
        'dcgm',
        'the GPU operator exports GPU metrics already, and each would be counted twice',
        'Leave `dcgm` out.',
      ),
    )
  const ciliumPool = network.cni.kind === 'cilium' && network.cni.loadBalancer !== undefined
  const givers = [
    ...(ciliumPool ? ["Cilium's pool"] : []),
    ...(wanted.metallb === undefined ? [] : ['MetalLB']),
    ...((wanted['kube-vip']?.services.length ?? 0) > 0 ? ['kube-vip'] : []),
  ]
  if (givers.length > 1)
    problems.push(
      refuse(
        wanted.metallb === undefined ? 'kube-vip' : 'metallb',
        `${givers.join(' and ')} would both give addresses to the same Services`,
        'Keep one of them.',
      ),
    )
  const defaults = defaultClasses(draft)
  const second = defaults[1]
  if (second !== undefined)
    problems.push(
      problemAt(
        draft,
        second.path,
        [
          'compat.components',
          `storage classes ${defaults.map(({ name }) => `"${name}"`).join(' and ')} are both the default`,
          'Mark one of them; claims that name no class would get either.',
        ],
        'key',
      ),
    )
  if (wanted['cert-manager']?.issuer?.dns01 !== undefined && wanted['cert-manager'].issuer.acme === undefined)
    problems.push(
      problemAt(
        draft,
        [...at('cert-manager'), 'issuer', 'dns01'],
        ['compat.components', 'dns01 proves names to an ACME directory, but none is named', 'Add `acme: letsencrypt`.'],
        'key',
      ),
    )
  return problems
}

function defaultClasses(draft: Draft): readonly { readonly name: string; readonly path: Path }[] {
  const wanted = draft.document.spec.components
  const at = (...path: Path): Path => ['spec', 'components', ...path]
  return [
    ...(wanted.cephfs?.classes ?? []).flatMap((one, i) =>
      one.default ? [{ name: one.name, path: at('cephfs', 'classes', i) }] : [],
    ),
    ...(wanted.nfs?.default === true ? [{ name: wanted.nfs.class, path: at('nfs') }] : []),
    ...(wanted['local-path']?.default === true ? [{ name: wanted['local-path'].class, path: at('local-path') }] : []),
    ...(wanted.scratch?.default === true ? [{ name: wanted.scratch.class, path: at('scratch') }] : []),
    ...(wanted['storage-classes'] ?? []).flatMap((one, i) =>
      one.default ? [{ name: one.name, path: at('storage-classes', i) }] : [],
    ),
  ]
}

function k3s(draft: Draft): readonly FileProblem[] {
  const wanted = draft.document.spec.kubernetes
  if (wanted.distribution !== 'k3s') return []
  const planes = draft.spec.machines.filter(({ role }) => role === 'control-plane')
  const problems: FileProblem[] = []
  if (wanted.datastore === 'sqlite' && planes.length > 1)
    problems.push(
      problemAt(
        draft,
        ['spec', 'kubernetes', 'datastore'],
        [
          'compat.k3s',
          `SQLite is on one machine only, but there are ${planes.length} control planes`,
          'Write `datastore: etcd`, or have one control plane.',
        ],
      ),
    )
  const { cni } = draft.document.spec.network
  const givers =
    draft.document.spec.components.metallb !== undefined || (cni.kind === 'cilium' && cni.loadBalancer !== undefined)
  if (givers && !wanted.disable.includes('servicelb'))
    problems.push(
      problemAt(
        draft,
        ['spec', 'kubernetes', 'disable'],
        ['compat.k3s', "K3s' own servicelb would give addresses to the same Services", 'Add servicelb to `disable`.'],
      ),
    )
  return problems
}

/** Over a tailnet every node is on it, and nothing that needs ARP works. */
function tailnet(draft: Draft): readonly FileProblem[] {
  const { kubernetes, network } = draft.spec
  if (kubernetes.distribution !== 'k3s' || kubernetes.tailnet === undefined) return []
  const subnet = parseSubnet(kubernetes.tailnet.cidr)
  const problems: FileProblem[] = []
  for (const machine of draft.spec.machines) {
    const number = parseAddress(machine.address)
    if (machine.kind !== 'host' || subnet === undefined || number === undefined) continue
    if (within({ first: number, last: number }, rangeOf(subnet))) continue
    problems.push(
      problemAt(
        draft,
        [...draft.placeOf(machine), 'host'],
        [
          'compat.tailnet',
          `"${machine.name}" (${machine.address}) is not on the tailnet ${kubernetes.tailnet.cidr}`,
          'Write its Tailscale address, as `tailscale ip -4` prints it.',
        ],
      ),
    )
  }
  const pool = network.cni.kind === 'cilium' ? network.cni.loadBalancer?.addresses[0] : undefined
  if (pool !== undefined && subnet !== undefined && within(numbersOf(pool), rangeOf(subnet)))
    problems.push(
      problemAt(
        draft,
        ['spec', 'network', 'cni', 'loadBalancer'],
        [
          'compat.tailnet',
          'addresses of the tailnet cannot be announced: ARP does not cross Tailscale',
          'Leave the pool out; use `tailscale-operator` for Services in the tailnet.',
        ],
        'key',
      ),
    )
  return problems
}
