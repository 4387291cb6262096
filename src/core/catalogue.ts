import type { Image } from './spec/cluster-spec.ts'

/**
 * What this release knows: the versions it has rules for and how they fit together. A spec may say `1.36`; plans carry
 * the exact version from here, so the same spec gives the same plan until Slipway itself is upgraded.
 */

/** Kubernetes minors with the newest patch release that this catalogue knows. Newest first; older ones are end of life. */
export const KUBERNETES: Readonly<Record<string, { readonly newestPatch: number }>> = {
  '1.36': { newestPatch: 4 },
  '1.35': { newestPatch: 7 },
}

/** One minor behind the newest upstream: every part of the catalogue has been released for it. */
export const DEFAULT_KUBERNETES = '1.36'

/** `1.36` → `1.36.4`, `1.36.3` → itself; `undefined` when this release does not know it. A leading `v` is not taken. */
export function kubernetesVersion(asked: string): string | undefined {
  const match = /^(1\.[0-9]{1,2})(?:\.(0|[1-9][0-9]?))?$/.exec(asked)
  const minor = match?.[1]
  const known = minor === undefined ? undefined : KUBERNETES[minor]
  if (known === undefined) return undefined
  const patch = match?.[2]
  if (patch === undefined) return `${minor}.${known.newestPatch}`
  return Number(patch) <= known.newestPatch ? asked : undefined
}

/** `1.36.4` → `1.36`. Works on k3s versions (`1.36.4+k3s1`) too. */
export function minorOf(version: string): string {
  return version.split('.').slice(0, 2).join('.')
}

/** For reading: `1.36.0 to 1.36.4, 1.35.0 to 1.35.7`. */
export function knownKubernetes(): string {
  return Object.entries(KUBERNETES)
    .map(([minor, { newestPatch }]) => `${minor}.0 to ${minor}.${newestPatch}`)
    .join(', ')
}

/**
 * The containerd series (Docker's package `containerd.io`) that goes with a Kubernetes minor. 1.35 takes 2.2.0 or newer,
 * 1.36 takes 2.2.0 or 2.3.0 and newer and no longer lists 1.7; 2.3 is the long-term line.
 * @see https://containerd.io/releases/#kubernetes-support
 */
const CONTAINERD: Readonly<Record<string, { readonly series: string; readonly works: readonly string[] }>> = {
  '1.36': { series: '2.3', works: ['2.3', '2.2'] },
  '1.35': { series: '2.2', works: ['2.2', '2.1', '1.7'] },
}

/** `2.3` for Kubernetes 1.36. @param kubernetes - Exact version or minor that {@link kubernetesVersion} knows. */
export function containerdSeries(kubernetes: string): string {
  const pair = CONTAINERD[minorOf(kubernetes)]
  if (pair === undefined) throw new RangeError(`no containerd is paired with Kubernetes ${kubernetes}`)
  return pair.series
}

/** Whether this containerd version (`2.3.7` or `2.3`) is among those supported with the Kubernetes version. */
export function containerdFits(containerd: string, kubernetes: string): boolean {
  return CONTAINERD[minorOf(kubernetes)]?.works.includes(minorOf(containerd)) ?? false
}

/** CRI-O's minor is Kubernetes' minor. */
export function crioFits(crio: string, kubernetes: string): boolean {
  return minorOf(crio) === minorOf(kubernetes)
}

interface Release {
  readonly version: string
  /** Kubernetes minors it is meant for. */
  readonly kubernetes: readonly string[]
}

/** Newest first. Sources: the charts of these versions, and the pairs that Kubespray v2.30 to master ship. */
export const CNI_RELEASES: Readonly<Record<'cilium' | 'flannel' | 'calico', readonly Release[]>> = {
  cilium: [
    { version: '1.20.0', kubernetes: ['1.36', '1.35', '1.34'] },
    { version: '1.19.3', kubernetes: ['1.35', '1.34', '1.33'] },
    { version: '1.18.6', kubernetes: ['1.34', '1.33', '1.32'] },
  ],
  flannel: [
    { version: '0.28.9', kubernetes: ['1.36', '1.35'] },
    { version: '0.28.4', kubernetes: ['1.36', '1.35'] },
  ],
  calico: [
    { version: '3.32.1', kubernetes: ['1.36', '1.35', '1.34'] },
    { version: '3.31.5', kubernetes: ['1.35', '1.34', '1.33'] },
    { version: '3.30.6', kubernetes: ['1.34', '1.33', '1.32'] },
  ],
}

export type CniKind = keyof typeof CNI_RELEASES

/**
 * The release that a spec means by `1.20`, `1.20.0` or, left out, by the Kubernetes version: the newest that supports
 * it. `undefined` when there is none.
 */
export function cniRelease(kind: CniKind, asked: string | undefined, kubernetes: string): Release | undefined {
  const releases = CNI_RELEASES[kind]
  if (asked !== undefined) return releases.find(({ version }) => version === asked || minorOf(version) === asked)
  return releases.find((release) => release.kubernetes.includes(minorOf(kubernetes)))
}

/** GitOps engines: one version each. Argo CD's comes in chart argo-cd 10.1.1. */
export const ENGINES = {
  flux: { version: '2.9.4', kubernetes: ['1.36', '1.35'] },
  argocd: { version: '3.4.4', kubernetes: ['1.36', '1.35'] },
  fleet: { version: '0.15.6', kubernetes: ['1.36', '1.35'] },
} as const

/** k3s builds per Kubernetes minor. */
export const K3S: Readonly<Record<string, string>> = { '1.36': '1.36.4+k3s1', '1.35': '1.35.7+k3s1' }

/** `1.36` → `1.36.4+k3s1`; an exact build of a known minor stays. */
export function k3sVersion(asked: string): string | undefined {
  const match = /^(1\.[0-9]{1,2})(\.[0-9]{1,2}\+k3s[1-9])?$/.exec(asked)
  const known = match === null ? undefined : K3S[match[1] ?? '']
  if (match === null || known === undefined) return undefined
  return match[2] === undefined ? known : asked
}

/** Kubespray releases: what each accepts at least and installs by default. */
export const KUBESPRAY: Readonly<Record<string, { readonly oldest: string; readonly newest: string }>> = {
  'v2.31.0': { oldest: '1.33.0', newest: '1.35.4' },
  'v2.30.0': { oldest: '1.32.0', newest: '1.34.3' },
}

/**
 * Operating system images by name, for amd64. They are the publishers' moving `latest`: no checksum can be given here,
 * so a site that wants one fixed build writes `url`, `file` and `checksum` itself.
 */
export const IMAGES: Readonly<Record<string, Image>> = {
  'debian-13': {
    name: 'debian-13',
    url: 'https://cloud.debian.org/images/cloud/trixie/latest/debian-13-generic-amd64.qcow2',
    file: 'debian-13-generic-amd64.qcow2',
  },
  'debian-12': {
    name: 'debian-12',
    url: 'https://cloud.debian.org/images/cloud/bookworm/latest/debian-12-generic-amd64.qcow2',
    file: 'debian-12-generic-amd64.qcow2',
  },
  'ubuntu-24.04': {
    name: 'ubuntu-24.04',
    url: 'https://cloud-images.ubuntu.com/releases/noble/release/ubuntu-24.04-server-cloudimg-amd64.img',
    file: 'ubuntu-24.04-server-cloudimg-amd64.qcow2',
  },
}
