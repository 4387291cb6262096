import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { Octokit } from '@octokit/rest'
import ssh2 from 'ssh2'
import { describe, expect, test } from 'vitest'
import { ed25519Key } from '../../sim/git/ed25519-key.ts'
import type { SimForge } from '../../sim/forge.ts'
import { fingerprint, md5Fingerprint, parsePublicKey } from '../../sim/git/public-key.ts'
import { simGithub } from '../../sim/github/server.ts'

const run = promisify(execFile)

/** The system's `git` and `ssh` with one key and the forge's host key, as a runner has them. */
async function gitWith(forge: SimForge) {
  const directory = await mkdtemp(join(tmpdir(), 'git-client-'))
  const key = ed25519Key('runner@lan')
  await writeFile(join(directory, 'key'), key.privateKey, { mode: 0o600 })
  await writeFile(join(directory, 'known_hosts'), `${forge.knownHosts}\n`)
  const ssh = [
    'ssh -F /dev/null -o IdentitiesOnly=yes -o BatchMode=yes -o StrictHostKeyChecking=yes -o IdentityAgent=none',
    `-i ${directory}/key -o UserKnownHostsFile=${directory}/known_hosts`,
  ].join(' ')
  const git = async (...args: readonly string[]) => {
    const env = {
      PATH: process.env['PATH'] ?? '',
      HOME: directory,
      GIT_SSH_COMMAND: ssh,
      GIT_CONFIG_NOSYSTEM: '1',
      LC_ALL: 'C',
      GIT_AUTHOR_NAME: 'Ada',
      GIT_AUTHOR_EMAIL: 'ada@example.org',
      GIT_COMMITTER_NAME: 'Ada',
      GIT_COMMITTER_EMAIL: 'ada@example.org',
    }
    return (await run('git', [...args], { cwd: directory, env })).stdout
  }
  return {
    directory,
    publicKey: key.publicKey,
    git,
    [Symbol.asyncDispose]: () => rm(directory, { recursive: true, force: true }),
  }
}

describe('Git over SSH', () => {
  test('a read-only deploy key fetches and is refused on push', async () => {
    await using forge = await simGithub()
    await forge.createRepo('acme/lab', { 'README.md': '# Lab\n' })
    await using client = await gitWith(forge)
    const url = await forge.sshUrl('acme/lab')
    await expect(client.git('ls-remote', url)).rejects.toThrow('Permission denied (publickey)')
    const ada = await forge.createUser('ada')
    await forge.grant('acme/lab', 'ada', 'admin')
    const octokit = new Octokit({ baseUrl: forge.apiUrl, auth: ada.token })
    const key = { owner: 'acme', repo: 'lab', key: client.publicKey, title: 'slipway/one', read_only: true }
    await octokit.rest.repos.createDeployKey(key)
    await client.git('clone', '--quiet', url, 'lab')
    expect(await readFile(join(client.directory, 'lab/README.md'), 'utf8')).toBe('# Lab\n')
    await client.git('-C', 'lab', 'commit', '--quiet', '--allow-empty', '-m', 'Empty')
    await expect(client.git('-C', 'lab', 'push', 'origin', 'main')).rejects.toThrow(
      'ERROR: The key you are authenticating with has been marked as read only.',
    )
    const [held] = await forge.deployKeys('acme/lab')
    expect(held).toMatchObject({ readOnly: true, title: 'slipway/one', lastUsed: expect.any(String) })
    await forge.createRepo('acme/other', { a: 'a' })
    await expect(client.git('ls-remote', await forge.sshUrl('acme/other'))).rejects.toThrow('Repository not found')
  })

  test("a person's push moves the branch, the pull follows, and a hidden ref stays shut", async () => {
    await using forge = await simGithub()
    await forge.createRepo('acme/lab', { 'README.md': '# Lab\n' })
    await using client = await gitWith(forge)
    await forge.createUser('ada')
    await forge.addUserKey('ada', client.publicKey)
    const url = await forge.sshUrl('acme/lab')
    await expect(client.git('ls-remote', url)).rejects.toThrow('Repository not found')
    await forge.grant('acme/lab', 'ada', 'read')
    await client.git('clone', '--quiet', url, 'lab')
    await client.git('-C', 'lab', 'commit', '--quiet', '--allow-empty', '-m', 'More')
    await expect(client.git('-C', 'lab', 'push', 'origin', 'main')).rejects.toThrow('denied to ada')
    await forge.grant('acme/lab', 'ada', 'write')
    const pull = await forge.openPull('acme/lab', { branch: 'topic', files: { x: '1\n' }, title: 'X', author: 'ada' })
    await client.git('-C', 'lab', 'fetch', '--quiet', 'origin', 'topic')
    await client.git('-C', 'lab', 'checkout', '--quiet', 'topic')
    await client.git('-C', 'lab', 'commit', '--quiet', '--allow-empty', '-m', 'Again')
    await client.git('-C', 'lab', 'push', '--quiet', 'origin', 'topic')
    const head = (await client.git('-C', 'lab', 'rev-parse', 'HEAD')).trim()
    expect(head).not.toBe(pull.headSha)
    expect((await forge.pull('acme/lab', pull.number)).headSha).toBe(head)
    expect(await client.git('ls-remote', url, `refs/pull/${pull.number}/head`)).toContain(head)
    await expect(client.git('-C', 'lab', 'push', 'origin', `HEAD:refs/pull/${pull.number}/head`)).rejects.toThrow(
      'deny updating a hidden ref',
    )
  })

  test('a fork can be read through the pull alone', async () => {
    await using forge = await simGithub()
    await forge.createRepo('acme/lab', { 'README.md': '# Lab\n' }, { private: false })
    await forge.createUser('eve')
    const fork = await forge.fork('acme/lab', 'eve')
    expect(fork.fullName).toBe('eve/lab')
    const pull = await forge.openPull('acme/lab', {
      branch: 'main',
      files: { evil: 'x\n' },
      title: 'Mine',
      author: 'eve',
      from: 'eve/lab',
    })
    expect(pull).toMatchObject({ headRepo: 'eve/lab', repo: 'acme/lab' })
    expect(await forge.readFile('acme/lab', pull.headSha, 'evil')).toBe('x\n')
    expect(await forge.readFile('acme/lab', 'main', 'evil')).toBeUndefined()
  })
})

test('every key that is made can be read', () => {
  for (let count = 0; count < 600; count += 1) {
    expect(ssh2.utils.parseKey(ed25519Key('a comment').privateKey)).not.toBeInstanceOf(Error)
  }
})

describe('public keys', () => {
  const key = ed25519Key().publicKey

  test('are told apart by their blob, whatever the comment', async () => {
    const plain = parsePublicKey(key)
    const commented = parsePublicKey(`${key} someone@somewhere else`)
    if (plain === undefined || commented === undefined) throw new Error('not read')
    expect(fingerprint(commented)).toBe(fingerprint(plain))
    expect(md5Fingerprint(plain)).toMatch(/^([0-9a-f]{2}:){15}[0-9a-f]{2}$/)
    const directory = await mkdtemp(join(tmpdir(), 'public-key-'))
    await writeFile(join(directory, 'key.pub'), `${key}\n`)
    const { stdout } = await run('ssh-keygen', ['-l', '-f', join(directory, 'key.pub')])
    await rm(directory, { recursive: true })
    expect(stdout).toContain(fingerprint(plain))
  })

  test.each([
    ['nothing', ''],
    ['another type', key.replace('ssh-ed25519', 'ssh-dss')],
    ['a type that the blob contradicts', key.replace('ssh-ed25519', 'ssh-rsa')],
    ['a cut blob', key.slice(0, -8)],
    ['a private key', '-----BEGIN OPENSSH PRIVATE KEY-----'],
  ])('%s is refused', (_name, line) => {
    expect(parsePublicKey(line)).toBeUndefined()
  })
})
