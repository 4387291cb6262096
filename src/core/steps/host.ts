/** How to reach a machine by SSH. */
export interface SshTarget {
  readonly machine: string
  readonly address: string
  readonly port: number
  readonly user: string
  /**
   * The host key that must answer. `recorded`: a machine that this cluster made; its key was recorded between boot and
   * first login, and only that one is accepted later.
   */
  readonly hostKey: { readonly from: 'spec'; readonly key: string } | { readonly from: 'recorded' }
}

/** A Debian package at an exact version (`1.36.3-1.1`) or, where the version ends in `*`, the newest that matches. */
export interface PinnedPackage {
  readonly name: string
  readonly version?: string
  readonly hold: boolean
}

/** An apt repository in one-line form, with its signing key fetched from `keyUrl`. */
export interface AptRepository {
  readonly name: string
  readonly keyUrl: string
  /**
   * e.g. `https://pkgs.k8s.io/core:/stable:/v1.36/deb/ /`; `$os` (`debian`,
   * `ubuntu`), `$codename` and `$arch` are filled in on the host, in `keyUrl` too.
   */
  readonly line: string
}

export interface HostFile {
  readonly path: string
  readonly mode: string
  readonly content: string
  /** Units to restart when the content changed. */
  readonly restarts: readonly string[]
}

/** Everything that host preparation leaves behind; its digest is kept on the host in `/var/lib/slipway/prepared`. */
export interface HostRecipe {
  readonly hostname: string
  readonly repositories: readonly AptRepository[]
  readonly packages: readonly PinnedPackage[]
  readonly modules: readonly string[]
  readonly sysctls: Readonly<Record<string, string>>
  readonly files: readonly HostFile[]
  readonly services: readonly { readonly unit: string; readonly state: 'enabled' | 'masked' }[]
  readonly runtime: {
    readonly kind: 'containerd' | 'crio'
    readonly socket: string
    readonly sandboxImage: string
    readonly registries: Readonly<Record<string, string>>
  }
  readonly firewall: { readonly kind: 'none' } | { readonly kind: 'managed'; readonly rules: readonly FirewallRule[] }
  readonly swap: 'off'
  readonly timeSync: boolean
}

export interface FirewallRule {
  readonly protocol: 'tcp' | 'udp'
  readonly ports: string
  /** CIDRs; empty: from anywhere. */
  readonly from: readonly string[]
  readonly why: string
}

/** Steps on a machine over SSH, before Kubernetes runs there. */
export interface HostSteps {
  /** Waits until SSH answers and cloud-init is done; records the host key of a machine made by this cluster. */
  'await-host': {
    readonly target: SshTarget
    readonly vm?: { readonly connection: string; readonly vmid: number; readonly mark: string }
  }
  /** Makes a host ready for Kubernetes: repositories, packages, kernel settings, container runtime, firewall. Compares first. */
  'prepare-host': {
    readonly target: SshTarget
    readonly mark: string
    readonly recipe: HostRecipe
    readonly recipeDigest: string
  }
}
