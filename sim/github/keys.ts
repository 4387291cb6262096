import { Hono, type Context } from 'hono'
import * as z from 'zod'
import { fullName, type DeployKey, type Repository } from '../git/hosted-repository.ts'
import { parsePublicKey, publicKeyLine } from '../git/public-key.ts'
import { bodyOf } from './body.ts'
import { actorOf, repositoryFor } from './caller.ts'
import { pageOf } from './page.ts'
import { invalid, notFound } from './refusal.ts'
import type { GithubWorld } from './world.ts'

const NewKey = z.object({ title: z.string().default(''), key: z.string(), read_only: z.boolean().default(false) })

function keyJson(world: GithubWorld, repository: Repository, key: DeployKey) {
  return {
    id: key.id,
    key: publicKeyLine(key.key),
    url: `${world.url}/repos/${fullName(repository)}/keys/${key.id}`,
    title: key.title,
    verified: true,
    created_at: key.createdAt,
    read_only: key.readOnly,
    added_by: key.addedBy.login,
    last_used: key.lastUsed ?? null,
    enabled: true,
  }
}

export function keyRoutes(world: GithubWorld): Hono {
  const keyOf = (context: Context, repository: Repository): DeployKey => {
    const found = repository.deployKeys.find((key) => `${key.id}` === context.req.param('key'))
    if (found === undefined) throw notFound()
    return found
  }
  return new Hono()
    .get('/repos/:owner/:repo/keys', (context) => {
      const repository = repositoryFor(context, world, 'administration', 'read')
      return context.json(pageOf(context, repository.deployKeys).map((key) => keyJson(world, repository, key)))
    })
    .post('/repos/:owner/:repo/keys', async (context) => {
      const repository = repositoryFor(context, world, 'administration', 'write')
      const request = await bodyOf(context, NewKey, 'PublicKey')
      const key = parsePublicKey(request.key)
      const refusal = (message: string) => invalid({ resource: 'PublicKey', code: 'custom', field: 'key', message })
      if (key === undefined) throw refusal('key is invalid. You must supply a key in OpenSSH public key format')
      // Anywhere at all, this very repository included.
      if (world.hosting.keyHolders(key).length > 0) throw refusal('key is already in use')
      const added = world.hosting.addDeployKey(repository, key, {
        title: request.title,
        readOnly: request.read_only,
        addedBy: actorOf(context, world),
      })
      return context.json(keyJson(world, repository, added), 201)
    })
    .get('/repos/:owner/:repo/keys/:key', (context) => {
      const repository = repositoryFor(context, world, 'administration', 'read')
      return context.json(keyJson(world, repository, keyOf(context, repository)))
    })
    .delete('/repos/:owner/:repo/keys/:key', (context) => {
      const repository = repositoryFor(context, world, 'administration', 'write')
      const key = keyOf(context, repository)
      repository.deployKeys = repository.deployKeys.filter((kept) => kept !== key)
      return context.body(null, 204)
    })
}
