import type { FileProblem } from '../../problem.ts'
import { type Check, problemAt } from '../draft.ts'
import { formatSubnet, parseAddress, rangeOf, subnetOf, within } from '../ipv4.ts'
import type { Path } from '../source-text.ts'

/** How many control planes there are, and who answers at their common address. */
export const endpoint: Check = (draft) => {
  if (!draft.complete) return []
  const { machines, endpoint: wanted, kubernetes } = draft.spec
  const planes = machines.filter(({ role }) => role === 'control-plane')
  const first = planes[0]
  if (first === undefined)
    return [
      problemAt(
        draft,
        ['spec', 'machines'],
        [
          'spec.no-control-plane',
          'no machine has the role control-plane',
          'Give one machine, or three, `role: control-plane`.',
        ],
        'key',
      ),
    ]
  const problems: FileProblem[] = []
  const at: Path = ['spec', 'endpoint']
  if (planes.length % 2 === 0)
    problems.push(
      problemAt(
        draft,
        [...draft.placeOf(planes.at(-1) ?? first), 'role'],
        [
          'spec.even-control-planes',
          `${planes.length} control planes survive no more failures than ${planes.length - 1}, and lose quorum sooner`,
          `Have ${planes.length - 1} or ${planes.length + 1}.`,
        ],
      ),
    )
  if (planes.length > 7)
    problems.push(
      problemAt(
        draft,
        [...draft.placeOf(planes[7] ?? first), 'role'],
        [
          'spec.too-many-control-planes',
          `${planes.length} control planes: etcd is meant for at most 7 members`,
          'Have 3 or 5, and make the others workers.',
        ],
      ),
    )
  const optional = planes.find((machine) => machine.optional)
  if (optional !== undefined)
    problems.push(
      problemAt(
        draft,
        [...draft.placeOf(optional), 'optional'],
        [
          'spec.optional-control-plane',
          `control plane "${optional.name}" may be away, and with it etcd's quorum`,
          'Only workers can be optional.',
        ],
      ),
    )
  const written = draft.document.spec.endpoint
  if (planes.length > 1 && written === undefined && kubernetes.distribution === 'kubeadm')
    problems.push(
      problemAt(draft, at, [
        'spec.endpoint-needed',
        `${planes.length} control planes need one address that outlives each of them`,
        'Add `endpoint: { address: …, keptBy: external }` with a free address or a DNS name that your balancer answers on.',
      ]),
    )
  if (planes.length > 1 && wanted.keptBy === 'control-plane' && written !== undefined)
    problems.push(
      problemAt(
        draft,
        [...at, 'keptBy'],
        [
          'spec.endpoint-kept-by-one',
          `with ${planes.length} control planes the endpoint cannot be kept by "control-plane"`,
          'Write `kube-vip`, or `external` for a balancer of your own.',
        ],
      ),
    )
  const isAddress = parseAddress(wanted.host) !== undefined
  if (planes.length === 1 && wanted.keptBy === 'control-plane' && isAddress && wanted.host !== first.address)
    problems.push(
      problemAt(
        draft,
        [...at, 'address'],
        [
          'spec.endpoint-elsewhere',
          `the endpoint ${wanted.host} is not the address of the only control plane "${first.name}" (${first.address})`,
          `Write ${first.address} or leave the endpoint out, or name who keeps it: \`keptBy: kube-vip\` or \`external\`.`,
        ],
      ),
    )
  if (wanted.keptBy === 'kube-vip') {
    const number = parseAddress(wanted.host)
    if (number === undefined)
      problems.push(
        problemAt(
          draft,
          [...at, 'address'],
          [
            'spec.endpoint-not-an-address',
            `kube-vip keeps an IP address, not the name "${wanted.host}"`,
            'Write the address here and the name under `certSANs`.',
          ],
        ),
      )
    else if (first.kind === 'vm') {
      const lan = subnetOf(parseAddress(first.address) ?? 0, first.prefixLength)
      if (!within({ first: number, last: number }, rangeOf(lan)))
        problems.push(
          problemAt(
            draft,
            [...at, 'address'],
            [
              'spec.endpoint-outside-lan',
              `${wanted.host} is not in ${formatSubnet(lan)}, the network of the control planes, so ARP cannot announce it`,
              `Take a free address of ${formatSubnet(lan)}, outside the DHCP range.`,
            ],
          ),
        )
    }
  }
  return problems
}
