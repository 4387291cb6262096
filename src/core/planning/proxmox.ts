import { mirrored } from '../mirror.ts'
import type { ProxmoxProvider, VirtualMachine } from '../spec/cluster-spec.ts'
import type { Impact } from '../step.ts'
import type { PlanDraft } from './draft.ts'
import { isMember, own, type MachineView, type Situation } from './situation.ts'

type VmView = MachineView & { readonly machine: VirtualMachine; readonly provider: ProxmoxProvider }

function isVm(view: MachineView): view is VmView {
  return view.machine.kind === 'vm' && view.provider !== undefined
}

/** Images, then machines that are missing, too small, or switched off. */
export function planProxmox(situation: Situation, draft: PlanDraft): void {
  const vms = situation.machines.filter(isVm).filter(({ skipped }) => !skipped)
  const missing = vms.filter(({ vm }) => vm === 'to-make')
  for (const view of missing) fetchImage(situation, draft, view)
  for (const view of missing) create(draft, view)
  for (const view of vms) resize(situation, draft, view)
  for (const view of vms) start(draft, view)
}

/** Key of a storage in `facts.images`. */
export function imageKey(connection: string, node: string, storage: string): string {
  return `${connection}/${node}/${storage}`
}

function fetchImageId(view: VmView): string {
  const { connection, imageStorage, image } = view.provider
  return `fetch-image/${connection}:${view.machine.node}:${imageStorage}:${image.file}`
}

function fetchImage({ spec, facts }: Situation, draft: PlanDraft, view: VmView): void {
  const { connection, imageStorage: storage, image, template } = view.provider
  const { node } = view.machine
  const key = imageKey(connection, node, storage)
  if (template !== undefined || own(facts.images, key)?.includes(image.file) === true) return
  draft.add({
    id: fetchImageId(view),
    step: {
      kind: 'fetch-image',
      connection,
      node,
      storage,
      url: mirrored(image.url, spec.mirrors.osImages),
      file: image.file,
      ...(image.checksum === undefined ? {} : { checksum: image.checksum }),
    },
    impact: 'nothing',
    summary: `download ${image.name} to ${storage} on ${node}`,
    uses: [`image:${key}`],
  })
}

function create(draft: PlanDraft, view: VmView): void {
  const { machine, provider, mark } = view
  draft.add({
    id: `create-vm/${machine.name}`,
    step: {
      kind: 'create-vm',
      connection: provider.connection,
      machine: machine.name,
      node: machine.node,
      vmid: machine.vmid,
      mark,
      ...(provider.pool === undefined ? {} : { pool: provider.pool }),
      cores: machine.cores,
      memoryMiB: machine.memoryMiB,
      diskGiB: machine.diskGiB,
      storage: provider.storage,
      source:
        provider.template === undefined
          ? { kind: 'image', storage: provider.imageStorage, file: provider.image.file }
          : { kind: 'template', vmid: provider.template },
      cpuType: provider.cpuType,
      bridge: provider.bridge,
      ...(provider.vlan === undefined ? {} : { vlan: provider.vlan }),
      address: `${machine.address}/${machine.prefixLength}`,
      gateway: provider.gateway,
      nameservers: provider.nameservers,
      ...(provider.searchDomain === undefined ? {} : { searchDomain: provider.searchDomain }),
      user: provider.user,
      authorizedKeys: provider.authorizedKeys,
    },
    after: [fetchImageId(view), `remove-node/${machine.name}`],
    machine: machine.name,
    impact: view.rebuilt ? 'replace' : 'nothing',
    summary: `${view.rebuilt ? 'made anew' : 'new'} on ${machine.node}: ${size(machine)}`,
    uses: [`storage:${provider.connection}/${machine.node}/${provider.storage}`],
  })
}

function resize({ spec }: Situation, draft: PlanDraft, view: VmView): void {
  const { machine, provider, mark, vmFacts } = view
  if (vmFacts === undefined) return
  const disk = vmFacts.disks[0]?.sizeGiB
  const computes = vmFacts.cores !== machine.cores || vmFacts.memoryMiB !== machine.memoryMiB
  const grows = disk !== undefined && disk < machine.diskGiB
  if (!computes && !grows) return
  const restart = computes && vmFacts.running
  const impact: Impact = restart ? 'reboot' : 'live'
  draft.add({
    id: `resize-vm/${machine.name}`,
    step: {
      kind: 'resize-vm',
      connection: provider.connection,
      machine: machine.name,
      vmid: machine.vmid,
      mark,
      cores: machine.cores,
      memoryMiB: machine.memoryMiB,
      diskGiB: machine.diskGiB,
      restart,
    },
    // One machine at a time, each back before the next goes: the cluster keeps its quorum and most of its pods.
    after: restart && isMember(view) ? rebooting(draft) : [],
    machine: machine.name,
    impact,
    summary: changes(view, disk),
    uses: restart && machine.role === 'control-plane' ? [`etcd:${spec.name}`] : [],
  })
  if (restart) awaitHost(draft, view, 'answers SSH again')
}

function rebooting(draft: PlanDraft): readonly string[] {
  return draft.steps
    .filter(({ id, impact }) => impact === 'reboot' || id.startsWith('await-host/'))
    .map(({ id }) => id)
    .slice(-1)
}

function start(draft: PlanDraft, view: VmView): void {
  const { machine, provider, mark, vmFacts } = view
  if (view.vm !== 'to-make' && vmFacts?.running !== false) return
  draft.add({
    id: `start-vm/${machine.name}`,
    step: { kind: 'start-vm', connection: provider.connection, machine: machine.name, vmid: machine.vmid, mark },
    machine: machine.name,
    impact: 'nothing',
    summary: 'switched on',
  })
  awaitHost(draft, view, 'boots and answers SSH')
}

/** Waits for a machine to answer; once in a plan. */
export function awaitHost(draft: PlanDraft, view: MachineView, summary: string): void {
  const { machine, target, mark } = view
  draft.add({
    id: `await-host/${machine.name}`,
    step: {
      kind: 'await-host',
      target,
      ...(isVm(view) ? { vm: { connection: view.provider.connection, vmid: view.machine.vmid, mark } } : {}),
    },
    machine: machine.name,
    impact: 'nothing',
    summary,
  })
}

export function size(machine: VirtualMachine): string {
  return `${machine.cores} cores, ${gib(machine.memoryMiB)}, ${machine.diskGiB} GiB disk`
}

function changes({ machine, vmFacts }: VmView, disk: number | undefined): string {
  const parts = [
    vmFacts !== undefined && vmFacts.cores !== machine.cores ? `${vmFacts.cores} → ${machine.cores} cores` : '',
    vmFacts !== undefined && vmFacts.memoryMiB !== machine.memoryMiB
      ? `memory ${gib(vmFacts.memoryMiB)} → ${gib(machine.memoryMiB)}`
      : '',
    disk !== undefined && disk < machine.diskGiB ? `disk ${disk} → ${machine.diskGiB} GiB` : '',
  ]
  return parts.filter((part) => part !== '').join(', ')
}

/** `8 GiB`, or `1,536 MiB` where it is no whole number of GiB. */
function gib(memoryMiB: number): string {
  return memoryMiB % 1024 === 0 ? `${memoryMiB / 1024} GiB` : `${memoryMiB} MiB`
}
