import { POLICY_FILE } from '../core/layout.ts'
import type { RepoInfo } from '../seams/forge.ts'
import { type App, forgeOf } from './app.ts'

export interface Policy {
  readonly commitBundles: boolean
}

export async function readPolicy(app: App, info: RepoInfo): Promise<Policy> {
  const forge = forgeOf(app, info)
  const head = await forge.branchHead(info, info.defaultBranch)
  if (head !== undefined) await forge.readFiles(info, head, [POLICY_FILE])
  return { commitBundles: true }
}
