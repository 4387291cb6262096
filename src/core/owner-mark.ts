import type { ClusterSpec } from './spec/cluster-spec.ts'

/**
 * The line that says whose a machine is: `slipway:cluster=home;machine=w-1;repo=git.example/owner/name`. A VM carries
 * it as one line of its description, a host in `/var/lib/slipway/cluster`; what does not carry it is never touched.
 * The repository stands in it, so that two with a cluster of the same name stay apart on one Proxmox.
 */
export function ownerMark(spec: Pick<ClusterSpec, 'name' | 'gitops'>, machine: string): string {
  return `slipway:cluster=${spec.name};machine=${machine};repo=${repositoryPath(spec.gitops.repository.sshUrl)}`
}

/** The machine that a mark names, when it is a mark of this cluster; `undefined` for text of any other kind. */
export function markedMachine(spec: Pick<ClusterSpec, 'name' | 'gitops'>, line: string): string | undefined {
  const machine = /^slipway:cluster=[^;]*;machine=([^;]*);repo=/.exec(line.trim())?.[1]
  return machine !== undefined && line.trim() === ownerMark(spec, machine) ? machine : undefined
}

/** `ssh://git@git.example:2222/owner/name.git` → `git.example/owner/name`. */
function repositoryPath(sshUrl: string): string {
  const match = /^(?:ssh:\/\/)?(?:[^@/]*@)?([^:/]+)(?::\d+)?[:/]+(.+?)(?:\.git)?\/*$/.exec(sshUrl)
  const [, host, path] = match ?? []
  return host === undefined || path === undefined ? sshUrl : `${host.toLowerCase()}/${path}`
}
