import type { Clock } from '../seams/clock.ts'
import type { Forge, ForgeName, RepoRef } from '../seams/forge.ts'
import type { Log } from '../seams/log.ts'
import type { Random } from '../seams/random.ts'
import type { Store } from '../seams/store.ts'
import { Problem } from '../core/problem.ts'
import type { Signer } from '../secrets/signing.ts'

export interface Settings {
  /** Where people and runners reach this app, without a trailing slash. */
  readonly publicUrl: string
  /** Where the words of a report are explained, when there is such a page. */
  readonly docsUrl?: string
}

/** Everything that the use cases act through. `entry` builds the real one. */
export interface App {
  readonly forges: ReadonlyMap<ForgeName, Forge>
  readonly store: Store
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly signer: Signer
  readonly settings: Settings
  /**
   * Runs work after the answer was given. A crash may lose it: whatever it does is also found by the sweep. Errors
   * are logged, never thrown.
   */
  defer(name: string, work: () => Promise<void>): void
  /** Aborted when the process is asked to stop: waits end early. */
  readonly stopping: AbortSignal
}

export function forgeOf(app: App, repo: RepoRef): Forge {
  const forge = app.forges.get(repo.forge)
  if (forge) return forge
  throw new Problem({
    code: 'app.forge-not-configured',
    what: `reaching repository ${repo.forge}/${repo.id}: this app is not connected to ${repo.forge}`,
    remedy: `Start the app with the SLIPWAY_${repo.forge.toUpperCase()}_ settings, or revoke what refers to it.`,
    retry: 'later',
  })
}

/** An instant some milliseconds after another one. */
export function after(instant: string, ms: number): string {
  return new Date(Date.parse(instant) + ms).toISOString()
}
