import { hostname } from 'node:os'
import type { Facts, HostFacts, MachineFacts } from '../../src/core/facts.ts'
import { Problem } from '../../src/core/problem.ts'
import type { ClusterSpec } from '../../src/core/spec/cluster-spec.ts'
import type { Lan } from '../lan/lan.ts'
import { hostFacts } from './host-facts.ts'
import { kubeFacts } from './kube-facts.ts'
import { proxmoxFacts } from './proxmox-facts.ts'

/** Hosts looked at side by side. */
const PARALLEL_HOSTS = 8

/**
 * Everything that planning needs to know of a cluster, as it is now. What does not answer is left out.
 * @throws Problem for what will not answer whatever happens, such as a connection that `runner.yaml` lacks.
 */
export async function gatherFacts(spec: ClusterSpec, lan: Lan): Promise<Facts> {
  const takenAt = new Date(lan.clock.now()).toISOString()
  const [proxmox, hosts, kubernetes] = await Promise.all([
    proxmoxFacts(spec, lan),
    allHosts(spec, lan),
    kubeFacts(lan).catch((error: unknown) => {
      // An API that is down is a fact; it shows by its absence.
      if (error instanceof Problem && error.retry !== 'never') return {}
      throw error
    }),
  ])
  const machines: Record<string, MachineFacts> = {}
  for (const { name, kind } of spec.machines) {
    const vm = proxmox.vms.get(name)
    const host = hosts.get(name)
    // A machine that is there without its VM says "not there": only when the hypervisor was asked, or the host answers.
    if (kind === 'vm' && !proxmox.vms.has(name) && host?.reachable !== true) continue
    // A recorded key outlives its machine; what has no VM has no host.
    const counts = kind === 'host' || vm !== undefined || !proxmox.vms.has(name)
    machines[name] = { ...(vm === undefined ? {} : { vm }), ...(host === undefined || !counts ? {} : { host }) }
  }
  return {
    cluster: spec.name,
    takenAt,
    runner: lan.runner ?? hostname(),
    machines,
    images: proxmox.images,
    strays: proxmox.strays,
    ...kubernetes,
    artifacts: lan.keys.artifacts(),
  }
}

async function allHosts(spec: ClusterSpec, lan: Lan): Promise<ReadonlyMap<string, HostFacts>> {
  const found = new Map<string, HostFacts>()
  const queue = [...spec.machines]
  const worker = async (): Promise<void> => {
    for (let machine = queue.shift(); machine !== undefined; machine = queue.shift()) {
      const host = await hostFacts(spec, machine, lan)
      if (host !== undefined) found.set(machine.name, host)
    }
  }
  await Promise.all(Array.from({ length: PARALLEL_HOSTS }, worker))
  return found
}
