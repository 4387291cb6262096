import { Hono, type Context } from 'hono'
import * as z from 'zod'
import type { DeployKey, Repository } from '../git/hosted-repository.ts'
import { fingerprint, md5Fingerprint, parsePublicKey, publicKeyLine } from '../git/public-key.ts'
import { bodyOf, Flag } from './body.ts'
import { actorOf, projectFor } from './caller.ts'
import { pageOf } from './page.ts'
import { notFound, Refusal } from './refusal.ts'
import { instant, type GitlabWorld } from './world.ts'

const NewKey = z.object({
  title: z.string(),
  key: z.string(),
  can_push: Flag.default(false),
  expires_at: z.string().nullish(),
})
const ChangedKey = z.object({ title: z.string().optional(), can_push: Flag.optional() })

function keyJson(key: DeployKey) {
  return {
    id: key.id,
    title: key.title,
    created_at: instant(key.createdAt),
    expires_at: key.expiresAt ?? null,
    last_used_at: key.lastUsed === undefined ? null : instant(key.lastUsed),
    key: publicKeyLine(key.key),
    usage_type: 'auth',
    fingerprint: md5Fingerprint(key.key),
    fingerprint_sha256: fingerprint(key.key),
    projects_with_write_access: [],
    projects_with_readonly_access: [],
    can_push: !key.readOnly,
  }
}

export function deployKeyRoutes(world: GitlabWorld): Hono {
  const { hosting } = world
  const keyOf = (context: Context, repository: Repository): DeployKey => {
    const found = repository.deployKeys.find(({ id }) => `${id}` === context.req.param('key'))
    if (found === undefined) throw notFound('Deploy Key')
    return found
  }
  /** The same key in another project keeps its id there. */
  const join = (context: Context, repository: Repository, known: DeployKey, readOnly: boolean): DeployKey =>
    hosting.addDeployKey(repository, known.key, {
      id: known.id,
      title: known.title,
      readOnly,
      addedBy: actorOf(context, world),
      ...(known.expiresAt === undefined ? {} : { expiresAt: known.expiresAt }),
    })
  return new Hono()
    .get('/projects/:id/deploy_keys', (context) => {
      const repository = projectFor(context, world, 'maintain')
      return context.json(pageOf(context, repository.deployKeys).map(keyJson))
    })
    .post('/projects/:id/deploy_keys', async (context) => {
      const repository = projectFor(context, world, 'maintain')
      const request = await bodyOf(context, NewKey)
      const key = parsePublicKey(request.key)
      if (key === undefined) throw new Refusal(400, { 'deploy_key.key': ['is invalid'] })
      const taken = () => new Refusal(400, { 'deploy_key.fingerprint_sha256': ['has already been taken'] })
      const holders = hosting.keyHolders(key)
      const here = holders.some((holder) => 'deployKey' in holder && holder.repository === repository)
      if (here || holders.some((holder) => 'login' in holder)) throw taken()
      const actor = actorOf(context, world)
      const elsewhere = holders.find((holder) => 'deployKey' in holder)
      if (elsewhere !== undefined) {
        if (hosting.role(elsewhere.repository, actor) === 'none') throw taken()
        return context.json(keyJson(join(context, repository, elsewhere.deployKey, !request.can_push)), 201)
      }
      const added = hosting.addDeployKey(repository, key, {
        title: request.title,
        readOnly: !request.can_push,
        addedBy: actor,
        ...(request.expires_at === undefined || request.expires_at === null ? {} : { expiresAt: request.expires_at }),
      })
      return context.json(keyJson(added), 201)
    })
    .get('/projects/:id/deploy_keys/:key', (context) =>
      context.json(keyJson(keyOf(context, projectFor(context, world, 'maintain')))),
    )
    .put('/projects/:id/deploy_keys/:key', async (context) => {
      const key = keyOf(context, projectFor(context, world, 'maintain'))
      const { title, can_push } = await bodyOf(context, ChangedKey)
      key.title = title ?? key.title
      key.readOnly = can_push === undefined ? key.readOnly : !can_push
      return context.json(keyJson(key))
    })
    .post('/projects/:id/deploy_keys/:key/enable', (context) => {
      const repository = projectFor(context, world, 'maintain')
      const actor = actorOf(context, world)
      const known = hosting.repositories
        .filter((other) => hosting.role(other, actor) !== 'none')
        .flatMap(({ deployKeys }) => deployKeys)
        .find(({ id }) => `${id}` === context.req.param('key'))
      if (known === undefined) throw notFound('Deploy Key')
      return context.json(keyJson(join(context, repository, known, true)), 201)
    })
    .delete('/projects/:id/deploy_keys/:key', (context) => {
      const repository = projectFor(context, world, 'maintain')
      const key = keyOf(context, repository)
      repository.deployKeys = repository.deployKeys.filter((kept) => kept !== key)
      return context.body(null, 204)
    })
}
