import { Problem } from '../core/problem.ts'
import type { RepoInfo } from '../seams/forge.ts'
import type { App } from './app.ts'

/** Names listed in one problem, so that a person with many repositories can still read it. */
const NAMES_SHOWN = 20

/**
 * Repositories that the app was given, by `owner/name`; all of them when none is named.
 * @throws Problem `app.repository-unknown` with the names there are.
 */
export async function findRepositories(app: App, names: readonly string[]): Promise<readonly RepoInfo[]> {
  const all: RepoInfo[] = []
  for (const forge of app.forges.values()) all.push(...(await forge.repositories()))
  if (names.length === 0) return all
  return names.map((name) => {
    const found = all.find(({ fullName }) => fullName.toLowerCase() === name.toLowerCase())
    if (found) return found
    const known = all.slice(0, NAMES_SHOWN).map(({ fullName }) => fullName)
    throw new Problem({
      code: 'app.repository-unknown',
      what: `"${name}" is not among the repositories that the app was given: ${known.join(', ') || 'there are none'}`,
      remedy: 'Install the GitHub App there, or give the GitLab token access to it.',
      retry: 'later',
    })
  })
}
