import { join } from 'node:path'
import { Problem } from '../src/core/problem.ts'
import type { Facts } from '../src/core/facts.ts'
import type { ClusterSpec } from '../src/core/spec/cluster-spec.ts'
import type { Log } from '../src/seams/log.ts'
import { actions } from './actions/index.ts'
import { appClient } from './app-client.ts'
import { readRunnerConfig, type RunnerConfig } from './config.ts'
import { fileJournal, type Journal } from './engine/journal.ts'
import { factsArchive } from './facts-archive.ts'
import { gatherFacts } from './facts/gather.ts'
import { readIdentity, SIGNING_KEY_FILE } from './identity.ts'
import { fileKeystore, type Keystore } from './keystore.ts'
import type { Lan } from './lan/lan.ts'
import { openLan } from './lan/open-lan.ts'
import { runnerLoop, type LanAccess } from './loop.ts'
import { systemClock } from './system-clock.ts'

/** Version told to the app; from the package that this runs from. */
export const RUNNER_VERSION = '0.1.0'

/** Intent and outcome of every step, for people and `slipway logs`. */
export const journalOf = (keys: Keystore): Journal => fileJournal(join(keys.folder, 'journal.jsonl'))

/**
 * Runs the enrolled runner of a `runner.yaml` until `signal` is aborted.
 * @throws Problem `runner.not-enrolled`
 */
export async function startRunner(configFile: string, log: Log, signal: AbortSignal): Promise<void> {
  const config = readRunnerConfig(configFile)
  const keys = fileKeystore(config.state)
  const identity = readIdentity(keys)
  const signingKey = keys.read(SIGNING_KEY_FILE)
  if (identity === undefined || signingKey === undefined)
    throw new Problem({
      code: 'runner.not-enrolled',
      what: 'this runner is not enrolled',
      remedy: 'Make a token with `slipway token create` where the app runs, then `slipway runner enroll` here.',
      retry: 'never',
    })
  const client = await appClient(identity, signingKey, systemClock)
  log.info(`runner ${identity.name} asks ${identity.app} for work`, {
    repositories: identity.repositories.map(({ fullName }) => fullName),
  })
  await runnerLoop<Lan>(
    {
      identity,
      config,
      keys,
      archive: factsArchive(keys),
      client,
      journal: journalOf(keys),
      actions,
      lan: lanAccess(config, keys),
      clock: systemClock,
      log,
      version: RUNNER_VERSION,
    },
    signal,
  )
}

/** The real LAN, as `runner.yaml` says it is reached. */
export function lanAccess(config: RunnerConfig, keys: Keystore): LanAccess<Lan> {
  return {
    open: (input) => openLan(config, keys, input),
    gather: gatherFacts,
    notes: (spec, facts) => resultNotes(spec, facts),
  }
}

/** What a person does next, beside what the report says of nodes, engine and keys: nothing secret. */
export function resultNotes(spec: ClusterSpec, facts: Facts): readonly string[] {
  if (facts.kubernetes === undefined) return []
  const { host, port } = spec.endpoint
  return [
    `the API answers at ${host}:${port}; \`slipway kubeconfig ${spec.name}\` on the runner's machine prints the way in`,
  ]
}
