import { Hono } from 'hono'
import type { Account } from '../git/account.ts'
import { actorOf } from './caller.ts'
import { pageOf } from './page.ts'
import { notFound } from './refusal.ts'
import { instant, type GitlabWorld } from './world.ts'

/** A group access token lives a year at most. */
const TOKEN_LIFETIME_MS = 365 * 24 * 60 * 60_000

/** A person or bot as other objects mention it. */
export function userJson({ url }: Pick<GitlabWorld, 'url'>, account: Account) {
  return {
    id: account.id,
    username: account.login,
    public_email: '',
    name: account.name,
    state: 'active',
    locked: false,
    avatar_url: `${url}/uploads/-/system/user/avatar/${account.id}/avatar.png`,
    web_url: `${url}/${account.login}`,
  }
}

export function userRoutes(world: GitlabWorld): Hono {
  return new Hono()
    .get('/user', (context) => {
      const account = actorOf(context, world)
      return context.json({
        ...userJson(world, account),
        created_at: instant(account.createdAt),
        bio: '',
        location: '',
        website_url: '',
        organization: '',
        job_title: '',
        bot: account.kind === 'bot',
        last_sign_in_at: null,
        confirmed_at: instant(account.createdAt),
        last_activity_on: null,
        email: account.email,
        commit_email: account.email,
        current_sign_in_at: null,
        identities: [],
        can_create_group: false,
        can_create_project: false,
        two_factor_enabled: false,
        external: false,
        private_profile: false,
        projects_limit: 0,
        namespace_id: null,
      })
    })
    .get('/users', (context) => {
      actorOf(context, world)
      const { username } = context.req.query()
      const people = world.hosting.accounts.filter(
        ({ kind, login }) =>
          kind !== 'organization' && (username === undefined || login.toLowerCase() === username.toLowerCase()),
      )
      return context.json(pageOf(context, people).map((account) => userJson(world, account)))
    })
    .get('/users/:user', (context) => {
      actorOf(context, world)
      const account = world.hosting.accountById(Number(context.req.param('user')))
      if (account === undefined || account.kind === 'organization') throw notFound('User')
      return context.json({ ...userJson(world, account), bot: account.kind === 'bot' })
    })
    .get('/personal_access_tokens/self', (context) => {
      const account = actorOf(context, world)
      const expires = new Date(Date.parse(account.createdAt) + TOKEN_LIFETIME_MS)
      return context.json({
        id: account.id,
        name: account.login,
        description: null,
        revoked: false,
        created_at: instant(account.createdAt),
        scopes: ['api'],
        user_id: account.id,
        last_used_at: null,
        active: true,
        expires_at: expires.toISOString().slice(0, 10),
      })
    })
    .get('/version', (context) => {
      actorOf(context, world)
      return context.json({ version: '18.4.0', revision: 'simulated' })
    })
}
