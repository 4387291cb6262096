import { POLICY_FILE } from '../core/layout.ts'
import { parsePolicy, type Policy } from '../core/policy.ts'
import type { FileProblem } from '../core/problem.ts'
import type { RepoInfo } from '../seams/forge.ts'
import { type App, forgeOf } from './app.ts'

/** The repository's rules, or what is wrong with them: rules that cannot be read allow nothing. */
export interface PolicyNow {
  readonly policy?: Policy
  readonly problems: readonly FileProblem[]
}

/** Reads the policy at the tip of the default branch: a pull cannot loosen its own rules. */
export async function readPolicy(app: App, info: RepoInfo): Promise<PolicyNow> {
  const forge = forgeOf(app, info)
  const head = await forge.branchHead(info, info.defaultBranch)
  const files = head === undefined ? undefined : await forge.readFiles(info, head, [POLICY_FILE])
  return parsePolicy(files?.get(POLICY_FILE), POLICY_FILE)
}
