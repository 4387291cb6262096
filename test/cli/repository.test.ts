import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { policyProblems } from '../../runner/accept/policy.ts'
import { readRunnerConfig } from '../../runner/config.ts'
import type { Plan } from '../../src/core/plan.ts'
import { parsePolicy } from '../../src/core/policy.ts'
import { slipway, temporaryRepository } from './console.ts'

const ORIGIN = 'git@github.com:ada/homelab.git'
const CLUSTER = 'clusters/home/cluster.yaml'

/** A repository as `slipway init` leaves it. */
async function started(...more: readonly string[]) {
  const repository = temporaryRepository(ORIGIN)
  await slipway(repository.folder, ['init', 'home', ...more])
  return repository
}
const change = (folder: string, path: string, from: string | RegExp, to: string): void => {
  const text = readFileSync(join(folder, path), 'utf8')
  const changed = text.replace(from, to)
  expect(changed).not.toBe(text)
  writeFileSync(join(folder, path), changed)
}

describe('init', () => {
  test('writes a repository that validates, plans and renders as it is', async () => {
    using repository = temporaryRepository(ORIGIN)
    const { folder } = repository
    const { status, out } = await slipway(folder, ['init', 'lab-2', '--engine', 'argocd', '--first-id', '900'])
    expect(status).toBe(0)
    expect(out).toContain('Next: make clusters/lab-2/cluster.yaml yours, then run slipway validate')
    expect(await slipway(folder, ['validate'])).toMatchObject({ status: 0 })
    expect(await slipway(folder, ['plan'])).toMatchObject({ status: 2 })
    expect(await slipway(folder, ['render'])).toMatchObject({ status: 0 })
    expect(existsSync(join(folder, 'clusters/lab-2/gitops'))).toBe(true)
    expect(parsePolicy(readFileSync(join(folder, 'slipway.policy.yaml'), 'utf8'), 'p').problems).toEqual([])
    chmodSync(join(folder, 'runner.example.yaml'), 0o600)
    const runner = readRunnerConfig(join(folder, 'runner.example.yaml'))
    expect(runner.clusters).toEqual(['lab-2'])
    expect(runner.allow.vmids).toEqual(['900-902'])
    const { json } = await slipway(folder, ['plan', '--json'])
    const [made] = json[0]!['clusters'] as { readonly plan: Plan }[]
    expect(policyProblems(made!.plan, undefined, runner)).toEqual([])
  })

  test('never overwrites, and says what it kept', async () => {
    using repository = temporaryRepository(ORIGIN)
    const { folder } = repository
    const mine: Record<string, string> = {
      [CLUSTER]: 'mine\n',
      'slipway.policy.yaml': 'mine too\n',
      '.sops.yaml': 'creation_rules: []\n',
      'clusters/home/apps/mine.yaml': 'a: 1\n',
    }
    for (const [path, text] of Object.entries(mine)) {
      mkdirSync(dirname(join(folder, path)), { recursive: true })
      writeFileSync(join(folder, path), text)
    }
    writeFileSync(join(folder, '.gitignore'), 'node_modules\n.slipway/')
    const { json } = await slipway(folder, ['init', '--json'])
    const files = json[0]?.['files'] as readonly { readonly path: string; readonly outcome: string }[]
    expect(Object.fromEntries(files.map(({ path, outcome }) => [path, outcome]))).toEqual({
      '.gitignore': 'extended',
      [CLUSTER]: 'kept',
      'slipway.policy.yaml': 'kept',
      '.sops.yaml': 'kept',
      'runner.example.yaml': 'written',
    })
    for (const [path, text] of Object.entries(mine)) expect(readFileSync(join(folder, path), 'utf8')).toBe(text)
    expect(readdirSync(join(folder, 'clusters/home/apps'))).toEqual(['mine.yaml'])
    const ignored = readFileSync(join(folder, '.gitignore'), 'utf8')
    expect(ignored.startsWith('node_modules\n.slipway/\n')).toBe(true)
    expect(ignored.split('\n').filter((line) => line === '.slipway/')).toHaveLength(1)
  })

  test('keeps the recovery key from Git, from others and from the screen', async () => {
    using repository = temporaryRepository(ORIGIN)
    const { folder, git } = repository
    const { out, err } = await slipway(folder, ['init'])
    const file = '.slipway/recovery.agekey'
    const identity = readFileSync(join(folder, file), 'utf8')
    const secret = /^AGE-SECRET-KEY-1\S+$/m.exec(identity)![0]
    expect(out + err).not.toContain(secret)
    expect(statSync(join(folder, file)).mode & 0o777).toBe(0o600)
    const recipient = /age1[a-z0-9]+/.exec(identity)![0]
    expect(readFileSync(join(folder, '.sops.yaml'), 'utf8')).toContain(recipient)
    git('add', '--all')
    expect(git('ls-files').split('\n')).not.toContain(file)
    expect(git('grep', '--cached', '-c', 'age1', '--', '.sops.yaml')).toContain('.sops.yaml')
  })

  test('does not take the private half for the public one, nor show it', async () => {
    using repository = temporaryRepository(ORIGIN)
    const secret = 'AGE-SECRET-KEY-1QQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQ'
    const { status, out, err } = await slipway(repository.folder, ['init', '--recovery', secret])
    expect(status).toBe(1)
    expect(out + err).not.toContain(secret)
    expect(readdirSync(repository.folder)).toEqual(['.git'])
  })
})

describe('validate', () => {
  test('shows all mistakes of all files at once, each on its place', async () => {
    using repository = await started()
    const { folder } = repository
    change(folder, CLUSTER, 'bridge: vmbr0', 'brigde: vmbr0')
    change(folder, CLUSTER, 'cores: 2', 'cores: 0')
    change(folder, 'slipway.policy.yaml', 'onMerge: reboot', 'onMerge: sometimes')
    const { status, out } = await slipway(folder, ['validate'])
    expect(status).toBe(1)
    expect(out).toMatch(/✖ clusters\/home\/cluster\.yaml\n/)
    expect(out).toContain('did you mean "bridge"?')
    expect(out).toMatch(/\n {2}\d+:\d+ +.*cores/)
    expect(out).toContain('✖ slipway.policy.yaml')
    expect(out).toMatch(/\d problems\. Nothing was changed\.\n$/)
    const { json } = await slipway(folder, ['validate', '--json'])
    const [cluster] = json[0]!['clusters'] as { readonly problems: readonly Record<string, unknown>[] }[]
    expect(cluster?.problems[0]).toMatchObject({ file: CLUSTER, line: expect.any(Number), column: expect.any(Number) })
  })

  test('reads a commit instead of the disk when asked', async () => {
    using repository = await started()
    const { folder, git } = repository
    git('add', '--all')
    git('commit', '--quiet', '--message', 'good')
    change(folder, CLUSTER, 'cores: 2', 'cores: 0')
    expect(await slipway(folder, ['validate'])).toMatchObject({ status: 1 })
    expect(await slipway(folder, ['validate', '--at', 'HEAD'])).toMatchObject({ status: 0 })
    expect((await slipway(folder, ['validate', '--at', 'nowhere'])).err).toContain('git.commit')
    expect((await slipway(folder, ['validate', '--at', '--output=x'])).status).toBe(1)
  })

  test('works from a folder below, and on a folder that is named', async () => {
    using repository = await started()
    expect(await slipway(join(repository.folder, 'clusters/home'), ['validate'])).toMatchObject({ status: 0 })
    expect(await slipway('/', ['validate', '-C', repository.folder])).toMatchObject({ status: 0 })
    expect(await slipway('/', ['-C', repository.folder, 'validate', 'clusters/home/cluster.yaml'])).toMatchObject({
      status: 0,
    })
  })

  test('says which clusters there are, and how to start when there is none', async () => {
    using repository = await started()
    expect((await slipway(repository.folder, ['validate', 'hone'])).err).toContain('→ There is home.')
    using empty = temporaryRepository()
    expect((await slipway(empty.folder, ['validate'])).err).toContain('→ Start one: slipway init')
  })

  test('does not follow symbolic links out of the repository', async () => {
    using repository = await started()
    const { folder } = repository
    mkdirSync(join(folder, 'clusters/other'))
    symlinkSync(join(folder, CLUSTER), join(folder, 'clusters/other/cluster.yaml'))
    expect((await slipway(folder, ['validate', 'other'])).err).toContain('cli.no-cluster')
  })
})

describe('plan', () => {
  test('says that nothing was looked at, and what comes next', async () => {
    using repository = await started()
    const { status, out, err } = await slipway(repository.folder, ['plan', '--steps'])
    expect(status).toBe(2)
    expect(err).toContain('there is no runner.yaml, so nothing was looked at')
    expect(out).toContain('home: a new cluster of 3 machines, nothing is destroyed')
    expect(out).toContain('init-control-plane')
    expect(out).toContain('Next: ')
  })

  test('is the same plan twice, and after a commit', async () => {
    using repository = await started()
    const { folder, git } = repository
    const first = await slipway(folder, ['plan', '--json'])
    git('add', '--all')
    git('commit', '--quiet', '--message', 'first')
    expect((await slipway(folder, ['plan', '--json'])).out).toBe(first.out)
    expect((await slipway(folder, ['plan', '--json', '--at', 'HEAD'])).out).toBe(first.out)
  })

  test('problems are not changes', async () => {
    using repository = await started()
    change(repository.folder, CLUSTER, 'cores: 2', 'cores: 0')
    expect(await slipway(repository.folder, ['plan'])).toMatchObject({ status: 1 })
    expect((await slipway(repository.folder, ['plan', '--facts', 'live'])).status).toBe(1)
    writeFileSync(join(repository.folder, 'f.json'), '{}')
    change(repository.folder, CLUSTER, 'cores: 0', 'cores: 2')
    expect((await slipway(repository.folder, ['plan', '--facts', 'f.json'])).out).toContain('facts.file')
    expect((await slipway(repository.folder, ['plan', '--facts', 'live'])).err).toContain('runner.no-config')
  })
})

describe('render', () => {
  test('writes once, notices what is stale or left over, and touches nothing else', async () => {
    using repository = await started()
    const { folder } = repository
    expect(await slipway(folder, ['render', '--check'])).toMatchObject({ status: 2 })
    expect(existsSync(join(folder, 'clusters/home/gitops'))).toBe(false)
    expect(await slipway(folder, ['render'])).toMatchObject({ status: 0 })
    expect(await slipway(folder, ['render', '--check'])).toMatchObject({ status: 0 })
    const kustomization = join(folder, 'clusters/home/gitops/kustomization.yaml')
    const right = readFileSync(kustomization, 'utf8')
    writeFileSync(kustomization, 'stale: true\n')
    writeFileSync(join(folder, 'clusters/home/gitops/left-over.yaml'), 'a: 1\n')
    writeFileSync(join(folder, 'clusters/home/apps/mine.yaml'), 'a: 1\n')
    const check = await slipway(folder, ['render', '--check'])
    expect(check.status).toBe(2)
    expect(check.out).toContain('  ~ clusters/home/gitops/kustomization.yaml')
    expect(check.out).toContain('  - clusters/home/gitops/left-over.yaml')
    await slipway(folder, ['render'])
    expect(readFileSync(kustomization, 'utf8')).toBe(right)
    expect(existsSync(join(folder, 'clusters/home/gitops/left-over.yaml'))).toBe(false)
    expect(existsSync(join(folder, 'clusters/home/apps/mine.yaml'))).toBe(true)
  })

  test('prints without writing', async () => {
    using repository = await started()
    const { out, status } = await slipway(repository.folder, ['render', '--stdout'])
    expect(status).toBe(0)
    expect(out).toContain('# clusters/home/gitops/')
    expect(out).toContain('ssh://git@github.com/ada/homelab.git')
    expect(existsSync(join(repository.folder, 'clusters/home/gitops'))).toBe(false)
  })

  test('needs to know where the repository is', async () => {
    using repository = temporaryRepository()
    await slipway(repository.folder, ['init'])
    const { status, err } = await slipway(repository.folder, ['render'])
    expect(status).toBe(1)
    expect(err).toContain('git.no-origin')
    expect(err).toContain('→ Add it: git remote add origin')
  })
})

describe('the command line', () => {
  test('a wrong one is status 1 with a hint, help is status 0', async () => {
    using repository = temporaryRepository()
    const wrong = await slipway(repository.folder, ['vaildate'])
    expect(wrong.status).toBe(1)
    expect(wrong.err).toContain('validate')
    expect(await slipway(repository.folder, ['plan', '--nonsense'])).toMatchObject({ status: 1 })
    const help = await slipway(repository.folder, ['--help'])
    expect(help.status).toBe(0)
    expect(help.out).toContain('kubeconfig')
  })

  test('with --json a problem is JSON as well', async () => {
    using repository = temporaryRepository()
    const { json, err } = await slipway(repository.folder, ['plan', '--json'])
    expect(json).toEqual([{ problems: [expect.objectContaining({ code: 'cli.no-cluster' })] }])
    expect(err).toBe('')
  })

  test('what needs runner.yaml says so', async () => {
    using repository = await started()
    for (const argv of [
      ['status'],
      ['logs'],
      ['kubeconfig', 'home'],
      ['runner', 'start'],
      ['apply', 'home', '--yes'],
    ]) {
      const { status, err } = await slipway(repository.folder, argv)
      expect([argv, status, err.includes('runner.no-config')]).toEqual([argv, 1, true])
    }
  })
})
