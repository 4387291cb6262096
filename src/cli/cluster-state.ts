import type { Facts } from '../core/facts.ts'
import { visible } from '../core/report/escape.ts'
import { table } from './table.ts'

const ENGINES = { flux: 'Flux', argocd: 'Argo CD', fleet: 'Fleet' } as const

/** What exists: nodes, the GitOps engine, and the public halves of what was made for it. */
export function clusterState(facts: Facts): string {
  const { kubernetes, gitops } = facts
  if (kubernetes === undefined) return `${facts.cluster}: no Kubernetes answers\n`
  const nodes = Object.entries(kubernetes.nodes).sort(([a], [b]) => (a < b ? -1 : 1))
  const lines = [
    `${facts.cluster}: Kubernetes ${visible(kubernetes.version)}\n`,
    table([
      ['node', 'role', 'state', 'kubelet', 'address'],
      ...nodes.map(([name, node]) => [
        name,
        node.role,
        `${node.ready ? 'Ready' : 'not ready'}${node.unschedulable ? ', cordoned' : ''}`,
        node.kubeletVersion,
        node.address,
      ]),
    ]),
  ]
  if (gitops !== undefined) {
    const { engine, version, status, deployKey, recipient } = gitops
    const at = status?.commit === undefined ? '' : ` at ${status.commit.slice(0, 7)}`
    const message = status?.message === undefined || status.state === 'ready' ? '' : `: ${visible(status.message)}`
    lines.push(
      `  ${ENGINES[engine]}${version === undefined ? '' : ` ${visible(version)}`}: ${status?.state ?? 'not looked at'}${at}${message}\n`,
    )
    if (deployKey !== undefined)
      lines.push(
        `  deploy key ${deployKey.fingerprint}, ${deployKey.registered ? 'registered read-only' : 'not registered yet'}\n`,
      )
    if (recipient !== undefined) lines.push(`  secrets are sealed to ${recipient}\n`)
  }
  return lines.join('')
}
