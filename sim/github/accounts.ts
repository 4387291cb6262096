import { Hono } from 'hono'
import type { Account } from '../git/account.ts'
import { callerOf } from './caller.ts'
import { notAccessible, notFound, Refusal } from './refusal.ts'
import { nodeId, type GithubApp, type GithubWorld } from './world.ts'

/** A person, organisation or bot as other objects mention it (`simple-user`). */
export function accountJson({ url }: Pick<GithubWorld, 'url'>, account: Account) {
  const self = `${url}/users/${encodeURIComponent(account.login)}`
  return {
    login: account.login,
    id: account.id,
    node_id: nodeId(account.kind === 'organization' ? 'O' : 'U', account.id),
    avatar_url: `${url}/avatars/u/${account.id}`,
    gravatar_id: '',
    url: self,
    html_url: `${url}/${encodeURIComponent(account.login)}`,
    followers_url: `${self}/followers`,
    following_url: `${self}/following{/other_user}`,
    gists_url: `${self}/gists{/gist_id}`,
    starred_url: `${self}/starred{/owner}{/repo}`,
    subscriptions_url: `${self}/subscriptions`,
    organizations_url: `${self}/orgs`,
    repos_url: `${self}/repos`,
    events_url: `${self}/events{/privacy}`,
    received_events_url: `${self}/received_events`,
    type: { user: 'User', organization: 'Organization', bot: 'Bot' }[account.kind],
    user_view_type: 'public',
    site_admin: false,
  }
}

/** A person's own page (`public-user`). */
function profileJson(world: GithubWorld, account: Account) {
  return {
    ...accountJson(world, account),
    name: account.name,
    company: null,
    blog: '',
    location: null,
    email: null,
    hireable: null,
    bio: null,
    twitter_username: null,
    public_repos: world.hosting.repositories.filter((repository) => repository.owner === account && !repository.private)
      .length,
    public_gists: 0,
    followers: 0,
    following: 0,
    created_at: account.createdAt,
    updated_at: account.createdAt,
  }
}

/** The app as checks and comments mention it (`integration`). */
export function appJson(world: GithubWorld, app: GithubApp) {
  return {
    id: app.id,
    slug: app.slug,
    node_id: nodeId('A', app.id),
    client_id: app.clientId,
    owner: accountJson(world, app.owner),
    name: app.slug,
    description: null,
    external_url: `${world.url}/apps/${app.slug}`,
    html_url: `${world.url}/apps/${app.slug}`,
    created_at: app.createdAt,
    updated_at: app.createdAt,
    permissions: app.permissions,
    events: app.events,
  }
}

export function accountRoutes(world: GithubWorld): Hono {
  return new Hono()
    .get('/user', (context) => {
      const caller = callerOf(context, world)
      if (caller.kind === 'installation') throw notAccessible()
      if (caller.kind !== 'user') throw new Refusal(401, 'Requires authentication')
      return context.json(profileJson(world, caller.user))
    })
    .get('/users/:login', (context) => {
      callerOf(context, world)
      const account = world.hosting.account(context.req.param('login'))
      if (account === undefined) throw notFound()
      return context.json(profileJson(world, account))
    })
}
