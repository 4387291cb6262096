import { Hono } from 'hono'
import * as z from 'zod'
import { fullName, type Repository } from '../git/hosted-repository.ts'
import { bodyOf } from './body.ts'
import { accessLevel, actorOf, callerOf, projectFor } from './caller.ts'
import { commitJson } from './commits.ts'
import { pageOf } from './page.ts'
import { notFound, Refusal } from './refusal.ts'
import { userJson } from './users.ts'
import { instant, type GitlabWorld } from './world.ts'

export function sshUrlOf(world: GitlabWorld, repository: Repository): string {
  return `ssh://git@127.0.0.1:${world.ssh.port}/${fullName(repository)}.git`
}

function projectJson(world: GitlabWorld, repository: Repository) {
  const path = fullName(repository)
  const api = `${world.url}/api/v4/projects/${repository.id}`
  const { owner } = repository
  const group = owner.kind === 'organization'
  return {
    id: repository.id,
    description: null,
    name: repository.name,
    name_with_namespace: `${owner.name} / ${repository.name}`,
    path: repository.name,
    path_with_namespace: path,
    created_at: instant(repository.createdAt),
    default_branch: repository.defaultBranch,
    tag_list: [],
    topics: [],
    ssh_url_to_repo: sshUrlOf(world, repository),
    http_url_to_repo: `${world.url}/${path}.git`,
    web_url: `${world.url}/${path}`,
    readme_url: `${world.url}/${path}/-/blob/${repository.defaultBranch}/README.md`,
    avatar_url: null,
    forks_count: world.hosting.repositories.filter(({ parent }) => parent === repository).length,
    star_count: 0,
    last_activity_at: instant(repository.pushedAt),
    namespace: {
      id: owner.id,
      name: owner.name,
      path: owner.login,
      kind: group ? 'group' : 'user',
      full_path: owner.login,
      parent_id: null,
      avatar_url: null,
      web_url: `${world.url}/${group ? 'groups/' : ''}${owner.login}`,
    },
    _links: {
      self: api,
      merge_requests: `${api}/merge_requests`,
      repo_branches: `${api}/repository/branches`,
      labels: `${api}/labels`,
      events: `${api}/events`,
      members: `${api}/members`,
    },
    empty_repo: false,
    archived: repository.archived,
    visibility: repository.private ? 'private' : 'public',
    issues_enabled: true,
    merge_requests_enabled: true,
    wiki_enabled: false,
    jobs_enabled: true,
    snippets_enabled: false,
    can_create_merge_request_in: true,
    creator_id: owner.id,
    import_status: repository.parent === undefined ? 'none' : 'finished',
    open_issues_count: 0,
    only_allow_merge_if_pipeline_succeeds: false,
    only_allow_merge_if_all_discussions_are_resolved: false,
    remove_source_branch_after_merge: false,
    merge_method: 'merge',
    squash_option: 'default_off',
    ...(repository.parent === undefined ? {} : { forked_from_project: parentJson(world, repository.parent) }),
  }
}

function parentJson(world: GitlabWorld, parent: Repository) {
  return {
    id: parent.id,
    name: parent.name,
    path: parent.name,
    path_with_namespace: fullName(parent),
    web_url: `${world.url}/${fullName(parent)}`,
  }
}

export function projectRoutes(world: GitlabWorld): Hono {
  const { hosting } = world
  const branchJson = async (repository: Repository, name: string, sha: string) => ({
    name,
    commit: await commitJson(world, repository, sha),
    merged: false,
    protected: name === repository.defaultBranch,
    developers_can_push: false,
    developers_can_merge: true,
    can_push: true,
    default: name === repository.defaultBranch,
    web_url: `${world.url}/${fullName(repository)}/-/tree/${name}`,
  })
  const memberJson = (repository: Repository, id: number) => {
    const account = hosting.accountById(id)
    const granted = account === repository.owner ? 'admin' : repository.roles.get(id)
    if (account === undefined || granted === undefined || granted === 'none') throw notFound()
    return {
      ...userJson(world, account),
      access_level: accessLevel(granted),
      created_at: instant(repository.createdAt),
      expires_at: null,
      membership_state: 'active',
    }
  }
  return new Hono()
    .get('/projects', (context) => {
      const account = callerOf(context, world)
      const mine = hosting.repositories.filter((repository) => hosting.role(repository, account) !== 'none')
      const member = mine.filter(
        ({ roles, owner }) => account !== undefined && (roles.has(account.id) || owner === account),
      )
      const shown = context.req.query('membership') === 'true' ? member : mine
      return context.json(pageOf(context, shown).map((repository) => projectJson(world, repository)))
    })
    .get('/projects/:id', (context) => {
      const repository = projectFor(context, world, 'read')
      const level = accessLevel(hosting.role(repository, callerOf(context, world)))
      return context.json({
        ...projectJson(world, repository),
        permissions: { project_access: { access_level: level, notification_level: 3 }, group_access: null },
      })
    })
    .post('/projects/:id/fork', async (context) => {
      const repository = projectFor(context, world, 'read')
      const { namespace_path } = await bodyOf(context, z.object({ namespace_path: z.string().optional() }))
      const owner = namespace_path === undefined ? actorOf(context, world) : hosting.account(namespace_path)
      if (owner === undefined) throw notFound('Namespace')
      return context.json(projectJson(world, await hosting.fork(repository, owner)), 201)
    })
    .get('/projects/:id/forks', (context) => {
      const repository = projectFor(context, world, 'read')
      const account = callerOf(context, world)
      const forks = hosting.repositories.filter(
        (fork) => fork.parent === repository && hosting.role(fork, account) !== 'none',
      )
      return context.json(pageOf(context, forks).map((fork) => projectJson(world, fork)))
    })
    .get('/projects/:id/members/all', (context) => {
      const repository = projectFor(context, world, 'read')
      const ids = [...repository.roles].filter(([, role]) => role !== 'none').map(([id]) => id)
      return context.json(pageOf(context, ids).map((id) => memberJson(repository, id)))
    })
    .get('/projects/:id/members/all/:user', (context) =>
      context.json(memberJson(projectFor(context, world, 'read'), Number(context.req.param('user')))),
    )
    .get('/projects/:id/members/:user', (context) =>
      context.json(memberJson(projectFor(context, world, 'read'), Number(context.req.param('user')))),
    )
    .get('/projects/:id/protected_branches', (context) => {
      const repository = projectFor(context, world, 'maintain')
      const level = (access_level: number, access_level_description: string) => ({
        id: repository.id,
        access_level,
        access_level_description,
        user_id: null,
        group_id: null,
      })
      return context.json(
        pageOf(context, [
          {
            id: repository.id,
            name: repository.defaultBranch,
            push_access_levels: [level(40, 'Maintainers')],
            merge_access_levels: [level(30, 'Developers + Maintainers')],
            allow_force_push: false,
            code_owner_approval_required: false,
          },
        ]),
      )
    })
    .get('/projects/:id/repository/branches', async (context) => {
      const repository = projectFor(context, world, 'read')
      const branches = [...(await repository.git.refs('refs/heads/'))]
      const shown = pageOf(context, branches).map(([ref, sha]) =>
        branchJson(repository, ref.slice('refs/heads/'.length), sha),
      )
      return context.json(await Promise.all(shown))
    })
    .get('/projects/:id/repository/branches/:branch', async (context) => {
      const repository = projectFor(context, world, 'read')
      const name = context.req.param('branch')
      const sha = await repository.git.objectId(`refs/heads/${name}`)
      if (sha === undefined) throw notFound('Branch')
      return context.json(await branchJson(repository, name, sha))
    })
    .post('/projects/:id/repository/branches', async (context) => {
      const repository = projectFor(context, world, 'write')
      const { branch, ref } = await bodyOf(context, z.object({ branch: z.string(), ref: z.string() }))
      const sha = await repository.git.resolve(ref)
      if (sha === undefined) throw new Refusal(400, `Invalid reference name: ${ref}`)
      const update = { ref: `refs/heads/${branch}`, before: '0'.repeat(40), after: sha }
      if (!(await hosting.moveRef(repository, update, actorOf(context, world)))) {
        throw new Refusal(400, 'Branch already exists')
      }
      return context.json(await branchJson(repository, branch, sha), 201)
    })
    .delete('/projects/:id/repository/branches/:branch', async (context) => {
      const repository = projectFor(context, world, 'write')
      const ref = `refs/heads/${context.req.param('branch')}`
      const sha = await repository.git.objectId(ref)
      if (sha === undefined) throw notFound('Branch')
      await hosting.moveRef(repository, { ref, before: sha, after: '0'.repeat(40) }, actorOf(context, world))
      return context.body(null, 204)
    })
}
