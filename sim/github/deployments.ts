import { Hono, type Context } from 'hono'
import * as z from 'zod'
import { fullName, type Repository } from '../git/hosted-repository.ts'
import { accountJson } from './accounts.ts'
import { bodyOf } from './body.ts'
import { actorOf, repositoryFor } from './caller.ts'
import { pageOf } from './page.ts'
import { notFound, Refusal } from './refusal.ts'
import { nodeId, type Deployment, type DeploymentStatus, type Environment, type GithubWorld } from './world.ts'

const NewDeployment = z.object({
  ref: z.string(),
  task: z.string().default('deploy'),
  auto_merge: z.boolean().default(true),
  required_contexts: z.array(z.string()).optional(),
  payload: z.union([z.string(), z.record(z.string(), z.unknown())]).default(''),
  environment: z.string().default('production'),
  description: z.string().max(140).nullish(),
  transient_environment: z.boolean().default(false),
  production_environment: z.boolean().optional(),
})
const NewStatus = z.object({
  state: z.enum(['error', 'failure', 'inactive', 'in_progress', 'queued', 'pending', 'success']),
  target_url: z.string().default(''),
  log_url: z.string().optional(),
  description: z.string().max(140).default(''),
  environment: z.string().optional(),
  environment_url: z.string().default(''),
  auto_inactive: z.boolean().default(true),
})

function deploymentJson(world: GithubWorld, deployment: Deployment) {
  const repository = `${world.url}/repos/${fullName(deployment.repository)}`
  const self = `${repository}/deployments/${deployment.id}`
  return {
    url: self,
    id: deployment.id,
    node_id: nodeId('DE', deployment.id),
    sha: deployment.sha,
    ref: deployment.ref,
    task: deployment.task,
    payload: deployment.payload,
    original_environment: deployment.environment,
    environment: deployment.environment,
    description: deployment.description,
    creator: accountJson(world, deployment.creator),
    created_at: deployment.createdAt,
    updated_at: deployment.statuses.at(-1)?.at ?? deployment.createdAt,
    statuses_url: `${self}/statuses`,
    repository_url: repository,
    transient_environment: deployment.transient,
    production_environment: deployment.production,
  }
}

function statusJson(world: GithubWorld, deployment: Deployment, status: DeploymentStatus) {
  const repository = `${world.url}/repos/${fullName(deployment.repository)}`
  const self = `${repository}/deployments/${deployment.id}`
  return {
    url: `${self}/statuses/${status.id}`,
    id: status.id,
    node_id: nodeId('DES', status.id),
    state: status.state,
    creator: accountJson(world, status.creator),
    description: status.description,
    environment: deployment.environment,
    target_url: status.targetUrl,
    log_url: status.targetUrl,
    environment_url: status.environmentUrl,
    created_at: status.at,
    updated_at: status.at,
    deployment_url: self,
    repository_url: repository,
  }
}

function environmentJson(world: GithubWorld, environment: Environment) {
  const { repository, name } = environment
  return {
    id: environment.id,
    node_id: nodeId('EN', environment.id),
    name,
    url: `${world.url}/repos/${fullName(repository)}/environments/${encodeURIComponent(name)}`,
    html_url: `${world.url}/${fullName(repository)}/deployments/activity_log?environments_filter=${encodeURIComponent(name)}`,
    created_at: environment.createdAt,
    updated_at: environment.createdAt,
    protection_rules: [],
    deployment_branch_policy: null,
  }
}

function environmentNamed(world: GithubWorld, repository: Repository, name: string): Environment {
  const known = world.environments.find(
    (environment) => environment.repository === repository && environment.name === name,
  )
  if (known !== undefined) return known
  const environment = { id: world.hosting.nextId(), repository, name, createdAt: world.hosting.now() }
  world.environments.push(environment)
  return environment
}

/** A new success retires earlier, not transient deployments of the same environment. */
function retireOthers(world: GithubWorld, current: Deployment, at: string): void {
  for (const other of world.deployments) {
    if (other === current || other.repository !== current.repository || other.transient) continue
    if (other.environment !== current.environment || other.statuses.at(-1)?.state !== 'success') continue
    other.statuses.push({
      id: world.hosting.nextId(),
      state: 'inactive',
      description: '',
      targetUrl: '',
      environmentUrl: '',
      creator: current.creator,
      at,
    })
  }
}

export function deploymentRoutes(world: GithubWorld): Hono {
  const deploymentOf = (context: Context, repository: Repository): Deployment => {
    const found = world.deployments.find((candidate) => `${candidate.id}` === context.req.param('deployment'))
    if (found === undefined || found.repository !== repository) throw notFound()
    return found
  }
  return new Hono()
    .get('/repos/:owner/:repo/deployments', (context) => {
      const repository = repositoryFor(context, world, 'deployments', 'read')
      const { sha, ref, task, environment } = context.req.query()
      const found = world.deployments.filter(
        (deployment) =>
          deployment.repository === repository &&
          (sha === undefined || deployment.sha === sha) &&
          (ref === undefined || deployment.ref === ref) &&
          (task === undefined || deployment.task === task) &&
          (environment === undefined || deployment.environment === environment),
      )
      return context.json(pageOf(context, found.reverse()).map((deployment) => deploymentJson(world, deployment)))
    })
    .post('/repos/:owner/:repo/deployments', async (context) => {
      const repository = repositoryFor(context, world, 'deployments', 'write')
      const request = await bodyOf(context, NewDeployment, 'Deployment')
      const sha = await repository.git.resolve(request.ref)
      if (sha === undefined) throw new Refusal(422, `No ref found for: ${request.ref}`)
      const required = request.required_contexts
      const pending = world.checks.filter(
        (run) =>
          run.repository === repository &&
          run.headSha === sha &&
          run.conclusion !== 'success' &&
          (required === undefined || required.includes(run.name)),
      )
      if (pending.length > 0) throw new Refusal(409, `Conflict: Commit status checks failed for ${request.ref}.`)
      const deployment: Deployment = {
        id: world.hosting.nextId(),
        repository,
        sha,
        ref: request.ref,
        task: request.task,
        environment: environmentNamed(world, repository, request.environment).name,
        description: request.description ?? null,
        payload: request.payload,
        creator: actorOf(context, world),
        createdAt: world.hosting.now(),
        transient: request.transient_environment,
        production: request.production_environment ?? request.environment === 'production',
        statuses: [],
      }
      world.deployments.push(deployment)
      return context.json(deploymentJson(world, deployment), 201)
    })
    .get('/repos/:owner/:repo/deployments/:deployment', (context) =>
      context.json(deploymentJson(world, deploymentOf(context, repositoryFor(context, world, 'deployments', 'read')))),
    )
    .get('/repos/:owner/:repo/deployments/:deployment/statuses', (context) => {
      const deployment = deploymentOf(context, repositoryFor(context, world, 'deployments', 'read'))
      const statuses = pageOf(context, [...deployment.statuses].reverse())
      return context.json(statuses.map((status) => statusJson(world, deployment, status)))
    })
    .post('/repos/:owner/:repo/deployments/:deployment/statuses', async (context) => {
      const deployment = deploymentOf(context, repositoryFor(context, world, 'deployments', 'write'))
      const request = await bodyOf(context, NewStatus, 'DeploymentStatus')
      const status: DeploymentStatus = {
        id: world.hosting.nextId(),
        state: request.state,
        description: request.description,
        targetUrl: request.log_url ?? request.target_url,
        environmentUrl: request.environment_url,
        creator: actorOf(context, world),
        at: world.hosting.now(),
      }
      deployment.statuses.push(status)
      if (request.state === 'success' && request.auto_inactive) retireOthers(world, deployment, status.at)
      return context.json(statusJson(world, deployment, status), 201)
    })
    .get('/repos/:owner/:repo/environments', (context) => {
      const repository = repositoryFor(context, world, ['environments', 'deployments'], 'read')
      const all = world.environments.filter((environment) => environment.repository === repository)
      const environments = pageOf(context, all).map((environment) => environmentJson(world, environment))
      return context.json({ total_count: all.length, environments })
    })
    .get('/repos/:owner/:repo/environments/:name', (context) => {
      const repository = repositoryFor(context, world, ['environments', 'deployments'], 'read')
      const name = context.req.param('name')
      const found = world.environments.find(
        (environment) => environment.repository === repository && environment.name === name,
      )
      if (found === undefined) throw notFound()
      return context.json(environmentJson(world, found))
    })
    .put('/repos/:owner/:repo/environments/:name', (context) => {
      const repository = repositoryFor(context, world, ['environments', 'administration'], 'write')
      return context.json(environmentJson(world, environmentNamed(world, repository, context.req.param('name'))))
    })
}
