import { Hono } from 'hono'
import * as z from 'zod'
import type { Role } from '../forge.ts'
import { fullName, type Repository } from '../git/hosted-repository.ts'
import { accountJson } from './accounts.ts'
import { bodyOf } from './body.ts'
import { actorOf, callerOf, repositoryFor } from './caller.ts'
import { commitJson } from './commits.ts'
import { pageOf } from './page.ts'
import { notFound, Refusal } from './refusal.ts'
import { nodeId, type GithubWorld } from './world.ts'

/** A repository as lists, pulls and webhooks carry it (`repository`). */
export function repositoryJson(world: GithubWorld, repository: Repository) {
  const html = `${world.url}/${fullName(repository)}`
  const self = `${world.url}/repos/${fullName(repository)}`
  const openPulls = repository.pulls.filter(({ state }) => state === 'open').length
  const forks = world.hosting.repositories.filter(({ parent }) => parent === repository).length
  return {
    id: repository.id,
    node_id: nodeId('R', repository.id),
    name: repository.name,
    full_name: fullName(repository),
    private: repository.private,
    visibility: repository.private ? 'private' : 'public',
    owner: accountJson(world, repository.owner),
    html_url: html,
    description: null,
    fork: repository.parent !== undefined,
    url: self,
    archive_url: `${self}/{archive_format}{/ref}`,
    assignees_url: `${self}/assignees{/user}`,
    blobs_url: `${self}/git/blobs{/sha}`,
    branches_url: `${self}/branches{/branch}`,
    collaborators_url: `${self}/collaborators{/collaborator}`,
    comments_url: `${self}/comments{/number}`,
    commits_url: `${self}/commits{/sha}`,
    compare_url: `${self}/compare/{base}...{head}`,
    contents_url: `${self}/contents/{+path}`,
    contributors_url: `${self}/contributors`,
    deployments_url: `${self}/deployments`,
    downloads_url: `${self}/downloads`,
    events_url: `${self}/events`,
    forks_url: `${self}/forks`,
    git_commits_url: `${self}/git/commits{/sha}`,
    git_refs_url: `${self}/git/refs{/sha}`,
    git_tags_url: `${self}/git/tags{/sha}`,
    git_url: `git://127.0.0.1/${fullName(repository)}.git`,
    issue_comment_url: `${self}/issues/comments{/number}`,
    issue_events_url: `${self}/issues/events{/number}`,
    issues_url: `${self}/issues{/number}`,
    keys_url: `${self}/keys{/key_id}`,
    labels_url: `${self}/labels{/name}`,
    languages_url: `${self}/languages`,
    merges_url: `${self}/merges`,
    milestones_url: `${self}/milestones{/number}`,
    notifications_url: `${self}/notifications{?since,all,participating}`,
    pulls_url: `${self}/pulls{/number}`,
    releases_url: `${self}/releases{/id}`,
    ssh_url: `ssh://git@127.0.0.1:${world.ssh.port}/${fullName(repository)}.git`,
    stargazers_url: `${self}/stargazers`,
    statuses_url: `${self}/statuses/{sha}`,
    subscribers_url: `${self}/subscribers`,
    subscription_url: `${self}/subscription`,
    tags_url: `${self}/tags`,
    teams_url: `${self}/teams`,
    trees_url: `${self}/git/trees{/sha}`,
    clone_url: `${html}.git`,
    mirror_url: null,
    hooks_url: `${self}/hooks`,
    svn_url: html,
    homepage: null,
    language: null,
    forks_count: forks,
    forks,
    stargazers_count: 0,
    watchers_count: 0,
    watchers: 0,
    size: 0,
    default_branch: repository.defaultBranch,
    open_issues_count: openPulls,
    open_issues: openPulls,
    is_template: false,
    topics: [],
    has_issues: true,
    has_projects: false,
    has_wiki: false,
    has_pages: false,
    has_downloads: false,
    has_discussions: false,
    archived: repository.archived,
    disabled: false,
    allow_forking: true,
    web_commit_signoff_required: false,
    license: null,
    pushed_at: repository.pushedAt,
    created_at: repository.createdAt,
    updated_at: repository.pushedAt,
  }
}

/** A repository's own page (`full-repository`). */
function fullRepositoryJson(world: GithubWorld, repository: Repository) {
  const parent = repository.parent === undefined ? undefined : repositoryJson(world, repository.parent)
  return {
    ...repositoryJson(world, repository),
    ...(parent === undefined ? {} : { parent, source: parent }),
    allow_merge_commit: true,
    allow_squash_merge: true,
    allow_rebase_merge: true,
    allow_auto_merge: false,
    delete_branch_on_merge: false,
    subscribers_count: 0,
    network_count: 0,
  }
}

/** The older word for a role: `maintain` counts as write, `triage` as read. */
const OLD_WORD: Readonly<Record<Role, string>> = {
  none: 'none',
  read: 'read',
  triage: 'read',
  write: 'write',
  maintain: 'write',
  admin: 'admin',
}

export function repositoryRoutes(world: GithubWorld): Hono {
  const branchUrl = (repository: Repository, name: string) =>
    `${world.url}/repos/${fullName(repository)}/branches/${encodeURIComponent(name)}`
  return new Hono()
    .get('/repos/:owner/:repo', (context) =>
      context.json(fullRepositoryJson(world, repositoryFor(context, world, 'metadata', 'read'))),
    )
    .get('/repositories/:id', (context) =>
      context.json(fullRepositoryJson(world, repositoryFor(context, world, 'metadata', 'read'))),
    )
    .get('/repos/:owner/:repo/branches', async (context) => {
      const repository = repositoryFor(context, world, 'contents', 'read')
      const refs = await repository.git.refs('refs/heads/')
      const branches = [...refs].map(([ref, sha]) => ({ name: ref.slice('refs/heads/'.length), sha }))
      return context.json(
        pageOf(context, branches).map(({ name, sha }) => ({
          name,
          commit: { sha, url: `${world.url}/repos/${fullName(repository)}/commits/${sha}` },
          protected: false,
        })),
      )
    })
    .get('/repos/:owner/:repo/branches/:branch', async (context) => {
      const repository = repositoryFor(context, world, 'contents', 'read')
      const name = context.req.param('branch')
      const sha = await repository.git.objectId(`refs/heads/${name}`)
      if (sha === undefined) throw new Refusal(404, 'Branch not found')
      const self = branchUrl(repository, name)
      return context.json({
        name,
        commit: await commitJson(world, repository, sha),
        _links: { self, html: `${world.url}/${fullName(repository)}/tree/${name}` },
        protected: false,
        protection: { enabled: false, required_status_checks: { enforcement_level: 'off', contexts: [], checks: [] } },
        protection_url: `${self}/protection`,
      })
    })
    .get('/repos/:owner/:repo/branches/:branch/protection', (context) => {
      repositoryFor(context, world, 'administration', 'read')
      throw new Refusal(404, 'Branch not protected')
    })
    .get('/repos/:owner/:repo/collaborators/:login/permission', (context) => {
      const caller = callerOf(context, world)
      if (caller.kind === 'anonymous') throw new Refusal(401, 'Requires authentication')
      const repository = repositoryFor(context, world, 'metadata', 'read')
      if (caller.kind === 'user' && world.hosting.role(repository, caller.user) === 'read') {
        throw new Refusal(403, 'Must have push access to view collaborator permission.')
      }
      const account = world.hosting.account(context.req.param('login'))
      if (account === undefined) throw new Refusal(404, `${context.req.param('login')} is not a user`)
      const role = world.hosting.role(repository, account)
      return context.json({
        permission: OLD_WORD[role],
        role_name: role,
        user: {
          ...accountJson(world, account),
          role_name: role,
          permissions: {
            pull: role !== 'none',
            triage: ['triage', 'write', 'maintain', 'admin'].includes(role),
            push: ['write', 'maintain', 'admin'].includes(role),
            maintain: ['maintain', 'admin'].includes(role),
            admin: role === 'admin',
          },
        },
      })
    })
    .post('/repos/:owner/:repo/forks', async (context) => {
      const repository = repositoryFor(context, world, 'contents', 'read')
      const { organization } = await bodyOf(context, z.object({ organization: z.string().optional() }), 'Fork')
      const owner = organization === undefined ? actorOf(context, world) : world.hosting.account(organization)
      if (owner === undefined) throw notFound()
      return context.json(fullRepositoryJson(world, await world.hosting.fork(repository, owner)), 202)
    })
}
