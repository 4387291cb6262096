import type { RunnerConfig } from '../../runner/config.ts'
import { fileKeystore } from '../../runner/keystore.ts'
import type { Lan } from '../../runner/lan/lan.ts'
import type { LanAccess } from '../../runner/loop.ts'
import { lanAccess } from '../../runner/start.ts'
import { Problem } from '../core/problem.ts'
import type { ClusterSpec } from '../core/spec/cluster-spec.ts'
import { LOCAL } from '../forge/local/index.ts'

/** What work on the network from this machine is given beside the cluster. */
export interface LanSession {
  /** 0 when only looking. */
  readonly fence: number
  readonly registerDeployKey?: (title: string, publicKey: string) => Promise<void>
}

/** Opens the way to a cluster's machines, as a `runner.yaml` says, for the time of `work`. */
export async function withLan<T>(
  config: RunnerConfig,
  spec: ClusterSpec,
  session: LanSession,
  work: (lan: Lan, access: LanAccess<Lan>) => Promise<T>,
): Promise<T> {
  const access = lanAccess(config, fileKeystore(config.state))
  await using lan = await access.open({
    repository: LOCAL.id,
    spec,
    fence: session.fence,
    registerDeployKey: session.registerDeployKey ?? noRegistration,
  })
  return await work(lan, access)
}

async function noRegistration(): Promise<void> {
  throw new Problem({
    code: 'runner.no-job',
    what: 'a deploy key is registered by `slipway apply` only',
    retry: 'never',
  })
}
