import type { EngineName, Role } from './spec/cluster-spec.ts'

/** UTC, ISO 8601 with milliseconds: `2026-11-21T12:00:00.000Z`. */
export type Instant = string

/**
 * What a runner last saw of one cluster: allow-listed fields only, no counters, no usage, nothing secret. Absent
 * members were not looked at or not there; `machines` holds every machine of the spec that was looked at.
 */
export interface Facts {
  readonly cluster: string
  readonly takenAt: Instant
  readonly runner: string
  readonly machines: Readonly<Record<string, MachineFacts>>
  /** Images per `connection/node/storage`: the file names there. */
  readonly images: Readonly<Record<string, readonly string[]>>
  /** VMs that carry this cluster's mark but are not in the spec. */
  readonly strays: readonly {
    readonly connection: string
    readonly node: string
    readonly vmid: number
    readonly name: string
    readonly disks: readonly DiskFacts[]
  }[]
  readonly kubernetes?: KubernetesFacts
  readonly gitops?: GitopsFacts
  /** First seen SHA-256 of fetched manifests and charts, by URL: pinned on first use. */
  readonly artifacts: Readonly<Record<string, string>>
}

export interface DiskFacts {
  readonly volume: string
  readonly sizeGiB: number
}

export interface MachineFacts {
  readonly vm?: VmFacts
  readonly host?: HostFacts
}

export interface VmFacts {
  /** Where it was seen; a pull that takes the machine out of the spec is planned with it. */
  readonly connection?: string
  readonly node: string
  readonly vmid: number
  /** Whose mark its description carries. */
  readonly owner: 'this-cluster' | 'other-cluster' | 'nobody'
  readonly name: string
  readonly cores: number
  readonly memoryMiB: number
  readonly disks: readonly DiskFacts[]
  readonly running: boolean
  readonly locked?: string
}

export interface HostFacts {
  readonly reachable: boolean
  /** Recorded host key that it answered with. */
  readonly hostKey?: string
  readonly os?: { readonly id: string; readonly version: string; readonly arch: string }
  /** Digest of the recipe that preparation left on the host, `undefined` when it was never prepared. */
  readonly recipeDigest?: string
  /** Which cluster's kubeadm files are on it. */
  readonly kubeadm: 'none' | 'this-cluster' | 'another'
  readonly kubeletVersion?: string
}

export interface NodeFacts {
  readonly ready: boolean
  readonly role: Role
  readonly kubeletVersion: string
  readonly address: string
  readonly labels: Readonly<Record<string, string>>
  readonly taints: readonly { readonly key: string; readonly value?: string; readonly effect: string }[]
  readonly unschedulable: boolean
  /** Labels and taint keys that Slipway set, from its annotation on the node. */
  readonly managedLabels: readonly string[]
  readonly managedTaints: readonly string[]
}

export interface KubernetesFacts {
  readonly version: string
  readonly nodes: Readonly<Record<string, NodeFacts>>
  /** Digest of each component that the runner applied, by name. */
  readonly components: Readonly<Record<string, string>>
}

export interface GitopsFacts {
  readonly engine: EngineName
  readonly version?: string
  readonly installedDigest?: string
  readonly pointedDigest?: string
  /** Public half of the deploy key in use (SHA256 fingerprint), and whether the forge has it. */
  readonly deployKey?: { readonly fingerprint: string; readonly registered: boolean }
  /** Public age recipient of the cluster. */
  readonly recipient?: string
  readonly status?: EngineStatus
}

/** How far the engine has got, read from its own objects. */
export interface EngineStatus {
  readonly state: 'ready' | 'progressing' | 'failed' | 'unknown'
  /** Commit that is applied, 40 hexadecimal digits. */
  readonly commit?: string
  /** The engine's own words, shortened; shown escaped. */
  readonly message?: string
}

/** Facts of a cluster that nobody has seen yet. */
export function noFacts(cluster: string): Facts {
  return {
    cluster,
    takenAt: '1970-01-01T00:00:00.000Z',
    runner: '',
    machines: {},
    images: {},
    strays: [],
    artifacts: {},
  }
}
