import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { newSigningKey, writeRepository } from '../../lab/apt-repository.ts'
import { openMachine, type Machine } from '../../lab/machine.ts'
import { openNetwork } from '../../lab/network.ts'
import { openPackageServer } from '../../lab/package-server.ts'
import { missingForLab } from '../../lab/requirements.ts'
import { debianMirror, rootFilesystem } from '../../lab/root-filesystem.ts'
import { containerd, kubernetes, STAND_INS } from '../../lab/stand-ins.ts'
import { awaitHost } from '../../runner/actions/host/await-host.ts'
import { prepareHost } from '../../runner/actions/host/prepare-host.ts'
import { readRunnerConfig } from '../../runner/config.ts'
import type { ActionContext } from '../../runner/engine/action.ts'
import { fileKeystore } from '../../runner/keystore.ts'
import { fileLanKeys } from '../../runner/lan/file-keys.ts'
import type { Lan } from '../../runner/lan/lan.ts'
import { openLan } from '../../runner/lan/open-lan.ts'
import { systemClock } from '../../runner/system-clock.ts'
import { blueprint } from '../../src/blueprint/blueprint.ts'
import { digest } from '../../src/core/canonical.ts'
import { ownerMark } from '../../src/core/owner-mark.ts'
import type { ClusterSpec } from '../../src/core/spec/cluster-spec.ts'
import { parseClusterSpec } from '../../src/core/spec/parse.ts'
import type { Step } from '../../src/core/step.ts'

/** Kept from run to run: a root file system and Debian's packages. */
const KEPT = '/var/tmp/debian-lab'
const WITHIN = { timeoutMs: 60_000 }
const REPOSITORY = {
  sshUrl: 'ssh://git@git.example/jane/homelab.git',
  branch: 'main',
  knownHosts: ['git.example ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHalvLsOM8VYTNhEtfZLFoCg19AkdOiAURTTC9DR7VVh'],
}
const missing = missingForLab()

/** What differs between the two: one takes the newest of everything, the other Debian's real containerd. */
const SETUPS = {
  'n-1': { kubernetes: '1.36.4', runtime: '{ kind: containerd, version: 2.2.5 }', firewall: 'managed' },
  'n-2': { kubernetes: '1.35.7', runtime: '{ kind: containerd, version: 1.7.29 }', firewall: 'none' },
} as const
type Name = keyof typeof SETUPS

function specOf(name: Name, machine: Machine, packages: string, network = ''): ClusterSpec {
  const { kubernetes: version, runtime, firewall } = SETUPS[name]
  const text = `apiVersion: slipway.dev/v1alpha1
kind: Cluster
metadata: { name: ${name} }
spec:
  kubernetes: { distribution: kubeadm, version: ${version}, runtime: ${runtime}, firewall: ${firewall} }
  network: { pods: 10.244.0.0/16, services: 10.96.0.0/12, cni: { kind: flannel${network} } }
  machines:
    - { name: ${name}, role: control-plane, host: ${machine.address}, user: ${machine.user}, hostKey: ${machine.hostKey} }
  gitops: { engine: flux }
  mirrors:
    packages: { 'https://pkgs.k8s.io': '${packages}/pkgs.k8s.io', 'https://download.docker.com': '${packages}/download.docker.com' }
    containerImages: { docker.io: 'http://registry.site.example:5000' }
`
  const { spec, problems } = parseClusterSpec(text, `clusters/${name}/cluster.yaml`, { repository: REPOSITORY })
  if (spec === undefined) throw new Error(problems.map(({ what, line }) => `${line}: ${what}`).join('\n'))
  return spec
}

function preparation(spec: ClusterSpec, recipe = blueprint(spec).recipes[spec.name]): Step<'prepare-host'> {
  const machine = spec.machines[0]
  if (recipe === undefined || machine?.kind !== 'host') throw new Error('nothing is to be prepared')
  const { name, address, port, user, hostKey } = machine
  return {
    kind: 'prepare-host',
    target: { machine: name, address, port, user, hostKey: { from: 'spec', key: hostKey } },
    mark: ownerMark(spec, name),
    recipe,
    recipeDigest: digest(recipe),
  }
}

const context = (): ActionContext => ({
  progress: () => undefined,
  signal: new AbortController().signal,
  deadline: Date.now() + 180_000,
})

/** An air-gapped site: two machines that reach Debian's packages and a mirror with the others, and nothing else. */
async function site() {
  const parts = new AsyncDisposableStack()
  try {
    const folder = parts.adopt(mkdtempSync(join(tmpdir(), 'slipway-debian-')), (path) =>
      rmSync(path, { recursive: true, force: true }),
    )
    const root = await rootFilesystem(KEPT)
    const network = parts.use(await openNetwork())
    const mirror = join(folder, 'site')
    const server = parts.use(await openPackageServer(network.gateway, debianMirror(), join(KEPT, 'packages'), mirror))
    const key = parts.use(await newSigningKey())
    for (const { kubernetes: version } of Object.values(SETUPS)) {
      const minor = version.split('.').slice(0, 2).join('.')
      await writeRepository(
        join(mirror, `pkgs.k8s.io/core:/stable:/v${minor}/deb`),
        undefined,
        kubernetes(version),
        key,
      )
    }
    await writeRepository(
      join(mirror, 'download.docker.com/linux/debian'),
      { codename: 'bookworm', component: 'stable' },
      [containerd('1.7.29', 'debian'), containerd('2.2.5', 'script')],
      key,
    )
    writeFileSync(join(folder, 'runner.yaml'), 'connections: {}\n', { mode: 0o600 })
    const config = readRunnerConfig(join(folder, 'runner.yaml'))
    const keystore = fileKeystore(join(folder, 'state'))
    const { publicKey } = await fileLanKeys(keystore, 'local', 'any', systemClock).site()
    const machines = new Map<Name, Machine>()
    for (const [index, name] of (['n-1', 'n-2'] as const).entries()) {
      const own = join(KEPT, `${process.pid}-${name}`)
      mkdirSync(own, { recursive: true })
      const machine = parts.use(
        await openMachine({
          name,
          number: 11 + index,
          network,
          root,
          folder: own,
          authorizedKeys: [publicKey],
          debian: `${server.url}/debian`,
        }),
      )
      machines.set(name, machine)
    }
    const ofName = async (name: Name, fence: number, settings = '') => {
      const machine = machines.get(name)!
      const spec = specOf(name, machine, `${server.url}/site`, settings)
      const lan: Lan = parts.use(
        await openLan(config, keystore, { repository: 'local', spec, fence, registerDeployKey: async () => undefined }),
      )
      const step = preparation(spec)
      const sh = async (script: string): Promise<string> => {
        const { exit, stdout, stderr } = await lan.remote.run(step.target, script, {}, WITHIN)
        if (exit !== 0) throw new Error(`${script}: ${exit} ${stderr}`)
        return stdout.trim()
      }
      return { machine, spec, lan, step, sh }
    }
    return { server, machines, ofName, [Symbol.asyncDispose]: () => parts.disposeAsync() }
  } catch (error) {
    await parts.disposeAsync()
    throw error
  }
}

describe.skipIf(missing !== undefined)(
  `preparation of real Debian${missing === undefined ? '' : ` (${missing})`}`,
  () => {
    let place: Awaited<ReturnType<typeof site>>
    beforeAll(async () => {
      console.log(
        `Real: Debian 12 with systemd, OpenSSH, cloud-init, apt, nftables, chrony. Stand-ins:\n  ${STAND_INS.join('\n  ')}`,
      )
      place = await site()
      await Promise.all([...place.machines.values()].map((machine) => machine.answers()))
    })
    afterAll(() => place?.[Symbol.asyncDispose]())

    test('await-host waits for cloud-init, and then finds nothing to do', async () => {
      for (const name of ['n-1', 'n-2'] as const) {
        const { lan, step, sh } = await place.ofName(name, 1)
        const wait: Step<'await-host'> = { kind: 'await-host', target: step.target }
        await awaitHost.apply(wait, lan, context())
        expect(await awaitHost.check(wait, lan, context())).toBe('done')
        expect(await sh('cloud-init status')).toContain('done')
      }
    })

    test('looking changes nothing; applied once, nothing is left to do; a second pass changes nothing', async () => {
      const { lan, step, sh } = await place.ofName('n-1', 1)
      expect(await prepareHost.check(step, lan, context())).toBe('needed')
      expect(await sh('ls -d /var/lib/slipway /etc/apt/keyrings/slipway-* 2>/dev/null || true')).toBe('')
      await prepareHost.apply(step, lan, context())
      expect(await prepareHost.check(step, lan, context())).toBe('done')
    })
  },
)
