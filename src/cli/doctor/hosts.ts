import { targetOf } from '../../../runner/actions/kubeadm/target.ts'
import type { Lan } from '../../../runner/lan/lan.ts'
import { Problem } from '../../core/problem.ts'
import type { ClusterSpec, ExistingHost } from '../../core/spec/cluster-spec.ts'
import { sameSshKey } from '../../secrets/ssh-key.ts'
import type { Finding } from './finding.ts'

/** Hosts that are tried; a person reads no more. */
const MAX_HOSTS = 100
/** A login and one word. */
const SCRIPT_TIMEOUT_MS = 30_000

/** Whether existing hosts answer with the key of the spec and let the runner in. VMs that are to be made are left out. */
export async function hostFindings(spec: ClusterSpec, lan: Lan): Promise<readonly Finding[]> {
  const hosts = spec.machines.filter((machine) => machine.kind === 'host').slice(0, MAX_HOSTS)
  return Promise.all(hosts.map((host) => hostFinding(host, lan)))
}

async function hostFinding(host: ExistingHost, lan: Lan): Promise<Finding> {
  const about = `host ${host.name}`
  const place = `${host.address}:${host.port}`
  const offered = await lan.remote.offeredHostKey(host.address, host.port)
  if (offered === undefined)
    return {
      about,
      state: 'problem',
      what: `nothing answers SSH at ${place}`,
      remedy: 'Is it on, and is its SSH server reachable from here?',
    }
  if (!sameSshKey(offered, host.hostKey))
    return {
      about,
      state: 'problem',
      what: `${place} answers with another host key than the spec has: ${offered}`,
      remedy: 'If the machine was installed anew, write that key into the spec; otherwise find out who answers.',
    }
  try {
    const result = await lan.remote.run(targetOf(host, lan), 'id -u', {}, { timeoutMs: SCRIPT_TIMEOUT_MS })
    if (result.exit === 0 && result.stdout.trim() === '0')
      return { about, state: 'fine', what: `${host.user}@${place} lets the runner in as root` }
    return { about, state: 'problem', what: `${host.user}@${place}: a script ended with ${result.exit}` }
  } catch (error) {
    if (!(error instanceof Problem) || error.code !== 'ssh.login') throw error
    const { publicKey } = await lan.keys.site()
    return {
      about,
      state: 'problem',
      what: error.what,
      remedy: `Add to ~${host.user}/.ssh/authorized_keys there: ${publicKey}`,
    }
  }
}
