import { createHash } from 'node:crypto'
import type { SimClock } from '../clock.ts'
import type { FaultPlan } from '../faults.ts'
import type { KubeCluster, KubeWorld } from '../kube/cluster.ts'
import type { SimLan } from '../lan/lan.ts'
import type { CloudInit, GuestInterface } from '../machine.ts'
import type { Random } from '../random.ts'
import { hex } from '../random.ts'
import { Disk } from './disk.ts'
import type { HostFault } from './fault.ts'
import { bootFiles, firstFiles } from './host-files.ts'
import { KernelSettings } from './kernel-settings.ts'
import type { Os } from './os.ts'
import type { Installed } from './package.ts'
import { basePackages } from './package-catalogue.ts'
import type { Login } from './login.ts'
import type { Answer, Start } from './program.ts'
import { runScript } from './shell.ts'
import type { Unit } from './unit.ts'
import { unit, unitName } from './unit.ts'

/** What all hosts of one simulated network share. */
export interface HostWorld {
  readonly lan: SimLan
  readonly kube: KubeWorld
  readonly clock: SimClock
  readonly random: Random
  readonly faults: FaultPlan<HostFault>
  /** Fetches what a host asks of the network with curl or apt. */
  fetch(url: string): Promise<{ readonly status: number; readonly body: Uint8Array } | undefined>
  /** Another host of the network that is up, by its address. */
  hostAt(address: string): SimHost | undefined
}

export interface HostSpec {
  readonly id: string
  readonly generation: string
  readonly name: string
  readonly os: Os
  readonly cores: number
  readonly memoryMiB: number
  readonly diskGiB: number
  readonly mac: string
  readonly address: string
  readonly prefix: number
  readonly gateway: string
  /** User who may log in with the keys and use sudo; `root` is possible on a bare host. */
  readonly user: string
  readonly sshKeys: readonly string[]
  readonly nameservers: readonly string[]
  readonly searchDomain?: string
  /** Absent on a bare host, which has no cloud-init. */
  readonly cloudInit?: CloudInit
  /** Swap in MiB that /etc/fstab names. */
  readonly swapMiB?: number
  readonly ids?: { readonly machineId?: string; readonly productUuid?: string }
}

export interface AptLock {
  readonly pid: number
  readonly program: string
  untilMs: number
}

/** What `kubeadm` has made of a host. */
export interface KubeNode {
  readonly cluster: KubeCluster
  readonly nodeName: string
  readonly controlPlane: boolean
  kubeletVersion: string
  certificatesSince: number
}

/** One line of the record of what changed a host, e.g. `apt-get install containerd.io`. */
export interface Mutation {
  readonly what: string
  readonly atMs: number
}

/** The record of a host keeps this many changes; a story makes some hundred. */
const MAX_MUTATIONS = 10_000

/** A Debian or Ubuntu machine: disk, packages, units and kernel, without any real process. */
export class SimHost {
  readonly spec: HostSpec
  readonly world: HostWorld
  readonly disk: Disk
  readonly packages = new Map<string, Installed>()
  /** Package lists that the last `apt-get update` left, by repository address. */
  readonly lists = new Set<string>()
  readonly units = new Map<string, Unit>()
  readonly modules = new Set<string>()
  readonly images = new Set<string>()
  readonly kernel: KernelSettings
  readonly mutations: Mutation[] = []
  /** Ports taken by something outside the model, e.g. put there by a test. */
  readonly foreignPorts = new Set<number>()
  hostname: string
  swapOn = false
  bootId = ''
  bootedAt = 0
  cloudInitDone: boolean
  node: KubeNode | undefined
  aptLock: AptLock | undefined
  /** Half-configured packages after a power loss; dpkg asks for `--configure -a`. */
  dpkgInterrupted = false
  clockSynchronized = true
  timezone = 'Etc/UTC'
  firewall = { active: false, rules: [] as string[], forwardAccept: false }
  links = new Set<string>()
  /** Asks the power switch for a reboot or an end; set by the machine room. */
  power: { reboot(): void; off(): void } = { reboot: () => undefined, off: () => undefined }
  #pid = 300
  #powerLost = new AbortController()

  constructor(spec: HostSpec, world: HostWorld) {
    this.spec = spec
    this.world = world
    this.hostname = spec.name
    this.cloudInitDone = spec.cloudInit === undefined
    this.disk = new Disk(() => world.clock.now(), spec.diskGiB * 2 ** 30 * 0.9)
    this.kernel = new KernelSettings()
    for (const [name, version] of basePackages(spec.os))
      this.packages.set(name, { name, version, held: false, auto: true })
    for (const made of baseUnits(spec)) this.units.set(made.name, made)
    firstFiles(this)
  }

  get clock(): SimClock {
    return this.world.clock
  }

  /** Aborted when the power goes away: everything that runs ends with it. */
  get powerSignal(): AbortSignal {
    return this.#powerLost.signal
  }

  nextPid(): number {
    this.#pid += 1
    return this.#pid
  }

  /** The kernel has started: /proc and /run are new, enabled units run. */
  booted(): void {
    const { random } = this.world
    this.bootId = [8, 4, 4, 4, 12].map((length) => hex(random, length)).join('-')
    this.bootedAt = this.clock.now()
    this.#powerLost = new AbortController()
    this.modules.clear()
    this.links.clear()
    this.aptLock = undefined
    this.kernel.reset()
    bootFiles(this)
    for (const name of this.configuredModules()) this.loadModule(name)
    this.applySysctlFiles()
    this.swapOn = this.#fstabSwap()
    for (const at of this.units.values()) {
      at.active = false
      at.failed = false
      at.restarts = 0
      if (at.enabled && !at.masked) this.startUnit(at)
    }
  }

  stopped(): void {
    this.#powerLost.abort()
    for (const at of this.units.values()) if (at.active) this.stopUnit(at)
  }

  #fstabSwap(): boolean {
    const fstab = this.disk.text('/etc/fstab') ?? ''
    return fstab.split('\n').some((line) => /^[^#\s]\S*\s+\S+\s+swap\b/.test(line)) && !this.masked('swap.img.swap')
  }

  masked(name: string): boolean {
    return this.units.get(name)?.masked === true
  }

  configuredModules(): string[] {
    return this.disk
      .names('/etc/modules-load.d')
      .filter((name) => name.endsWith('.conf'))
      .flatMap((name) => (this.disk.text(`/etc/modules-load.d/${name}`) ?? '').split('\n'))
      .map((line) => line.replace(/[#;].*/, '').trim())
      .filter((line) => line !== '')
  }

  /** False when the kernel has no such module. */
  loadModule(name: string): boolean {
    const known = KERNEL_MODULES.has(name.replaceAll('-', '_'))
    if (known && !this.modules.has(name.replaceAll('-', '_'))) {
      this.modules.add(name.replaceAll('-', '_'))
      this.kernel.moduleLoaded(this.disk, name.replaceAll('-', '_'))
    }
    return known
  }

  /** Applies every sysctl file as `sysctl --system` does; gives the lines it prints. */
  applySysctlFiles(): { readonly stdout: string; readonly stderr: string } {
    let heads = ''
    let stdout = ''
    let stderr = ''
    const files = ['/usr/lib/sysctl.d', '/etc/sysctl.d']
      .flatMap((dir) => this.disk.names(dir).map((name) => ({ name, path: `${dir}/${name}` })))
      .filter(({ name }) => name.endsWith('.conf'))
      .toSorted((a, b) => (a.name < b.name ? -1 : 1))
    const paths = [...files.map(({ path }) => path), '/etc/sysctl.conf']
    for (const path of paths) {
      const text = this.disk.text(path)
      if (text === undefined) continue
      heads += `* Applying ${path} ...\n`
      const applied = this.applySysctls(text)
      stdout += applied.stdout
      stderr += applied.stderr
    }
    return { stdout: heads + stdout, stderr }
  }

  applySysctls(text: string): { readonly stdout: string; readonly stderr: string } {
    let stdout = ''
    let stderr = ''
    for (const line of text.split('\n')) {
      const set = /^\s*-?\s*([^#;=\s]+)\s*=\s*(.*?)\s*$/.exec(line)
      if (set === null) continue
      const key = set[1]!.replaceAll('/', '.')
      if (this.kernel.set(this.disk, key, set[2]!)) stdout += `${key} = ${set[2]}\n`
      else stderr += `sysctl: cannot stat /proc/sys/${key.replaceAll('.', '/')}: No such file or directory\n`
    }
    return { stdout, stderr }
  }

  unit(word: string): Unit | undefined {
    return this.units.get(unitName(word))
  }

  addUnit(name: string, enabled: boolean, exec?: string): Unit {
    const there = this.units.get(name)
    if (there !== undefined) return there
    const made = unit(name, { enabled, ...(exec === undefined ? {} : { exec }) })
    this.units.set(name, made)
    return made
  }

  startUnit(at: Unit): void {
    at.failed = false
    at.active = true
    at.activeSince = this.clock.now()
    at.mainPid = at.oneShot ? 0 : this.nextPid()
    if (at.name === 'containerd.service' || at.name === 'crio.service') this.#runtimeStarted(at)
    if (at.name === 'kubelet.service') this.#kubeletStarted(at)
    if (at.name === 'systemd-modules-load.service') for (const name of this.configuredModules()) this.loadModule(name)
    if (at.name === 'systemd-sysctl.service') this.applySysctlFiles()
  }

  stopUnit(at: Unit): void {
    at.active = false
    at.failed = false
    at.mainPid = 0
    if (at.name === 'containerd.service') this.disk.remove('/run/containerd/containerd.sock')
    if (at.name === 'crio.service') this.disk.remove('/run/crio/crio.sock')
    if (at.name === 'kubelet.service' && this.node !== undefined)
      this.node.cluster.kubelet(this.node.nodeName, 'stopped')
  }

  #runtimeStarted(at: Unit): void {
    const config = this.disk.text('/etc/containerd/config.toml') ?? ''
    if (at.name === 'containerd.service' && /^\s*version\s*=\s*1\b/m.test(config)) {
      at.active = false
      at.failed = true
      return
    }
    this.disk.put(at.name === 'crio.service' ? '/run/crio/crio.sock' : '/run/containerd/containerd.sock', '', 0o660)
  }

  /** The kubelet ends at once without its configuration or with swap on, and systemd starts it again and again. */
  #kubeletStarted(at: Unit): void {
    if (!this.kubeletHealthy()) {
      at.restarts += 1
      at.mainPid = 0
      return
    }
    if (this.node === undefined) return
    const installed = this.packages.get('kubelet')?.version.split('-')[0]
    if (installed !== undefined && this.node.kubeletVersion !== `v${installed}`) {
      this.node.kubeletVersion = `v${installed}`
      this.node.cluster.kubeletVersion(this.node.nodeName, this.node.kubeletVersion)
    }
    this.node.cluster.kubelet(this.node.nodeName, 'running')
  }

  kubeletHealthy(): boolean {
    const at = this.units.get('kubelet.service')
    return (
      at?.active === true &&
      this.disk.find('/var/lib/kubelet/config.yaml') !== undefined &&
      this.disk.find('/etc/kubernetes/kubelet.conf') !== undefined &&
      !this.swapOn &&
      this.runtimeSocket() !== undefined
    )
  }

  /** Sockets of the container runtimes that run, as kubeadm looks for them. */
  runtimeSockets(): string[] {
    const found: string[] = []
    if (this.unit('containerd')?.active === true) found.push('unix:///var/run/containerd/containerd.sock')
    if (this.unit('crio')?.active === true) found.push('unix:///var/run/crio/crio.sock')
    return found
  }

  runtimeSocket(): string | undefined {
    return this.runtimeSockets()[0]
  }

  /** Ports with a listener, lowest first. */
  ports(): number[] {
    const found = new Set(this.foreignPorts)
    if (this.unit('ssh')?.active === true) found.add(22)
    if (this.kubeletHealthy()) {
      found.add(10250)
      if (this.node !== undefined) found.add(10256)
      const ports: Record<string, number[]> = {
        'kube-apiserver': [6443],
        'kube-controller-manager': [10257],
        'kube-scheduler': [10259],
        etcd: [2379, 2380],
      }
      for (const [pod, taken] of Object.entries(ports))
        if (this.node?.controlPlane === true && this.disk.find(`/etc/kubernetes/manifests/${pod}.yaml`) !== undefined)
          for (const port of taken) found.add(port)
    }
    return [...found].toSorted((a, b) => a - b)
  }

  mutated(what: string): void {
    if (this.mutations.length < MAX_MUTATIONS) this.mutations.push({ what, atMs: this.clock.now() })
  }

  login(name: string): Login | undefined {
    const line = (this.disk.text('/etc/passwd') ?? '').split('\n').find((entry) => entry.startsWith(`${name}:`))
    if (line === undefined) return undefined
    const fields = line.split(':')
    return { name, uid: Number(fields[2]), gid: Number(fields[3]), home: fields[5] ?? '/' }
  }

  get root(): Login {
    return { name: 'root', uid: 0, gid: 0, home: '/root' }
  }

  run(start: Start): Promise<Answer> {
    return runScript(this, { login: this.root, ...start })
  }

  interfaces(): GuestInterface[] {
    const { address, prefix, mac } = this.spec
    return [
      { name: 'lo', mac: '00:00:00:00:00:00', addresses: [{ address: '127.0.0.1', prefix: 8, family: 'ipv4' }] },
      { name: 'eth0', mac, addresses: [{ address, prefix, family: 'ipv4' }] },
    ]
  }

  machineUuid(): string {
    const digest = createHash('sha256').update(`${this.spec.id}/${this.spec.generation}`).digest('hex')
    return `${digest.slice(0, 8)}-${digest.slice(8, 12)}-4${digest.slice(13, 16)}-a${digest.slice(17, 20)}-${digest.slice(20, 32)}`
  }
}

/** Modules of the cloud kernels that the product may ask for. */
const KERNEL_MODULES: ReadonlySet<string> = new Set([
  'overlay',
  'br_netfilter',
  'nf_conntrack',
  'ip_vs',
  'ip_vs_rr',
  'ip_vs_wrr',
  'ip_vs_sh',
  'ip_tables',
  'iptable_nat',
  'ip6_tables',
  'nf_tables',
  'vxlan',
  'wireguard',
  'rbd',
  'nbd',
  'dm_crypt',
  'iscsi_tcp',
  'nfs',
  'xt_socket',
  'sch_fq',
])

function baseUnits(spec: HostSpec): Unit[] {
  const oneShots = ['systemd-modules-load', 'systemd-sysctl', 'systemd-remount-fs']
  return [
    unit('ssh.service', { exec: '/usr/sbin/sshd -D' }),
    unit('cron.service', { exec: '/usr/sbin/cron -f' }),
    unit('dbus.service', { exec: '/usr/bin/dbus-daemon --system' }),
    unit('systemd-journald.service', { exec: '/lib/systemd/systemd-journald' }),
    unit('systemd-logind.service', { exec: '/lib/systemd/systemd-logind' }),
    unit('systemd-networkd.service', { exec: '/lib/systemd/systemd-networkd' }),
    unit('systemd-resolved.service', { exec: '/lib/systemd/systemd-resolved' }),
    unit('systemd-timesyncd.service', { exec: '/lib/systemd/systemd-timesyncd' }),
    ...oneShots.map((name) => unit(`${name}.service`, { oneShot: true })),
    unit('multi-user.target', { oneShot: true }),
    unit('apt-daily.timer', { oneShot: true }),
    unit('apt-daily-upgrade.timer', { oneShot: true }),
    unit('apt-daily.service', { enabled: false, oneShot: true }),
    unit('apt-daily-upgrade.service', { enabled: false, oneShot: true }),
    unit('unattended-upgrades.service', { enabled: spec.os.id === 'ubuntu' }),
    unit('qemu-guest-agent.service', { enabled: spec.cloudInit !== undefined, exec: '/usr/sbin/qemu-ga' }),
    ...(spec.cloudInit === undefined ? [] : [unit('cloud-final.service', { oneShot: true })]),
    ...(spec.os.id === 'ubuntu'
      ? [unit('ufw.service', { oneShot: true }), unit('multipathd.service'), unit('snapd.service')]
      : []),
  ]
}
