import { existsSync, readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { scaledClock } from '../../../sim/clock.ts'
import type { SimLan } from '../../../sim/lan/lan.ts'
import { simLan } from '../../../sim/lan/lan.ts'
import type { SimHosts } from '../../../sim/ssh/hosts.ts'
import { simHosts } from '../../../sim/ssh/hosts.ts'
import { fakeKube, PREPARE } from './fake-kube.ts'

const RECORDINGS = '../shared/vectors/hosts'
const present = existsSync(RECORDINGS)
if (!present && process.env['CI'] !== undefined) throw new Error(`${RECORDINGS} must be there in CI`)
if (!present) console.warn(`skipped: no recordings of real hosts in ${RECORDINGS}`)

interface Recording {
  readonly name: string
  readonly command: string
  readonly exit: number
  readonly stdout: string
  readonly stderr: string
}

const recordings = (file: string): readonly Recording[] =>
  present
    ? readFileSync(`${RECORDINGS}/${file}.jsonl`, 'utf8')
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => JSON.parse(line) as Recording)
    : []

/** Recordings that do not apply, by the start of their name or command, and why. kubectl.jsonl is tested with sim/kube. */
const EXCLUDED: readonly (readonly [start: string, reason: string])[] = [
  ['lock held', 'the lock is taken by a Python program; see "apt waits for a lock" in hosts.test.ts'],
  ['port in use', 'the port is taken by a Python program; see the kubeadm test'],
  ['disk full', 'a mounted file system; the disk of the model is one'],
  ['no-such-command; ', 'recorded as the last word of a pipeline of the recorder'],
  ['conntrack missing', 'moves a program that the package manager of the model owns'],
  ['interrupted dpkg', 'writes into dpkg’s own journal; the model keeps a flag, see the power loss test'],
  ['time', 'the recorded container never synchronises its clock and has no timesyncd'],
  ['kubectl ', 'kubectl belongs to sim/kube'],
  ['drain joined node', 'kubectl belongs to sim/kube'],
  ['delete joined node', 'kubectl belongs to sim/kube'],
  ['kubeadm config print', 'defaults are not printed by the model'],
  ['kubeadm upgrade plan', 'recorded without any output'],
  ['kubeadm token list', 'the seam to sim/kube does not list tokens'],
  ['join again on a worker', 'recorded on the worker k2; the same is tested as "join twice"'],
  ['left after reset', 'CNI files and links come from Flannel, which runs in sim/kube'],
  ['reset without force', 'recorded before the second half of the file put the node back'],
  ['ctr -n k8s.io images', 'images of an older version were loaded into the lab’s node'],
  ['nft list tables', 'nft came with the lab’s image; here it is a package'],
  ['missing key', 'the recorder’s proxy answered 403 instead of the repository'],
]
const excluded = ({ name, command }: Recording): boolean =>
  EXCLUDED.some(([start]) => name.startsWith(start) || command.startsWith(start))

/** Lines on which a caller acts; the rest names sizes, times and other packages of the day. */
const TELLING =
  /^(E: |\t\[ERROR |error: |Error: |modprobe: |sysctl: |Failed |bash: line|cat: |dpkg-query: no|active|inactive|enabled|running|status: (done|running)|uid=|sudo-ok|The following (held|NEW|packages will be REMOVED)|\d+ upgraded|rc=|\d+$|This node has joined|\[reset\] (Stopping|Deleting)|\[upload-certs\] Stor|certificate .* renewed|registry\.k8s\.io\/kube|ok$|Kubernetes v|[\w.-]+ was (already|set)|.* set on hold|[\w.]+ = |ctr github|amd64|Filename|.*already the newest)/

const normal = (line: string): string =>
  line
    .replaceAll(/\d+\.\d+\.\d+\.\d+/g, 'ADDRESS')
    .replaceAll(/directory \/lib\/modules\/\S+/g, 'directory /lib/modules/KERNEL')
    .replaceAll(/gid=\d+/g, 'gid=N')
    .replaceAll(/groups=.*/g, 'groups=…')
    .trimEnd()

const telling = (text: string): string[] =>
  text
    .split('\n')
    .filter((line) => TELLING.test(line))
    .map(normal)
    .toSorted()

describe.skipIf(!present)('a simulated host answers as recorded', () => {
  let lan: SimLan
  let hosts: SimHosts
  const answer = async (host: string, { command, exit }: Recording) => {
    const model = hosts.host(host)
    const login = host === 'fresh' ? model.login('admin')! : model.root
    // The recorder gave up on what hangs; `timeout` ends it here in the same way.
    if (exit === 124) return model.run({ login, script: `timeout 60 ${command}` })
    return model.run({ login, script: command })
  }

  beforeAll(async () => {
    lan = await simLan()
    hosts = await simHosts({ lan, kube: fakeKube(), clock: scaledClock(2_000) })
    await hosts.addBareHost({ name: 'fresh', address: '10.79.0.5', sshKeys: [] })
    await hosts.addBareHost({ name: 'k1', address: '10.78.0.1', user: 'root', sshKeys: [], cores: 2 })
    await hosts.addBareHost({ name: 'k9', address: '10.78.0.9', user: 'root', sshKeys: [] })
    hosts.host('fresh').images.clear()
    for (const name of ['k1', 'k9']) {
      const prepared = await hosts.runAsRoot(name, 'bash -s', PREPARE)
      if (prepared.exit !== 0) throw new Error(prepared.stderr)
    }
    const init = await hosts.runAsRoot(
      'k1',
      'kubeadm init --kubernetes-version v1.36.3 --control-plane-endpoint 10.78.0.254:6443 --token sbcl54.wiwhbg1q3iq42lfu',
    )
    if (init.exit !== 0) throw new Error(init.stderr)
  })
  afterAll(async () => {
    await hosts.close()
    await lan.close()
  })

  const check = (file: string, host: string): void => {
    for (const recording of recordings(file).filter((each) => !excluded(each)))
      test(`${file}: ${recording.name}: ${recording.command.slice(0, 60)}`, async () => {
        const got = await answer(host, recording)
        const said = `${got.stdout}\n${got.stderr}`
        expect(telling(said)).toEqual(telling(`${recording.stdout}\n${recording.stderr}`))
        const killed = recording.exit === 255
        expect(got).toMatchObject({ exit: killed ? 137 : recording.exit })
      })
  }
  describe('apt', () => {
    check('apt', 'fresh')
  })
  describe('machine', () => {
    check('machine', 'k1')
  })
  describe('kubeadm', () => {
    check('kubeadm', 'k1')
  })
  describe('etcd', () => {
    check('etcd', 'k1')
  })
  describe('refusals', () => {
    check('refusals', 'k9')
  })

  test('most recordings are compared', () => {
    const all = ['apt', 'machine', 'kubeadm', 'etcd', 'refusals'].flatMap(recordings)
    expect(all.filter((each) => !excluded(each)).length).toBeGreaterThan(all.length * 0.7)
  })
})
