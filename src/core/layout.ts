import type { ClusterSpec } from './spec/cluster-spec.ts'

/** Where things are in a user's repository. All paths are relative to its root. */
export const clusterFile = (name: string): string => `clusters/${name}/cluster.yaml`
/** Generated, committed by Slipway, followed by the engine. */
export const gitopsFolder = (spec: Pick<ClusterSpec, 'name'>): string => `clusters/${spec.name}/gitops`
/** Policy, read from the default branch only. */
export const POLICY_FILE = 'slipway.policy.yaml'

/** `home` of `clusters/home/cluster.yaml`; `undefined` for any other path. */
export function clusterOfFile(path: string): string | undefined {
  return /^clusters\/([^/]+)\/cluster\.yaml$/.exec(path)?.[1]
}
