import { sha256Hex } from '../core/canonical.ts'
import { Problem } from '../core/problem.ts'
import { type EnrollAnswer, type EnrollRequest, type RepositoryOffer, WIRE } from '../core/wire.ts'
import type { RepoRef } from '../seams/forge.ts'
import { after, type App, forgeOf } from './app.ts'
import { changeDocument } from './change-document.ts'
import { keys, type RunnerDocument, type TokenDocument } from './documents.ts'
import { isPublicKey } from '../secrets/signing.ts'

/** An enrolment token is typed or pasted at once; an hour leaves room for a walk to the machine. */
export const TOKEN_MS = 3_600_000

/** What marks a token, so that logs can redact it. */
const TOKEN_MARK = 'slw_'

/**
 * Makes a one-time token with which a runner enrols for these repositories. Only its hash is kept.
 * @throws Problem `token.repositories`
 */
export async function createToken(
  app: App,
  repositories: readonly RepoRef[],
): Promise<{ readonly token: string; readonly expiresAt: string }> {
  if (repositories.length === 0 || new Set(repositories.map((repo) => repo.id)).size !== repositories.length) {
    throw new Problem({
      code: 'token.repositories',
      what: 'a token needs at least one repository, and none of them twice',
      remedy: 'Name the repositories that the runner shall work for, as owner/name.',
      retry: 'never',
    })
  }
  const createdAt = await app.store.now()
  const expiresAt = after(createdAt, TOKEN_MS)
  const token = `${TOKEN_MARK}${app.random.id()}`
  const document: TokenDocument = { repositories: repositories.map(({ forge, id }) => ({ forge, id })), createdAt }
  await app.store.put(keys.token(sha256Hex(token)), document, undefined, { expiresAt })
  return { token, expiresAt }
}

/**
 * Takes a runner in: remembers its signing key, registers its read-only Git key, tells it where to work. The same
 * runner may repeat the request when the answer was lost; anybody else finds the token used.
 */
export async function enrollRunner(app: App, token: string, request: EnrollRequest): Promise<EnrollAnswer> {
  const hash = sha256Hex(token)
  await checkSigningKey(request.signingKey)
  const stored = await app.store.get<TokenDocument>(keys.token(hash))
  const used = stored?.value.usedBy
  if (!stored || (used !== undefined && used !== request.signingKey)) throw tokenRefused()
  const expiresAt = after(stored.value.createdAt, TOKEN_MS)
  if (used === undefined) {
    const taken: TokenDocument = { ...stored.value, usedBy: request.signingKey }
    if ((await app.store.put(keys.token(hash), taken, stored.version, { expiresAt })) === undefined)
      throw tokenRefused()
  }

  const { repositories } = stored.value
  const now = await app.store.now()
  const { document } = await changeDocument<RunnerDocument>(app.store, keys.runner(request.name), (known) => {
    if (known && known.revoked === undefined && known.signingKey !== request.signingKey) throw nameTaken(request.name)
    const others = known?.revoked === undefined ? (known?.repositories ?? []) : []
    return {
      id: request.name,
      name: request.name,
      signingKey: request.signingKey,
      gitKey: request.gitKey,
      repositories: [
        ...others.filter((old) => !repositories.some(({ forge, id }) => forge === old.forge && id === old.id)),
        ...repositories,
      ],
      enrolledAt: now,
    }
  })
  const offers: RepositoryOffer[] = []
  for (const repo of repositories) {
    const forge = forgeOf(app, repo)
    await forge.registerDeployKey(repo, `slipway runner ${request.name}`, request.gitKey)
    const info = await forge.repository(repo)
    offers.push({
      repository: repo.id,
      fullName: info.fullName,
      sshUrl: info.git.sshUrl,
      branch: info.defaultBranch,
      knownHosts: [...info.git.knownHosts],
    })
  }
  app.log.info('runner enrolled', { runner: request.name, repositories: repositories.length })
  return { wire: WIRE, runner: document!.value.id, appKey: app.signer.publicKey, repositories: offers }
}

/** Takes a runner's right to ask away. Its deploy key stays at the forge: removing it is a person's decision there. */
export async function revokeRunner(app: Pick<App, 'store'>, id: string): Promise<boolean> {
  const now = await app.store.now()
  const { changed } = await changeDocument<RunnerDocument>(app.store, keys.runner(id), (known) =>
    known && known.revoked === undefined ? { ...known, revoked: now } : undefined,
  )
  return changed
}

async function checkSigningKey(key: string): Promise<void> {
  if (await isPublicKey(key)) return
  throw new Problem({
    code: 'runner.signing-key',
    what: 'enrolling a runner: its signing key is not an Ed25519 public key',
    retry: 'never',
  })
}

function tokenRefused(): Problem {
  return new Problem({
    code: 'token.refused',
    what: 'this enrolment token is unknown, older than an hour, or was used by another runner',
    remedy: "Make a fresh one on the app's host: slipway token create",
    retry: 'never',
  })
}

function nameTaken(name: string): Problem {
  return new Problem({
    code: 'runner.name-taken',
    what: `a runner called "${name}" is enrolled already`,
    remedy: `Choose another name, or revoke the old one: slipway runner revoke ${name}`,
    retry: 'never',
  })
}
