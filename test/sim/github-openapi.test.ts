import { createAppAuth } from '@octokit/auth-app'
import { Octokit } from '@octokit/rest'
import { describe, expect, test } from 'vitest'
import { ed25519Key } from '../../sim/git/ed25519-key.ts'
import type { Exchange } from '../../sim/git/web-server.ts'
import { simGithub } from '../../sim/github/server.ts'
import { GithubDescription } from './github-description.ts'
import { webhookReceiver } from './webhook-receiver.ts'

const lab = { owner: 'acme', repo: 'lab' }
const quiet = { debug() {}, info() {}, warn() {}, error() {} }

/** Calls every route once at least, as the app, as the app's installation and as a person. */
async function driveEverything(observe: (exchange: Exchange) => void, hookUrl: string): Promise<void> {
  await using github = await simGithub({ observe })
  await github.setWebhook(hookUrl, 'secret')
  await github.createRepo('acme/lab', { 'README.md': '# Lab\n', 'docs/a.md': 'a\n' }, { private: false })
  const ada = await github.createUser('ada')
  await github.createUser('eve')
  await github.grant('acme/lab', 'ada', 'admin')
  const credentials = await github.credentials()
  if (credentials.kind !== 'github') throw new Error('not GitHub credentials')
  const auth = { appId: credentials.appId, privateKey: credentials.privateKeyPem }
  const options = { baseUrl: github.apiUrl, log: quiet }
  const app = new Octokit({ ...options, authStrategy: createAppAuth, auth }).rest
  const person = new Octokit({ ...options, auth: ada.token }).rest

  await app.apps.getAuthenticated()
  const { data: installation } = await app.apps.getRepoInstallation(lab)
  await app.apps.listInstallations()
  await app.apps.getInstallation({ installation_id: installation.id })
  const { data: token } = await app.apps.createInstallationAccessToken({
    installation_id: installation.id,
    repositories: ['lab'],
  })
  await app.apps.getWebhookConfigForApp()
  await app.apps.updateWebhookConfigForApp({ secret: 'another secret' })
  const bot = new Octokit({ ...options, auth: token.token }).rest

  await person.users.getAuthenticated()
  await person.users.getByUsername({ username: 'eve' })
  await person.meta.get()
  await bot.rateLimit.get()
  await bot.apps.listReposAccessibleToInstallation()
  await bot.repos.get(lab)
  await bot.repos.listBranches(lab)
  const { data: main } = await bot.repos.getBranch({ ...lab, branch: 'main' })
  const unprotected = bot.repos.getBranchProtection({ ...lab, branch: 'main' })
  await expect(unprotected).rejects.toMatchObject({ status: 404 })
  await bot.repos.getCollaboratorPermissionLevel({ ...lab, username: 'ada' })
  await bot.repos.getContent({ ...lab, path: '' })
  await bot.repos.getContent({ ...lab, path: 'docs/a.md' })
  await person.repos.createFork(lab)

  const base = { ...lab, sha: main.commit.sha }
  await bot.git.createRef({ ...base, ref: 'refs/heads/topic/one' })
  const blob = (await bot.git.createBlob({ ...lab, content: 'x\n' })).data
  await bot.git.getBlob({ ...lab, file_sha: blob.sha })
  const entry = { path: 'x', mode: '100644', type: 'blob', sha: blob.sha } as const
  const tree = (await bot.git.createTree({ ...lab, base_tree: main.commit.sha, tree: [entry] })).data
  await bot.git.getTree({ ...lab, tree_sha: tree.sha, recursive: 'true' })
  const made = { ...lab, message: 'X', tree: tree.sha, parents: [main.commit.sha] }
  const commit = (await bot.git.createCommit(made)).data
  await bot.git.getCommit({ ...lab, commit_sha: commit.sha })
  await bot.git.getRef({ ...lab, ref: 'heads/topic/one' })
  await bot.git.listMatchingRefs({ ...lab, ref: 'heads/topic' })
  await bot.git.updateRef({ ...lab, ref: 'heads/topic/one', sha: commit.sha })
  const content = Buffer.from('y\n').toString('base64')
  const put = { ...lab, path: 'y', branch: 'topic/one', content }
  const { data: written } = await bot.repos.createOrUpdateFileContents({ ...put, message: 'Y' })
  await bot.repos.createOrUpdateFileContents({ ...put, message: 'Y again', sha: written.content?.sha ?? '' })
  await bot.repos.listCommits({ ...lab, sha: 'topic/one' })
  await bot.repos.getCommit({ ...lab, ref: 'topic/one' })
  await bot.repos.compareCommitsWithBasehead({ ...lab, basehead: 'main...topic/one' })

  const opening = { ...lab, head: 'topic/one', base: 'main', title: 'X', body: 'Please' }
  const { data: pull } = await person.pulls.create(opening)
  const at = { ...lab, pull_number: pull.number }
  await expect(person.pulls.create(opening)).rejects.toMatchObject({ status: 422 })
  await bot.pulls.list({ ...lab, state: 'all' })
  await bot.pulls.get(at)
  await person.pulls.update({ ...at, title: 'X and Y' })
  await person.pulls.update({ ...at, state: 'closed' })
  await person.pulls.update({ ...at, state: 'open' })
  await bot.pulls.listFiles(at)
  await bot.pulls.listCommits(at)
  await bot.pulls.createReview({ ...at, event: 'COMMENT', body: 'Looks fine' })
  await bot.pulls.listReviews(at)
  await bot.repos.listPullRequestsAssociatedWithCommit({ ...lab, commit_sha: pull.head.sha })

  const { data: comment } = await bot.issues.createComment({ ...lab, issue_number: pull.number, body: 'Plan' })
  await bot.issues.listComments({ ...lab, issue_number: pull.number })
  await bot.issues.getComment({ ...lab, comment_id: comment.id })
  await bot.issues.updateComment({ ...lab, comment_id: comment.id, body: 'Plan 2' })
  await bot.issues.deleteComment({ ...lab, comment_id: comment.id })

  const annotation = { path: 'x', start_line: 1, end_line: 1, annotation_level: 'failure', message: 'No' } as const
  const output = { title: 'Mistakes', summary: 'One', annotations: [annotation] }
  const { data: run } = await bot.checks.create({ ...lab, name: 'slipway', head_sha: pull.head.sha, output })
  const check = { ...lab, check_run_id: run.id }
  await bot.checks.get(check)
  await bot.checks.update({ ...check, conclusion: 'success', output: { title: 'Done', summary: 'Well' } })
  await bot.checks.listAnnotations(check)
  await bot.checks.listForRef({ ...lab, ref: pull.head.sha })
  await bot.checks.rerequestRun(check)
  await bot.repos.createCommitStatus({ ...lab, sha: pull.head.sha, state: 'success', context: 'slipway' })
  await bot.repos.getCombinedStatusForRef({ ...lab, ref: pull.head.sha })
  await bot.repos.listCommitStatusesForRef({ ...lab, ref: pull.head.sha })

  const deploying = { ...lab, ref: pull.head.sha, environment: 'one', auto_merge: false, required_contexts: [] }
  const { data: deployment } = await bot.repos.createDeployment(deploying)
  if (!('id' in deployment)) throw new Error('no deployment')
  const deployed = { ...lab, deployment_id: deployment.id }
  await bot.repos.listDeployments(lab)
  await bot.repos.getDeployment(deployed)
  await bot.repos.createDeploymentStatus({ ...deployed, state: 'in_progress', log_url: 'https://example.org/1' })
  await bot.repos.createDeploymentStatus({ ...deployed, state: 'success', log_url: 'https://example.org/1' })
  await bot.repos.listDeploymentStatuses(deployed)
  await bot.repos.getAllEnvironments(lab)
  await bot.repos.getEnvironment({ ...lab, environment_name: 'one' })
  await bot.repos.createOrUpdateEnvironment({ ...lab, environment_name: 'two' })

  const key = { ...lab, key: ed25519Key().publicKey, title: 'k', read_only: true }
  const { data: added } = await bot.repos.createDeployKey(key)
  await expect(bot.repos.createDeployKey(key)).rejects.toMatchObject({
    status: 422,
    message: expect.stringContaining('key is already in use'),
  })
  await bot.repos.listDeployKeys(lab)
  await bot.repos.getDeployKey({ ...lab, key_id: added.id })
  await bot.repos.deleteDeployKey({ ...lab, key_id: added.id })
  await expect(bot.repos.deleteDeployKey({ ...lab, key_id: added.id })).rejects.toMatchObject({ status: 404 })

  const moved = await github.pushToPull('acme/lab', pull.number, { files: { z: 'z\n' }, author: 'ada' })
  await expect(bot.pulls.merge({ ...at, sha: pull.head.sha })).rejects.toMatchObject({ status: 409 })
  await bot.pulls.merge({ ...at, sha: moved.headSha })
  await bot.git.deleteRef({ ...lab, ref: 'heads/topic/one' })
  await github.installation('acme', 'suspend')
  await expect(bot.repos.get(lab)).rejects.toMatchObject({ status: 403 })
  await github.installation('acme', 'unsuspend')
  await github.webhooksSettled()
  const { data: deliveries } = await app.apps.listWebhookDeliveries()
  const delivery = { delivery_id: deliveries[0]?.id ?? 0 }
  await app.apps.getWebhookDelivery(delivery)
  await app.apps.redeliverWebhookDelivery(delivery)
  await bot.apps.revokeInstallationAccessToken()
  await github.installation('acme', 'uninstall')
  await github.webhooksSettled()
}

/** Served, and never answered with success: no branch of the simulator is protected. */
const NEVER_FOUND = 'GET /repos/{owner}/{repo}/branches/{branch}/protection'

/** In this one list the description wants an account that is a person and an enterprise at once. */
const CONTRADICTION = /^GET \/app\/installations 200: \/\d+\/account /

describe("GitHub's own description of its API", () => {
  test('holds for every request, answer and webhook of the simulator', async () => {
    const description = new GithubDescription()
    const exchanges: Exchange[] = []
    await using hook = await webhookReceiver()
    await driveEverything((exchange) => exchanges.push(exchange), hook.url)
    const found = exchanges.flatMap((exchange) => description.problems(exchange))
    expect(found.filter((problem) => !CONTRADICTION.test(problem))).toEqual([])
    const succeeded = new Set(
      exchanges.filter(({ status }) => status < 300).map((exchange) => description.routeOf(exchange)),
    )
    expect(description.routes.filter((route) => !succeeded.has(route))).toEqual([NEVER_FOUND])
    const payloads = hook.received.map(({ headers, body }) => {
      const payload = JSON.parse(body) as { readonly action?: string }
      return { event: String(headers['x-github-event']), action: payload.action, payload }
    })
    const problems = payloads.flatMap(({ event, action, payload }) =>
      description.webhookProblems(event, action, payload),
    )
    expect(problems).toEqual([])
    expect(new Set(payloads.map(({ event, action }) => `${event} ${action ?? ''}`.trim()))).toEqual(
      new Set([
        'ping',
        'push',
        'installation created',
        'installation suspend',
        'installation unsuspend',
        'installation deleted',
        'pull_request opened',
        'pull_request edited',
        'pull_request closed',
        'pull_request reopened',
        'pull_request synchronize',
        'issue_comment created',
        'issue_comment edited',
        'issue_comment deleted',
        'check_run rerequested',
      ]),
    )
  })

  test('tells a wrong answer from a right one', () => {
    const description = new GithubDescription()
    const exchange = {
      method: 'GET',
      url: '/app',
      requestHeaders: {},
      requestBody: '',
      status: 200,
      responseHeaders: {},
    }
    expect(description.problems({ ...exchange, responseBody: '{"id":"seven"}' }).join('\n')).toContain(
      'must be integer',
    )
    expect(description.webhookProblems('pull_request', 'opened', {}).join('\n')).toContain('pull_request')
  })
})
