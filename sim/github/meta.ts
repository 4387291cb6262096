import { Hono } from 'hono'
import { callerOf } from './caller.ts'
import type { Limits } from './limits.ts'
import type { GithubWorld } from './world.ts'

export function metaRoutes(world: GithubWorld, limits: Limits): Hono {
  return new Hono()
    .get('/meta', (context) =>
      context.json({
        verifiable_password_authentication: false,
        ssh_key_fingerprints: {},
        ssh_keys: [world.ssh.hostKey],
        hooks: ['127.0.0.0/8'],
        web: ['127.0.0.0/8'],
        api: ['127.0.0.0/8'],
        git: ['127.0.0.0/8'],
      }),
    )
    .get('/rate_limit', (context) => {
      callerOf(context, world)
      const { limit, used, reset } = limits.of(context)
      const rate = { limit, used, remaining: Math.max(0, limit - used), reset: Math.ceil(reset / 1000) }
      return context.json({ resources: { core: rate, search: rate }, rate })
    })
}
