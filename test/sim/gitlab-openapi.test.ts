import { Gitlab } from '@gitbeaker/rest'
import { describe, expect, test } from 'vitest'
import { ed25519Key } from '../../sim/git/ed25519-key.ts'
import type { Exchange } from '../../sim/git/web-server.ts'
import { simGitlab } from '../../sim/gitlab/server.ts'
import { GitlabDescription, gitlabSample, hasGitlabDescription, shapeProblems } from './gitlab-description.ts'
import { webhookReceiver } from './webhook-receiver.ts'

const LAB = 'acme/lab'

/** Calls every described route once at least. */
async function driveEverything(observe: (exchange: Exchange) => void, hookUrl: string): Promise<void> {
  await using gitlab = await simGitlab({ observe })
  await gitlab.createRepo(LAB, { 'README.md': '# Lab\n', 'docs/a.md': 'a\n' })
  await gitlab.createRepo('acme/other', { a: 'a' })
  const ada = await gitlab.createUser('ada')
  await gitlab.grant(LAB, 'ada', 'admin')
  const credentials = await gitlab.credentials()
  if (credentials.kind !== 'gitlab') throw new Error('not GitLab credentials')
  const bot = new Gitlab({ host: credentials.url, token: credentials.token })
  const person = new Gitlab({ host: credentials.url, token: ada.token })

  await bot.Users.showCurrentUser()
  await bot.Users.all({ username: 'ada' })
  await bot.Users.show(ada.id)
  await bot.PersonalAccessTokens.show()
  await bot.Projects.all({ membership: true })
  await bot.Projects.show(LAB)
  await person.Projects.fork(LAB)
  await bot.Projects.allForks(LAB)
  await bot.ProjectMembers.all(LAB, { includeInherited: true })
  await bot.ProjectMembers.show(LAB, ada.id, { includeInherited: true })
  await bot.ProjectMembers.show(LAB, ada.id)
  await bot.ProtectedBranches.all(LAB)
  await bot.Branches.create(LAB, 'topic/one', 'main')
  await bot.Branches.all(LAB)
  await bot.Branches.show(LAB, 'topic/one')
  await bot.Repositories.allRepositoryTrees(LAB, { recursive: true, ref: 'main' })
  await bot.RepositoryFiles.show(LAB, 'docs/a.md', 'main')
  await bot.RepositoryFiles.showRaw(LAB, 'docs/a.md', 'main')
  const hook = await bot.ProjectHooks.add(LAB, hookUrl, {
    token: 'secret',
    mergeRequestsEvents: true,
    noteEvents: true,
    pushEvents: true,
  })
  await bot.ProjectHooks.all(LAB)
  await bot.ProjectHooks.show(LAB, hook.id)
  await bot.ProjectHooks.edit(LAB, hook.id, hookUrl, { token: 'another' })

  const commit = await bot.Commits.create(LAB, 'topic/one', 'X', [{ action: 'create', filePath: 'x', content: 'x\n' }])
  await bot.Commits.all(LAB, { refName: 'topic/one' })
  await bot.Commits.show(LAB, commit.id)
  await bot.Commits.showDiff(LAB, commit.id)
  await bot.Repositories.compare(LAB, 'main', 'topic/one')
  await bot.Repositories.mergeBase(LAB, ['main', 'topic/one'])

  const { iid } = await person.MergeRequests.create(LAB, 'topic/one', 'main', 'X', { description: 'Please' })
  await bot.MergeRequests.all({ projectId: LAB, state: 'opened' })
  await person.MergeRequests.edit(LAB, iid, { title: 'X and Y' })
  await person.MergeRequests.edit(LAB, iid, { stateEvent: 'close' })
  await person.MergeRequests.edit(LAB, iid, { stateEvent: 'reopen' })
  await bot.MergeRequests.show(LAB, iid)
  await bot.MergeRequests.showChanges(LAB, iid)
  await bot.MergeRequests.allDiffs(LAB, iid)
  await bot.MergeRequests.allCommits(LAB, iid)
  const [version] = await bot.MergeRequests.allDiffVersions(LAB, iid)
  if (version === undefined) throw new Error('no version')
  await bot.MergeRequests.showDiffVersion(LAB, iid, version.id)
  await bot.Commits.allMergeRequests(LAB, commit.id)
  await bot.MergeRequestApprovals.showConfiguration(LAB, { mergerequestIId: iid })
  await person.MergeRequestApprovals.approve(LAB, iid)

  const note = await bot.MergeRequestNotes.create(LAB, iid, 'Plan')
  await bot.MergeRequestNotes.all(LAB, iid, { sort: 'asc', orderBy: 'created_at' })
  await bot.MergeRequestNotes.show(LAB, iid, note.id)
  await bot.MergeRequestNotes.edit(LAB, iid, note.id, { body: 'Plan 2' })
  const discussion = await bot.MergeRequestDiscussions.create(LAB, iid, 'No', {
    position: {
      baseSha: version.base_commit_sha,
      startSha: version.start_commit_sha,
      headSha: version.head_commit_sha,
      positionType: 'text',
      newPath: 'x',
      oldPath: 'x',
      newLine: '1',
    },
  })
  await bot.MergeRequestDiscussions.all(LAB, iid)
  await bot.MergeRequestDiscussions.show(LAB, iid, discussion.id)
  await bot.MergeRequestDiscussions.resolve(LAB, iid, discussion.id, true)
  await bot.MergeRequestNotes.remove(LAB, iid, note.id)

  await bot.Commits.editStatus(LAB, commit.id, 'running', { name: 'slipway', targetUrl: 'https://example.org/1' })
  await bot.Commits.allStatuses(LAB, commit.id)
  const environment = await bot.Environments.create(LAB, 'one')
  await bot.Environments.all(LAB)
  await bot.Environments.show(LAB, environment.id)
  await bot.Environments.edit(LAB, environment.id, { externalUrl: 'https://example.org' })
  const deployment = await bot.Deployments.create(LAB, 'one', commit.id, 'topic/one', false, { status: 'running' })
  await bot.Deployments.all(LAB, { environment: 'one' })
  await bot.Deployments.show(LAB, deployment.id)
  await bot.Deployments.edit(LAB, deployment.id, 'success')
  await bot.Environments.stop(LAB, environment.id)

  const key = await bot.DeployKeys.create(LAB, 'k', ed25519Key().publicKey)
  await bot.DeployKeys.all({ projectId: LAB })
  await bot.DeployKeys.show(LAB, key.id)
  await bot.DeployKeys.edit(LAB, key.id, { title: 'k2' })
  await bot.DeployKeys.enable('acme/other', key.id)
  await bot.DeployKeys.remove(LAB, key.id)

  await bot.MergeRequests.merge(LAB, iid, { sha: commit.id })
  await bot.Branches.remove(LAB, 'topic/one')
  await gitlab.webhooksSettled()
  await bot.ProjectHooks.remove(LAB, hook.id)
}

/** Requests whose answers GitLab publishes a sample of. */
const SAMPLES = [
  [/^GET .*\/merge_requests\/\d+$/, 'samples/merge_request.get-2025.json'],
  [/^GET .*\/projects\/[^/]+$/, 'samples/project.get.json'],
  [/^GET .*\/notes\/\d+$/, 'samples/note.mr.docs.json'],
  [/^GET .*\/versions$/, 'samples/mr-versions.docs.json'],
  [/^GET .*\/discussions$/, 'samples/discussions.commit.docs.json'],
  [/^GET .*\/members\/all\/\d+$/, 'samples/group-member.get.json'],
] as const
const HOOKS = {
  'Push Hook': 'webhooks/push.docs.json',
  'Merge Request Hook': 'webhooks/merge_request.docs.json',
  'Note Hook': 'webhooks/note_merge_request.docs.json',
} as const

/** Left out on purpose: settings of projects that nobody here reads, and what samples show of other objects. */
const EXCEPT: ReadonlySet<string> = new Set(
  `
  packages_enabled resolve_outdated_diff_discussions container_registry_enabled runners_token
  container_expiration_policy service_desk_enabled service_desk_address shared_runners_enabled issues_access_level
  repository_access_level merge_requests_access_level forking_access_level wiki_access_level builds_access_level
  snippets_access_level pages_access_level lfs_enabled operations_access_level analytics_access_level
  emails_disabled import_error ci_default_git_depth ci_forward_deployment_enabled public_jobs build_git_strategy
  build_timeout shared_with_groups auto_cancel_pending_pipelines build_coverage_regex ci_config_path
  allow_merge_on_skipped_pipeline restrict_user_defined_variables request_access_enabled
  printing_merge_request_link_enabled suggestion_commit_message auto_devops_enabled auto_devops_deploy_strategy
  autoclose_referenced_issues repository_storage approvals_before_merge mirror
  external_authorization_classification_label marked_for_deletion_at marked_for_deletion_on requirements_enabled
  compliance_frameworks issues email created_by changes .author.created_at
  `.split(/\s+/),
)

describe.skipIf(!hasGitlabDescription && process.env['CI'] === undefined)("GitLab's own description of its API", () => {
  test('holds for requests, answers and webhooks of the simulator', async () => {
    const description = new GitlabDescription()
    const exchanges: Exchange[] = []
    await using hook = await webhookReceiver()
    await driveEverything((exchange) => exchanges.push(exchange), hook.url)
    expect(exchanges.filter(({ status }) => status >= 400)).toEqual([])
    expect(exchanges.length).toBeGreaterThan(70)
    expect([...new Set(exchanges.flatMap((exchange) => description.problems(exchange)))]).toEqual([])
    for (const [pattern, file] of SAMPLES) {
      const path = ({ url }: Exchange) => url.split('?')[0] ?? ''
      const answered = exchanges.filter((exchange) => pattern.test(`${exchange.method} ${path(exchange)}`))
      expect(answered).not.toEqual([])
      for (const { responseBody } of answered) {
        expect(shapeProblems(gitlabSample(file), JSON.parse(responseBody), EXCEPT)).toEqual([])
      }
    }
    const events = new Set(hook.received.map(({ headers }) => String(headers['x-gitlab-event'])))
    expect(events).toEqual(new Set(Object.keys(HOOKS)))
    for (const { headers, body } of hook.received) {
      const file = HOOKS[String(headers['x-gitlab-event']) as keyof typeof HOOKS]
      expect(shapeProblems(gitlabSample(file), JSON.parse(body), EXCEPT)).toEqual([])
    }
  })
})

describe('shapes', () => {
  test('differ by missing names and other kinds, not by null', () => {
    const sample = { a: 1, b: { c: 'x' }, d: [{ e: 1 }], f: null, g: 1 }
    expect(shapeProblems(sample, { a: null, b: { c: 'y' }, d: [], f: 3, g: 2 }, new Set())).toEqual([])
    expect(shapeProblems(sample, { a: '1', b: {}, d: [{}], f: null }, new Set(['g']))).toEqual([
      '.a is a string, not a number',
      '.b.c is missing',
      '.d[0].e is missing',
    ])
  })
})
