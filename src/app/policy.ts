import { POLICY_FILE } from '../core/layout.ts'
import { parsePolicy, type Policy } from '../core/policy.ts'
import type { FileProblem } from '../core/problem.ts'
import type { RepoInfo } from '../seams/forge.ts'
import { type App, forgeOf } from './app.ts'

/** The repository's rules, or what is wrong with them: rules that cannot be read allow nothing. */
export interface PolicyNow {
  readonly policy?: Policy
  readonly problems: readonly FileProblem[]
  /** The file as it is, when there is one. */
  readonly text?: string
}

/**
 * Reads the policy at the tip of the default branch: a pull cannot loosen its own rules.
 * @param tip - That tip, where the caller has just read it.
 */
export async function readPolicy(app: App, info: RepoInfo, tip?: string): Promise<PolicyNow> {
  const forge = forgeOf(app, info)
  const head = tip ?? (await forge.branchHead(info, info.defaultBranch))
  const files = head === undefined ? undefined : await forge.readFiles(info, head, [POLICY_FILE])
  const text = files?.get(POLICY_FILE)
  return { ...parsePolicy(text, POLICY_FILE), ...(text === undefined ? {} : { text }) }
}

/** What is wrong with the policy that a pull would bring; nothing when it leaves the policy alone. */
export async function policyProblems(
  app: App,
  info: RepoInfo,
  head: string,
  now: PolicyNow,
): Promise<readonly FileProblem[]> {
  const text = (await forgeOf(app, info).readFiles(info, head, [POLICY_FILE])).get(POLICY_FILE)
  return text === undefined || text === now.text ? [] : parsePolicy(text, POLICY_FILE).problems
}
