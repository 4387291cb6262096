import { verify } from 'node:crypto'
import type { Context } from 'hono'
import type { Account } from '../git/account.ts'
import { atLeast, type Repository } from '../git/hosted-repository.ts'
import { badCredentials, notAccessible, notFound, Refusal } from './refusal.ts'
import type { GithubWorld, InstallationToken, Level } from './world.ts'

/** GitHub takes no JWT that lives longer. */
const MAX_JWT_MS = 10 * 60_000
/** Clock difference that GitHub forgives for `exp`. */
const CLOCK_SKEW_MS = 60_000

/** Who makes a request, from its `Authorization` header. */
export type Caller =
  | { readonly kind: 'anonymous' }
  | { readonly kind: 'app' }
  | { readonly kind: 'installation'; readonly token: InstallationToken }
  | { readonly kind: 'user'; readonly user: Account }

export function callerOf(context: Context, world: GithubWorld): Caller {
  const header = context.req.header('authorization')
  if (header === undefined) return { kind: 'anonymous' }
  const [scheme = '', value = ''] = header.split(' ')
  const credential =
    scheme.toLowerCase() === 'basic' ? Buffer.from(value, 'base64').toString('utf8').split(':')[1] : value
  if (!['bearer', 'token', 'basic'].includes(scheme.toLowerCase()) || credential === undefined) throw badCredentials()
  const token = world.tokens.find((candidate) => candidate.token === credential)
  if (token !== undefined) {
    if (token.expiresAt <= world.hosting.clock.now()) throw badCredentials()
    if (token.installation.suspendedAt !== undefined) throw new Refusal(403, 'This installation has been suspended')
    return { kind: 'installation', token }
  }
  const user = world.hosting.accountByToken(credential)
  if (user?.kind === 'user') return { kind: 'user', user }
  if (credential.startsWith('ey') && credential.split('.').length === 3) {
    checkAppToken(credential, world)
    return { kind: 'app' }
  }
  throw badCredentials()
}

/** @see https://docs.github.com/apps/creating-github-apps/authenticating-with-a-github-app/generating-a-json-web-token-jwt-for-a-github-app */
function checkAppToken(jwt: string, { app, hosting }: GithubWorld): void {
  const [header = '', payload = '', signature = ''] = jwt.split('.')
  const undecodable = () => new Refusal(401, 'A JSON web token could not be decoded')
  const head = jsonPart(header)
  const claims = jsonPart(payload)
  if (head?.['alg'] !== 'RS256' || claims === undefined) throw undecodable()
  const signed = Buffer.from(`${header}.${payload}`)
  if (!verify('RSA-SHA256', signed, app.publicKey, Buffer.from(signature, 'base64url'))) throw undecodable()
  if (String(claims['iss']) !== `${app.id}` && claims['iss'] !== app.clientId) {
    throw new Refusal(401, "'Issuer' claim ('iss') must be an Integer")
  }
  const { iat, exp } = claims
  const now = hosting.clock.now()
  if (typeof iat !== 'number' || iat * 1000 > now) {
    throw new Refusal(
      401,
      "'Issued at' claim ('iat') must be an Integer representing the time that the assertion was issued",
    )
  }
  if (typeof exp !== 'number' || exp * 1000 <= now) {
    throw new Refusal(
      401,
      "'Expiration time' claim ('exp') must be a numeric value representing the future time at which the assertion expires",
    )
  }
  if (exp * 1000 > now + MAX_JWT_MS + CLOCK_SKEW_MS) {
    throw new Refusal(401, "'Expiration time' claim ('exp') is too far in the future")
  }
}

function jsonPart(part: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(part, 'base64url').toString('utf8'))
    return value !== null && typeof value === 'object' ? (value as Record<string, unknown>) : undefined
  } catch {
    return undefined
  }
}

export function requireApp(context: Context, world: GithubWorld): void {
  const caller = callerOf(context, world)
  if (caller.kind !== 'app') throw new Refusal(401, 'A JSON web token could not be decoded')
}

/** The account that a change is made as. */
export function actorOf(context: Context, world: GithubWorld): Account {
  const caller = callerOf(context, world)
  if (caller.kind === 'user') return caller.user
  if (caller.kind === 'installation') return world.app.bot
  throw new Refusal(401, 'Requires authentication')
}

export type Area =
  | 'metadata'
  | 'contents'
  | 'pull_requests'
  | 'issues'
  | 'checks'
  | 'statuses'
  | 'deployments'
  | 'environments'
  | 'administration'

/** What a person needs for the same; comments and pulls are open to readers. */
const PERSON_NEEDS: Readonly<
  Record<Area, { readonly read: 'read' | 'write' | 'admin'; readonly write: 'read' | 'write' | 'admin' }>
> = {
  metadata: { read: 'read', write: 'write' },
  contents: { read: 'read', write: 'write' },
  pull_requests: { read: 'read', write: 'read' },
  issues: { read: 'read', write: 'read' },
  checks: { read: 'read', write: 'admin' },
  statuses: { read: 'read', write: 'write' },
  deployments: { read: 'read', write: 'write' },
  environments: { read: 'read', write: 'admin' },
  administration: { read: 'admin', write: 'admin' },
}

const LEVELS: readonly Level[] = ['read', 'write', 'admin']

/**
 * The repository that the path names, when the caller may do this with it. Like GitHub it says 404, not 403, to those
 * who may not know that the repository exists.
 * @param areas - App permissions, any of which is enough.
 */
export function repositoryFor(
  context: Context,
  world: GithubWorld,
  areas: Area | readonly Area[],
  level: 'read' | 'write',
): Repository {
  const { owner = '', repo = '', id } = context.req.param() as Record<string, string | undefined>
  const caller = callerOf(context, world)
  const repository =
    id === undefined ? world.hosting.repository(`${owner}/${repo}`) : world.hosting.repositoryById(Number(id))
  if (repository === undefined) throw notFound()
  const wanted = typeof areas === 'string' ? [areas] : areas
  switch (caller.kind) {
    case 'app':
      throw new Refusal(401, 'A JSON web token could not be decoded')
    case 'installation':
      checkInstallation(caller.token, repository, wanted, level)
      break
    case 'anonymous':
      if (repository.private) throw notFound()
      if (level === 'write') throw new Refusal(401, 'Requires authentication')
      if (wanted.includes('administration')) throw notFound()
      break
    case 'user': {
      const role = world.hosting.role(repository, caller.user)
      if (!atLeast(role, 'read')) throw notFound()
      const needed = wanted.map((area) => PERSON_NEEDS[area][level])
      if (!needed.some((role_) => atLeast(role, role_))) {
        throw wanted.includes('administration') ? notFound() : new Refusal(403, 'Must have admin rights to Repository.')
      }
      break
    }
    default:
      caller satisfies never
  }
  if (level === 'write' && repository.archived) {
    throw new Refusal(403, 'Repository was archived so is read-only.')
  }
  return repository
}

function checkInstallation(
  token: InstallationToken,
  repository: Repository,
  areas: readonly Area[],
  level: 'read' | 'write',
): void {
  if (!reaches(token, repository)) {
    if (repository.private) throw notFound()
    if (level === 'write' || areas.includes('administration')) throw notAccessible()
    return
  }
  const allowed = areas.some((area) => {
    const granted = area === 'metadata' ? 'read' : token.permissions[area]
    return granted !== undefined && LEVELS.indexOf(granted) >= LEVELS.indexOf(level)
  })
  if (!allowed) throw notAccessible()
}

export function reaches({ installation, repositories }: InstallationToken, repository: Repository): boolean {
  return repository.owner === installation.account && (repositories === undefined || repositories.includes(repository))
}
