import { createHmac } from 'node:crypto'
import { Gitlab } from '@gitbeaker/rest'
import { describe, expect, test } from 'vitest'
import { ed25519Key } from '../../sim/git/ed25519-key.ts'
import { simGitlab, type SimGitlab } from '../../sim/gitlab/server.ts'
import { webhookReceiver } from './webhook-receiver.ts'

const LAB = 'acme/lab'

/** The shipped client with the group's access token. */
async function asBot(gitlab: SimGitlab) {
  const credentials = await gitlab.credentials()
  if (credentials.kind !== 'gitlab') throw new Error('not GitLab credentials')
  return new Gitlab({ host: credentials.url, token: credentials.token })
}

async function labWithPull(gitlab: SimGitlab) {
  await gitlab.createRepo(LAB, { 'README.md': '# Lab\n', 'docs/a.md': 'one\ntwo\nthree\n' })
  const ada = await gitlab.createUser('ada')
  await gitlab.grant(LAB, 'ada', 'write')
  const pull = await gitlab.openPull(LAB, {
    branch: 'first',
    files: { 'clusters/one/cluster.yaml': 'name: one\nkind: two\n' },
    title: 'Add cluster one',
    author: 'ada',
  })
  return { ada, pull }
}

/** What gitbeaker throws says the forge's own words. */
function refusal(words: string) {
  return expect.objectContaining({ message: expect.stringContaining(words) })
}

describe('a bot on the simulated GitLab', () => {
  test('reads a merge request, its files and its tree, and keeps one note', async () => {
    await using gitlab = await simGitlab()
    const { pull } = await labWithPull(gitlab)
    const bot = await asBot(gitlab)
    const shown = await bot.MergeRequests.show(LAB, pull.number)
    expect(shown).toMatchObject({ sha: pull.headSha, state: 'opened', detailed_merge_status: 'mergeable' })
    const diffs = await bot.MergeRequests.allDiffs(LAB, pull.number)
    expect(diffs.map(({ new_path, new_file }) => [new_path, new_file])).toEqual([['clusters/one/cluster.yaml', true]])
    expect(await bot.RepositoryFiles.showRaw(LAB, 'clusters/one/cluster.yaml', pull.headSha)).toBe(
      'name: one\nkind: two\n',
    )
    const file = await bot.RepositoryFiles.show(LAB, 'docs/a.md', 'main')
    expect(Buffer.from(file.content, 'base64').toString('utf8')).toBe('one\ntwo\nthree\n')
    await expect(bot.RepositoryFiles.show(LAB, 'none', 'main')).rejects.toEqual(refusal('404 File Not Found'))
    const tree = await bot.Repositories.allRepositoryTrees(LAB, {
      ref: pull.headSha,
      recursive: true,
      pagination: 'keyset',
      perPage: 2,
    })
    expect(tree.map(({ path }) => path)).toEqual([
      'clusters',
      'clusters/one',
      'docs',
      'README.md',
      'clusters/one/cluster.yaml',
      'docs/a.md',
    ])
    const note = await bot.MergeRequestNotes.create(LAB, pull.number, 'Planning…')
    await bot.MergeRequestNotes.edit(LAB, pull.number, note.id, { body: 'The plan' })
    expect(await gitlab.comments(LAB, pull.number)).toMatchObject([{ body: 'The plan', byApp: true }])
  })

  test('puts a discussion on a line of the diff, resolves it, and is refused elsewhere', async () => {
    await using gitlab = await simGitlab()
    const { pull } = await labWithPull(gitlab)
    const bot = await asBot(gitlab)
    const [version] = await bot.MergeRequests.allDiffVersions(LAB, pull.number)
    const place = (path: string, line: number) => ({
      position: {
        baseSha: version?.base_commit_sha ?? '',
        startSha: version?.start_commit_sha ?? '',
        headSha: version?.head_commit_sha ?? '',
        positionType: 'text' as const,
        newPath: path,
        oldPath: path,
        newLine: `${line}`,
      },
    })
    const path = 'clusters/one/cluster.yaml'
    const made = await bot.MergeRequestDiscussions.create(LAB, pull.number, 'No such kind', place(path, 2))
    expect(await gitlab.annotations(LAB, pull.headSha)).toEqual([
      { path, line: 2, column: undefined, level: 'failure', message: 'No such kind' },
    ])
    const elsewhere = [place(path, 3), place('docs/a.md', 1)]
    for (const options of elsewhere) {
      const refused = bot.MergeRequestDiscussions.create(LAB, pull.number, 'No', options)
      await expect(refused).rejects.toEqual(refusal('line_code'))
    }
    await bot.MergeRequestDiscussions.resolve(LAB, pull.number, made.id, true)
    expect(await gitlab.annotations(LAB, pull.headSha)).toEqual([])
  })

  test('cannot post the same commit status twice', async () => {
    await using gitlab = await simGitlab()
    const { pull } = await labWithPull(gitlab)
    const bot = await asBot(gitlab)
    const post = (state: 'pending' | 'running' | 'success' | 'failed', description: string) =>
      bot.Commits.editStatus(LAB, pull.headSha, state, { name: 'slipway', description })
    await post('pending', 'Waiting')
    await post('running', 'Planning')
    await expect(post('running', 'Planning')).rejects.toEqual(
      refusal('Cannot transition status via :run from :running'),
    )
    await post('failed', '3 mistakes')
    expect(await gitlab.checks(LAB, pull.headSha)).toMatchObject([
      { name: 'slipway', state: 'failure', title: '3 mistakes' },
    ])
    await post('running', 'Again')
    expect(await gitlab.checks(LAB, pull.headSha)).toMatchObject([{ state: 'running' }])
    expect(await bot.Commits.allStatuses(LAB, pull.headSha, { all: true })).toHaveLength(2)
  })

  test('commits several files at once, and merges only the head it knows', async () => {
    await using gitlab = await simGitlab()
    const { pull } = await labWithPull(gitlab)
    const bot = await asBot(gitlab)
    const commit = await bot.Commits.create(LAB, 'first', 'Render', [
      { action: 'create', filePath: 'clusters/one/slipway.lock.yaml', content: 'lock\n' },
      { action: 'update', filePath: 'README.md', content: '# Other\n' },
      { action: 'delete', filePath: 'docs/a.md' },
    ])
    expect((await gitlab.pull(LAB, pull.number)).headSha).toBe(commit.id)
    const again = bot.Commits.create(LAB, 'first', 'Again', [{ action: 'create', filePath: 'README.md', content: '' }])
    await expect(again).rejects.toEqual(refusal('A file with this name already exists'))
    const compared = await bot.Repositories.compare(LAB, 'main', 'first')
    expect(compared.diffs?.map(({ new_path }) => new_path)).toEqual([
      'README.md',
      'clusters/one/cluster.yaml',
      'clusters/one/slipway.lock.yaml',
      'docs/a.md',
    ])
    const base = await bot.Repositories.mergeBase(LAB, ['main', 'first'])
    expect(await gitlab.readFile(LAB, base.id, 'docs/a.md')).toBe('one\ntwo\nthree\n')
    const stale = bot.MergeRequests.merge(LAB, pull.number, { sha: pull.headSha })
    await expect(stale).rejects.toEqual(refusal('SHA does not match HEAD of source branch'))
    const merged = await bot.MergeRequests.merge(LAB, pull.number, { sha: commit.id })
    expect(merged).toMatchObject({ state: 'merged', merge_commit_sha: expect.any(String) })
    expect(await gitlab.readFile(LAB, 'main', 'clusters/one/slipway.lock.yaml')).toBe('lock\n')
  })

  test('registers a deploy key once per project and joins it elsewhere', async () => {
    await using gitlab = await simGitlab()
    await gitlab.createRepo(LAB, { a: 'a' })
    await gitlab.createRepo('acme/other', { a: 'a' })
    const bot = await asBot(gitlab)
    const key = ed25519Key().publicKey
    const added = await bot.DeployKeys.create(LAB, 'slipway/one', key)
    expect(added).toMatchObject({ can_push: false, fingerprint_sha256: expect.stringMatching(/^SHA256:/) })
    const twice = bot.DeployKeys.create(LAB, 'slipway/one', `${key.trim()} other comment`)
    await expect(twice).rejects.toEqual(refusal('has already been taken'))
    const joined = await bot.DeployKeys.create('acme/other', 'ignored', key)
    expect(joined).toMatchObject({ id: added.id, title: 'slipway/one' })
    await bot.DeployKeys.remove(LAB, added.id)
    expect(await gitlab.deployKeys(LAB)).toEqual([])
    expect(await gitlab.deployKeys('acme/other')).toHaveLength(1)
    await expect(bot.DeployKeys.remove(LAB, added.id)).rejects.toEqual(refusal('404'))
    await expect(bot.DeployKeys.create(LAB, 'bad', 'ssh-ed25519 AAAA')).rejects.toEqual(refusal('is invalid'))
  })

  test('asks what a member may do; strangers and wrong tokens get nowhere', async () => {
    await using gitlab = await simGitlab()
    const { ada } = await labWithPull(gitlab)
    const eve = await gitlab.createUser('eve')
    const bot = await asBot(gitlab)
    expect(await bot.ProjectMembers.show(LAB, ada.id, { includeInherited: true })).toMatchObject({ access_level: 30 })
    const stranger = bot.ProjectMembers.show(LAB, eve.id, { includeInherited: true })
    await expect(stranger).rejects.toEqual(refusal('404 Not found'))
    const asEve = new Gitlab({ host: gitlab.apiUrl, token: eve.token })
    await expect(asEve.Projects.show(LAB)).rejects.toEqual(refusal('404 Project Not Found'))
    const asNobody = new Gitlab({ host: gitlab.apiUrl, token: 'glpat-wrong' })
    await expect(asNobody.Users.showCurrentUser()).rejects.toEqual(refusal('401 Unauthorized'))
    const asAda = new Gitlab({ host: gitlab.apiUrl, oauthToken: ada.token })
    await expect(asAda.DeployKeys.all({ projectId: LAB })).rejects.toEqual(refusal('403 Forbidden'))
  })

  test('tells a deployment from start to end', async () => {
    await using gitlab = await simGitlab()
    const { pull } = await labWithPull(gitlab)
    const bot = await asBot(gitlab)
    const environment = await bot.Environments.create(LAB, 'one', { tier: 'production' })
    const deployment = await bot.Deployments.create(LAB, 'one', pull.headSha, 'first', false, { status: 'running' })
    expect(deployment).toMatchObject({ status: 'running', environment: { id: environment.id } })
    await bot.Deployments.edit(LAB, deployment.id, 'success')
    expect(await gitlab.deployments(LAB)).toMatchObject([{ environment: 'one', state: 'success' }])
  })
})

describe('webhooks of the simulated GitLab', () => {
  test('carry the secret token, an id that survives a resend, and a signature where it is on', async () => {
    await using hook = await webhookReceiver()
    await using gitlab = await simGitlab({ signed: true })
    await gitlab.setWebhook(hook.url, 'a secret')
    const { pull } = await labWithPull(gitlab)
    const moved = await gitlab.pushToPull(LAB, pull.number, { files: { b: 'b\n' }, author: 'ada' })
    await gitlab.comment(LAB, pull.number, 'ada', '/slipway plan')
    await gitlab.merge(LAB, pull.number, 'ada')
    await gitlab.webhooksSettled()
    const told = hook.received.map(({ headers, body }) => {
      const { object_attributes } = JSON.parse(body) as { object_attributes?: { action?: string; oldrev?: string } }
      return [headers['x-gitlab-event'], object_attributes?.action, object_attributes?.oldrev]
    })
    expect(told).toEqual([
      ['Push Hook', undefined, undefined],
      ['Merge Request Hook', 'open', undefined],
      ['Push Hook', undefined, undefined],
      ['Merge Request Hook', 'update', pull.headSha],
      ['Note Hook', 'create', undefined],
      ['Merge Request Hook', 'merge', undefined],
      ['Push Hook', undefined, undefined],
    ])
    expect(moved.headSha).not.toBe(pull.headSha)
    const credentials = await gitlab.credentials()
    if (credentials.kind !== 'gitlab' || credentials.signingToken === undefined) throw new Error('no signing token')
    const key = Buffer.from(credentials.signingToken.slice('whsec_'.length), 'base64')
    for (const { headers, body } of hook.received) {
      expect(headers['x-gitlab-token']).toBe('a secret')
      expect(headers['webhook-id']).toBe(headers['idempotency-key'])
      const signed = `${String(headers['webhook-id'])}.${String(headers['webhook-timestamp'])}.${body}`
      expect(headers['webhook-signature']).toBe(`v1,${createHmac('sha256', key).update(signed).digest('base64')}`)
    }
    const first = (await gitlab.lastDeliveries())[0]
    await gitlab.redeliver(first?.id ?? 0)
    await gitlab.webhooksSettled()
    expect(hook.received.at(-1)?.headers['idempotency-key']).toBe(hook.received[0]?.headers['idempotency-key'])
  })
})
