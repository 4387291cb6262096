import type { Context } from 'hono'
import type { Role } from '../forge.ts'
import type { Account } from '../git/account.ts'
import { atLeast, type Repository } from '../git/hosted-repository.ts'
import { forbidden, notFound, unauthorized } from './refusal.ts'
import type { GitlabWorld } from './world.ts'

/** GitLab's numbers for what a member may do. */
const ACCESS_LEVEL: Readonly<Record<Role, number>> = {
  none: 0,
  read: 20,
  triage: 20,
  write: 30,
  maintain: 40,
  admin: 50,
}

export function accessLevel(role: Role): number {
  return ACCESS_LEVEL[role]
}

/** Whose token the request carries; `undefined` without any. */
export function callerOf(context: Context, world: GitlabWorld): Account | undefined {
  const bearer = /^bearer (.+)$/i.exec(context.req.header('authorization') ?? '')?.[1]
  const token = context.req.header('private-token') ?? bearer
  if (token === undefined) return undefined
  const account = world.hosting.accountByToken(token)
  if (account === undefined) throw unauthorized()
  return account
}

export function actorOf(context: Context, world: GitlabWorld): Account {
  const account = callerOf(context, world)
  if (account === undefined) throw unauthorized()
  return account
}

/** A project by number or by its encoded path. */
export function projectNamed(world: GitlabWorld, id: string): Repository | undefined {
  return /^\d+$/.test(id) ? world.hosting.repositoryById(Number(id)) : world.hosting.repository(id)
}

/** The project that the path names, when the caller has this role in it; 404 to those who may not know of it. */
export function projectFor(context: Context, world: GitlabWorld, needed: Role): Repository {
  const account = callerOf(context, world)
  const repository = projectNamed(world, context.req.param('id') ?? '')
  if (repository === undefined) throw notFound('Project')
  const role = world.hosting.role(repository, account)
  if (!atLeast(role, 'read')) throw notFound('Project')
  if (account === undefined && context.req.method !== 'GET') throw unauthorized()
  if (!atLeast(role, needed) || (repository.archived && context.req.method !== 'GET')) throw forbidden()
  return repository
}
