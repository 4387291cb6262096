import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { localForge } from '../../src/forge/local/index.ts'
import { knownHosts } from '../../src/forge/local/known-hosts.ts'
import { remoteAddress } from '../../src/forge/local/remote-address.ts'
import { openWorkingCopy } from '../../src/forge/local/working-copy.ts'
import type { ForgeReader, RepoInfo } from '../../src/seams/forge.ts'
import { sshFingerprint } from '../../src/secrets/ssh-key.ts'
import { temporaryRepository } from '../cli/console.ts'

/** What every forge promises of reading, for a working copy; pulls, comments and people it has none. */
describe('a forge: local', () => {
  let place: ReturnType<typeof temporaryRepository>
  let forge: ForgeReader
  let repo: RepoInfo

  const commit = (files: Readonly<Record<string, string>>): string => {
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(join(place.folder, path)), { recursive: true })
      writeFileSync(join(place.folder, path), text)
    }
    place.git('add', '--all')
    place.git('commit', '--quiet', '--message', 'change')
    return place.git('rev-parse', 'HEAD')
  }

  beforeAll(async () => {
    place = temporaryRepository('https://ada:hunter2hunter2@github.com/home/lab.git')
    symlinkSync('/etc/passwd', join(place.folder, 'link'))
    commit({
      'clusters/home/cluster.yaml': 'kind: Cluster\n',
      'clusters/home/apps/a.yaml': 'a: ü\n',
      'README.md': '# lab\n',
      'slipway.policy.yaml': 'x: 1\n',
    })
    forge = localForge(await openWorkingCopy(join(place.folder, 'clusters')))
    repo = (await forge.repositories())[0]!
  })
  afterAll(() => place[Symbol.dispose]())

  test('says where a repository is and how Git reaches it, without what was in the address', async () => {
    expect(repo).toMatchObject({
      fullName: 'home/lab',
      defaultBranch: 'main',
      webUrl: 'https://github.com/home/lab',
      git: { sshUrl: 'ssh://git@github.com/home/lab.git', branch: 'main' },
    })
    expect(JSON.stringify(repo)).not.toContain('hunter2')
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
    expect([...(await forge.listFiles(repo, head, '')).keys()]).not.toContain('link')
    expect(
      await forge.readFiles(repo, head, [
        'clusters/home/apps/a.yaml',
        'slipway.policy.yaml',
        'no/such',
        'link',
        'clusters',
      ]),
    ).toEqual(
      new Map([
        ['clusters/home/apps/a.yaml', 'a: ü\n'],
        ['slipway.policy.yaml', 'x: 1\n'],
      ]),
    )
    expect(await forge.branchHead(repo, 'no-such')).toBeUndefined()
    await expect(forge.readFiles(repo, '--help', ['README.md'])).rejects.toMatchObject({ code: 'git.commit' })
  })

  test('reads the commit, not the disk, and finds where histories part', async () => {
    const before = (await forge.branchHead(repo, 'main'))!
    place.git('checkout', '--quiet', '-b', 'change')
    const ahead = commit({ 'README.md': '# changed\n' })
    place.git('checkout', '--quiet', 'main')
    writeFileSync(join(place.folder, 'README.md'), 'on disk only\n')
    expect((await forge.readFiles(repo, before, ['README.md'])).get('README.md')).toBe('# lab\n')
    expect((await forge.readFiles(repo, ahead, ['README.md'])).get('README.md')).toBe('# changed\n')
    expect(await forge.mergeBase(repo, before, ahead)).toBe(before)
  })

  test('has no pulls and no people', async () => {
    expect(await forge.openPulls(repo)).toEqual([])
    expect(await forge.pull(repo, 1)).toBeUndefined()
    expect(await forge.permission(repo, 'ada')).toEqual({ login: 'ada', level: 'none', bot: false })
  })
})

describe('the working copy', () => {
  test.each([
    ['https://github.com/ada/homelab.git', 'ssh://git@github.com/ada/homelab.git'],
    ['https://ada:secret@gitlab.com/group/sub/lab', 'ssh://git@gitlab.com/group/sub/lab.git'],
    ['git@github.com:ada/homelab.git', 'ssh://git@github.com/ada/homelab.git'],
    ['ssh://git@git.example:2222/ada/homelab.git', 'ssh://git@git.example:2222/ada/homelab.git'],
    ['ssh://git@git.example:22/ada/homelab', 'ssh://git@git.example/ada/homelab.git'],
    ['gitea@git.example:ada/homelab', 'ssh://gitea@git.example/ada/homelab.git'],
  ])('%s is reached by SSH as %s', (url, ssh) => {
    expect(remoteAddress(url)?.sshUrl).toBe(ssh)
  })

  test.each([
    '/srv/git/homelab.git',
    '../homelab',
    'file:///srv/git/homelab.git',
    'https://github.com',
    'git@host:one',
    '',
  ])('"%s" is at no forge', (url) => {
    expect(remoteAddress(url)).toBeUndefined()
  })

  test('the built-in host keys are those that the forges publish', async () => {
    const fingerprint = (line: string | undefined) => sshFingerprint((line ?? '').split(' ').slice(1).join(' '))
    expect(await fingerprint(knownHosts('github.com', undefined)[0])).toBe(
      'SHA256:+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU',
    )
    expect(await fingerprint(knownHosts('gitlab.com', undefined)[0])).toBe(
      'SHA256:eUXGGm1YGsMAS7vkcx6JOJdOGHPem5gQp4taiCfCLB8',
    )
    expect(await fingerprint(knownHosts('gitlab.com', undefined)[1])).toBe(
      'SHA256:HbW3g8zUjNSksFbqTiUWPWg2Bq1x8xdGUrliXFzSnUw',
    )
  })

  test('host keys of one’s own forge come from a file, and only its own', () => {
    using place = temporaryRepository()
    const file = join(place.folder, 'known_hosts')
    writeFileSync(
      file,
      '# mine\ngit.example,10.0.0.1 ssh-ed25519 AAAA1 me\n[git.example]:2222 ssh-ed25519 AAAA2\nother.example ssh-ed25519 AAAA3\n',
    )
    expect(knownHosts('git.example', file)).toEqual(['git.example ssh-ed25519 AAAA1'])
    expect(knownHosts('git.example:2222', file)).toEqual(['[git.example]:2222 ssh-ed25519 AAAA2'])
    expect(() => knownHosts('third.example', file)).toThrow('git.known-hosts')
    expect(() => knownHosts('git.example', join(place.folder, 'none'))).toThrow('git.known-hosts')
    expect(knownHosts('git.example', undefined)).toEqual([])
  })

  test('the branch is the one that the remote told, else a usual one, else the current one', async () => {
    using place = temporaryRepository('git@github.com:ada/homelab.git')
    const { folder, git } = place
    expect((await openWorkingCopy(folder)).branch).toBe('main')
    git('commit', '--quiet', '--allow-empty', '--message', 'first')
    git('checkout', '--quiet', '-b', 'feature')
    expect((await openWorkingCopy(folder)).branch).toBe('main')
    git('update-ref', 'refs/remotes/origin/trunk', 'HEAD')
    git('symbolic-ref', 'refs/remotes/origin/HEAD', 'refs/remotes/origin/trunk')
    expect((await openWorkingCopy(folder)).branch).toBe('trunk')
  })
})
