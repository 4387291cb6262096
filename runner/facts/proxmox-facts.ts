import type { DiskFacts, Facts, VmFacts } from '../../src/core/facts.ts'
import { markedMachine } from '../../src/core/owner-mark.ts'
import { imageKey } from '../../src/core/planning/proxmox.ts'
import { Problem } from '../../src/core/problem.ts'
import type { ClusterSpec, VirtualMachine } from '../../src/core/spec/cluster-spec.ts'
import { coresOf, memoryMiB, ownedDisks } from '../actions/proxmox/disk.ts'
import type { Lan } from '../lan/lan.ts'
import type { ProxmoxVm } from '../lan/proxmox-api.ts'

/** Strays that are told; more than these are a mistake that a person has to look at anyway. */
const MAX_STRAYS = 200
const MAX_IMAGES = 1_000

/** What the hypervisors of a cluster tell. */
export interface ProxmoxFacts extends Pick<Facts, 'images' | 'strays'> {
  /** By machine; of a machine whose hypervisor was looked at, `undefined` means that it is not there. */
  readonly vms: ReadonlyMap<string, VmFacts | undefined>
}

/**
 * Looks at the machines, strays and images of every connection in the spec. A hypervisor that does not answer now is
 * left out; one that can never answer (wrong token, untrusted certificate) is a problem.
 */
export async function proxmoxFacts(spec: ClusterSpec, lan: Lan): Promise<ProxmoxFacts> {
  const machines = spec.machines.filter((machine) => machine.kind === 'vm')
  const vms = new Map<string, VmFacts | undefined>()
  const images: Record<string, readonly string[]> = {}
  const strays: Facts['strays'][number][] = []
  const connections = [...new Set(Object.values(spec.providers).map(({ connection }) => connection))].sort()
  for (const connection of connections) {
    const here = machines.filter(({ provider }) => spec.providers[provider]?.connection === connection)
    await tolerant(async () => {
      const present = await lan.proxmox(connection).vms()
      for (const machine of here) {
        const vm = present.find(({ vmid }) => vmid === machine.vmid)
        vms.set(machine.name, vm && vmFacts(spec, connection, machine, vm))
      }
      strays.push(...straysOf(spec, connection, here, present))
      Object.assign(images, await imagesOf(spec, connection, here, lan))
    })
  }
  return { vms, images, strays: strays.slice(0, MAX_STRAYS) }
}

async function tolerant(look: () => Promise<void>): Promise<void> {
  try {
    await look()
  } catch (error) {
    if (!(error instanceof Problem) || error.retry === 'never') throw error
  }
}

function vmFacts(spec: ClusterSpec, connection: string, machine: VirtualMachine, vm: ProxmoxVm): VmFacts {
  return {
    connection,
    node: vm.node,
    vmid: vm.vmid,
    owner: ownerOf(spec, machine.name, vm),
    name: vm.name,
    cores: coresOf(vm),
    memoryMiB: memoryMiB(vm),
    disks: diskFacts(vm),
    running: vm.running,
    ...(vm.lock === undefined ? {} : { locked: vm.lock }),
  }
}

/** A machine of this cluster under the id of another one is as little to be touched as somebody else's. */
function ownerOf(spec: ClusterSpec, machine: string, vm: ProxmoxVm): VmFacts['owner'] {
  const marks = vm.description.split('\n').filter((line) => line.trim().startsWith('slipway:'))
  if (marks.length === 0) return 'nobody'
  return marks.some((line) => markedMachine(spec, line) === machine) ? 'this-cluster' : 'other-cluster'
}

/** VMs with this cluster's mark that are not where the spec has a machine. */
function straysOf(
  spec: ClusterSpec,
  connection: string,
  machines: readonly VirtualMachine[],
  present: readonly ProxmoxVm[],
): readonly Facts['strays'][number][] {
  const expected = new Map(machines.map(({ name, vmid }) => [vmid, name]))
  return present.flatMap((vm) => {
    const name = vm.description
      .split('\n')
      .map((line) => markedMachine(spec, line))
      .find((marked) => marked !== undefined)
    if (name === undefined || expected.get(vm.vmid) === name) return []
    return [{ connection, node: vm.node, vmid: vm.vmid, name, disks: diskFacts(vm) }]
  })
}

async function imagesOf(
  spec: ClusterSpec,
  connection: string,
  machines: readonly VirtualMachine[],
  lan: Lan,
): Promise<Facts['images']> {
  const places = new Map<string, { readonly node: string; readonly storage: string }>()
  for (const { node, provider } of machines) {
    const storage = spec.providers[provider]?.imageStorage
    if (storage !== undefined) places.set(imageKey(connection, node, storage), { node, storage })
  }
  const images: Record<string, readonly string[]> = {}
  for (const [key, { node, storage }] of places)
    images[key] = (await lan.proxmox(connection).images(node, storage)).slice(0, MAX_IMAGES)
  return images
}

function diskFacts(vm: ProxmoxVm): readonly DiskFacts[] {
  return ownedDisks(vm).map(({ volume, sizeGiB }) => ({ volume, sizeGiB }))
}
