import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
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
import { gatherFacts } from '../../runner/facts/gather.ts'
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
      [containerd('1.7.29', 'debian'), containerd('2.2.5', 'script'), containerd('2.2.6', 'script')],
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
      const { lan, step, spec, sh } = await place.ofName('n-1', 1)
      const fresh = await sh(STATE)
      expect(await prepareHost.check(step, lan, context())).toBe('needed')
      expect(await sh(STATE)).toBe(fresh)
      expect((await gatherFacts(spec, lan)).machines).toEqual({
        'n-1': {
          host: {
            reachable: true,
            hostKey: step.target.hostKey.from === 'spec' ? step.target.hostKey.key : '',
            os: OS,
            kubeadm: 'none',
          },
        },
      })

      await prepareHost.apply(step, lan, context())
      expect(await prepareHost.check(step, lan, context())).toBe('done')
      const prepared = await sh(STATE)
      expect(prepared).not.toBe(fresh)
      await prepareHost.apply(step, lan, context())
      expect(await sh(STATE)).toBe(prepared)
      expect((await gatherFacts(spec, lan)).machines['n-1']?.host).toMatchObject({
        os: OS,
        recipeDigest: step.recipeDigest,
        kubeadm: 'none',
        kubeletVersion: 'v1.36.4',
      })
    })

    test('the machine is what the recipe says, in the words of its own programs', async () => {
      const { sh, step } = await place.ofName('n-1', 1)
      expect(await sh('hostname; hostnamectl --static')).toBe('n-1\nn-1')
      expect((await sh('apt-mark showhold')).split('\n').sort()).toEqual([
        'containerd.io',
        'kubeadm',
        'kubectl',
        'kubelet',
      ])
      expect(await sh("dpkg-query -W -f '${Version}\\n' kubeadm containerd.io")).toBe(
        '2.2.5-1~debian.12~bookworm\n1.36.4-1.1',
      )
      expect(
        await sh('systemctl is-enabled apt-daily.timer unattended-upgrades.service kubelet containerd chrony || true'),
      ).toBe('masked\nmasked\nenabled\nenabled\nenabled')
      expect(await sh('systemctl is-active containerd chrony')).toBe('active\nactive')
      for (const [key, value] of Object.entries(step.recipe.sysctls)) expect(await sh(`sysctl -n ${key}`)).toBe(value)
      for (const { path, content, mode } of step.recipe.files)
        expect(await sh(`stat -c %a ${path}; cat ${path}`)).toBe(`${mode.replace(/^0/, '')}\n${content.trim()}`)
      expect(await sh('apt-get check')).toContain('Reading package lists')
      expect(place.server.asked).toContain('/pkgs.k8s.io/core:/stable:/v1.36/deb/Release.key')
    })

    test('the firewall lets in what it names, drops the rest, and leaves rules of others', async () => {
      const { sh, machine } = await place.ofName('n-1', 1)
      await sh(
        'nft add table ip other; systemd-run -q --unit=lab-open python3 -m http.server 30080; systemd-run -q --unit=lab-shut python3 -m http.server 8080',
      )
      await expect.poll(() => reaches(machine.address, 30080), { timeout: 20_000 }).toBe(true)
      expect(
        await sh('curl -s -o /dev/null -w %{http_code} --retry 5 --retry-connrefused http://127.0.0.1:8080/'),
      ).toBe('200')
      expect(await reaches(machine.address, 8080)).toBe(false)
      expect(await sh('systemctl restart slipway-firewall; nft list tables')).toBe('table ip other\ntable inet slipway')
      await sh('systemctl stop lab-open lab-shut')
    })

    test('what drifted is seen, and put right in one pass', async () => {
      const { lan, step, sh } = await place.ofName('n-1', 1)
      const prepared = await sh(SETTLED)
      const drifts = [
        'hostnamectl set-hostname other',
        'systemctl unmask apt-daily.timer',
        'sysctl -qw net.ipv4.ip_forward=0',
        'echo "net.ipv4.ip_forward = 0" > /etc/sysctl.d/90-slipway.conf',
        'rm /etc/modules-load.d/slipway.conf',
        'chmod 600 /etc/containerd/config.toml',
        'echo "# by hand" >> /etc/containerd/config.toml',
        'apt-mark unhold kubelet',
        'apt-get -q -y purge socat',
        'rm /etc/apt/sources.list.d/slipway-docker.list',
        'rm /etc/apt/keyrings/slipway-kubernetes.gpg',
        'nft delete table inet slipway',
        'systemctl stop chrony',
        'systemctl disable containerd',
        'echo "/dev/none none swap sw 0 0" >> /etc/fstab',
      ]
      expect(await prepareHost.check(step, lan, context())).toBe('done')
      for (const drift of drifts) {
        await sh(`${drift} >/dev/null 2>&1`)
        expect([drift, await prepareHost.check(step, lan, context())]).toEqual([drift, 'needed'])
      }
      await prepareHost.apply(step, lan, context())
      expect(await prepareHost.check(step, lan, context())).toBe('done')
      expect(await sh(SETTLED)).toBe(prepared)
    })

    test('a newer containerd replaces a held one whose configuration was changed', async () => {
      const { lan, step, sh } = await place.ofName('n-1', 1)
      const packages = step.recipe.packages.map((one) =>
        one.name === 'containerd.io' ? { ...one, version: '2.2.6-*' } : one,
      )
      const newer = { ...step, recipe: { ...step.recipe, packages }, recipeDigest: 'f'.repeat(64) }
      await prepareHost.apply(newer, lan, context())
      expect(await prepareHost.check(newer, lan, context())).toBe('done')
      expect(
        await sh(
          'containerd --version; apt-mark showhold | grep containerd; grep -c SystemdCgroup /etc/containerd/config.toml',
        ),
      ).toBe('containerd v2.2.6 (stand-in)\ncontainerd.io\n1')
      const none = packages.map((one) => (one.name === 'kubelet' ? { ...one, version: '1.36.99-*' } : one))
      await expect(
        prepareHost.apply({ ...newer, recipe: { ...step.recipe, packages: none } }, lan, context()),
      ).rejects.toMatchObject({ code: 'host.no-version' })
    })

    test('an older run, another cluster and kubeadm by hand are refused before anything changes', async () => {
      const { step, sh } = await place.ofName('n-1', 1)
      const { lan: newer } = await place.ofName('n-1', 5)
      const { lan: older } = await place.ofName('n-1', 4)
      await sh('systemctl unmask apt-daily.timer')
      const before = await sh(SETTLED)
      await sh('echo 5 > /var/lib/slipway/fence')
      await expect(prepareHost.apply(step, older, context())).rejects.toMatchObject({ code: 'host.fenced' })
      await sh('echo slipway:cluster=other > /var/lib/slipway/cluster')
      await expect(prepareHost.apply(step, newer, context())).rejects.toMatchObject({ code: 'host.another-cluster' })
      await sh('rm /var/lib/slipway/cluster; mkdir -p /etc/kubernetes; echo x > /etc/kubernetes/kubelet.conf')
      await expect(prepareHost.apply(step, newer, context())).rejects.toMatchObject({ code: 'host.another-cluster' })
      await expect(prepareHost.check(step, newer, context())).rejects.toMatchObject({ code: 'host.another-cluster' })
      await sh('rm -r /etc/kubernetes; echo 1 > /var/lib/slipway/fence')
      expect(await sh(SETTLED)).toBe(before)
    })
  },
)

const OS = { id: 'debian', version: '12', arch: process.arch === 'arm64' ? 'arm64' : 'amd64' }
/** Everything that a pass could change: files, packages, holds, units and when they were started, settings, rules. */
const SETTLED = `
find /etc /usr/local /var/lib/slipway /var/lib/dpkg/info -type f -not -path '*/ssl/*' -not -path /etc/fstab -not -name '*.dpkg-old' -exec sha256sum {} + -exec stat -c '%a %n' {} +
dpkg-query -W -f '\${Package} \${Version} \${db:Status-Status}\\n'; apt-mark showhold; hostname
systemctl list-unit-files --no-legend; sysctl -n net.ipv4.ip_forward vm.overcommit_memory; nft list ruleset`
const STATE = `${SETTLED}
find /etc /var/lib/slipway /var/lib/apt /var/lib/dpkg -printf '%p %T@\\n'
for unit in containerd chrony slipway-firewall; do systemctl show -P InvocationID $unit; done`

function reaches(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, timeout: 1_500 })
    const done = (answer: boolean): void => {
      socket.destroy()
      resolve(answer)
    }
    socket.once('connect', () => done(true))
    socket.once('error', () => done(false))
    socket.once('timeout', () => done(false))
  })
}
