import type { SimHost } from '../host.ts'
import type { Offered, Source } from '../package.ts'
import { compareVersions, LOCK_FRONTEND, matchesVersion } from '../package.ts'
import { keyringAccepts, repositoryAt, sourcesIn } from '../package-catalogue.ts'
import type { Answer, Call, Program } from '../program.ts'
import { err, out, switches } from '../program.ts'

/** Time that apt takes on a small machine near a mirror. */
const UPDATE_MS = 1_500
const READ_LISTS_MS = 400
const INSTALL_PACKAGE_MS = 900
const DOWNLOAD_KB_PER_MS = 20
const LOCK_POLL_MS = 1_000
/** As long as a run of unattended-upgrades holds the lock when the fault `aptLock` strikes. */
const FAULT_LOCK_MS = 30_000

const READING = 'Reading package lists...\n'
const BUILDING = 'Building dependency tree...\nReading state information...\n'

interface Candidate {
  readonly offered: Offered
  readonly source: Source
}

export function sourcesOf(host: SimHost): Source[] {
  const paths = [
    '/etc/apt/sources.list',
    ...host.disk.names('/etc/apt/sources.list.d').map((name) => `/etc/apt/sources.list.d/${name}`),
  ]
  return sourcesIn(
    paths.filter((path) => /\.(list|sources)$/.test(path)).map((path) => ({ path, text: host.disk.text(path) ?? '' })),
  )
}

const listKey = (source: Source): string => `${source.uri} ${source.suite}`

/** Everything that the fetched lists offer under this name, newest first. */
export function candidates(host: SimHost, name: string): Candidate[] {
  return sourcesOf(host)
    .filter((source) => host.lists.has(listKey(source)))
    .flatMap((source) =>
      (repositoryAt(source.uri, source.suite)?.packages(host.spec.os) ?? [])
        .filter((offered) => offered.name === name)
        .map((offered) => ({ offered, source })),
    )
    .toSorted((a, b) => compareVersions(b.offered.version, a.offered.version))
}

const aptGet: Program = async (call) => {
  const { flags, values, rest } = switches(call.argv, ['-o', '--option', '-c', '-t'])
  const [verb, ...names] = rest
  const yes =
    ['-y', '--yes', '--assume-yes'].some((flag) => flags.has(flag)) ||
    (values.get('-o') ?? []).includes('APT::Get::Assume-Yes=true')
  const options = new Map(
    [...(values.get('-o') ?? []), ...(values.get('--option') ?? [])].map(
      (each) => each.toLowerCase().split('=', 2) as [string, string],
    ),
  )
  const waitMs = Number(options.get('dpkg::lock::timeout') ?? '0') * 1_000
  const asked: Asked = { names, yes, flags }
  const run = actions[verb ?? '']
  if (verb === undefined || verb === 'moo') return err('apt-get: no command given\n', 100)
  if (run === undefined) return err(`E: Invalid operation ${verb}\n`, 100)
  const simulated = flags.has('-s') || flags.has('--dry-run') || flags.has('--simulate')
  const needsLock = verb !== 'download' && verb !== 'changelog' && !simulated
  if (!needsLock) return run(call, { ...asked, simulated })
  const lock = await takeLock(call, verb, waitMs)
  if ('exit' in lock) return lock
  const answer = await run(call, { ...asked, simulated })
  return { ...answer, stdout: lock.waited + answer.stdout }
}

interface Asked {
  readonly names: readonly string[]
  readonly yes: boolean
  readonly flags: ReadonlySet<string>
  readonly simulated?: boolean
}

/** Takes dpkg's lock, or says who holds it. */
async function takeLock(call: Call, verb: string, waitMs: number): Promise<{ readonly waited: string } | Answer> {
  const { host, login } = call
  if (login.uid !== 0) {
    const path = verb === 'update' ? '/var/lib/apt/lists/lock' : LOCK_FRONTEND
    const what =
      verb === 'update'
        ? `E: Unable to lock directory /var/lib/apt/lists/\n`
        : `E: Unable to acquire the dpkg frontend lock (${LOCK_FRONTEND}), are you root?\n`
    return err(`E: Could not open lock file ${path} - open (13: Permission denied)\n${what}`, 100)
  }
  if (host.world.faults.strikes('aptLock', `${call.name} ${call.argv.join(' ')}`))
    host.aptLock = { pid: host.nextPid(), program: 'unattended-upgr', untilMs: host.clock.now() + FAULT_LOCK_MS }
  let waited = ''
  let leftMs = waitMs
  while (host.aptLock !== undefined && host.aptLock.untilMs > host.clock.now()) {
    const { pid, program } = host.aptLock
    const holder = `Could not get lock ${LOCK_FRONTEND}. It is held by process ${pid} (${program})`
    if (leftMs <= 0)
      return err(
        `E: ${holder}\nE: Unable to acquire the dpkg frontend lock (${LOCK_FRONTEND}), is another process using it?\n`,
        100,
        waited,
      )
    waited += `Waiting for cache lock: ${holder}...\n`
    await host.clock.sleep(LOCK_POLL_MS)
    // Real time stands still for a scaled clock, so the holder's end moves nearer by what was waited.
    if (host.aptLock !== undefined) host.aptLock.untilMs -= LOCK_POLL_MS
    leftMs -= LOCK_POLL_MS
  }
  host.aptLock = undefined
  if (host.dpkgInterrupted && verb !== 'update')
    return err(
      "E: dpkg was interrupted, you must manually run 'sudo dpkg --configure -a' to correct the problem. \n",
      100,
    )
  return { waited }
}

async function update({ host }: Call): Promise<Answer> {
  await host.clock.sleep(UPDATE_MS)
  let stdout = ''
  let warnings = ''
  let errors = ''
  let at = 0
  host.lists.clear()
  for (const source of sourcesOf(host)) {
    at += 1
    const { uri, suite } = source
    const label = `${uri.replace(/\/$/, '')} ${suite === '/' ? '' : suite}`
    const repository = repositoryAt(uri, suite)
    if (uri.startsWith('file:')) {
      stdout += `Get:${at} ${label} InRelease\nIgn:${at} ${label} InRelease\nGet:${at} ${label} Release\nErr:${at} ${label} Release\n  File not found - ${uri.slice(5)}/./Release (2: No such file or directory)\n`
      errors += `E: The repository '${label} Release' does not have a Release file.\n`
      continue
    }
    if (repository === undefined) {
      stdout += `Err:${at} ${label} InRelease\n  403  Forbidden\n`
      errors += `E: Failed to fetch ${uri.replace(/\/$/, '')}/InRelease  403  Forbidden\nE: The repository '${label} InRelease' is not signed.\n`
      continue
    }
    if (!source.trusted && !keyFound(host, source)) {
      stdout += `Get:${at} ${label} InRelease [1186 B]\nErr:${at} ${label} InRelease\n  The following signatures couldn't be verified because the public key is not available: NO_PUBKEY ${repository.keyId}\n`
      warnings += `W: GPG error: ${label} InRelease: The following signatures couldn't be verified because the public key is not available: NO_PUBKEY ${repository.keyId}\n`
      errors += `E: The repository '${label} InRelease' is not signed.\n`
      continue
    }
    stdout += `Get:${at} ${label} InRelease [151 kB]\n`
    host.lists.add(listKey(source))
  }
  host.mutated('apt-get update')
  return { stdout: `${stdout}${READING}`, stderr: warnings + errors, exit: errors === '' ? 0 : 100 }
}

function keyFound(host: SimHost, source: Source): boolean {
  const repository = repositoryAt(source.uri, source.suite)
  if (repository === undefined) return false
  if (repository.key === 'distribution') return true
  const paths =
    source.signedBy === undefined
      ? host.disk.names('/etc/apt/trusted.gpg.d').map((name) => `/etc/apt/trusted.gpg.d/${name}`)
      : [source.signedBy]
  if (source.signedBy?.includes('-----BEGIN') === true) return true
  return paths.some((path) => {
    const file = host.disk.find(path)
    if (file === undefined || file.kind !== 'file' || (file.mode & 0o004) === 0) return false
    return keyringAccepts(file.data, path.endsWith('.asc'), repository)
  })
}

interface Choice {
  readonly candidate: Candidate
  readonly auto: boolean
}

/** What an install would do, or the words with which apt refuses it. */
function choose(
  host: SimHost,
  names: readonly string[],
): { readonly chosen: Map<string, Choice>; readonly said: string } | Answer {
  const chosen = new Map<string, Choice>()
  let said = ''
  let missing = ''
  const add = (name: string, auto: boolean, version?: string): string | undefined => {
    const offers = candidates(host, name)
    if (offers.length === 0) {
      const installed = host.packages.get(name)
      if (installed !== undefined && installed.configOnly !== true && version === undefined) return undefined
      if (auto) return undefined
      return `E: Unable to locate package ${name}\n`
    }
    const candidate =
      version === undefined ? offers[0]! : offers.find(({ offered }) => matchesVersion(offered.version, version))
    if (candidate === undefined) {
      said += `Package ${name} is not available, but is referred to by another package.\nThis may mean that the package is missing, has been obsoleted, or\nis only available from another source\n\n`
      return `E: Version '${version}' for '${name}' was not found\n`
    }
    chosen.set(name, { candidate, auto })
    for (const depends of candidate.offered.depends)
      if (!chosen.has(depends) && !isInstalled(host, depends)) add(depends, true)
    return undefined
  }
  for (const word of names) {
    const [name, version] = word.split('=', 2) as [string, string | undefined]
    missing += add(name, false, version) ?? ''
  }
  return missing === '' ? { chosen, said } : err(missing, 100, `${READING}${BUILDING}${said}`)
}

export const isInstalled = (host: SimHost, name: string): boolean => {
  const found = host.packages.get(name)
  return found !== undefined && found.configOnly !== true
}

async function install(call: Call, asked: Asked): Promise<Answer> {
  const { host } = call
  const { flags } = asked
  await host.clock.sleep(READ_LISTS_MS)
  const removeMarked = asked.names.filter((name) => name.endsWith('-')).map((name) => name.slice(0, -1))
  const choice = choose(
    host,
    asked.names.filter((name) => !name.endsWith('-')),
  )
  if ('exit' in choice) return choice
  let said = ''
  const fresh: Choice[] = []
  const upgraded: Choice[] = []
  const downgraded: Choice[] = []
  for (const [name, each] of choice.chosen) {
    const installed = host.packages.get(name)
    const { version } = each.candidate.offered
    if (installed === undefined || installed.configOnly === true) {
      if (!flags.has('--only-upgrade')) fresh.push(each)
    } else if (installed.version === version) {
      said += each.auto ? '' : `${name} is already the newest version (${version}).\n`
      if (!each.auto) installed.auto = false
    } else if (compareVersions(version, installed.version) > 0) upgraded.push(each)
    else if (asked.names.includes(name)) said += `${name} is already the newest version (${installed.version}).\n`
    else downgraded.push(each)
  }
  const removed = [
    ...removeMarked,
    ...[...fresh, ...upgraded].flatMap(({ candidate }) => candidate.offered.conflicts),
  ].filter((name) => isInstalled(host, name))
  const heldChanged = [
    ...[...upgraded, ...downgraded].map(({ candidate }) => candidate.offered.name),
    ...removed,
  ].filter((name) => host.packages.get(name)?.held === true)
  const block = (title: string, names: readonly string[]): string =>
    names.length === 0 ? '' : `${title}\n  ${names.toSorted().join(' ')}\n`
  const extra = fresh.filter(({ auto }) => auto).map(({ candidate }) => candidate.offered.name)
  const stdout =
    `${READING}${BUILDING}${said}` +
    block('The following additional packages will be installed:', extra) +
    block('The following packages will be REMOVED:', removed) +
    block(
      'The following NEW packages will be installed:',
      fresh.map(({ candidate }) => candidate.offered.name),
    ) +
    block('The following held packages will be changed:', heldChanged) +
    block(
      'The following packages will be upgraded:',
      upgraded.map(({ candidate }) => candidate.offered.name),
    ) +
    block(
      'The following packages will be DOWNGRADED:',
      downgraded.map(({ candidate }) => candidate.offered.name),
    ) +
    `${upgraded.length} upgraded, ${fresh.length} newly installed, ${downgraded.length === 0 ? '' : `${downgraded.length} downgraded, `}${removed.length} to remove and 0 not upgraded.\n`
  const refusal = refuse(asked, heldChanged, downgraded.length > 0, fresh.length + upgraded.length + removed.length)
  if (refusal !== undefined) return err(refusal, refusal.startsWith('Abort') ? 1 : 100, stdout)
  if (asked.simulated === true) return out(stdout)
  return carryOut(host, [...fresh, ...upgraded, ...downgraded], removed, stdout)
}

function refuse(asked: Asked, held: readonly string[], downgrades: boolean, changes: number): string | undefined {
  const { flags } = asked
  const forced = flags.has('--force-yes')
  if (asked.yes && held.length > 0 && !flags.has('--allow-change-held-packages') && !forced)
    return 'E: Held packages were changed and -y was used without --allow-change-held-packages.\n'
  if (asked.yes && downgrades && !flags.has('--allow-downgrades') && !forced)
    return 'E: Packages were downgraded and -y was used without --allow-downgrades.\n'
  if (!asked.yes && changes > 0) return 'Abort.\n'
  return undefined
}

async function carryOut(
  host: SimHost,
  chosen: readonly Choice[],
  removed: readonly string[],
  head: string,
): Promise<Answer> {
  if (chosen.length === 0 && removed.length === 0) return out(head)
  const kb = chosen.reduce((sum, { candidate }) => sum + candidate.offered.kb, 0)
  const disk = chosen.reduce((sum, { candidate }) => sum + candidate.offered.installedKb, 0)
  const size = (amount: number): string => (amount >= 1000 ? `${(amount / 1000).toFixed(1)} MB` : `${amount} kB`)
  let stdout = head
  if (chosen.length > 0)
    stdout += `Need to get ${size(kb)} of archives.\nAfter this operation, ${size(disk)} of additional disk space will be used.\n`
  if (disk * 1024 > host.disk.freeBytes)
    return err(`E: You don't have enough free space in /var/cache/apt/archives/.\n`, 100, stdout)
  await host.clock.sleep(kb / DOWNLOAD_KB_PER_MS)
  chosen.forEach(({ candidate: { offered, source } }, n) => {
    stdout += `Get:${n + 1} ${source.uri} ${source.suite} ${offered.name} amd64 ${offered.version} [${size(offered.kb)}]\n`
  })
  // A power loss between here and the end leaves dpkg interrupted.
  host.dpkgInterrupted = true
  const power = host.powerSignal
  for (const { candidate, auto } of chosen) {
    await host.clock.sleep(INSTALL_PACKAGE_MS)
    if (power.aborted) return err('', 100, stdout)
    stdout += setUp(host, candidate.offered, auto)
  }
  for (const name of removed) {
    remove(host, name, false)
    stdout += `Removing ${name} ...\n`
  }
  host.dpkgInterrupted = false
  return { stdout, stderr: 'debconf: delaying package configuration, since apt-utils is not installed\n', exit: 0 }
}

/** Unpacks and configures a package: files, units, and what its maintainer scripts do. */
function setUp(host: SimHost, offered: Offered, auto: boolean): string {
  const before = host.packages.get(offered.name)
  const upgrade = before !== undefined && before.configOnly !== true
  const now = {
    name: offered.name,
    version: offered.version,
    held: before?.held ?? false,
    auto: upgrade ? before.auto : auto,
  }
  host.packages.set(offered.name, now)
  host.disk.freeBytes -= offered.installedKb * 1024
  for (const path of offered.programs) host.disk.program(path)
  for (const name of offered.units) {
    const exec = name === 'kubelet.service' ? '/usr/bin/kubelet' : undefined
    const at = host.addUnit(name, true, exec)
    host.disk.put(
      `/lib/systemd/system/${name}`,
      `[Unit]\nDescription=${name}\n[Service]\nExecStart=${at.exec}\n[Install]\nWantedBy=multi-user.target\n`,
    )
    if (!at.masked && (!at.active || upgrade) && name !== 'crio.service') host.startUnit(at)
    if (name === 'crio.service') at.enabled = upgrade && at.enabled
  }
  if (offered.name === 'containerd.io' && host.disk.find('/etc/containerd/config.toml') === undefined)
    host.disk.put(
      '/etc/containerd/config.toml',
      'disabled_plugins = ["cri"]\n\n#root = "/var/lib/containerd"\n#state = "/run/containerd"\n',
    )
  if (offered.name === 'containerd.io' || offered.name === 'containerd') {
    const at = host.unit('containerd')
    if (at !== undefined && !at.masked) host.startUnit(at)
  }
  if (offered.name === 'kubelet') {
    host.disk.put(
      '/usr/lib/systemd/system/kubelet.service.d/10-kubeadm.conf',
      '[Service]\nEnvironment="KUBELET_KUBECONFIG_ARGS=--bootstrap-kubeconfig=/etc/kubernetes/bootstrap-kubelet.conf --kubeconfig=/etc/kubernetes/kubelet.conf"\nEnvironment="KUBELET_CONFIG_ARGS=--config=/var/lib/kubelet/config.yaml"\nEnvironmentFile=-/var/lib/kubelet/kubeadm-flags.env\nEnvironmentFile=-/etc/default/kubelet\nExecStart=\nExecStart=/usr/bin/kubelet $KUBELET_KUBECONFIG_ARGS $KUBELET_CONFIG_ARGS $KUBELET_KUBEADM_ARGS $KUBELET_EXTRA_ARGS\n',
    )
    host.disk.dir('/etc/kubernetes/manifests')
    host.disk.dir('/var/lib/kubelet')
    // The package leaves the unit disabled; kubeadm starts it, and an upgrade needs a restart to take the new version.
    const at = host.unit('kubelet')
    if (at !== undefined && !upgrade) {
      at.enabled = false
      host.stopUnit(at)
    }
  }
  host.mutated(`apt-get install ${offered.name}=${offered.version}`)
  const unpacked = upgrade
    ? `Unpacking ${offered.name} (${offered.version}) over (${before.version}) ...\n`
    : `Unpacking ${offered.name} (${offered.version}) ...\n`
  return `${upgrade ? '' : `Selecting previously unselected package ${offered.name}.\n`}Preparing to unpack .../${offered.name}_${offered.version}_amd64.deb ...\n${unpacked}Setting up ${offered.name} (${offered.version}) ...\n`
}

function remove(host: SimHost, name: string, purge: boolean): void {
  const offered = candidates(host, name)[0]?.offered
  for (const path of offered?.programs ?? []) host.disk.remove(path)
  for (const unitOf of offered?.units ?? []) {
    const at = host.units.get(unitOf)
    if (at !== undefined) host.stopUnit(at)
    host.units.delete(unitOf)
    host.disk.remove(`/lib/systemd/system/${unitOf}`)
  }
  const installed = host.packages.get(name)
  if (installed === undefined) return
  if (purge) {
    host.packages.delete(name)
    if (name === 'containerd.io') host.disk.remove('/etc/containerd/config.toml')
  } else installed.configOnly = true
  host.mutated(`apt-get remove ${name}`)
}

async function removeVerb(call: Call, asked: Asked, purge: boolean): Promise<Answer> {
  const { host } = call
  await host.clock.sleep(READ_LISTS_MS)
  const unknown = asked.names.filter((name) => !host.packages.has(name) && candidates(host, name).length === 0)
  if (unknown.length > 0)
    return err(unknown.map((name) => `E: Unable to locate package ${name}\n`).join(''), 100, `${READING}${BUILDING}`)
  const gone = asked.names.filter((name) => isInstalled(host, name) || (purge && host.packages.has(name)))
  const absent = asked.names
    .filter((name) => !gone.includes(name))
    .map((name) => `Package '${name}' is not installed, so not removed\n`)
  const held = gone.filter((name) => host.packages.get(name)?.held === true)
  const orphans = orphaned(host, gone)
  let stdout = `${READING}${BUILDING}${absent.join('')}`
  if (orphans.length > 0)
    stdout += `The following package${orphans.length === 1 ? ' was' : 's were'} automatically installed and ${orphans.length === 1 ? 'is' : 'are'} no longer required:\n  ${orphans.join(' ')}\nUse 'sudo apt autoremove' to remove ${orphans.length === 1 ? 'it' : 'them'}.\n`
  if (gone.length > 0)
    stdout += `The following packages will be REMOVED:\n  ${gone.map((name) => (purge ? `${name}*` : name)).join(' ')}\n`
  if (held.length > 0) stdout += `The following held packages will be changed:\n  ${held.join(' ')}\n`
  stdout += `0 upgraded, 0 newly installed, ${gone.length} to remove and 0 not upgraded.\n`
  const refusal = refuse(asked, held, false, gone.length)
  if (refusal !== undefined) return err(refusal, refusal.startsWith('Abort') ? 1 : 100, stdout)
  if (asked.simulated === true) return out(stdout)
  for (const name of gone) {
    await host.clock.sleep(INSTALL_PACKAGE_MS / 2)
    remove(host, name, purge)
    stdout += `Removing ${name} ...\n`
  }
  return out(stdout)
}

function orphaned(host: SimHost, gone: readonly string[]): string[] {
  const needed = [...host.packages.values()]
    .filter(({ name, configOnly }) => configOnly !== true && !gone.includes(name))
    .flatMap(({ name }) => candidates(host, name)[0]?.offered.depends ?? [])
  return gone
    .flatMap((name) => candidates(host, name)[0]?.offered.depends ?? [])
    .filter((name) => host.packages.get(name)?.auto === true && isInstalled(host, name) && !needed.includes(name))
}

const actions: Readonly<Record<string, (call: Call, asked: Asked) => Promise<Answer>>> = {
  update: (call) => update(call),
  install,
  remove: (call, asked) => removeVerb(call, asked, false),
  purge: (call, asked) => removeVerb(call, asked, true),
  autoremove: async () => out(`${READING}${BUILDING}0 upgraded, 0 newly installed, 0 to remove and 0 not upgraded.\n`),
  upgrade: async () =>
    out(
      `${READING}${BUILDING}Calculating upgrade...\n0 upgraded, 0 newly installed, 0 to remove and 0 not upgraded.\n`,
    ),
  'dist-upgrade': async () =>
    out(
      `${READING}${BUILDING}Calculating upgrade...\n0 upgraded, 0 newly installed, 0 to remove and 0 not upgraded.\n`,
    ),
  clean: async () => out(),
  autoclean: async () => out(READING),
  check: async () => out(`${READING}${BUILDING}`),
  download: async () => out(),
}

const aptCache: Program = ({ host, argv }) => {
  const [verb, ...names] = argv.filter((word) => !word.startsWith('-'))
  if (verb === 'madison')
    return out(
      names
        .flatMap((name) => candidates(host, name))
        .map(({ offered, source }) => `${offered.name} | ${offered.version} | ${placeOf(source)}\n`)
        .join(''),
    )
  if (verb === 'show') {
    const found = names.map((name) => candidates(host, name)[0]?.offered)
    const missing = names.filter((_, n) => found[n] === undefined)
    const stdout = found
      .filter((offered) => offered !== undefined)
      .map((offered) => `Package: ${offered.name}\nVersion: ${offered.version}\nArchitecture: amd64\n\n`)
      .join('')
    return { stdout, stderr: missing.length > 0 ? 'E: No packages found\n' : '', exit: missing.length > 0 ? 100 : 0 }
  }
  if (verb !== 'policy') return err(`E: Invalid operation ${verb}\n`, 100)
  let stdout = ''
  for (const name of names) {
    const offers = candidates(host, name)
    const installed = isInstalled(host, name) ? host.packages.get(name)!.version : undefined
    if (offers.length === 0 && installed === undefined) continue
    stdout += `${name}:\n  Installed: ${installed ?? '(none)'}\n  Candidate: ${offers[0]?.offered.version ?? installed ?? '(none)'}\n  Version table:\n`
    for (const { offered, source } of offers) {
      stdout += ` ${offered.version === installed ? '***' : '   '} ${offered.version} 500\n        500 ${placeOf(source)}\n`
      if (offered.version === installed) stdout += '        100 /var/lib/dpkg/status\n'
    }
    if (installed !== undefined && !offers.some(({ offered }) => offered.version === installed))
      stdout += ` *** ${installed} 100\n        100 /var/lib/dpkg/status\n`
  }
  return out(stdout)
}

function placeOf({ uri, suite, components }: Source): string {
  const flat = components.length === 0
  return `${uri} ${flat ? ` ${suite}`.replace(' /', '') : `${suite}/${components[0]} amd64`} Packages`
}

const aptMark: Program = ({ host, argv, login }) => {
  const [verb, ...names] = argv.filter((word) => !word.startsWith('-'))
  const all = [...host.packages.values()].filter(({ configOnly }) => configOnly !== true)
  const listed = (keep: (each: (typeof all)[number]) => boolean): Answer =>
    out(
      all
        .filter((each) => keep(each) && (names.length === 0 || names.includes(each.name)))
        .map(({ name }) => `${name}\n`)
        .toSorted()
        .join(''),
    )
  switch (verb ?? '') {
    case 'showhold':
      return listed(({ held }) => held)
    case 'showmanual':
      return listed(({ auto }) => !auto)
    case 'showauto':
      return listed(({ auto }) => auto)
    case 'hold':
    case 'unhold':
    case 'manual':
    case 'auto': {
      if (login.uid !== 0)
        return err(`E: Could not open lock file ${LOCK_FRONTEND} - open (13: Permission denied)\n`, 100)
      let stdout = ''
      for (const name of names) {
        const found = host.packages.get(name)
        if (found === undefined && candidates(host, name).length === 0)
          return err(`E: Unable to locate package ${name}\nE: No packages found\n`, 100, stdout)
        const hold = verb === 'hold'
        if (verb === 'manual' || verb === 'auto') {
          if (found !== undefined) found.auto = verb === 'auto'
          stdout += `${name} set to ${verb === 'auto' ? 'automatically' : 'manually'} installed.\n`
        } else if (found === undefined || found.held === hold)
          stdout += `${name} was already ${hold ? 'set on hold' : 'not on hold'}.\n`
        else {
          found.held = hold
          host.mutated(`apt-mark ${verb} ${name}`)
          stdout += hold ? `${name} set on hold.\n` : `Canceled hold on ${name}.\n`
        }
      }
      return out(stdout)
    }
    default:
      return err(`E: Invalid operation ${verb}\n`, 100)
  }
}

export const aptPrograms: Readonly<Record<string, Program>> = {
  'apt-get': aptGet,
  apt: aptGet,
  'apt-cache': aptCache,
  'apt-mark': aptMark,
  'apt-config': () => out(),
}
