import type { FileProblem } from '../problem.ts'
import type * as spec from './cluster-spec.ts'
import type { ExistingDocument, MachineDocument, VirtualDocument } from './document/machine.ts'
import { problemAt } from './draft.ts'
import { dealt, expandName, MAX_MACHINES_PER_ENTRY, nthAddress, nthId } from './expansion.ts'
import { parseInterface } from './ipv4.ts'
import { parseTaint } from './notation.ts'
import { gibibytes, mebibytes } from './quantity.ts'
import type { Path, SourceText } from './source-text.ts'

/**
 * The machines that one entry stands for, in the order of their names. Where ids or addresses do not go round there are
 * none, and a problem says why.
 * @param path - Where the entry stands: `['spec', 'machines', 3]`.
 */
export function expandMachine(
  entry: MachineDocument,
  path: Path,
  source: SourceText,
  problems: FileProblem[],
): readonly spec.Machine[] {
  const names = expandName(entry.name)
  const refuse = (field: string, what: string, remedy: string) => {
    problems.push(problemAt({ source }, [...path, field], ['spec.range', what, remedy]))
    return []
  }
  if (names === undefined)
    return refuse(
      'name',
      `the range in "${entry.name}" runs backwards or has more than ${MAX_MACHINES_PER_ENTRY} machines`,
      'Write the smaller number first, e.g. w-{1..3}.',
    )
  const lists: Record<string, readonly unknown[] | undefined> =
    'host' in entry
      ? { host: listOf(entry.host), hostKey: listOf(entry.hostKey) }
      : { id: listOf(entry.id), address: listOf(entry.address) }
  const uneven = Object.entries(lists).find(([, list]) => list !== undefined && list.length !== names.length)
  if (uneven !== undefined) {
    const [field, list = []] = uneven
    return refuse(
      field,
      `"${entry.name}" stands for ${names.length} machine${names.length === 1 ? '' : 's'}, but "${field}" lists ${list.length}`,
      'Give one for each machine, in the order of their names.',
    )
  }
  const machines = names.map((name, i) => ('host' in entry ? existing(entry, name, i) : virtual(entry, name, i)))
  const missing = machines.findIndex((machine) => typeof machine === 'string')
  if (missing < 0) return machines as readonly spec.Machine[]
  const field = machines[missing] as string
  const example = { id: '411..', address: '10.0.4.21../24', host: '10.0.4.31..' }[field] ?? ''
  return refuse(
    field,
    `"${entry.name}" stands for ${names.length} machines, but "${field}" has a value for ${missing} only`,
    `Count up with two dots (${example}), or give a list.`,
  )
}

function listOf(value: unknown): readonly unknown[] | undefined {
  return Array.isArray(value) ? value : undefined
}

/** @returns The machine, or the name of the field that has no value for it. */
function virtual(entry: VirtualDocument, name: string, index: number): spec.VirtualMachine | string {
  const vmid = nthId(entry.id, index)
  if (vmid === undefined) return 'id'
  const written = nthAddress(entry.address, index)
  const at = written === undefined ? undefined : parseInterface(written)
  if (written === undefined || at === undefined) return 'address'
  return {
    kind: 'vm',
    ...common(entry, name),
    address: written.split('/')[0] ?? written,
    prefixLength: at.prefix,
    provider: entry.provider,
    node: dealt(entry.node, index) ?? '',
    vmid,
    cores: entry.cores,
    memoryMiB: mebibytes(entry.memory) ?? 0,
    diskGiB: gibibytes(entry.disk) ?? 0,
    extraDisks: entry.extraDisks.map(({ storage, size, purpose }) => ({
      storage,
      sizeGiB: gibibytes(size) ?? 0,
      ...(purpose === undefined ? {} : { purpose }),
    })),
    passthrough: entry.passthrough,
    performance: {
      hugePages: entry.performance.hugePages,
      ...(entry.performance.pinnedCores === undefined ? {} : { pinnedCores: entry.performance.pinnedCores }),
    },
  }
}

function existing(entry: ExistingDocument, name: string, index: number): spec.ExistingHost | string {
  const address = nthAddress(entry.host, index)
  if (address === undefined) return 'host'
  return {
    kind: 'host',
    ...common(entry, name),
    address,
    user: entry.user,
    port: entry.port,
    hostKey: (Array.isArray(entry.hostKey) ? entry.hostKey[index] : entry.hostKey) ?? '',
  }
}

function common(entry: MachineDocument, name: string) {
  const { reserved, gpus } = entry
  return {
    name,
    role: entry.role,
    labels: entry.labels,
    taints: entry.taints.map(parseTaint).filter((taint) => taint !== undefined),
    optional: entry.optional,
    ...(reserved === undefined
      ? {}
      : {
          reserved: {
            ...(reserved.cpu === undefined ? {} : { cpu: reserved.cpu }),
            ...(reserved.memory === undefined ? {} : { memory: reserved.memory }),
          },
        }),
    ...(gpus === undefined
      ? {}
      : {
          gpus: {
            vendor: 'nvidia' as const,
            count: gpus.nvidia,
            driver: gpus.driver,
            ...(gpus.sharing === undefined ? {} : { sharing: gpus.sharing }),
          },
        }),
  }
}
