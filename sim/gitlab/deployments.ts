import { Hono, type Context } from 'hono'
import * as z from 'zod'
import { fullName, type Repository } from '../git/hosted-repository.ts'
import { bodyOf, Flag } from './body.ts'
import { actorOf, projectFor } from './caller.ts'
import { commitJson } from './commits.ts'
import { pageOf } from './page.ts'
import { notFound, Refusal } from './refusal.ts'
import { userJson } from './users.ts'
import { instant, type Deployment, type Environment, type GitlabWorld } from './world.ts'

const NewEnvironment = z.object({
  name: z.string().max(255),
  external_url: z.string().optional(),
  tier: z.string().optional(),
})
const NewDeployment = z.object({
  environment: z.string(),
  sha: z.string(),
  ref: z.string(),
  tag: Flag,
  status: z.enum(['running', 'success', 'failed', 'canceled']),
})
const ChangedDeployment = z.object({ status: z.enum(['running', 'success', 'failed', 'canceled']) })

function slug(name: string): string {
  return name
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .slice(0, 24)
}

function environmentJson(environment: Environment) {
  return {
    id: environment.id,
    name: environment.name,
    slug: slug(environment.name),
    external_url: environment.externalUrl,
    created_at: instant(environment.createdAt),
    updated_at: instant(environment.createdAt),
    tier: environment.tier,
    state: environment.state,
    auto_stop_at: null,
    auto_stop_setting: 'always',
  }
}

async function deploymentJson(world: GitlabWorld, deployment: Deployment) {
  const { repository, environment } = deployment
  return {
    id: deployment.id,
    iid: deployment.iid,
    ref: deployment.ref,
    sha: deployment.sha,
    created_at: instant(deployment.createdAt),
    updated_at: instant(deployment.updatedAt),
    user: userJson(world, deployment.user),
    environment: {
      id: environment.id,
      name: environment.name,
      slug: slug(environment.name),
      external_url: environment.externalUrl,
    },
    deployable: null,
    status: deployment.status,
    commit: await commitJson(world, repository, deployment.sha),
    web_url: `${world.url}/${fullName(repository)}/-/environments/${environment.id}/deployments/${deployment.iid}`,
  }
}

export function deploymentRoutes(world: GitlabWorld): Hono {
  const { hosting } = world
  const ofProject = (repository: Repository) =>
    world.environments.filter((environment) => environment.repository === repository)
  const create = (repository: Repository, name: string, externalUrl: string | null, tier: string): Environment => {
    const environment: Environment = {
      id: hosting.nextId(),
      repository,
      name,
      createdAt: hosting.now(),
      externalUrl,
      tier,
      state: 'available',
    }
    world.environments.push(environment)
    return environment
  }
  const environmentOf = (context: Context, repository: Repository): Environment => {
    const found = ofProject(repository).find(({ id }) => `${id}` === context.req.param('environment'))
    if (found === undefined) throw notFound('Environment')
    return found
  }
  const deploymentOf = (context: Context, repository: Repository): Deployment => {
    const found = world.deployments.find(({ id }) => `${id}` === context.req.param('deployment'))
    if (found?.repository !== repository) throw notFound('Deployment')
    return found
  }
  return new Hono()
    .get('/projects/:id/environments', (context) => {
      const { name, search, states } = context.req.query()
      const found = ofProject(projectFor(context, world, 'read')).filter(
        (environment) =>
          (name === undefined || environment.name === name) &&
          (search === undefined || environment.name.includes(search)) &&
          (states === undefined || environment.state === states),
      )
      return context.json(pageOf(context, found).map(environmentJson))
    })
    .post('/projects/:id/environments', async (context) => {
      const repository = projectFor(context, world, 'write')
      const { name, external_url = null, tier = 'other' } = await bodyOf(context, NewEnvironment)
      if (ofProject(repository).some((environment) => environment.name === name)) {
        throw new Refusal(400, { name: ['has already been taken'] })
      }
      return context.json(environmentJson(create(repository, name, external_url, tier)), 201)
    })
    .get('/projects/:id/environments/:environment', (context) =>
      context.json(environmentJson(environmentOf(context, projectFor(context, world, 'read')))),
    )
    .put('/projects/:id/environments/:environment', async (context) => {
      const environment = environmentOf(context, projectFor(context, world, 'write'))
      const changes = await bodyOf(context, NewEnvironment.partial())
      environment.externalUrl = changes.external_url ?? environment.externalUrl
      environment.tier = changes.tier ?? environment.tier
      return context.json(environmentJson(environment))
    })
    .post('/projects/:id/environments/:environment/stop', (context) => {
      const environment = environmentOf(context, projectFor(context, world, 'write'))
      environment.state = 'stopped'
      return context.json(environmentJson(environment))
    })
    .get('/projects/:id/deployments', async (context) => {
      const repository = projectFor(context, world, 'read')
      const { environment, status, sort = 'asc' } = context.req.query()
      const found = world.deployments.filter(
        (deployment) =>
          deployment.repository === repository &&
          (environment === undefined || deployment.environment.name === environment) &&
          (status === undefined || deployment.status === status),
      )
      const shown = pageOf(context, sort === 'asc' ? found : found.reverse())
      return context.json(await Promise.all(shown.map((deployment) => deploymentJson(world, deployment))))
    })
    .post('/projects/:id/deployments', async (context) => {
      const repository = projectFor(context, world, 'write')
      const request = await bodyOf(context, NewDeployment)
      const sha = await repository.git.resolve(request.sha)
      if (sha === undefined) throw new Refusal(400, { sha: ['The commit does not exist'] })
      const known = ofProject(repository).find(({ name }) => name === request.environment)
      const environment = known ?? create(repository, request.environment, null, 'other')
      environment.state = 'available'
      const now = hosting.now()
      const deployment: Deployment = {
        id: hosting.nextId(),
        iid: world.deployments.filter((other) => other.repository === repository).length + 1,
        repository,
        environment,
        sha,
        ref: request.ref,
        user: actorOf(context, world),
        createdAt: now,
        updatedAt: now,
        status: request.status,
      }
      world.deployments.push(deployment)
      return context.json(await deploymentJson(world, deployment), 201)
    })
    .get('/projects/:id/deployments/:deployment', async (context) =>
      context.json(await deploymentJson(world, deploymentOf(context, projectFor(context, world, 'read')))),
    )
    .put('/projects/:id/deployments/:deployment', async (context) => {
      const deployment = deploymentOf(context, projectFor(context, world, 'write'))
      const { status } = await bodyOf(context, ChangedDeployment)
      if (status === deployment.status) {
        throw new Refusal(400, { status: [`cannot transition via "${status}"`] })
      }
      deployment.status = status
      deployment.updatedAt = hosting.now()
      return context.json(await deploymentJson(world, deployment))
    })
}
