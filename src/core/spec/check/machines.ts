import type { FileProblem } from '../../problem.ts'
import type { ExistingHost, Machine, VirtualMachine } from '../cluster-spec.ts'
import { type Check, type Draft, problemAt } from '../draft.ts'
import { didYouMean } from '../edit-distance.ts'
import { valueAt } from '../schema-problem.ts'
import type { Path } from '../source-text.ts'

/** kubeadm refuses less: its preflight checks NumCPU (2) and Mem (1700 MB) on control planes. */
const MIN_CONTROL_PLANE = { cores: 2, memoryMiB: 2048 }
const MIN_WORKER = { cores: 1, memoryMiB: 1024 }
/** The system, images and logs need this; the kubelet evicts pods when 10 to 15 % are left. */
const MIN_DISK_GIB = 20

/** Machines one by one and against each other. */
export const machines: Check = (draft) => [
  ...twice(draft, 'name', ({ name }) => name, 'spec.name-taken', 'Give each machine its own name.'),
  ...twice(
    draft,
    'id',
    (machine) => (machine.kind === 'vm' ? `${connectionOf(draft, machine)}/${machine.vmid}` : undefined),
    'spec.id-taken',
    (machine) => `Give each VM its own id; ${freeId(draft, machine)} is free in this file.`,
  ),
  ...draft.spec.machines.flatMap((machine) =>
    machine.kind === 'vm' ? virtual(draft, machine) : existing(draft, machine),
  ),
  ...providers(draft),
]

function virtual(draft: Draft, machine: VirtualMachine): readonly FileProblem[] {
  const path = draft.placeOf(machine)
  const problems: FileProblem[] = []
  // As written: a provider may be left out of the spec because something in it is broken.
  const known = Object.keys(valueAt(draft.source.value, ['spec', 'providers']) ?? {})
  if (!known.includes(machine.provider)) {
    const meant = didYouMean(machine.provider, known)
    problems.push(
      problemAt(
        draft,
        [...path, 'provider'],
        [
          'spec.unknown-provider',
          `machine "${machine.name}" names provider "${machine.provider}", which is not under providers${meant === undefined ? '' : `; did you mean "${meant}"?`}`,
          known.length === 0 ? 'Add it under `providers`.' : `Take one of: ${known.join(', ')}.`,
        ],
      ),
    )
  }
  const least = machine.role === 'control-plane' ? MIN_CONTROL_PLANE : MIN_WORKER
  const small = (field: string, what: string, remedy: string) =>
    problems.push(problemAt(draft, [...path, field], ['spec.too-small', what, remedy]))
  if (machine.cores < least.cores)
    small(
      'cores',
      `${machine.role} "${machine.name}" has ${machine.cores} core, but needs ${least.cores}`,
      `Write cores: ${least.cores} or more.`,
    )
  if (machine.memoryMiB < least.memoryMiB)
    small(
      'memory',
      `${machine.role} "${machine.name}" has ${machine.memoryMiB} MiB of memory, but needs ${least.memoryMiB}`,
      `Write memory: ${least.memoryMiB / 1024}GiB or more; 4GiB is a sensible control plane.`,
    )
  if (machine.diskGiB < MIN_DISK_GIB)
    small(
      'disk',
      `"${machine.name}" has a disk of ${machine.diskGiB} GiB, but needs ${MIN_DISK_GIB}`,
      `Write disk: ${MIN_DISK_GIB}GiB or more; 40GiB leaves room for images and logs.`,
    )
  machine.passthrough.forEach((mapping, i) => {
    if (/^(?:[0-9a-f]{4}:)?[0-9a-f]{2}:[0-9a-f]{2}(?:\.[0-7])?$/i.test(mapping))
      problems.push(
        problemAt(
          draft,
          [...path, 'passthrough', i],
          [
            'spec.raw-pci-address',
            `"${mapping}" is a PCI address; Proxmox lets only root@pam with a password use those, and no API token`,
            'Make a resource mapping (Datacenter → Resource Mappings) and write its name.',
          ],
        ),
      )
    else if (!/^[A-Za-z][A-Za-z0-9_-]{1,127}$/.test(mapping))
      problems.push(
        problemAt(
          draft,
          [...path, 'passthrough', i],
          [
            'spec.invalid-value',
            `"${mapping}" is not the name of a Proxmox resource mapping`,
            'Write the name as it stands under Datacenter → Resource Mappings.',
          ],
        ),
      )
  })
  if (machine.gpus !== undefined && machine.passthrough.length === 0)
    problems.push(
      problemAt(
        draft,
        [...path, 'gpus'],
        [
          'spec.gpu-not-passed-through',
          `VM "${machine.name}" should offer GPUs, but none is passed through to it`,
          'Add `passthrough` with the name of a Proxmox resource mapping.',
        ],
      ),
    )
  if (
    machine.gpus !== undefined &&
    machine.gpus.count !== 'all' &&
    machine.gpus.count > machine.passthrough.length &&
    machine.passthrough.length > 0
  )
    problems.push(
      problemAt(
        draft,
        [...path, 'gpus', 'nvidia'],
        [
          'spec.gpu-count',
          `VM "${machine.name}" should offer ${machine.gpus.count} GPUs, but ${machine.passthrough.length} are passed through`,
          'List one mapping for each GPU (a mapping may hold several devices and be listed twice), or write `all`.',
        ],
      ),
    )
  return problems
}

const HOST_KEY = /^(?:ssh-ed25519|ecdsa-sha2-nistp(?:256|384|521)|ssh-rsa) [A-Za-z0-9+/]{40,}={0,2}$/

function existing(draft: Draft, machine: ExistingHost): readonly FileProblem[] {
  const path = draft.placeOf(machine)
  const remedy = `On the machine itself, print it with \`cut -d' ' -f1,2 /etc/ssh/ssh_host_ed25519_key.pub\`.`
  if (machine.hostKey === '')
    return [
      problemAt(
        draft,
        [...path, 'hostKey'],
        [
          'spec.host-key-missing',
          `host "${machine.name}" (${machine.address}) has no hostKey, so nothing tells it from an impostor`,
          remedy,
        ],
      ),
    ]
  if (HOST_KEY.test(machine.hostKey)) return []
  return [
    problemAt(
      draft,
      [...path, 'hostKey'],
      [
        'spec.host-key-malformed',
        `the hostKey of "${machine.name}" is not a public SSH host key (type and base64, nothing else)`,
        remedy,
      ],
    ),
  ]
}

function providers(draft: Draft): readonly FileProblem[] {
  return Object.entries(draft.document.spec.providers).flatMap(([name, provider]): readonly FileProblem[] => {
    if ((provider.image === undefined) !== (provider.template === undefined)) return []
    const both = provider.image !== undefined
    return [
      problemAt(
        draft,
        ['spec', 'providers', name, ...(both ? ['template'] : [])],
        [
          'spec.image-or-template',
          `provider "${name}" has ${both ? 'both an image and a template' : 'neither an image nor a template'}`,
          both ? 'Keep one of the two.' : 'Add `image: debian-13`, or `template` with the id of a VM template.',
        ],
        both ? 'value' : 'key',
      ),
    ]
  })
}

/** Everything that two machines must not share. The later one is reported, with the earlier one's name. */
function twice(
  draft: Draft,
  field: string,
  valueOf: (machine: Machine) => string | undefined,
  code: string,
  remedy: string | ((machine: Machine) => string),
): readonly FileProblem[] {
  const first = new Map<string, Machine>()
  const indexOf = (machine: Machine) => Number(draft.placeOf(machine)[2] ?? 0)
  return [...draft.spec.machines]
    .sort((a, b) => indexOf(a) - indexOf(b))
    .flatMap((machine): readonly FileProblem[] => {
      const value = valueOf(machine)
      if (value === undefined) return []
      const other = first.get(value)
      if (other === undefined) {
        first.set(value, machine)
        return []
      }
      const path: Path = [...draft.placeOf(machine), field]
      const shown = value.split('/').at(-1) ?? value
      const what =
        field === 'name'
          ? `a second machine is named "${machine.name}"`
          : `${machine.role} "${machine.name}" uses ${field} ${shown}, already that of "${other.name}"`
      return [problemAt(draft, path, [code, what, typeof remedy === 'string' ? remedy : remedy(machine)])]
    })
}

function connectionOf(draft: Draft, machine: VirtualMachine): string {
  return draft.spec.providers[machine.provider]?.connection ?? machine.provider
}

function freeId(draft: Draft, machine: Machine): number {
  const taken = new Set(draft.spec.machines.map((other) => (other.kind === 'vm' ? other.vmid : 0)))
  let id = machine.kind === 'vm' ? machine.vmid : 100
  while (taken.has(id)) id += 1
  return id
}
