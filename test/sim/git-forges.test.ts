import { spawn } from 'node:child_process'
import { createPrivateKey, sign } from 'node:crypto'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { Gitlab } from '@gitbeaker/rest'
import { Octokit } from '@octokit/rest'
import { Probot } from 'probot'
import { describe, expect, test } from 'vitest'
import { scaledClock } from '../../sim/clock.ts'
import { controlledForge, serveForgeControl } from '../../sim/forge-control.ts'
import { simGithub } from '../../sim/github/server.ts'
import { simGitlab } from '../../sim/gitlab/server.ts'

const LAB = 'acme/lab'
const lab = { owner: 'acme', repo: 'lab' }
/** How clients tell of a connection that broke. */
const BROKEN = /closed|reset|fetch failed|socket|terminated/i

describe.each([
  { name: 'GitHub', start: simGithub },
  { name: 'GitLab', start: simGitlab },
])('people on the simulated $name', ({ start }) => {
  test('open, change, discuss, approve and merge pulls, in this process or through the control port', async () => {
    await using forge = await start({ seed: 5 })
    await using control = await serveForgeControl(forge)
    const people = await controlledForge(`http://127.0.0.1:${control.port}`)
    expect(people).toMatchObject({ kind: forge.kind, apiUrl: forge.apiUrl, knownHosts: forge.knownHosts })
    await people.createRepo(LAB, { 'README.md': '# Lab\n' })
    await people.createUser('ada')
    await people.createUser('eve')
    await people.grant(LAB, 'ada', 'write')
    await people.grant(LAB, 'eve', 'read')
    const change = { branch: 'topic', files: { a: '1\n', 'README.md': null }, title: 'Add a', author: 'ada' }
    const pull = await people.openPull(LAB, change)
    expect(pull).toMatchObject({ number: 1, state: 'open', headRepo: LAB, headBranch: 'topic', baseBranch: 'main' })
    const moved = await people.pushToPull(LAB, 1, { files: { a: '2\n' }, author: 'ada' })
    const note = await people.comment(LAB, 1, 'eve', 'Why?')
    await people.editComment(LAB, note.id, 'eve', 'Why not?')
    expect(await people.comments(LAB, 1)).toMatchObject([{ author: 'eve', body: 'Why not?', byApp: false }])
    await people.approve(LAB, 1, 'ada')
    expect((await people.close(LAB, 1, 'ada')).state).toBe('closed')
    expect((await people.reopen(LAB, 1, 'ada')).state).toBe('open')
    await expect(people.merge(LAB, 1, 'eve')).rejects.toThrow('eve may not merge acme/lab#1')
    const merged = await people.merge(LAB, 1, 'ada')
    expect(merged).toMatchObject({ state: 'merged', headSha: moved.headSha })
    expect(await people.readFile(LAB, 'main', 'a')).toBe('2\n')
    expect(await people.readFile(LAB, 'main', 'README.md')).toBeUndefined()
    expect(await forge.pulls(LAB)).toEqual([merged])
  })

  test('cannot merge what conflicts', async () => {
    await using forge = await start()
    await forge.createRepo(LAB, { a: '1\n' })
    await forge.createUser('ada')
    await forge.grant(LAB, 'ada', 'write')
    await forge.openPull(LAB, { branch: 'topic', files: { a: '2\n' }, title: 'Two', author: 'ada' })
    await forge.commit(LAB, { branch: 'main', files: { a: '3\n' }, author: 'ada' })
    await expect(forge.merge(LAB, 1, 'ada')).rejects.toThrow('conflict')
  })

  test('pull from forks, whose branches the base repository does not have', async () => {
    await using forge = await start()
    await forge.createRepo(LAB, { a: '1\n' }, { private: false })
    await forge.createUser('eve')
    await forge.fork(LAB, 'eve')
    const change = { branch: 'topic', files: { a: '2\n' }, title: 'Two', author: 'eve', from: 'eve/lab' }
    const pull = await forge.openPull(LAB, change)
    expect(pull).toMatchObject({ repo: LAB, headRepo: 'eve/lab' })
    expect(await forge.readFile(LAB, 'topic', 'a')).toBeUndefined()
    expect(await forge.readFile(LAB, pull.headSha, 'a')).toBe('2\n')
  })

  test('see a fork go away, and an archived repository refuse changes', async () => {
    await using forge = await start()
    await forge.createRepo(LAB, { a: '1\n' }, { private: false })
    const eve = await forge.createUser('eve')
    await forge.fork(LAB, 'eve')
    const change = { branch: 'topic', files: { a: '2\n' }, title: 'Two', author: 'eve', from: 'eve/lab' }
    const pull = await forge.openPull(LAB, change)
    await forge.deleteRepo('eve/lab')
    expect(await forge.pull(LAB, pull.number)).toMatchObject({ headRepo: undefined, headSha: pull.headSha })
    await forge.archive(LAB)
    const [path, headers] =
      forge.kind === 'github'
        ? [`/repos/${LAB}/issues/1/comments`, { authorization: `Bearer ${eve.token}` }]
        : ['/api/v4/projects/acme%2Flab/merge_requests/1/notes', { 'private-token': eve.token }]
    const said = await fetch(`${forge.apiUrl}${path}`, { method: 'POST', headers, body: '{"body":"Hi"}' })
    expect(said.status).toBe(403)
    expect((await fetch(`${forge.apiUrl}${path}`, { headers })).status).toBe(200)
  })

  test('give the same ids and tokens for the same seed', async () => {
    const told = async () => {
      await using forge = await start({ seed: 9 })
      return [await forge.createUser('ada'), (await forge.createRepo(LAB, { a: 'a' })).id]
    }
    expect(await told()).toEqual(await told())
  })
})

describe.each(['github', 'gitlab'])('sim/%s/main.ts', (kind) => {
  test('says where it is, plays along, and ends when told to', async () => {
    const main = fileURLToPath(new URL(`../../sim/${kind}/main.ts`, import.meta.url))
    const child = spawn(process.execPath, [main, '--seed', '4'], { stdio: ['ignore', 'pipe', 'inherit'] })
    try {
      const [line] = (await once(createInterface(child.stdout), 'line')) as [string]
      const ready = JSON.parse(line) as { ready: boolean; apiUrl: string; controlUrl: string }
      expect(ready.ready).toBe(true)
      const forge = await controlledForge(ready.controlUrl)
      expect(forge).toMatchObject({ kind, apiUrl: ready.apiUrl })
      await forge.createRepo(LAB, { a: 'a' })
      expect(await forge.readFile(LAB, 'main', 'a')).toBe('a')
      await expect(forge.pull(LAB, 7)).rejects.toThrow('acme/lab has no pull 7')
      child.kill('SIGTERM')
      const [code] = (await once(child, 'exit')) as [number | null]
      expect(code).toBe(0)
    } finally {
      child.kill('SIGKILL')
    }
  })
})

describe('faults of a simulated forge', () => {
  const quiet = { debug() {}, info() {}, warn() {}, error() {} }

  test('on GitHub: lost answers have their effect, lost requests have none', async () => {
    await using github = await simGithub({ clock: scaledClock(1000) })
    await github.createRepo(LAB, { a: 'a' })
    const ada = await github.createUser('ada')
    await github.grant(LAB, 'ada', 'write')
    const pull = await github.openPull(LAB, { branch: 'b', files: { b: 'b' }, title: 'B', author: 'ada' })
    const { issues } = new Octokit({ baseUrl: github.apiUrl, auth: ada.token, log: quiet }).rest
    const say = (body: string) => issues.createComment({ ...lab, issue_number: pull.number, body })
    const said = async () => (await github.comments(LAB, pull.number)).map(({ body }) => body)
    const match = 'POST /repos'
    await github.setFaults({ timeoutAfterEffect: { calls: [1], match } })
    await expect(say('one')).rejects.toThrow(BROKEN)
    expect(await said()).toEqual(['one'])
    await github.setFaults({ closedConnection: { calls: [1], match } })
    await expect(say('two')).rejects.toThrow(BROKEN)
    await github.setFaults({ serverError: { calls: [1], match } })
    await expect(say('three')).rejects.toMatchObject({ status: 502 })
    await github.setFaults({ rateLimited: { calls: [1, 2, 3, 4, 5, 6], match } })
    const statuses: unknown[] = []
    for (let count = 0; count < 6; count += 1) {
      const refused = await say('four').then(
        () => undefined,
        (error: { status: number; response: { headers: Record<string, string> } }) => error,
      )
      expect(refused?.response.headers['retry-after']).toBe('1')
      statuses.push(refused?.status)
    }
    expect(new Set(statuses)).toEqual(new Set([403, 429]))
    await say('five')
    expect(await said()).toEqual(['one', 'five'])
  })

  test('on GitLab: the client retries what says "later" and sees what is lost', async () => {
    await using gitlab = await simGitlab()
    await gitlab.createRepo(LAB, { a: 'a' })
    const ada = await gitlab.createUser('ada')
    await gitlab.grant(LAB, 'ada', 'write')
    const pull = await gitlab.openPull(LAB, { branch: 'b', files: { b: 'b' }, title: 'B', author: 'ada' })
    const person = new Gitlab({ host: gitlab.apiUrl, token: ada.token })
    await gitlab.setFaults({ rateLimited: { calls: [1] }, serverError: { calls: [1] } })
    await person.MergeRequestNotes.create(LAB, pull.number, 'one')
    await gitlab.setFaults({ timeoutAfterEffect: { calls: [1] } })
    await expect(person.MergeRequestNotes.create(LAB, pull.number, 'two')).rejects.toThrow(BROKEN)
    expect((await gitlab.comments(LAB, pull.number)).map(({ body }) => body)).toEqual(['one', 'two'])
  })

  test('unchanged answers of GitHub cost nothing of the rate limit', async () => {
    await using github = await simGithub()
    await github.createRepo(LAB, { a: 'a' })
    const ada = await github.createUser('ada')
    await github.grant(LAB, 'ada', 'read')
    const headers = { authorization: `Bearer ${ada.token}` }
    const first = await fetch(`${github.apiUrl}/repos/${LAB}`, { headers })
    const etag = first.headers.get('etag') ?? ''
    const second = await fetch(`${github.apiUrl}/repos/${LAB}`, { headers: { ...headers, 'if-none-match': etag } })
    expect(second.status).toBe(304)
    expect(second.headers.get('x-ratelimit-remaining')).toBe(first.headers.get('x-ratelimit-remaining'))
  })
})

describe('signing in to GitHub as an app', () => {
  test('Probot does it unchanged', async () => {
    await using github = await simGithub()
    await github.createRepo(LAB, { a: 'a' })
    const credentials = await github.credentials()
    if (credentials.kind !== 'github') throw new Error('not GitHub credentials')
    const { appId, privateKeyPem: privateKey, webhookSecret: secret } = credentials
    const probot = new Probot({ appId, privateKey, secret, baseUrl: github.apiUrl, logLevel: 'fatal' })
    const app = await probot.auth()
    const { data: installation } = await app.rest.apps.getRepoInstallation(lab)
    const installed = await probot.auth(installation.id)
    const { data } = await installed.rest.repos.get(lab)
    expect(data.full_name).toBe(LAB)
  })

  const claims = (now: number) => ({ iat: now - 60, exp: now + 540, iss: '4711' })
  test.each([
    ['a good token', (now: number) => claims(now), 200],
    ['an issuer that is another app', (now: number) => ({ ...claims(now), iss: '1' }), 401],
    ['a life of an hour', (now: number) => ({ ...claims(now), exp: now + 3600 }), 401],
    ['an end in the past', (now: number) => ({ ...claims(now), exp: now - 1 }), 401],
    ['a start in the future', (now: number) => ({ ...claims(now), iat: now + 120 }), 401],
  ])('%s', async (_name, make, status) => {
    await using github = await simGithub()
    const credentials = await github.credentials()
    if (credentials.kind !== 'github') throw new Error('not GitHub credentials')
    const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
    const signed = `${part({ alg: 'RS256', typ: 'JWT' })}.${part(make(Math.floor(Date.now() / 1000)))}`
    const signature = sign('RSA-SHA256', Buffer.from(signed), createPrivateKey(credentials.privateKeyPem))
    const ask = (token: string) => fetch(`${github.apiUrl}/app`, { headers: { authorization: `Bearer ${token}` } })
    expect((await ask(`${signed}.${signature.toString('base64url')}`)).status).toBe(status)
    expect((await ask(`${signed}.${signature.subarray(1).toString('base64url')}`)).status).toBe(401)
  })
})
