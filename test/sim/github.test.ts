import { createHmac } from 'node:crypto'
import { createAppAuth } from '@octokit/auth-app'
import { Octokit } from '@octokit/rest'
import { describe, expect, test } from 'vitest'
import { scaledClock } from '../../sim/clock.ts'
import { simGithub, type SimGithub } from '../../sim/github/server.ts'
import { webhookReceiver } from './webhook-receiver.ts'

/** The shipped client, signed in as the app on the account's installation. */
async function asApp(github: SimGithub, repo = { owner: 'acme', repo: 'lab' }): Promise<Octokit> {
  const credentials = await github.credentials()
  if (credentials.kind !== 'github') throw new Error('not GitHub credentials')
  const auth = { appId: credentials.appId, privateKey: credentials.privateKeyPem }
  const app = new Octokit({ baseUrl: github.apiUrl, authStrategy: createAppAuth, auth })
  const installation = await app.rest.apps.getRepoInstallation(repo)
  return new Octokit({
    baseUrl: `${github.apiUrl}/api/v3`,
    authStrategy: createAppAuth,
    auth: { ...auth, installationId: installation.data.id },
  })
}

function asPerson(github: SimGithub, token: string): Octokit {
  return new Octokit({ baseUrl: github.apiUrl, auth: token })
}

const lab = { owner: 'acme', repo: 'lab' }

async function labWithPull(github: SimGithub) {
  await github.createRepo('acme/lab', { 'README.md': '# Lab\n' })
  const ada = await github.createUser('ada')
  await github.grant('acme/lab', 'ada', 'write')
  const pull = await github.openPull('acme/lab', {
    branch: 'first',
    files: { 'clusters/one/cluster.yaml': 'name: one\n' },
    title: 'Add cluster one',
    author: 'ada',
  })
  return { ada, pull }
}

describe('an app on the simulated GitHub', () => {
  test('reads a pull, comments once and edits its comment', async () => {
    await using github = await simGithub({ seed: 3 })
    const { pull } = await labWithPull(github)
    const app = await asApp(github)
    const { data } = await app.rest.pulls.get({ ...lab, pull_number: pull.number })
    expect(data.head.sha).toBe(pull.headSha)
    expect(data.mergeable).toBe(true)
    const files = await app.paginate(app.rest.pulls.listFiles, { ...lab, pull_number: pull.number, per_page: 100 })
    expect(files.map(({ filename, status, patch }) => ({ filename, status, patch }))).toEqual([
      { filename: 'clusters/one/cluster.yaml', status: 'added', patch: '@@ -0,0 +1 @@\n+name: one' },
    ])
    const content = await app.rest.repos.getContent({ ...lab, path: 'clusters/one/cluster.yaml', ref: pull.headSha })
    if (Array.isArray(content.data) || content.data.type !== 'file') throw new Error('not a file')
    expect(Buffer.from(content.data.content, 'base64').toString('utf8')).toBe('name: one\n')
    const comment = await app.rest.issues.createComment({ ...lab, issue_number: pull.number, body: 'Planning…' })
    await app.rest.issues.updateComment({ ...lab, comment_id: comment.data.id, body: 'The plan' })
    expect(await github.comments('acme/lab', pull.number)).toMatchObject([
      { body: 'The plan', byApp: true, author: 'slipway-sim[bot]' },
    ])
  })

  test('refuses a comment of 65,537 characters and takes one of 65,536', async () => {
    await using github = await simGithub()
    const { pull } = await labWithPull(github)
    const app = await asApp(github)
    const target = { ...lab, issue_number: pull.number }
    await app.rest.issues.createComment({ ...target, body: 'é'.repeat(65_536) })
    await expect(app.rest.issues.createComment({ ...target, body: 'é'.repeat(65_537) })).rejects.toMatchObject({
      status: 422,
    })
  })

  test('commits to a branch through trees, commits and refs, and only fast-forwards unless forced', async () => {
    await using github = await simGithub()
    const { pull } = await labWithPull(github)
    const app = await asApp(github)
    const parent = await app.rest.git.getCommit({ ...lab, commit_sha: pull.headSha })
    const blob = await app.rest.git.createBlob({ ...lab, content: 'bG9jaw==', encoding: 'base64' })
    const tree = await app.rest.git.createTree({
      ...lab,
      base_tree: parent.data.tree.sha,
      tree: [
        { path: 'clusters/one/slipway.lock.yaml', mode: '100644', type: 'blob', sha: blob.data.sha },
        { path: 'README.md', mode: '100644', type: 'blob', sha: null },
      ],
    })
    const commit = await app.rest.git.createCommit({
      ...lab,
      message: 'Render',
      tree: tree.data.sha,
      parents: [pull.headSha],
    })
    await app.rest.git.updateRef({ ...lab, ref: 'heads/first', sha: commit.data.sha })
    expect((await github.pull('acme/lab', pull.number)).headSha).toBe(commit.data.sha)
    const all = await app.rest.git.getTree({ ...lab, tree_sha: commit.data.sha, recursive: '1' })
    expect(all.data.tree.filter(({ type }) => type === 'blob').map(({ path }) => path)).toEqual([
      'clusters/one/cluster.yaml',
      'clusters/one/slipway.lock.yaml',
    ])
    const back = app.rest.git.updateRef({ ...lab, ref: 'heads/first', sha: pull.headSha })
    await expect(back).rejects.toMatchObject({ status: 422, message: expect.stringContaining('not a fast forward') })
    await app.rest.git.updateRef({ ...lab, ref: 'heads/first', sha: pull.headSha, force: true })
  })

  test('gathers annotations over several updates, fifty at a time', async () => {
    await using github = await simGithub()
    const { pull } = await labWithPull(github)
    const app = await asApp(github)
    const annotations = (count: number) =>
      Array.from({ length: count }, (_, index) => ({
        path: 'clusters/one/cluster.yaml',
        start_line: index + 1,
        end_line: index + 1,
        annotation_level: 'failure' as const,
        message: `mistake ${index}`,
      }))
    const output = (count: number) => ({ title: 'Mistakes', summary: 'Some', annotations: annotations(count) })
    const run = await app.rest.checks.create({ ...lab, name: 'slipway', head_sha: pull.headSha, output: output(50) })
    const update = { ...lab, check_run_id: run.data.id, conclusion: 'failure' as const }
    await expect(app.rest.checks.update({ ...update, output: output(51) })).rejects.toMatchObject({ status: 422 })
    await app.rest.checks.update({ ...update, output: output(7) })
    expect(await github.annotations('acme/lab', pull.headSha)).toHaveLength(57)
    expect(await github.checks('acme/lab', pull.headSha)).toMatchObject([{ name: 'slipway', state: 'failure' }])
    const listed = await app.paginate(app.rest.checks.listAnnotations, { ...lab, check_run_id: run.data.id })
    expect(listed).toHaveLength(57)
  })

  test('asks what a person may do, and cannot merge a head that moved', async () => {
    await using github = await simGithub()
    const { pull } = await labWithPull(github)
    await github.createUser('reader')
    await github.grant('acme/lab', 'reader', 'triage')
    const app = await asApp(github)
    const role = async (username: string) =>
      (await app.rest.repos.getCollaboratorPermissionLevel({ ...lab, username })).data
    expect(await role('ada')).toMatchObject({ permission: 'write', role_name: 'write' })
    expect(await role('reader')).toMatchObject({ permission: 'read', role_name: 'triage' })
    await expect(role('nobody')).rejects.toMatchObject({ status: 404 })
    const moved = await github.pushToPull('acme/lab', pull.number, { files: { b: '2\n' }, author: 'ada' })
    const merge = (sha: string) => app.rest.pulls.merge({ ...lab, pull_number: pull.number, sha })
    await expect(merge(pull.headSha)).rejects.toMatchObject({ status: 409 })
    const merged = await merge(moved.headSha)
    expect(await github.pull('acme/lab', pull.number)).toMatchObject({ state: 'merged', mergeCommit: merged.data.sha })
    expect(await github.readFile('acme/lab', 'main', 'b')).toBe('2\n')
  })

  test('sees only what its token was narrowed to', async () => {
    await using github = await simGithub()
    await labWithPull(github)
    await github.createRepo('acme/other', { a: 'a' })
    const credentials = await github.credentials()
    if (credentials.kind !== 'github') throw new Error('not GitHub credentials')
    const auth = createAppAuth({
      appId: credentials.clientId,
      privateKey: credentials.privateKeyPem,
      request: (await asApp(github)).request.defaults({ baseUrl: github.apiUrl }),
    })
    const app = new Octokit({ baseUrl: github.apiUrl, auth: (await auth({ type: 'app' })).token })
    const installation = await app.rest.apps.getRepoInstallation(lab)
    const { data } = await app.rest.apps.createInstallationAccessToken({
      installation_id: installation.data.id,
      repositories: ['lab'],
      permissions: { contents: 'read' },
    })
    expect(data.token).toMatch(/^ghs_[A-Za-z0-9._-]{36,}$/)
    const narrow = asPerson(github, data.token)
    await narrow.rest.repos.getBranch({ ...lab, branch: 'main' })
    await expect(narrow.rest.repos.get({ owner: 'acme', repo: 'other' })).rejects.toMatchObject({ status: 404 })
    await expect(narrow.rest.repos.listDeployKeys(lab)).rejects.toMatchObject({
      status: 403,
      message: expect.stringContaining('Resource not accessible by integration'),
    })
    await narrow.rest.apps.revokeInstallationAccessToken()
    await expect(narrow.rest.repos.get(lab)).rejects.toMatchObject({ status: 401 })
    const again = await app.rest.apps.createInstallationAccessToken({ installation_id: installation.data.id })
    await asPerson(github, again.data.token).rest.repos.get(lab)
    await github.expireTokens()
    await expect(asPerson(github, again.data.token).rest.repos.get(lab)).rejects.toMatchObject({ status: 401 })
  })
})

describe('webhooks of the simulated GitHub', () => {
  test('arrive signed, in order, and again with the same id when asked for', async () => {
    await using hook = await webhookReceiver()
    await using github = await simGithub()
    await github.setWebhook(hook.url, 'a secret')
    const { pull } = await labWithPull(github)
    await github.comment('acme/lab', pull.number, 'ada', '/slipway plan')
    await github.merge('acme/lab', pull.number, 'ada')
    await github.webhooksSettled()
    expect(
      hook.received.map(({ headers, body }) => [
        headers['x-github-event'],
        (JSON.parse(body) as { action?: string }).action,
      ]),
    ).toEqual([
      ['ping', undefined],
      ['installation', 'created'],
      ['push', undefined],
      ['pull_request', 'opened'],
      ['issue_comment', 'created'],
      ['pull_request', 'closed'],
      ['push', undefined],
    ])
    for (const { body, headers } of hook.received) {
      expect(headers['x-hub-signature-256']).toBe(
        `sha256=${createHmac('sha256', 'a secret').update(body).digest('hex')}`,
      )
    }
    const opened = (await github.lastDeliveries()).find(({ action }) => action === 'opened')
    await github.redeliver(opened?.id ?? 0)
    await github.webhooksSettled()
    expect(hook.received.at(-1)?.headers['x-github-delivery']).toBe(opened?.guid)
  })

  test('can be lost, doubled, late and out of order', async () => {
    await using hook = await webhookReceiver()
    await using github = await simGithub({ clock: scaledClock(2) })
    const { pull } = await labWithPull(github)
    await github.setWebhook(hook.url, 'a secret')
    await github.webhooksSettled()
    const say = async (...words: readonly string[]) => {
      hook.received.length = 0
      for (const word of words) await github.comment('acme/lab', pull.number, 'ada', word)
      await github.webhooksSettled()
      return hook.received.map(({ body }) => (JSON.parse(body) as { comment: { body: string } }).comment.body)
    }
    await github.setFaults({ dropWebhook: { calls: [1] } })
    expect(await say('a', 'b')).toEqual(['b'])
    await github.setFaults({ duplicateWebhook: { calls: [1] } })
    expect(await say('a', 'b')).toEqual(['a', 'a', 'b'])
    await github.setFaults({ reorderWebhook: { calls: [1] } })
    expect(await say('a', 'b')).toEqual(['b', 'a'])
    await github.setFaults({ delayWebhook: { calls: [1] } })
    expect(await say('a', 'b')).toEqual(['b', 'a'])
  })
})
