import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { simGithub } from '../../sim/github/server.ts'
import { simGitlab } from '../../sim/gitlab/server.ts'
import type { SimForge } from '../../sim/forge.ts'
import type { Check, Forge, RepoInfo } from '../../src/seams/forge.ts'
import { githubForge } from '../../src/forge/github/index.ts'
import { gitlabForge } from '../../src/forge/gitlab/index.ts'
import { newSshKey } from '../../src/secrets/ssh-key.ts'
import { scaledClock } from '../../sim/clock.ts'

interface Place {
  readonly name: string
  start(): Promise<{ readonly sim: SimForge; readonly forge: Forge }>
}

const github: Place = {
  name: 'github',
  async start() {
    const sim = await simGithub({ seed: 1, clock: scaledClock(100) })
    const credentials = await sim.credentials()
    if (credentials.kind !== 'github') throw new Error('not GitHub')
    const forge = githubForge({
      appId: String(credentials.appId),
      privateKey: credentials.privateKeyPem,
      webhookSecrets: [credentials.webhookSecret],
      apiUrl: credentials.apiUrl,
    })
    return { sim, forge }
  },
}

const gitlab: Place = {
  name: 'gitlab',
  async start() {
    const sim = await simGitlab({ seed: 1, clock: scaledClock(100) })
    const credentials = await sim.credentials()
    if (credentials.kind !== 'gitlab') throw new Error('not GitLab')
    const forge = gitlabForge({
      url: credentials.url,
      token: credentials.token,
      webhookSecrets: [credentials.webhookSecret],
      sshKnownHosts: [sim.knownHosts.trim()],
    })
    return { sim, forge }
  },
}

describe.each([github, gitlab])('a forge: $name', (place) => {
  let sim: SimForge
  let forge: Forge
  let repo: RepoInfo
  const FULL = 'home/lab'
  let step = 0

  beforeAll(async () => {
    ;({ sim, forge } = await place.start())
    await sim.createUser('ada')
    await sim.createUser('rob')
    await sim.createRepo(FULL, {
      'clusters/home/cluster.yaml': 'kind: Cluster\n',
      'clusters/home/apps/a.yaml': 'a: 1\n',
      'README.md': '# lab\n',
      'slipway.policy.yaml': 'x: 1\n',
    })
    await sim.grant(FULL, 'ada', 'write')
    await sim.grant(FULL, 'rob', 'read')
    repo = (await forge.repositories()).find(({ fullName }) => fullName === FULL)!
  })
  afterAll(async () => sim[Symbol.asyncDispose]())

  const newPull = (
    files: Record<string, string | null> = { 'clusters/home/cluster.yaml': `kind: Cluster # ${++step}\n` },
  ) => sim.openPull(FULL, { branch: `change-${++step}`, files, title: `change ${step}`, author: 'ada' })

  test('says where a repository is and how Git reaches it', async () => {
    expect(repo).toMatchObject({ fullName: FULL, defaultBranch: 'main' })
    expect(repo.git.sshUrl).toBe(await sim.sshUrl(FULL))
    expect(repo.git.knownHosts.join('\n')).toContain(sim.knownHosts.trim().split(' ').at(-1))
    expect(await forge.repository(repo)).toEqual(repo)
    await expect(forge.repository({ forge: repo.forge, id: '999999' })).rejects.toMatchObject({ name: 'Problem' })
  })

  test('lists and reads files at a commit; what is not there is absent', async () => {
    const head = (await forge.branchHead(repo, 'main'))!
    expect([...(await forge.listFiles(repo, head, 'clusters')).keys()].sort()).toEqual([
      'clusters/home/apps/a.yaml',
      'clusters/home/cluster.yaml',
    ])
    expect([...(await forge.listFiles(repo, head, 'clusters/home/apps')).keys()]).toEqual(['clusters/home/apps/a.yaml'])
    expect((await forge.listFiles(repo, head, 'nothing')).size).toBe(0)
    expect(
      await forge.readFiles(repo, head, ['clusters/home/cluster.yaml', 'slipway.policy.yaml', 'no/such', 'nope']),
    ).toEqual(
      new Map([
        ['clusters/home/cluster.yaml', 'kind: Cluster\n'],
        ['slipway.policy.yaml', 'x: 1\n'],
      ]),
    )
    expect(await forge.branchHead(repo, 'no-such')).toBeUndefined()
  })

  test('tells pulls as they are now', async () => {
    const opened = await newPull()
    const pull = await forge.pull(repo, opened.number)
    expect(pull).toMatchObject({
      number: opened.number,
      state: 'open',
      author: 'ada',
      head: opened.headSha,
      baseBranch: 'main',
      fork: false,
    })
    expect((await forge.openPulls(repo)).map(({ number }) => number)).toContain(opened.number)
    const pushed = await sim.pushToPull(FULL, opened.number, {
      files: { 'clusters/home/x.yaml': 'x: 1\n' },
      author: 'ada',
    })
    expect((await forge.pull(repo, opened.number))?.head).toBe(pushed.headSha)
    const base = (await forge.branchHead(repo, 'main'))!
    expect(await forge.mergeBase(repo, base, pushed.headSha)).toBe(base)
    await sim.merge(FULL, opened.number, 'ada')
    const merged = (await forge.pull(repo, opened.number))!
    expect(merged.state).toBe('merged')
    expect(merged.mergeCommit).toBe(await forge.branchHead(repo, 'main'))
    expect((await forge.pullOfCommit(repo, merged.mergeCommit!))?.number).toBe(opened.number)
    expect(await forge.pull(repo, 98765)).toBeUndefined()
  })

  test('knows a fork', async () => {
    const fork = await sim.fork(FULL, 'rob')
    const pull = await sim.openPull(FULL, {
      branch: 'from-fork',
      files: { 'clusters/home/cluster.yaml': 'kind: Cluster # fork\n' },
      title: 'fork',
      author: 'rob',
      from: fork.fullName,
    })
    expect(await forge.pull(repo, pull.number)).toMatchObject({ fork: true, author: 'rob' })
    const read = await forge.readFiles(repo, pull.headSha, ['clusters/home/cluster.yaml'])
    expect(read.get('clusters/home/cluster.yaml')).toContain('# fork')
    await forge.upsertCheck(repo, pull.number, {
      name: 'slipway/plan',
      commit: pull.headSha,
      state: 'success',
      title: 'planned from text',
      summary: '',
      annotations: [],
    })
    expect((await sim.checks(FULL, pull.headSha)).at(-1)).toMatchObject({ name: 'slipway/plan', state: 'success' })
  })

  test('keeps one comment per topic, edited in place', async () => {
    const { number } = await newPull()
    const url = await forge.upsertComment(repo, number, 'plan', 'first')
    expect(await forge.upsertComment(repo, number, 'plan', 'second')).toBe(url)
    await forge.upsertComment(repo, number, 'run', 'running')
    await forge.upsertComment(repo, number, 'plan', 'second')
    const comments = await sim.comments(FULL, number)
    expect(comments.map(({ body }) => body.split('\n').slice(1).join('\n'))).toEqual(['second', 'running'])
    expect(comments.every(({ byApp }) => byApp)).toBe(true)
  })

  test("does not take another's comment for its own", async () => {
    const { number } = await newPull()
    await sim.comment(FULL, number, 'rob', '<!-- slipway:plan -->\nforged')
    await forge.upsertComment(repo, number, 'plan', 'genuine')
    expect((await sim.comments(FULL, number)).map(({ body }) => body)).toEqual([
      '<!-- slipway:plan -->\nforged',
      '<!-- slipway:plan -->\ngenuine',
    ])
  })

  test('a comment whose answer was lost is not written twice', async () => {
    const { number } = await newPull()
    await sim.setFaults({ timeoutAfterEffect: { calls: [1], match: 'POST' } })
    await forge.upsertComment(repo, number, 'plan', 'once')
    await sim.setFaults({})
    expect((await sim.comments(FULL, number)).length).toBe(1)
  })

  test('reads a comment and who wrote it, edits included', async () => {
    const { number } = await newPull()
    const written = await sim.comment(FULL, number, 'ada', '/slipway plan')
    expect(await forge.comment(repo, number, String(written.id))).toMatchObject({
      author: 'ada',
      body: '/slipway plan',
      edited: false,
      authorIsBot: false,
    })
    // Forges tell edits by time stamps of whole seconds.
    await new Promise((resolve) => setTimeout(resolve, 1_100))
    await sim.editComment(FULL, written.id, 'ada', '/slipway apply')
    expect((await forge.comment(repo, number, String(written.id)))?.edited).toBe(true)
    expect(await forge.comment(repo, number, '424242')).toBeUndefined()
  })

  test('asks for rights at that moment; unknown people have none', async () => {
    expect((await forge.permission(repo, 'ada')).level).toBe('write')
    expect((await forge.permission(repo, 'rob')).level).toBe('read')
    expect((await forge.permission(repo, 'nobody-at-all')).level).toBe('none')
    await sim.grant(FULL, 'ada', 'read')
    expect((await forge.permission(repo, 'ada')).level).toBe('read')
    await sim.grant(FULL, 'ada', 'write')
  })

  test('shows a check with its problems on their lines', async () => {
    const { number, headSha } = await newPull({ 'clusters/home/cluster.yaml': 'kind: Clister\nspec:\n  a: 1\n' })
    const check = (state: Check['state'], annotations: Check['annotations']): Check => ({
      name: 'slipway',
      commit: headSha,
      state,
      title: 'a title',
      summary: 'a summary',
      annotations,
    })
    await forge.upsertCheck(repo, number, check('pending', []))
    expect((await sim.checks(FULL, headSha))[0]).toMatchObject({ name: 'slipway', state: 'running' })
    const problem = {
      file: 'clusters/home/cluster.yaml',
      line: 1,
      column: 7,
      code: 'spec.kind',
      what: '"Clister" is not a kind',
      remedy: 'Write Cluster.',
      retry: 'never',
    } as const
    for (let i = 0; i < 2; i++)
      await forge.upsertCheck(repo, number, check('failure', [problem, { ...problem, line: 3 }]))
    const annotations = await sim.annotations(FULL, headSha)
    expect(annotations.map(({ path, line }) => `${path}:${line}`).sort()).toEqual([
      'clusters/home/cluster.yaml:1',
      'clusters/home/cluster.yaml:3',
    ])
    expect(annotations[0]!.message).toContain('Write Cluster.')
    expect((await sim.checks(FULL, headSha)).at(-1)).toMatchObject({ state: 'failure' })
  })

  test('keeps a deployment per cluster', async () => {
    const commit = (await forge.branchHead(repo, 'main'))!
    const input = { environment: 'slipway/home', commit, branch: 'main', description: 'home' }
    await forge.deployment(repo, { ...input, state: 'queued' })
    await forge.deployment(repo, { ...input, state: 'in-progress' })
    await forge.deployment(repo, { ...input, state: 'success' })
    const deployments = (await sim.deployments(FULL)).filter(({ environment }) => environment === 'slipway/home')
    expect(deployments.length).toBe(1)
    expect(deployments[0]).toMatchObject({ sha: commit, state: 'success' })
  })

  test('commits files onto a branch, unless it has moved on', async () => {
    const { headBranch, headSha } = await newPull()
    const commit = await forge.commitFiles(
      repo,
      headBranch,
      headSha,
      new Map([
        ['clusters/home/gitops/b.yaml', 'b: ü\n'],
        ['clusters/home/apps/a.yaml', null],
      ]),
      'bundle',
    )
    expect(commit).toMatch(/^[0-9a-f]{40}$/)
    expect(await forge.branchHead(repo, headBranch)).toBe(commit)
    expect(await forge.readFiles(repo, commit!, ['clusters/home/gitops/b.yaml', 'clusters/home/apps/a.yaml'])).toEqual(
      new Map([['clusters/home/gitops/b.yaml', 'b: ü\n']]),
    )
    expect(await forge.commitFiles(repo, headBranch, headSha, new Map([['x', 'y\n']]), 'late')).toBeUndefined()
  })

  test('opens one pull from a branch of its own', async () => {
    const main = (await forge.branchHead(repo, 'main'))!
    await forge.createBranch(repo, 'slipway/bundle', main)
    await forge.createBranch(repo, 'slipway/bundle', main)
    await forge.commitFiles(
      repo,
      'slipway/bundle',
      main,
      new Map([['clusters/home/gitops/c.yaml', 'c: 1\n']]),
      'bundle',
    )
    const input = { branch: 'slipway/bundle', base: 'main', title: 'Bundle', body: 'words' }
    const first = await forge.openPull(repo, input)
    expect((await forge.openPull(repo, input)).number).toBe(first.number)
    expect(first).toMatchObject({ fork: false, headBranch: 'slipway/bundle' })
  })

  test('registers a deploy key once, read-only', async () => {
    const { publicKey } = await newSshKey('one')
    const registered = await forge.registerDeployKey(repo, 'slipway/home', publicKey)
    expect(registered.readOnly).toBe(true)
    expect((await forge.registerDeployKey(repo, 'slipway/home', publicKey)).id).toBe(registered.id)
    const { publicKey: lost } = await newSshKey('two')
    await sim.setFaults({ timeoutAfterEffect: { calls: [1], match: 'POST' } })
    await forge.registerDeployKey(repo, 'slipway/home', lost)
    await sim.setFaults({})
    const keys = await sim.deployKeys(FULL)
    expect(keys.map(({ readOnly }) => readOnly)).toEqual([true, true])
  })

  test('reads on when the forge stumbles', async () => {
    await sim.setFaults({ serverError: { calls: [1] }, closedConnection: { calls: [3] } })
    expect(await forge.branchHead(repo, 'main')).toMatch(/^[0-9a-f]{40}$/)
    expect((await forge.repository(repo)).fullName).toBe(FULL)
    await sim.setFaults({})
  })
})
