import type { RunnerConfig } from '../../../runner/config.ts'
import type { Lan } from '../../../runner/lan/lan.ts'
import type { ProxmoxApi } from '../../../runner/lan/proxmox-api.ts'
import { isRecord } from '../../core/conditions.ts'
import type { ClusterSpec, ProxmoxProvider, VirtualMachine } from '../../core/spec/cluster-spec.ts'
import type { Finding } from './finding.ts'

/** Clocks further apart break certificates and signatures sooner or later. */
const MAX_CLOCK_DIFFERENCE_S = 30

/** What making, changing and removing a VM asks for. @see https://pve.proxmox.com/pve-docs/chapter-pveum.html */
const VM_PRIVILEGES = [
  'VM.Allocate',
  'VM.Audit',
  'VM.Config.CDROM',
  'VM.Config.CPU',
  'VM.Config.Cloudinit',
  'VM.Config.Disk',
  'VM.Config.HWType',
  'VM.Config.Memory',
  'VM.Config.Network',
  'VM.Config.Options',
  'VM.PowerMgmt',
] as const

/** Reading what the guest agent tells; the privilege has another name since release 9. */
const agentPrivilege = (version: string): string =>
  Number.parseInt(version, 10) >= 9 ? 'VM.GuestAgent.Audit' : 'VM.Monitor'

/** Whether each hypervisor of a cluster answers, and lets its token do what the cluster needs. */
export async function proxmoxFindings(spec: ClusterSpec, lan: Lan, config: RunnerConfig): Promise<readonly Finding[]> {
  const findings: Finding[] = []
  for (const [name, provider] of Object.entries(spec.providers)) {
    const machines = spec.machines.filter((machine) => machine.kind === 'vm' && machine.provider === name)
    findings.push(...(await providerFindings(provider, machines as readonly VirtualMachine[], lan, config)))
  }
  return findings
}

async function providerFindings(
  provider: ProxmoxProvider,
  machines: readonly VirtualMachine[],
  lan: Lan,
  config: RunnerConfig,
): Promise<readonly Finding[]> {
  const about = `proxmox ${provider.connection}`
  const api = lan.proxmox(provider.connection)
  const version = await api.version()
  const findings: Finding[] = [
    { about, state: 'fine', what: `Proxmox VE ${version} answers, and its certificate is the one expected` },
  ]
  for (const [path, needed] of neededPrivileges(provider, machines, version)) {
    const missing = await missingPrivileges(api, path, needed)
    if (missing.length > 0)
      findings.push({
        about,
        state: 'problem',
        what: `the token lacks ${missing.join(' ')} on ${path.join(' or ')}`,
        remedy: `Give user and token a role with them on ${path.at(-1)}.`,
      })
  }
  if (findings.length === 1)
    findings.push({ about, state: 'fine', what: 'the token has every privilege that this cluster needs' })
  findings.push(await imageStorage(about, api, provider))
  const node = machines[0]?.node
  if (node !== undefined) findings.push(await clock(about, api, node, lan))
  const denied = [...new Set(machines.map((machine) => machine.node))].filter(
    (one) => !config.allow.nodes.includes(one),
  )
  if (denied.length > 0)
    findings.push({
      about,
      state: 'warning',
      what: `${config.file} does not allow node ${denied.join(', ')}`,
      remedy: 'Add it to `allow.nodes`, if that is meant.',
    })
  return findings
}

/** ACL paths of which one has to carry the privileges, and the privileges. */
function neededPrivileges(
  provider: ProxmoxProvider,
  machines: readonly VirtualMachine[],
  version: string,
): readonly (readonly [paths: readonly string[], privileges: readonly string[]])[] {
  const [first] = machines
  const bridge = `/sdn/zones/localnetwork/${provider.bridge}${provider.vlan === undefined ? '' : `/${provider.vlan}`}`
  const vms =
    provider.pool === undefined
      ? [`/vms/${first?.vmid ?? ''}`]
      : [`/vms/${first?.vmid ?? ''}`, `/pool/${provider.pool}`]
  return [
    ...(first === undefined ? [] : [[vms, [...VM_PRIVILEGES, agentPrivilege(version)]] as const]),
    [[`/storage/${provider.storage}`], ['Datastore.AllocateSpace', 'Datastore.Audit']],
    ...(provider.template === undefined
      ? [
          [[`/storage/${provider.imageStorage}`], ['Datastore.AllocateTemplate', 'Datastore.Audit']] as const,
          ...[...new Set(machines.map(({ node }) => node))].map(
            (node) => [[`/nodes/${node}`], ['Sys.AccessNetwork']] as const,
          ),
        ]
      : [[[`/vms/${provider.template}`], ['VM.Clone']] as const]),
    [[bridge], ['SDN.Use']],
  ]
}

async function missingPrivileges(
  api: ProxmoxApi,
  paths: readonly string[],
  needed: readonly string[],
): Promise<readonly string[]> {
  const held = new Set<string>()
  for (const path of paths) {
    const answer = await api.get(`/access/permissions?path=${encodeURIComponent(path)}`)
    const here = isRecord(answer) ? answer[path] : undefined
    if (isRecord(here)) for (const privilege of Object.keys(here)) held.add(privilege)
  }
  return needed.filter((privilege) => !held.has(privilege))
}

async function imageStorage(about: string, api: ProxmoxApi, provider: ProxmoxProvider): Promise<Finding> {
  const { imageStorage: storage, storage: disks } = provider
  const content = await api.storageContent(disks)
  if (content.length > 0 && !content.includes('images'))
    return {
      about,
      state: 'problem',
      what: `storage "${disks}" does not take VM disks`,
      remedy: `As root on a node: pvesm set ${disks} --content ${[...content, 'images'].join(',')}`,
    }
  if (provider.template !== undefined) return { about, state: 'fine', what: `storage "${disks}" takes VM disks` }
  const images = await api.storageContent(storage)
  if (images.includes('import'))
    return { about, state: 'fine', what: `storages "${disks}" and "${storage}" take disks and images` }
  return {
    about,
    state: 'problem',
    what:
      images.length === 0
        ? `storage "${storage}" is not to be seen`
        : `storage "${storage}" does not take images for import`,
    remedy: `As root on a node: pvesm set ${storage} --content ${[...images, 'import'].join(',')}`,
  }
}

async function clock(about: string, api: ProxmoxApi, node: string, lan: Lan): Promise<Finding> {
  const answer = await api.get(`/nodes/${node}/time`).catch(() => undefined)
  const seconds = isRecord(answer) && typeof answer['time'] === 'number' ? answer['time'] : undefined
  if (seconds === undefined)
    return { about, state: 'not-looked-at', what: `the clock of ${node}: it needs Sys.Audit on /nodes/${node}` }
  const difference = Math.round(Math.abs(lan.clock.now() / 1000 - seconds))
  if (difference <= MAX_CLOCK_DIFFERENCE_S)
    return { about, state: 'fine', what: `the clock of ${node} agrees with this machine's` }
  return {
    about,
    state: 'warning',
    what: `the clock of ${node} and this machine's are ${difference} s apart`,
    remedy: 'Let both take their time from the same NTP servers.',
  }
}
