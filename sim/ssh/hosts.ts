import ssh2 from 'ssh2'
import type { SimClock } from '../clock.ts'
import type { Faults } from '../faults.ts'
import { FaultPlan } from '../faults.ts'
import type { KubeWorld } from '../kube/cluster.ts'
import type { SimLan } from '../lan/lan.ts'
import type { GuestInterface, Machines, MachineSpec } from '../machine.ts'
import { hex, seeded } from '../random.ts'
import type { HostFault } from './fault.ts'
import type { HostSpec, HostWorld } from './host.ts'
import { SimHost } from './host.ts'
import { networkFetch } from './network-fetch.ts'
import type { OsName } from './os.ts'
import { osNamed, osOfImage } from './os.ts'
import type { Answer } from './program.ts'
import type { SshServer } from './server.ts'
import { sshServer } from './server.ts'

/** Power on to SSH: a small cloud image on a quiet hypervisor. */
const BOOT_MS = 12_000
const SLOW_BOOT_FACTOR = 10
/** After that, until `cloud-init status` says done. */
const CLOUD_INIT_MS = 6_000
const AGENT_AFTER_BOOT_MS = 2_000
const SHUTDOWN_MS = 3_000
/** The answer of `reboot` still leaves the machine. */
const REBOOT_DELAY_MS = 50
/** Now and then ssh2 makes a key that ssh2 cannot read. */
const HOST_KEY_ATTEMPTS = 10
/** Commands remembered for tests; more belongs into a longer test's own record. */
const MAX_COMMANDS = 20_000

export interface BareHost {
  readonly name: string
  readonly address: string
  readonly os?: OsName
  /** Who may log in; `root`, or a user with sudo. */
  readonly user?: string
  readonly sshKeys: readonly string[]
  readonly cores?: number
  readonly memoryMiB?: number
  readonly diskGiB?: number
  readonly swapMiB?: number
  readonly mac?: string
  readonly gateway?: string
  /** Ids as a careless clone would share them. */
  readonly ids?: { readonly machineId?: string; readonly productUuid?: string }
}

export interface SimHostsOptions {
  readonly lan: SimLan
  readonly kube: KubeWorld
  readonly clock: SimClock
  readonly seed?: number
  readonly faults?: Faults<HostFault>
  /**
   * Web server with copies of the internet: `https://host/path` is asked there as `/host/path`. Without it hosts reach
   * what the simulated LAN has and the signing keys of the package repositories.
   */
  readonly mirror?: { readonly url: string }
}

export interface CommandRecord {
  readonly host: string
  readonly user: string
  readonly command: string
}

export interface SimHosts extends Machines, AsyncDisposable {
  /** Adds a machine that is nobody's virtual machine and boots it; resolves when it answers SSH. */
  addBareHost(host: BareHost): Promise<void>
  /** Names of all machines, powered on or not. */
  names(): readonly string[]
  /** The model of a machine, for looking into it and for making trouble. */
  host(name: string): SimHost
  state(name: string): 'off' | 'booting' | 'on'
  /** Resolves when the machine answers SSH and cloud-init is done. */
  ready(name: string): Promise<void>
  /** `known_hosts` line of the machine's present key. */
  knownHost(name: string): string
  readFile(name: string, path: string): string | undefined
  writeFile(name: string, path: string, content: string, mode?: number): void
  /** Runs a command as root, unrecorded. */
  runAsRoot(name: string, command: string, stdin?: string): Promise<Answer>
  /** Takes the power away in an instant and leaves the machine off. */
  crash(name: string): Promise<void>
  /** Switches a machine on that was switched off by {@link SimHosts.crash} or by itself. */
  start(name: string): Promise<void>
  /** Commands that arrived over SSH, in order. */
  commands(name?: string): readonly CommandRecord[]
  /** What changed a machine, in order, e.g. `apt-get install kubelet=1.36.3-1.1`. */
  mutations(name: string): readonly string[]
  setFaults(faults: Faults<HostFault>): void
  close(): Promise<void>
}

interface Machine {
  readonly spec: HostSpec
  readonly host: SimHost
  power: 'off' | 'booting' | 'on'
  /** Grows with every power cycle, so that a boot that was overtaken ends quietly. */
  cycle: number
  hostKey: { readonly private: string; readonly public: string }
  server: SshServer | undefined
  agentAnswers: boolean
  booted: Promise<void>
}

/** Machines of a simulated LAN that answer SSH at their own addresses. */
export async function simHosts(options: SimHostsOptions): Promise<SimHosts> {
  const { lan, kube, clock } = options
  const random = seeded(options.seed ?? 1)
  const faults = new FaultPlan<HostFault>(options.faults ?? {}, random)
  const machines = new Map<string, Machine>()
  const records: CommandRecord[] = []
  const world: HostWorld = {
    lan,
    kube,
    clock,
    random,
    faults,
    fetch: networkFetch(lan, options.mirror?.url),
    hostAt: (address) => all().find(({ power, spec }) => power === 'on' && spec.address === address)?.host,
  }
  const all = (): Machine[] => [...machines.values()]

  function machine(name: string): Machine {
    const found = machines.get(name) ?? all().find(({ spec }) => spec.name === name)
    if (found === undefined) throw new Error(`no simulated host is called "${name}"`)
    return found
  }

  function build(spec: HostSpec): Machine {
    const made: Machine = {
      spec,
      host: new SimHost(spec, world),
      power: 'off',
      cycle: 0,
      hostKey: newHostKey(spec.name),
      server: undefined,
      agentAnswers: false,
      booted: Promise.resolve(),
    }
    showHostKey(made)
    made.host.power = {
      reboot: () => void reboot(made),
      off: () => void clock.sleep(REBOOT_DELAY_MS).then(() => cut(made)),
    }
    machines.set(spec.id, made)
    return made
  }

  async function reboot(made: Machine): Promise<void> {
    const { cycle } = made
    await clock.sleep(REBOOT_DELAY_MS)
    if (made.cycle !== cycle) return
    await cut(made)
    boot(made)
  }

  function boot(made: Machine): void {
    made.power = 'booting'
    made.cycle += 1
    const { cycle, host, spec } = made
    const factor = faults.strikes('slowBoot', spec.name) ? SLOW_BOOT_FACTOR : 1
    made.booted = (async () => {
      await clock.sleep(BOOT_MS * factor)
      if (made.cycle !== cycle) return
      if (faults.strikes('hostKeyChanged', spec.name)) {
        made.hostKey = newHostKey(spec.name)
        showHostKey(made)
      }
      host.booted()
      const server = await sshServer(host, made.hostKey.private, ({ command, user }) => {
        if (records.length < MAX_COMMANDS) records.push({ host: spec.name, user, command })
      })
      if (made.cycle !== cycle) {
        await server.close()
        return
      }
      made.server = server
      made.power = 'on'
      lan.register(spec.address, 22, server.port)
      await clock.sleep(AGENT_AFTER_BOOT_MS)
      if (made.cycle === cycle) made.agentAnswers = spec.cloudInit !== undefined
      await clock.sleep(CLOUD_INIT_MS * factor)
      if (made.cycle !== cycle) return
      host.cloudInitDone = true
      if (spec.cloudInit !== undefined) host.disk.put('/var/lib/cloud/instance/boot-finished', `${spec.name}\n`)
    })()
  }

  async function cut(made: Machine): Promise<void> {
    if (made.power === 'off') return
    made.power = 'off'
    made.cycle += 1
    made.agentAnswers = false
    lan.unregister(made.spec.address, 22)
    made.host.stopped()
    const { server } = made
    made.server = undefined
    await server?.close()
  }

  function fromMachine(machineSpec: MachineSpec): HostSpec {
    const { cloudInit } = machineSpec
    const os = osOfImage(machineSpec.image)
    const [address, prefix] = (cloudInit.address ?? dhcpAddress(machines.size)).split('/')
    return {
      id: machineSpec.id,
      generation: machineSpec.generation,
      name: machineSpec.name,
      os,
      cores: machineSpec.cores,
      memoryMiB: machineSpec.memoryMiB,
      diskGiB: machineSpec.diskGiB,
      mac: machineSpec.mac,
      address: address!,
      prefix: Number(prefix ?? 24),
      gateway: cloudInit.gateway ?? gatewayOf(address!),
      user: cloudInit.user ?? os.user,
      sshKeys: cloudInit.sshKeys,
      nameservers: cloudInit.nameservers.length > 0 ? cloudInit.nameservers : [gatewayOf(address!)],
      ...(cloudInit.searchDomain === undefined ? {} : { searchDomain: cloudInit.searchDomain }),
      cloudInit,
    }
  }

  async function untilOn(made: Machine): Promise<void> {
    while (made.power === 'booting') await clock.sleep(100)
    if (made.power === 'off') throw new Error(`simulated host "${made.spec.name}" is switched off`)
  }

  const hosts: SimHosts = {
    async powerOn(machineSpec) {
      let made = machines.get(machineSpec.id)
      if (made !== undefined && made.spec.generation !== machineSpec.generation) {
        await cut(made)
        made = undefined
      }
      made ??= build(fromMachine(machineSpec))
      if (made.power === 'off') boot(made)
    },
    async powerOff(id, how) {
      const made = machines.get(id)
      if (made === undefined || made.power === 'off') return
      if (how === 'shutdown') await clock.sleep(SHUTDOWN_MS)
      await cut(made)
    },
    async destroy(id) {
      const made = machines.get(id)
      if (made === undefined) return
      await cut(made)
      machines.delete(id)
    },
    async interfaces(id): Promise<readonly GuestInterface[] | undefined> {
      const made = machines.get(id)
      return made?.agentAnswers === true ? made.host.interfaces() : undefined
    },
    async addBareHost(bare) {
      const made = build({
        id: `bare/${bare.name}`,
        generation: hex(random, 8),
        name: bare.name,
        os: osNamed(bare.os ?? 'debian-12'),
        cores: bare.cores ?? 4,
        memoryMiB: bare.memoryMiB ?? 8192,
        diskGiB: bare.diskGiB ?? 64,
        mac: bare.mac ?? `BC:24:11:${hex(random, 6).toUpperCase().match(/../g)!.join(':')}`,
        address: bare.address,
        prefix: 24,
        gateway: bare.gateway ?? gatewayOf(bare.address),
        user: bare.user ?? 'admin',
        sshKeys: bare.sshKeys,
        nameservers: [bare.gateway ?? gatewayOf(bare.address)],
        ...(bare.swapMiB === undefined ? {} : { swapMiB: bare.swapMiB }),
        ...(bare.ids === undefined ? {} : { ids: bare.ids }),
      })
      boot(made)
      await untilOn(made)
    },
    names: () => all().map(({ spec }) => spec.name),
    host: (name) => machine(name).host,
    state: (name) => machine(name).power,
    async ready(name) {
      const made = machine(name)
      await untilOn(made)
      await made.booted
    },
    knownHost: (name) => {
      const made = machine(name)
      return `${made.spec.address} ${made.hostKey.public}`
    },
    readFile: (name, path) => machine(name).host.disk.text(path),
    writeFile(name, path, content, mode) {
      machine(name).host.disk.put(path, content, mode)
    },
    runAsRoot: (name, command, stdin = '') => machine(name).host.run({ script: command, stdin }),
    crash: (name) => cut(machine(name)),
    async start(name) {
      const made = machine(name)
      if (made.power === 'off') boot(made)
      await untilOn(made)
    },
    commands: (name) => records.filter((record) => name === undefined || record.host === machine(name).spec.name),
    mutations: (name) => machine(name).host.mutations.map(({ what }) => what),
    setFaults: (changed) => faults.set(changed),
    async close() {
      await Promise.all(all().map(cut))
    },
    [Symbol.asyncDispose]: () => hosts.close(),
  }
  return hosts
}

const gatewayOf = (address: string): string => address.replace(/\.\d+$/, '.1')

/** Addresses that a router would hand out, above those that people set themselves. */
const dhcpAddress = (n: number): string => `10.4.0.${200 + (n % 50)}/24`

function newHostKey(name: string): { readonly private: string; readonly public: string } {
  for (let attempt = 1; attempt <= HOST_KEY_ATTEMPTS; attempt++) {
    const pair = ssh2.utils.generateKeyPairSync('ed25519', { comment: `root@${name}` })
    if (!(ssh2.utils.parseKey(pair.private) instanceof Error)) return { private: pair.private, public: pair.public }
  }
  throw new Error('no host key could be made')
}

function showHostKey({ host, hostKey }: Machine): void {
  host.disk.put('/etc/ssh/ssh_host_ed25519_key', hostKey.private, 0o600)
  host.disk.put('/etc/ssh/ssh_host_ed25519_key.pub', `${hostKey.public}\n`)
}
