import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { execFileSync } from 'node:child_process'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { gitMirror, probeRepository, type GitMirror } from '../../runner/git-mirror.ts'
import { fileKeystore, type Keystore } from '../../runner/keystore.ts'
import { scaledClock } from '../../sim/clock.ts'
import type { SimForge } from '../../sim/forge.ts'
import { simGithub } from '../../sim/github/server.ts'
import type { Repository } from '../../src/core/spec/cluster-spec.ts'
import { githubForge } from '../../src/forge/github/index.ts'

const FULL = 'house/homelab'

/** Puts programs before `git` and `ssh` that write down their arguments and environment and then run the real ones. */
function spiedPath(folder: string): string {
  mkdirSync(folder)
  for (const name of ['git', 'ssh']) {
    const real = execFileSync('sh', ['-c', `command -v ${name}`], { encoding: 'utf8' }).trim()
    writeFileSync(join(folder, name), `#!/bin/sh\n{ echo "$0" "$@"; env; } >> ${folder}/seen\nexec ${real} "$@"\n`)
    chmodSync(join(folder, name), 0o755)
  }
  return folder
}

describe('the mirror of a repository', () => {
  const folder = mkdtempSync(join(tmpdir(), 'slipway-mirror-'))
  const path = process.env['PATH'] ?? ''
  let sim: SimForge
  let keys: Keystore
  let repository: Repository
  let mirror: GitMirror
  let privateKey: string

  beforeAll(async () => {
    process.env['PATH'] = `${spiedPath(join(folder, 'spy'))}${delimiter}${path}`
    sim = await simGithub({ seed: 3, clock: scaledClock(100) })
    await sim.createUser('ada')
    await sim.createRepo(FULL, { 'clusters/home/cluster.yaml': 'kind: Cluster\n', 'README.md': '# lab\n' })
    await sim.grant(FULL, 'ada', 'write')
    const credentials = await sim.credentials()
    if (credentials.kind !== 'github') throw new Error('not GitHub')
    const forge = githubForge({
      appId: String(credentials.appId),
      privateKey: credentials.privateKeyPem,
      webhookSecrets: ['x'.repeat(16)],
      apiUrl: credentials.apiUrl,
    })
    const [info] = await forge.repositories()
    repository = info!.git
    keys = fileKeystore(join(folder, 'state'))
    const pair = await keys.sshKey('git/1/key', 'slipway')
    privateKey = pair.privateKey
    await forge.registerDeployKey(info!, 'runner', pair.publicKey)
    mirror = gitMirror(keys.path('git/1'), repository, keys.path('git/1/key'), keys)
  })
  afterAll(async () => {
    process.env['PATH'] = path
    await sim[Symbol.asyncDispose]()
    rmSync(folder, { recursive: true, force: true })
  })

  test('reads files at a commit, and knows what is merged', async () => {
    const tip = await mirror.fetch()
    expect(await mirror.readFile(tip, 'clusters/home/cluster.yaml')).toBe('kind: Cluster\n')
    expect([...(await mirror.readFolder(tip, 'clusters')).keys()]).toEqual(['clusters/home/cluster.yaml'])
    expect(await mirror.readFile(tip, 'no/such')).toBeUndefined()
    const pull = await sim.openPull(FULL, {
      branch: 'change',
      files: { 'x.yaml': 'x: 1\n' },
      title: 'x',
      author: 'ada',
    })
    await sim.merge(FULL, pull.number, 'ada')
    const next = await mirror.fetch()
    expect(await mirror.isAncestor(tip, next)).toBe(true)
    expect(await mirror.isAncestor(next, tip)).toBe(false)
    expect(await mirror.readFile(tip, 'x.yaml')).toBeUndefined()
  })

  test('a key that is not registered, and a host key that is not the pinned one, are refused', async () => {
    await keys.sshKey('git/2/key', 'stranger')
    const stranger = gitMirror(keys.path('git/2'), repository, keys.path('git/2/key'), keys)
    await expect(stranger.fetch()).rejects.toMatchObject({ code: 'git.unreachable' })
    const [line = ''] = repository.knownHosts
    const other = (await keys.sshKey('git/3/key', 'other')).publicKey.split(' ').slice(0, 2).join(' ')
    const changed = { ...repository, knownHosts: [`${line.split(' ')[0]} ${other}`] }
    await expect(gitMirror(keys.path('git/4'), changed, keys.path('git/1/key'), keys).fetch()).rejects.toMatchObject({
      code: 'git.unreachable',
    })
    writeFileSync(join(folder, 'known'), `${line}\n`)
    await expect(probeRepository(repository, keys.path('git/1/key'), join(folder, 'known'))).resolves.toBeUndefined()
  })

  test('what is no commit id or no ssh address never reaches git', async () => {
    await expect(mirror.readFolder('--upload-pack=touch x', 'clusters')).rejects.toMatchObject({ code: 'git.commit' })
    const odd = { ...repository, sshUrl: 'ext::sh -c touch% x' }
    await expect(gitMirror(keys.path('git/5'), odd, keys.path('git/1/key'), keys).fetch()).rejects.toMatchObject({
      code: 'git.url',
    })
  })

  test('no key is in the arguments or the environment of git and ssh', () => {
    const seen = readFileSync(join(folder, 'spy', 'seen'), 'utf8')
    expect(seen).toMatch(/\bfetch\b/)
    expect(seen).toMatch(/\/ssh .*StrictHostKeyChecking=yes/)
    const body = privateKey.split('\n').slice(1, -2)
    expect([...body, 'PRIVATE KEY'].filter((line) => seen.includes(line))).toEqual([])
  })
})

describe('the keystore', () => {
  const folder = mkdtempSync(join(tmpdir(), 'slipway-keys-'))
  const keys = fileKeystore(join(folder, 'state'))
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  test('gives everybody who asks at once the same secret', async () => {
    let made = 0
    const texts = await Promise.all(
      Array.from({ length: 8 }, () => keys.readOrMake('a/secret', async () => `made ${++made}`)),
    )
    expect(new Set(texts).size).toBe(1)
    expect(keys.read('a/secret')).toBe(texts[0])
  })

  test('is for its owner alone', async () => {
    await keys.sshKey('site/key', 'x')
    const modes = execFileSync('find', [folder, '-mindepth', '1', '-printf', '%y %m\n'], { encoding: 'utf8' })
      .trim()
      .split('\n')
    expect([...new Set(modes)].sort()).toEqual(['d 700', 'f 600'])
  })

  test('knows no name outside of its folder', () => {
    for (const name of ['../x', 'a/../../x', '/etc/passwd/../../x/../..'])
      expect(() => keys.write(name, 'x')).toThrow(/leaves the keystore/)
  })
})
