import type { SimHost } from '../host.ts'
import type { Answer, Call, Program } from '../program.ts'
import { err, out, switches } from '../program.ts'
import { hex } from '../../random.ts'
import type { Unit } from '../unit.ts'
import { unitName } from '../unit.ts'

const NOT_FOUND = 5
const INACTIVE = 3

function systemctl(call: Call): Answer | Promise<Answer> {
  const { host, login } = call
  const { flags, values, rest } = switches(call.argv, ['-p', '--property', '-n', '--type', '-t', '--state', '-M', '-o'])
  const [verb, ...words] = rest
  const changes =
    /^(start|stop|restart|reload|try-restart|reload-or-restart|enable|disable|mask|unmask|daemon-reload|reboot|poweroff|reset-failed|preset|set-default)$/
  if (changes.test(verb ?? '') && login.uid !== 0)
    return err(`Failed to ${verb} ${words[0] === undefined ? '' : unitName(words[0])}: Access denied\n`, 1)
  switch (verb) {
    case 'is-system-running':
      return out(
        [...host.units.values()].some((at) => at.failed)
          ? 'degraded\n'
          : host.cloudInitDone
            ? 'running\n'
            : 'starting\n',
        host.cloudInitDone ? 0 : 1,
      )
    case 'daemon-reload':
      readUnitFiles(host)
      return out()
    case 'reset-failed':
      for (const at of host.units.values()) at.failed = false
      return out()
    case 'reboot':
      host.power.reboot()
      return out()
    case 'poweroff':
    case 'halt':
      host.power.off()
      return out()
    case 'is-active':
    case 'is-failed':
      return states(
        words,
        (word) => activeState(host.unit(word)),
        flags,
        verb === 'is-active' ? 'active' : 'failed',
        INACTIVE,
      )
    case 'is-enabled':
      return enabledStates(host, words, flags)
    case 'start':
    case 'restart':
    case 'reload-or-restart':
    case 'try-restart':
    case 'reload':
    case 'stop':
      return change(host, verb, words)
    case 'enable':
    case 'disable':
    case 'mask':
    case 'unmask':
    case 'preset':
      return configure(host, verb, words, flags)
    case 'show':
      return show(host, words, [...(values.get('-p') ?? []), ...(values.get('--property') ?? [])], flags)
    case 'cat':
      return cat(host, words)
    case 'status':
      return status(host, words)
    case 'list-units':
    case 'list-unit-files':
    case 'list-timers':
      return list(host, verb, values.get('--type')?.[0] ?? values.get('-t')?.[0], values.get('--state')?.[0], words)
    case 'get-default':
      return out('multi-user.target\n')
    case 'set-default':
      return out()
    case '--version':
    case undefined:
      return out('systemd 252 (252.39-1~deb12u2)\n')
    default:
      return err(`Unknown command verb ${verb}.\n`)
  }
}

const activeState = (at: Unit | undefined): string =>
  at === undefined
    ? 'inactive'
    : at.failed
      ? 'failed'
      : at.active
        ? restarting(at)
          ? 'activating'
          : 'active'
        : 'inactive'

/** A service that systemd starts again and again, as a kubelet without its configuration. */
const restarting = (at: Unit): boolean => at.active && !at.oneShot && at.mainPid === 0

function states(
  words: readonly string[],
  stateOf: (word: string) => string,
  flags: ReadonlySet<string>,
  good: string,
  exit: number,
): Answer {
  const found = words.map(stateOf)
  const stdout = flags.has('--quiet') || flags.has('-q') ? '' : found.map((state) => `${state}\n`).join('')
  const every = good === 'failed' ? found.some((state) => state === good) : found.every((state) => state === good)
  return out(stdout, every ? 0 : good === 'failed' ? 1 : exit)
}

function enabledState(at: Unit): string {
  if (at.masked) return 'masked'
  return at.enabled ? 'enabled' : 'disabled'
}

function enabledStates(host: SimHost, words: readonly string[], flags: ReadonlySet<string>): Answer {
  let stdout = ''
  let stderr = ''
  let good = true
  for (const word of words) {
    const at = host.unit(word)
    if (at === undefined) stderr += `Failed to get unit file state for ${unitName(word)}: No such file or directory\n`
    else stdout += `${enabledState(at)}\n`
    good &&= at?.enabled === true && !at.masked
  }
  const quiet = flags.has('--quiet') || flags.has('-q')
  return { stdout: quiet ? '' : stdout, stderr, exit: good ? 0 : 1 }
}

function change(host: SimHost, verb: string, words: readonly string[]): Answer {
  for (const word of words) {
    const at = host.unit(word)
    if (at === undefined) {
      if (verb === 'try-restart') continue
      return err(`Failed to ${verb} ${unitName(word)}: Unit ${unitName(word)} not found.\n`, NOT_FOUND)
    }
    if (at.masked && verb !== 'stop') return err(`Failed to ${verb} ${at.name}: Unit ${at.name} is masked.\n`)
    if (verb === 'stop') {
      if (at.active) host.mutated(`systemctl stop ${at.name}`)
      host.stopUnit(at)
    } else if (verb === 'reload') {
      if (!at.active) return err(`${at.name} is not active, cannot reload.\n`)
      host.mutated(`systemctl reload ${at.name}`)
    } else if (verb === 'try-restart' && !at.active) continue
    else if (verb === 'start' && at.active && !restarting(at)) continue
    else {
      host.mutated(`systemctl ${verb} ${at.name}`)
      if (verb !== 'start') host.stopUnit(at)
      host.startUnit(at)
      if (at.failed)
        return err(
          `Job for ${at.name} failed because the control process exited with error code.\nSee "systemctl status ${at.name}" and "journalctl -xeu ${at.name}" for details.\n`,
        )
    }
  }
  return out()
}

function configure(host: SimHost, verb: string, words: readonly string[], flags: ReadonlySet<string>): Answer {
  let stderr = ''
  readUnitFiles(host)
  for (const word of words) {
    let at = host.unit(word)
    if (at === undefined && verb === 'mask') {
      at = host.addUnit(unitName(word), false)
      stderr += `Unit ${at.name} does not exist, proceeding anyway.\n`
    }
    if (at === undefined) {
      if (verb === 'unmask') continue
      return err(`Failed to ${verb} unit: Unit file ${unitName(word)} does not exist.\n`)
    }
    if (verb === 'enable' && at.masked)
      return err(`Failed to enable unit: Unit file /etc/systemd/system/${at.name} is masked.\n`)
    const before = enabledState(at)
    if (verb === 'enable') at.enabled = true
    if (verb === 'disable') at.enabled = false
    if (verb === 'mask') {
      at.masked = true
      if (before !== 'masked') stderr += `Created symlink /etc/systemd/system/${at.name} → /dev/null.\n`
    }
    if (verb === 'unmask') {
      at.masked = false
      if (before === 'masked') stderr += `Removed "/etc/systemd/system/${at.name}".\n`
    }
    if (enabledState(at) !== before) {
      host.mutated(`systemctl ${verb} ${at.name}`)
      const link = `/etc/systemd/system/multi-user.target.wants/${at.name}`
      if (verb === 'enable') stderr += `Created symlink ${link} → /lib/systemd/system/${at.name}.\n`
      if (verb === 'disable') stderr += `Removed "${link}".\n`
    }
  }
  if (!flags.has('--now')) return err(stderr, 0)
  const changed =
    verb === 'enable'
      ? change(host, 'start', words)
      : verb === 'disable' || verb === 'mask'
        ? change(host, 'stop', words)
        : out()
  return { ...changed, stderr: stderr + changed.stderr }
}

/** Units that scripts wrote themselves become known; drop-ins only matter to `cat`. */
function readUnitFiles(host: SimHost): void {
  for (const dir of ['/etc/systemd/system', '/usr/local/lib/systemd/system', '/lib/systemd/system'])
    for (const name of host.disk.names(dir)) {
      if (!/\.(service|timer|socket|mount|path)$/.test(name) || host.units.has(name)) continue
      const text = host.disk.text(`${dir}/${name}`)
      if (text === undefined) continue
      const exec = /^ExecStart=[-@:+!]*(.*)$/m.exec(text)?.[1] ?? ''
      const at = host.addUnit(name, false, exec)
      Object.assign(at, { oneShot: /^Type=oneshot/m.test(text) || !name.endsWith('.service') })
    }
}

function show(host: SimHost, words: readonly string[], asked: readonly string[], flags: ReadonlySet<string>): Answer {
  const names = asked.flatMap((word) => word.split(','))
  const blocks = (words.length === 0 ? [''] : words).map((word) => {
    const at = word === '' ? undefined : host.unit(word)
    const started =
      at?.active === true
        ? `${new Date(at.activeSince).toUTCString().slice(0, 3)} ${new Date(at.activeSince).toISOString().slice(0, 19).replace('T', ' ')} UTC`
        : ''
    const all: Readonly<Record<string, string>> = {
      MainPID: String(at?.mainPid ?? 0),
      NRestarts: String(at?.restarts ?? 0),
      ExecMainStatus: at !== undefined && restarting(at) ? '1' : '0',
      Result: at?.failed === true ? 'exit-code' : 'success',
      Id: word === '' ? '' : unitName(word),
      LoadState: at === undefined ? 'not-found' : at.masked ? 'masked' : 'loaded',
      ActiveState: activeState(at),
      SubState:
        at === undefined || !at.active
          ? at?.failed === true
            ? 'failed'
            : 'dead'
          : restarting(at)
            ? 'auto-restart'
            : at.oneShot
              ? 'exited'
              : 'running',
      UnitFileState: at === undefined ? '' : enabledState(at),
      ActiveEnterTimestamp: started,
      FragmentPath: at === undefined ? '' : `/lib/systemd/system/${at.name}`,
      SystemState: 'running',
    }
    const shown = Object.entries(all).filter(([name]) => names.length === 0 || names.includes(name))
    return shown.map(([name, value]) => (flags.has('--value') ? `${value}\n` : `${name}=${value}\n`)).join('')
  })
  return out(blocks.join('\n'))
}

function cat(host: SimHost, words: readonly string[]): Answer {
  let stdout = ''
  for (const word of words) {
    const name = unitName(word)
    const paths = [
      `/etc/systemd/system/${name}`,
      `/lib/systemd/system/${name}`,
      ...['/usr/lib/systemd/system', '/etc/systemd/system'].flatMap((dir) =>
        host.disk.names(`${dir}/${name}.d`).map((file) => `${dir}/${name}.d/${file}`),
      ),
    ].filter((path) => host.disk.text(path) !== undefined)
    if (paths.length === 0 && host.unit(name) === undefined) return err(`No files found for ${name}.\n`)
    stdout += paths.map((path) => `# ${path}\n${host.disk.text(path)}\n`).join('')
  }
  return out(stdout)
}

function status(host: SimHost, words: readonly string[]): Answer {
  let stdout = ''
  let exit = 0
  for (const word of words) {
    const at = host.unit(word)
    if (at === undefined) return err(`Unit ${unitName(word)} could not be found.\n`, 4)
    stdout += `● ${at.name}\n     Loaded: loaded (/lib/systemd/system/${at.name}; ${enabledState(at)})\n     Active: ${activeState(at)}\n`
    if (!at.active || restarting(at)) exit = INACTIVE
  }
  return out(stdout, exit)
}

function list(
  host: SimHost,
  verb: string,
  type: string | undefined,
  state: string | undefined,
  words: readonly string[],
): Answer {
  const lines = [...host.units.values()]
    .filter((at) => type === undefined || at.name.endsWith(`.${type}`))
    .filter(
      (at) =>
        state === undefined || state.split(',').some((each) => each === activeState(at) || each === enabledState(at)),
    )
    .filter(
      (at) =>
        words.length === 0 ||
        words.some((word) =>
          new RegExp(
            `^${unitName(word)
              .replaceAll('.', String.raw`\.`)
              .replaceAll('*', '.*')}$`,
          ).test(at.name),
        ),
    )
    .map((at) =>
      verb === 'list-unit-files'
        ? `${at.name} ${enabledState(at)} enabled`
        : `  ${at.name} loaded ${activeState(at)} ${at.oneShot ? 'exited' : 'running'} ${at.name}`,
    )
  return out(lines.map((line) => `${line}\n`).join(''))
}

const journalctl: Program = ({ host, argv }) => {
  const { flags, values } = switches(
    argv,
    ['-u', '--unit', '-n', '--lines', '-o', '--output', '-b', '-S', '--since', '-p', '-t', '-g'].filter(
      (word) => word !== '-b',
    ),
  )
  if (flags.has('--flush') || flags.has('--rotate') || flags.has('--disk-usage')) return out()
  const name = unitName(values.get('-u')?.[0] ?? values.get('--unit')?.[0] ?? 'systemd-journald')
  const at = host.units.get(name)
  if (at === undefined || (!at.active && !at.failed)) return out('-- No entries --\n')
  const message = restarting(at)
    ? `"command failed" err="failed to load kubelet config file, path: /var/lib/kubelet/config.yaml, error: open /var/lib/kubelet/config.yaml: no such file or directory"`
    : `Started ${name}.`
  if ((values.get('-o')?.[0] ?? values.get('--output')?.[0]) === 'json')
    return out(
      `${JSON.stringify({ MESSAGE: message, _SYSTEMD_UNIT: name, _HOSTNAME: host.hostname, PRIORITY: '6', __REALTIME_TIMESTAMP: String(at.activeSince * 1000), _PID: String(at.mainPid) })}\n`,
    )
  const when = new Date(at.activeSince).toUTCString()
  return out(`${when.slice(8, 11)} ${when.slice(5, 7)} ${when.slice(17, 25)} ${host.hostname} systemd[1]: ${message}\n`)
}

const hostnamectl: Program = ({ host, argv, login }) => {
  const { flags, values, rest } = switches(argv, ['--json'])
  const [verb, name] = rest
  if (verb === 'set-hostname' || (verb === 'hostname' && name !== undefined)) {
    if (login.uid !== 0) return err('Could not set static hostname: Access denied\n')
    if (host.hostname !== name) host.mutated(`hostnamectl ${verb} ${name}`)
    host.hostname = name ?? ''
    host.disk.put('/etc/hostname', `${name}\n`)
    return out()
  }
  if (verb === 'hostname' || flags.has('--static')) return out(`${host.hostname}\n`)
  const { os } = host.spec
  if (values.has('--json'))
    return out(
      `${JSON.stringify({ Hostname: host.hostname, StaticHostname: host.hostname, PrettyHostname: null, DefaultHostname: 'localhost', HostnameSource: 'static', IconName: 'computer-vm', Chassis: 'vm', Deployment: null, Location: null, KernelName: 'Linux', KernelRelease: os.kernel, KernelVersion: '#1 SMP PREEMPT_DYNAMIC', OperatingSystemPrettyName: os.prettyName, OperatingSystemCPEName: null, OperatingSystemHomeURL: null, HardwareVendor: 'QEMU', HardwareModel: 'Standard PC', HardwareSerial: null, FirmwareVersion: null, ProductUUID: null })}\n`,
    )
  return out(
    ` Static hostname: ${host.hostname}\n  Virtualization: kvm\nOperating System: ${os.prettyName}\n          Kernel: Linux ${os.kernel}\n    Architecture: x86-64\n`,
  )
}

const hostname: Program = ({ host, argv, login }) => {
  const { flags, rest } = switches(argv)
  if (flags.has('-I')) return out(`${host.spec.address} \n`)
  if (flags.has('-i')) return out(`${host.spec.address}\n`)
  if (flags.has('-f'))
    return out(`${host.hostname}${host.spec.searchDomain === undefined ? '' : `.${host.spec.searchDomain}`}\n`)
  if (rest[0] !== undefined) {
    if (login.uid !== 0) return err('hostname: you must be root to change the host name\n')
    host.hostname = rest[0]
  }
  return out(`${host.hostname.split('.')[0]}\n`)
}

const timedatectl: Program = ({ host, argv, login }) => {
  const { flags, values, rest } = switches(argv, ['-p', '--property'])
  const synced =
    host.clockSynchronized && ['systemd-timesyncd', 'chrony'].some((name) => host.unit(name)?.active === true)
  if (rest[0] === 'set-ntp' || rest[0] === 'set-timezone') {
    if (login.uid !== 0) return err(`Failed to ${rest[0].replace('-', ' ')}: Access denied\n`)
    if (rest[0] === 'set-timezone') {
      if (host.timezone !== rest[1]) host.mutated(`timedatectl ${rest.join(' ')}`)
      host.timezone = rest[1] ?? 'Etc/UTC'
      return out()
    }
    const at = host.unit('systemd-timesyncd')
    if (at === undefined) return err('Failed to set ntp: NTP not supported\n')
    if (/^(1|true|yes)$/.test(rest[1] ?? '')) host.startUnit(at)
    else host.stopUnit(at)
    return out()
  }
  const now = new Date(host.clock.now())
  const day = now.toUTCString().slice(0, 3)
  const all: Readonly<Record<string, string>> = {
    Timezone: host.timezone,
    LocalRTC: 'no',
    CanNTP: host.unit('systemd-timesyncd') === undefined ? 'no' : 'yes',
    NTP: host.unit('systemd-timesyncd')?.active === true || host.unit('chrony')?.active === true ? 'yes' : 'no',
    NTPSynchronized: synced ? 'yes' : 'no',
    TimeUSec: `${day} ${now.toISOString().slice(0, 19).replace('T', ' ')} UTC`,
  }
  if (rest[0] === 'show') {
    const names = [...(values.get('-p') ?? []), ...(values.get('--property') ?? [])]
    const shown = Object.entries(all).filter(([name]) => names.length === 0 || names.includes(name))
    return out(shown.map(([name, value]) => (flags.has('--value') ? `${value}\n` : `${name}=${value}\n`)).join(''))
  }
  return out(
    `           Universal time: ${all['TimeUSec']}\n                Time zone: ${host.timezone}\nSystem clock synchronized: ${all['NTPSynchronized']}\n              NTP service: ${all['NTP'] === 'yes' ? 'active' : 'inactive'}\n`,
  )
}

const chronyc: Program = async ({ host, argv }) => {
  if (host.unit('chrony')?.active !== true) return err('506 Cannot talk to daemon\n')
  const { rest } = switches(argv)
  const [verb, tries = '30'] = rest
  if (verb === 'tracking')
    return out(
      `Reference ID    : ${host.clockSynchronized ? 'C0A80001 (ntp.lan)' : '00000000 ()'}\nStratum         : ${host.clockSynchronized ? 3 : 0}\nSystem time     : 0.000012 seconds fast of NTP time\nLeap status     : ${host.clockSynchronized ? 'Normal' : 'Not synchronised'}\n`,
    )
  if (verb === 'waitsync') {
    for (let at = 1; at <= Number(tries); at++) {
      if (host.clockSynchronized) return out(`try: ${at}, refid: C0A80001, correction: 0.000012, skew: 0.1\n`)
      await host.clock.sleep(10_000)
    }
    return out('', 1)
  }
  if (verb === 'sources')
    return out(
      'MS Name/IP address         Stratum Poll Reach LastRx Last sample\n^* ntp.lan 2 6 377 12 +12us[+14us] +/- 1ms\n',
    )
  return out('200 OK\n')
}

/** How often `cloud-init status --wait` looks. */
const CLOUD_INIT_POLL_MS = 250

const cloudInit: Program = async ({ host, argv, stdin }) => {
  void stdin
  const { flags, values, rest } = switches(argv, ['--format'])
  if (rest[0] === '--version' || flags.has('--version')) return out('/usr/bin/cloud-init 22.4.2\n')
  if (rest[0] !== 'status') return rest[0] === 'clean' ? out() : err(`cloud-init: unknown command ${rest[0]}\n`, 2)
  let dots = ''
  if (flags.has('--wait')) {
    while (!host.cloudInitDone) {
      dots += '.'
      await host.clock.sleep(CLOUD_INIT_POLL_MS)
    }
    dots += '\n'
  }
  const status = host.cloudInitDone ? 'done' : 'running'
  const detail = 'DataSourceNoCloud [seed=/dev/sr0][dsmode=net]'
  const update = new Date(host.bootedAt).toUTCString().replace('GMT', '+0000')
  if (values.get('--format')?.[0] === 'json') {
    const body = {
      boot_status_code: 'enabled-by-generator',
      datasource: 'nocloud',
      detail,
      errors: [],
      last_update: update,
    }
    return out(
      `${dots}${JSON.stringify({ _schema_version: '1', ...body, schemas: { '1': { ...body, status } }, status }, null, 2)}\n`,
    )
  }
  const long =
    flags.has('--long') || flags.has('-l')
      ? `boot_status_code: enabled-by-generator\nlast_update: ${update}\ndetail:\n${detail}\n`
      : ''
  return out(`${dots}status: ${status}\n${long}`)
}

const reboot: Program = ({ host, login }) => {
  if (login.uid !== 0)
    return err(
      'Failed to set wall message, ignoring: Interactive authentication required.\nCall to Reboot failed: Interactive authentication required.\n',
    )
  host.mutated('reboot')
  host.power.reboot()
  return out()
}

const poweroff: Program = ({ host, login }) => {
  if (login.uid !== 0) return err('Call to PowerOff failed: Interactive authentication required.\n')
  host.mutated('poweroff')
  host.power.off()
  return out()
}

export const systemPrograms: Readonly<Record<string, Program>> = {
  systemctl,
  journalctl,
  hostnamectl,
  hostname,
  timedatectl,
  chronyc,
  'cloud-init': cloudInit,
  reboot,
  poweroff,
  halt: poweroff,
  shutdown: (call) => {
    const { flags } = switches(call.argv)
    if (flags.has('-c')) return out()
    return flags.has('-r') ? reboot(call) : poweroff(call)
  },
  /** Transient units: the delayed reboot is what scripts use it for. */
  'systemd-run': async (call) => {
    const { rest } = switches(call.argv, ['--on-active', '--unit', '-p', '--property', '--description'])
    const [program, ...args] = rest
    if (program === undefined) return err('Command line to execute required.\n')
    const answer = await call.run({ script: [program, ...args].join(' ') })
    return {
      stdout: answer.stdout,
      stderr: `Running as unit: run-r${hex(call.host.world.random, 8)}.service\n`,
      exit: answer.exit,
    }
  },
  'systemd-machine-id-setup': ({ host, login }) => {
    if (login.uid !== 0) return err('Failed to write /etc/machine-id: Permission denied\n')
    if ((host.disk.text('/etc/machine-id') ?? '').trim() !== '') return out()
    host.disk.put('/etc/machine-id', `${hex(host.world.random, 32)}\n`, 0o444)
    host.mutated('systemd-machine-id-setup')
    return err('Initializing machine ID from random generator.\n', 0)
  },
  resolvectl: ({ host }) => out(`Global\n  DNS Servers: ${host.spec.nameservers.join(' ')}\n`),
  loginctl: () => out(),
  'systemd-cat': (call) => (call.argv.length === 0 ? out() : call.run({ script: call.argv.join(' ') })),
}
