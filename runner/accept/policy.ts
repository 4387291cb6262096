import type { Plan } from '../../src/core/plan.ts'
import { Problem } from '../../src/core/problem.ts'
import type { ClusterSpec } from '../../src/core/spec/cluster-spec.ts'
import { IMPACTS, type PlannedStep, type Step } from '../../src/core/step.ts'
import type { RunnerConfig } from '../config.ts'

/**
 * Holds a plan against `runner.yaml`. Deny by default: what a list does not name is refused.
 * @returns every refusal, so that the file is edited once; empty when the plan may run.
 */
export function policyProblems(plan: Plan, repository: string | undefined, config: RunnerConfig): readonly Problem[] {
  const refusals = [...clusterRefusals(plan.cluster, repository, config)]
  const { allow } = config
  for (const planned of plan.steps)
    refusals.push(...stepRefusals(planned, config).map((why) => `${planned.id}: ${why}`))
  const destroyed = plan.steps.filter(({ step }) => step.kind === 'destroy-vm').length
  if (destroyed > allow.destroys)
    refusals.push(`it destroys ${destroyed} machines, \`allow.destroys\` is ${allow.destroys}`)
  return refusals.map((why) => denied(`this runner's policy denies the plan: ${why}`, config))
}

/**
 * Holds a cluster against `runner.yaml` before anything of it is looked at: looking means logging in on its machines.
 * @returns every refusal; empty when the runner may reach all of it.
 */
export function siteProblems(
  { name, machines }: Pick<ClusterSpec, 'name' | 'machines'>,
  repository: string,
  config: RunnerConfig,
): readonly Problem[] {
  const hosts = machines
    .filter(({ address }) => !allowedHost(address, config.allow.hosts))
    .map((machine) => `${machine.name}: ${machine.address} is not in \`allow.hosts\``)
  return [...clusterRefusals(name, repository, config), ...hosts].map((why) =>
    denied(`this runner's policy keeps it away from ${name}: ${why}`, config),
  )
}

function clusterRefusals(cluster: string, repository: string | undefined, config: RunnerConfig): readonly string[] {
  const refusals: string[] = []
  if (repository !== undefined && !config.repositories.includes(repository))
    refusals.push(`repository "${repository}" is not in \`repositories\``)
  if (!config.clusters.includes('*') && !config.clusters.includes(cluster))
    refusals.push(`cluster "${cluster}" is not in \`clusters\``)
  return refusals
}

function denied(what: string, { file }: RunnerConfig): Problem {
  return new Problem({
    code: 'runner.denied',
    what,
    where: file,
    remedy: `If this is meant, allow it in ${file} on the runner.`,
    retry: 'later',
  })
}

function stepRefusals({ step, impact }: PlannedStep, { allow, connections }: RunnerConfig): readonly string[] {
  const refusals: string[] = []
  if (allow.steps !== 'all' && !allow.steps.includes(step.kind))
    refusals.push(`steps of kind ${step.kind} are not in \`allow.steps\``)
  if (IMPACTS.indexOf(impact) > IMPACTS.indexOf(allow.impact) && step.kind !== 'destroy-vm')
    refusals.push(`its impact is ${impact}, \`allow.impact\` is ${allow.impact}`)
  const need = (value: string | undefined, list: readonly string[], name: string): void => {
    if (value !== undefined && !list.includes(value)) refusals.push(`${value} is not in \`allow.${name}\``)
  }
  if ('connection' in step && !Object.hasOwn(connections, step.connection))
    refusals.push(`there is no connection "${step.connection}"`)
  if ('vmid' in step && step.vmid !== undefined && !allow.vmids.some((range) => inRange(step.vmid, range)))
    refusals.push(`VM id ${step.vmid} is not in \`allow.vmids\``)
  if ('node' in step && (step.kind === 'create-vm' || step.kind === 'fetch-image'))
    need(step.node, allow.nodes, 'nodes')
  if (step.kind === 'fetch-image') need(step.storage, allow.storages, 'storages')
  if (step.kind === 'create-vm') {
    need(step.storage, allow.storages, 'storages')
    if (step.source.kind === 'image') need(step.source.storage, allow.storages, 'storages')
    need(step.bridge, allow.bridges, 'bridges')
    need(step.pool, allow.pools, 'pools')
    if (!allowedHost(step.address.split('/')[0] ?? '', allow.hosts))
      refusals.push(`${step.address} is not in \`allow.hosts\``)
  }
  const address = addressOf(step)
  if (address !== undefined && !allowedHost(address, allow.hosts)) refusals.push(`${address} is not in \`allow.hosts\``)
  return refusals
}

function addressOf(step: Step): string | undefined {
  return 'target' in step ? step.target?.address : undefined
}

function inRange(id: number, range: string): boolean {
  const [from, to = from] = range.split('-').map(Number)
  return from !== undefined && to !== undefined && id >= from && id <= to
}

/** Whether an IPv4 address or name is listed itself or lies in a listed CIDR. */
export function allowedHost(host: string, list: readonly string[]): boolean {
  return list.some((entry) => {
    const [network, bits] = entry.split('/')
    if (bits === undefined) return entry === host
    const [a, b] = [ipv4(host), ipv4(network ?? '')]
    const length = Number(bits)
    if (a === undefined || b === undefined || !(length >= 0 && length <= 32)) return false
    const mask = length === 0 ? 0 : (0xffffffff << (32 - length)) >>> 0
    return (a & mask) >>> 0 === (b & mask) >>> 0
  })
}

function ipv4(text: string): number | undefined {
  const parts = text.split('.')
  if (parts.length !== 4 || !parts.every((part) => /^\d{1,3}$/.test(part) && Number(part) <= 255)) return undefined
  return parts.reduce((value, part) => value * 256 + Number(part), 0)
}
