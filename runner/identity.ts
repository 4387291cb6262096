import * as z from 'zod'
import { Problem } from '../src/core/problem.ts'
import type { Repository } from '../src/core/spec/cluster-spec.ts'
import { RepositoryOffer } from '../src/core/wire.ts'
import type { Keystore } from './keystore.ts'

/** Who this runner is to its app: written at enrolment, never by the app afterwards. */
export const RunnerIdentity = z.strictObject({
  app: z.url(),
  runner: z.string(),
  name: z.string(),
  appKey: z.string(),
  repositories: z.array(RepositoryOffer),
})
export type RunnerIdentity = z.infer<typeof RunnerIdentity>

export const IDENTITY_FILE = 'identity.json'
export const SIGNING_KEY_FILE = 'signing-key.pem'
/** The runner's own read-only key for one repository: GitHub takes a key for one repository only. */
export const gitKeyFile = (repository: string): string => `git/${repository}/key`

export function readIdentity(keys: Keystore): RunnerIdentity | undefined {
  const text = keys.read(IDENTITY_FILE)
  if (text === undefined) return undefined
  const parsed = RunnerIdentity.safeParse(JSON.parse(text))
  if (!parsed.success)
    throw new Problem({
      code: 'runner.identity',
      what: `${keys.path(IDENTITY_FILE)} is damaged`,
      remedy: 'Enrol this runner again.',
      retry: 'never',
    })
  return parsed.data
}

/** The repository in the form that specs and plans use. */
export function repositoryOf(offer: RepositoryOffer): Repository {
  return { sshUrl: offer.sshUrl, branch: offer.branch, knownHosts: offer.knownHosts }
}
