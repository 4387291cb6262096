import { EnrollRequest, WIRE } from '../src/core/wire.ts'
import { Problem } from '../src/core/problem.ts'
import { newSigningKey, signerFrom } from '../src/secrets/signing.ts'
import { enrollAtApp } from './app-client.ts'
import type { RunnerConfig } from './config.ts'
import { gitKeyFile, IDENTITY_FILE, readIdentity, SIGNING_KEY_FILE, type RunnerIdentity } from './identity.ts'
import type { Keystore } from './keystore.ts'

/**
 * Enrols with a one-time token: makes the runner's signing key and a read-only Git key, has both public halves taken by
 * the app, and pins the app's key. With a second token it gains further repositories.
 * @throws Problem `runner.other-app` when it belongs to another app already.
 */
export async function enroll(input: {
  readonly app: string
  readonly token: string
  readonly name: string
  readonly config: RunnerConfig
  readonly keys: Keystore
}): Promise<RunnerIdentity> {
  const { app, token, name, keys } = input
  const before = readIdentity(keys)
  if (before !== undefined && before.app !== app)
    throw new Problem({
      code: 'runner.other-app',
      what: `this runner is enrolled at ${before.app} already`,
      remedy: `Give another runner its own \`state\` folder, or remove ${keys.folder} first.`,
      retry: 'never',
    })
  const signer = await signerFrom(await keys.readOrMake(SIGNING_KEY_FILE, newSigningKey))
  // The repository's id is in the answer, so the key waits under a name of its own until then; a crash reuses it.
  const pending = 'git/pending/key'
  const pair = await keys.sshKey(pending, `slipway-runner/${name}`)
  const request = EnrollRequest.safeParse({
    wire: WIRE,
    name,
    signingKey: signer.publicKey,
    gitKey: pair.publicKey.split(' ').slice(0, 2).join(' '),
  })
  if (!request.success)
    throw new Problem({
      code: 'runner.name',
      what: `"${name}" is not a name for a runner`,
      remedy: 'Use lower-case letters, digits and hyphens, at most 42.',
      retry: 'never',
    })
  const answer = await enrollAtApp(app, token, request.data)
  if (before !== undefined && before.appKey !== answer.appKey)
    throw new Problem({
      code: 'runner.app-key',
      what: 'the app at this address has another signing key than the one pinned',
      remedy: `If that is meant, remove ${keys.folder} and enrol again.`,
      retry: 'never',
    })
  for (const repository of answer.repositories) {
    keys.write(gitKeyFile(repository.repository), pair.privateKey)
    keys.write(`${gitKeyFile(repository.repository)}.pub`, `${pair.publicKey}\n`)
  }
  const known = (before?.repositories ?? []).filter(
    (old) => !answer.repositories.some((offered) => offered.repository === old.repository),
  )
  const identity: RunnerIdentity = {
    app,
    runner: answer.runner,
    name,
    appKey: answer.appKey,
    repositories: [...known, ...answer.repositories],
  }
  keys.write(IDENTITY_FILE, `${JSON.stringify(identity, null, 2)}\n`)
  keys.remove(pending)
  keys.remove(`${pending}.pub`)
  return identity
}
