import type { GitopsSteps } from './steps/gitops.ts'
import type { HostSteps } from './steps/host.ts'
import type { KubeadmSteps } from './steps/kubeadm.ts'
import type { ProxmoxSteps } from './steps/proxmox.ts'

/** Every kind of step with its fields; one file per family under `steps/`. */
export interface StepFields extends ProxmoxSteps, HostSteps, KubeadmSteps, GitopsSteps {}

export type StepKind = keyof StepFields

/** One thing a runner can be asked to do, as data. */
export type Step<K extends StepKind = StepKind> = { [P in K]: { readonly kind: P } & Readonly<StepFields[P]> }[K]

/** `kind/target`, stable across plans: `join-node/w-2`, `fetch-image/pve1:local:debian-13….qcow2`. */
export type StepId = string

/** What a step does to the machine or cluster it touches, from nothing to the worst. */
export const IMPACTS = ['nothing', 'live', 'restart', 'drain', 'reboot', 'replace', 'data-loss'] as const
export type Impact = (typeof IMPACTS)[number]

/** A step in its place: what it waits for, what it does to whom, and what a reader is told about it. */
export interface PlannedStep {
  readonly id: StepId
  readonly step: Step
  /** Ids of steps that must be done first; always earlier in the plan's list. */
  readonly after: readonly StepId[]
  /** Machine that it touches; absent for the cluster as a whole. */
  readonly machine?: string
  readonly impact: Impact
  /** One line for people, e.g. `new on pve2: 8 cores, 32 GiB, 100 GiB`. */
  readonly summary: string
  /** Resources that steps share and that bound how many run at once, e.g. `storage:pve1/local-zfs`. */
  readonly uses: readonly string[]
}

/** The graver of two impacts. */
export function worse(a: Impact, b: Impact): Impact {
  return IMPACTS.indexOf(a) >= IMPACTS.indexOf(b) ? a : b
}
