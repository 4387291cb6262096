import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { parseClusterSpec } from '../../src/core/spec/parse.ts'
import { STARTER, starterCluster } from '../../templates/starters/cluster.ts'
import { starterIgnore, starterSops } from '../../templates/starters/repository.ts'

const REPOSITORY = {
  sshUrl: 'ssh://git@git.example.org/me/lab.git',
  branch: 'main',
  knownHosts: ['git.example.org ssh-ed25519 AAAA'],
}
const read = (text: string, name: string) =>
  parseClusterSpec(text, `clusters/${name}/cluster.yaml`, { repository: REPOSITORY })

describe('the starter cluster', () => {
  test.each(['flux', 'argocd', 'fleet'] as const)('can be planned as it is, with %s', (engine) => {
    const { spec, problems } = read(starterCluster({ ...STARTER, engine }), 'home')
    expect(problems).toEqual([])
    expect(spec?.machines.map(({ name, address }) => [name, address])).toEqual([
      ['cp-1', '10.4.0.11'],
      ['w-1', '10.4.0.12'],
      ['w-2', '10.4.0.13'],
    ])
  })

  test('takes what it was told', () => {
    const text = starterCluster({
      name: 'lab',
      connection: 'attic',
      node: 'px',
      storage: 'tank',
      bridge: 'vmbr7',
      gateway: '192.168.9.254',
      firstAddress: '192.168.9.20/25',
      firstId: 1200,
      engine: 'flux',
    })
    // 192.168.9.254 is outside 192.168.9.0/25: the reader says so, for every entry.
    expect(read(text, 'lab').problems.map(({ code }) => code)).toEqual(['spec.gateway-outside', 'spec.gateway-outside'])
    expect(read(text.replaceAll('/25', '/24'), 'lab').spec).toMatchObject({
      name: 'lab',
      providers: { pve: { connection: 'attic', storage: 'tank', bridge: 'vmbr7', gateway: '192.168.9.254' } },
      machines: [{ vmid: 1200, node: 'px' }, { vmid: 1201 }, { vmid: 1202 }],
    })
  })

  test('tells editors where the schema is', () => {
    expect(starterCluster().split('\n')[0]).toMatch(/^# yaml-language-server: \$schema=https:\/\/\S+$/)
  })
})

describe('.sops.yaml', () => {
  const RECIPIENT = `age1${'q'.repeat(58)}`

  test('encrypts the data of manifests to all recipients', () => {
    const { creation_rules: rules } = parse(starterSops('home', RECIPIENT, `age1${'z'.repeat(58)}`)) as {
      creation_rules: readonly { path_regex: string; encrypted_regex: string; age: string }[]
    }
    expect(rules).toHaveLength(1)
    expect(new RegExp(rules[0]?.path_regex ?? '').test('clusters/home/apps/db.sops.yaml')).toBe(true)
    expect(new RegExp(rules[0]?.path_regex ?? '').test('clusters/other/apps/db.sops.yaml')).toBe(false)
    expect(rules[0]?.age.split(',')).toHaveLength(2)
  })

  test('never takes an identity', () => {
    expect(() => starterSops('home', `AGE-SECRET-KEY-1${'Q'.repeat(58)}`)).toThrow(RangeError)
  })
})

test('keys and kubeconfigs are ignored', () => {
  expect(starterIgnore().split('\n')).toEqual(expect.arrayContaining(['*.agekey', 'kubeconfig', '.slipway/']))
})
