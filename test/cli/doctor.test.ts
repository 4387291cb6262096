import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { fileKeystore } from '../../runner/keystore.ts'
import { siteKey } from '../../runner/lan/file-keys.ts'
import { type SimWorld, simWorld } from '../../sim/lan-world/world.ts'
import { yamlDocument } from '../../src/core/manifest.ts'
import { newSshKey } from '../../src/secrets/ssh-key.ts'
import { slipway, temporaryRepository } from './console.ts'

const TOKEN = { id: 'slipway@pve!runner', secret: '11111111-2222-4333-8444-555555555555' }
/** Everything but the right to change disks, and nothing on the image storage. */
const PRIVILEGES = {
  '/vms':
    'VM.Allocate VM.Audit VM.Config.CDROM VM.Config.CPU VM.Config.Cloudinit VM.Config.HWType VM.Config.Memory VM.Config.Network VM.Config.Options VM.PowerMgmt VM.GuestAgent.Audit'.split(
      ' ',
    ),
  '/storage/local-lvm': ['Datastore.AllocateSpace', 'Datastore.Audit'],
  '/storage/local': ['Datastore.Audit'],
  '/nodes/pve1': ['Sys.AccessNetwork'],
  '/sdn/zones/localnetwork': ['SDN.Use'],
}

describe('slipway doctor', () => {
  let world: SimWorld
  let place: ReturnType<typeof temporaryRepository>
  let lines: readonly string[]
  let status: number

  beforeAll(async () => {
    place = temporaryRepository('git@github.com:ada/homelab.git')
    const { folder } = place
    const { publicKey } = await siteKey(fileKeystore(join(folder, '.slipway')))
    const host = (name: string, last: number, sshKeys: readonly string[]) => ({
      name,
      address: `10.4.0.${last}`,
      user: 'debian',
      sshKeys,
    })
    world = await simWorld({
      speed: 100,
      seed: 7,
      bareHosts: [host('open', 31, [publicKey]), host('shut', 32, []), host('swapped', 33, [publicKey])],
      proxmox: {
        tokens: [{ ...TOKEN, privileges: PRIVILEGES }],
        storages: [
          { storage: 'local', type: 'dir', content: ['iso', 'vztmpl'], sizeGiB: 100 },
          { storage: 'local-lvm', type: 'lvmthin', content: ['images', 'rootdir'], sizeGiB: 500 },
        ],
      },
    })
    const keyOf = (name: string): string => world.hosts.knownHost(name).trim().split(' ').slice(1, 3).join(' ')
    const strangerKey = async (): Promise<string> => (await newSshKey('')).publicKey
    const machine = (name: string, last: number, key: string) => ({
      name,
      role: 'worker',
      host: `10.4.0.${last}`,
      user: 'debian',
      hostKey: key,
    })
    mkdirSync(join(folder, 'clusters/home'), { recursive: true })
    writeFileSync(
      join(folder, 'clusters/home/cluster.yaml'),
      yamlDocument({
        apiVersion: 'slipway.dev/v1alpha1',
        kind: 'Cluster',
        metadata: { name: 'home' },
        spec: {
          kubernetes: { distribution: 'kubeadm', version: '1.36.3' },
          network: { pods: '10.244.0.0/16', services: '10.96.0.0/12', cni: { kind: 'cilium' } },
          providers: {
            pve: {
              kind: 'proxmox',
              connection: 'lab',
              image: 'debian-13',
              storage: 'local-lvm',
              bridge: 'vmbr0',
              gateway: '10.4.0.1',
            },
          },
          machines: [
            {
              name: 'cp-1',
              role: 'control-plane',
              provider: 'pve',
              node: 'pve1',
              id: 401,
              address: '10.4.0.11/24',
              cores: 2,
              memory: '4GiB',
              disk: '40GiB',
            },
            machine('open', 31, keyOf('open')),
            machine('shut', 32, keyOf('shut')),
            machine('swapped', 33, await strangerKey()),
            machine('gone', 34, await strangerKey()),
          ],
          gitops: { engine: 'flux' },
        },
      }),
    )
    writeFileSync(join(folder, 'proxmox-token'), `${TOKEN.id}=${TOKEN.secret}`, { mode: 0o600 })
    writeFileSync(
      join(folder, 'runner.yaml'),
      yamlDocument({
        state: '.slipway',
        proxy: world.lan.socksUrl,
        clusters: ['home'],
        connections: {
          lab: {
            kind: 'proxmox',
            url: world.proxmox.url,
            tokenFile: 'proxmox-token',
            tls: { check: 'fingerprint', sha256: world.proxmox.fingerprint },
          },
        },
      }),
      { mode: 0o600 },
    )
    const ran = await slipway(folder, ['doctor'])
    lines = ran.out.split('\n')
    status = ran.status
  })
  afterAll(async () => {
    place[Symbol.dispose]()
    await world.close()
  })

  const about = (name: string): readonly string[] =>
    lines.flatMap((line, at) =>
      line.slice(2).startsWith(`${name}: `)
        ? [line, ...(lines[at + 1]?.startsWith('  →') === true ? [lines[at + 1]!] : [])]
        : [],
    )

  test('names every program, and helm because a chart is asked for', () => {
    expect(about('git')[0]).toMatch(/^✔ git: git version /)
    expect(about('ssh')[0]).toMatch(/^✔ ssh: OpenSSH/)
    expect(about('helm')[0]).toContain('✖ helm: a cluster here has charts')
  })

  test('says which privileges the token lacks where, and what the storage does not take', () => {
    const found = about('proxmox lab').join('\n')
    expect(found).toContain('the token lacks VM.Config.Disk on /vms/401')
    expect(found).toContain('the token lacks Datastore.AllocateTemplate on /storage/local')
    expect(found).toContain('✖ proxmox lab: storage "local" does not take images for import')
    expect(found).toContain('→ As root on a node: pvesm set local --content iso,vztmpl,import')
    expect(found).not.toContain('SDN.Use')
    expect(found).toContain('does not allow node pve1')
    expect(found).toContain('· proxmox lab: the clock of pve1: it needs Sys.Audit')
  })

  test('tells hosts that let it in from those that do not, and why', () => {
    expect(about('host open')).toEqual(['✔ host open: debian@10.4.0.31:22 lets the runner in as root'])
    expect(about('host shut').join('\n')).toMatch(
      /✖ .*\n {2}→ Add to ~debian\/\.ssh\/authorized_keys there: ssh-ed25519 AAAA/,
    )
    expect(about('host swapped')[0]).toContain('answers with another host key than the spec has: ssh-ed25519 ')
    expect(about('host gone')[0]).toContain('✖ host gone: nothing answers SSH at 10.4.0.34:22')
  })

  test('ends with the number of things in the way, and shows no secret', () => {
    expect(status).toBe(1)
    expect(lines.at(-2)).toMatch(/^✖ \d+ things stand in the way\.$/)
    expect(lines.join('\n')).not.toContain(TOKEN.secret)
  })

  test('a certificate that is not the expected one is a finding, not an end', async () => {
    const { folder } = place
    writeFileSync(
      join(folder, 'wrong.yaml'),
      yamlDocument({
        state: '.slipway',
        proxy: world.lan.socksUrl,
        connections: {
          lab: {
            kind: 'proxmox',
            url: world.proxmox.url,
            tokenFile: 'proxmox-token',
            tls: { check: 'fingerprint', sha256: Array.from({ length: 32 }, () => 'AA').join(':') },
          },
        },
      }),
      { mode: 0o600 },
    )
    const { json, status: wrong } = await slipway(folder, ['doctor', '--config', 'wrong.yaml', '--json'])
    const findings = json[0]!['findings'] as readonly {
      readonly about: string
      readonly state: string
      readonly what: string
    }[]
    expect(findings.find(({ about: name }) => name === 'proxmox')).toMatchObject({
      state: 'problem',
      what: expect.stringContaining('is not the one expected'),
    })
    expect(findings.some(({ about: name }) => name === 'host open')).toBe(true)
    expect(wrong).toBe(1)
  })
})
