import type { GitopsEngine } from '../../src/core/engine.ts'
import type { ClusterSpec } from '../../src/core/spec/cluster-spec.ts'
import type { Clock } from '../../src/seams/clock.ts'
import type { KubeApi } from './kube-api.ts'
import type { LanKeys } from './keys.ts'
import type { ProxmoxApi } from './proxmox-api.ts'
import type { Remote } from './remote.ts'
import type { Sources } from './sources.ts'

/** Everything that actions reach on the LAN, for one cluster of one repository. */
export interface Lan {
  /** Numeric id of the repository at its forge as text, or `local`. */
  readonly repository: string
  readonly spec: ClusterSpec
  /** Rises with every lease; each script on a host refuses a lower one than it has seen. 0 when only looking. */
  readonly fence: number
  /** Name that this runner enrolled with; absent when it only works locally. */
  readonly runner?: string
  readonly remote: Remote
  /** @throws Problem `runner.no-connection` */
  proxmox(connection: string): ProxmoxApi
  /**
   * The cluster's API with the administrator's credentials that the keystore holds.
   * @throws Problem `kube.no-credentials` while there are none.
   */
  kube(): Promise<KubeApi>
  readonly sources: Sources
  readonly keys: LanKeys
  readonly engine: GitopsEngine
  readonly forge: {
    /** Has a public key registered read-only; returns once the forge has it. */
    registerDeployKey(title: string, publicKey: string): Promise<void>
    /** Asks the repository for its branches with the cluster's deploy key, host key pinned. */
    probeDeployKey(): Promise<void>
  }
  readonly clock: Clock
}
