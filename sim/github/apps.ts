import { hex } from '../random.ts'
import { Hono } from 'hono'
import * as z from 'zod'
import type { Account } from '../git/account.ts'
import type { Repository } from '../git/hosted-repository.ts'
import { accountJson, appJson } from './accounts.ts'
import { bodyOf } from './body.ts'
import { callerOf, reaches, requireApp } from './caller.ts'
import { pageOf } from './page.ts'
import { Refusal, notFound } from './refusal.ts'
import { repositoryJson } from './repositories.ts'
import type { GithubWorld, Installation, InstallationToken, Level, Permissions } from './world.ts'

/** GitHub's installation tokens cannot be renewed and live this long. */
const TOKEN_LIFETIME_MS = 60 * 60_000
/** Since spring 2026 tokens carry a JWT and are about this long; clients must not count on any length. */
const TOKEN_LENGTH = 520

const TokenRequest = z
  .object({
    repositories: z.array(z.string()).max(500).optional(),
    repository_ids: z.array(z.int()).max(500).optional(),
    permissions: z.record(z.string(), z.enum(['read', 'write', 'admin'])).optional(),
  })
  .nullable()

export function installationJson(world: GithubWorld, installation: Installation) {
  const { url, app } = world
  return {
    id: installation.id,
    client_id: app.clientId,
    account: accountJson(world, installation.account),
    repository_selection: 'all',
    access_tokens_url: `${url}/app/installations/${installation.id}/access_tokens`,
    repositories_url: `${url}/installation/repositories`,
    html_url: `${url}/organizations/${installation.account.login}/settings/installations/${installation.id}`,
    app_id: app.id,
    app_slug: app.slug,
    target_id: installation.account.id,
    target_type: installation.account.kind === 'organization' ? 'Organization' : 'User',
    permissions: app.permissions,
    events: app.events,
    created_at: installation.createdAt,
    updated_at: installation.createdAt,
    single_file_name: null,
    has_multiple_single_files: false,
    single_file_paths: [],
    suspended_by: null,
    suspended_at: installation.suspendedAt ?? null,
  }
}

/** Installs the app for everything that an account owns, once. */
export function install(world: GithubWorld, account: Account): Installation {
  const known = installationFor(world, account)
  if (known !== undefined) return known
  const installation: Installation = {
    id: world.hosting.nextId(),
    account,
    createdAt: world.hosting.now(),
    suspendedAt: undefined,
  }
  world.installations.push(installation)
  return installation
}

export function installationFor(world: GithubWorld, account: Account): Installation | undefined {
  return world.installations.find((installation) => installation.account === account)
}

function findInstallation(world: GithubWorld, id: string): Installation {
  const installation = world.installations.find((candidate) => `${candidate.id}` === id)
  if (installation === undefined) throw notFound()
  return installation
}

function issueToken(
  world: GithubWorld,
  installation: Installation,
  request: NonNullable<z.infer<typeof TokenRequest>>,
): InstallationToken {
  const owned = world.hosting.repositories.filter(({ owner }) => owner === installation.account)
  const repositories = chosenRepositories(owned, request)
  if (installation.suspendedAt !== undefined) throw new Refusal(403, 'This installation has been suspended')
  const permissions =
    request.permissions === undefined ? world.app.permissions : narrowed(world.app.permissions, request.permissions)
  const head = `ghs_${world.app.id}_`
  const token: InstallationToken = {
    token: `${head}${hex(world.hosting.random, 30)}.${hex(world.hosting.random, TOKEN_LENGTH - head.length - 52)}.${hex(world.hosting.random, 20)}`,
    installation,
    permissions,
    repositories,
    expiresAt: world.hosting.clock.now() + TOKEN_LIFETIME_MS,
  }
  world.tokens.push(token)
  return token
}

function chosenRepositories(
  owned: readonly Repository[],
  request: NonNullable<z.infer<typeof TokenRequest>>,
): readonly Repository[] | undefined {
  if (request.repositories === undefined && request.repository_ids === undefined) return undefined
  const byName = (request.repositories ?? []).map((name) => owned.find((repository) => repository.name === name))
  const byId = (request.repository_ids ?? []).map((id) => owned.find((repository) => repository.id === id))
  const chosen = [...byName, ...byId].filter((repository) => repository !== undefined)
  if (chosen.length < byName.length + byId.length) {
    throw new Refusal(
      422,
      'There is at least one repository that does not exist or is not accessible to the parent installation.',
    )
  }
  return chosen
}

function narrowed(granted: Permissions, wanted: Readonly<Record<string, Level>>): Permissions {
  const levels: readonly Level[] = ['read', 'write', 'admin']
  const excessive = Object.entries(wanted).some(([name, level]) => {
    const held = granted[name]
    return held === undefined || levels.indexOf(held) < levels.indexOf(level)
  })
  if (excessive) throw new Refusal(422, 'The permissions requested are not granted to this installation.')
  return { metadata: 'read', ...wanted }
}

export function appRoutes(world: GithubWorld): Hono {
  return new Hono()
    .get('/app', (context) => {
      requireApp(context, world)
      return context.json({ ...appJson(world, world.app), installations_count: world.installations.length })
    })
    .get('/app/installations', (context) => {
      requireApp(context, world)
      return context.json(
        pageOf(context, world.installations).map((installation) => installationJson(world, installation)),
      )
    })
    .get('/app/installations/:id', (context) => {
      requireApp(context, world)
      return context.json(installationJson(world, findInstallation(world, context.req.param('id'))))
    })
    .post('/app/installations/:id/access_tokens', async (context) => {
      requireApp(context, world)
      const installation = findInstallation(world, context.req.param('id'))
      const request = await bodyOf(context, TokenRequest, 'IntegrationInstallationToken')
      const token = issueToken(world, installation, request ?? {})
      return context.json(
        {
          token: token.token,
          expires_at: `${new Date(token.expiresAt).toISOString().slice(0, 19)}Z`,
          permissions: token.permissions,
          repository_selection: token.repositories === undefined ? 'all' : 'selected',
          ...(token.repositories === undefined
            ? {}
            : { repositories: token.repositories.map((repository) => repositoryJson(world, repository)) }),
        },
        201,
      )
    })
    .get('/repos/:owner/:repo/installation', (context) => {
      requireApp(context, world)
      const { owner, repo } = context.req.param()
      const repository = world.hosting.repository(`${owner}/${repo}`)
      const installation = repository === undefined ? undefined : installationFor(world, repository.owner)
      if (installation === undefined) throw notFound()
      return context.json(installationJson(world, installation))
    })
    .get('/installation/repositories', (context) => {
      const caller = callerOf(context, world)
      if (caller.kind !== 'installation')
        throw new Refusal(
          403,
          'You must authenticate with an installation access token in order to list repositories for an installation.',
        )
      const all = world.hosting.repositories.filter((repository) => reaches(caller.token, repository))
      const repositories = pageOf(context, all).map((repository) => repositoryJson(world, repository))
      return context.json({ total_count: all.length, repository_selection: 'all', repositories })
    })
    .delete('/installation/token', (context) => {
      const caller = callerOf(context, world)
      if (caller.kind !== 'installation') throw new Refusal(403, 'Resource not accessible')
      world.tokens.splice(world.tokens.indexOf(caller.token), 1)
      return context.body(null, 204)
    })
}
