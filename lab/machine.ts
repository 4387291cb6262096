import { spawn, type ChildProcess } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { appendFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { release } from 'node:os'
import { dirname, join } from 'node:path'
import { controlGroups } from './control-groups.ts'
import { differences } from './differences.ts'
import type { LabNetwork } from './network.ts'
import { program } from './program.ts'

/** Two seconds on a quiet machine; ten times that where others are busy. */
const BOOT_MS = 90_000
const LOOK_AGAIN_MS = 200
const CONSOLE_LINES = 20
/** systemd-nspawn ends with this when the machine inside wants to boot again. */
const REBOOT = 133

export interface MachineOptions {
  readonly name: string
  /** 2 to 250; makes its address. */
  readonly number: number
  readonly network: LabNetwork
  /** What {@link rootFilesystem} made; only read. */
  readonly root: string
  /** Keeps what the machine writes; removed with it. */
  readonly folder: string
  /** OpenSSH public keys that may log in as `admin`, who may use sudo without a password. */
  readonly authorizedKeys: readonly string[]
  /** `http://…/debian`, reachable from the machine. */
  readonly debian: string
}

/** A Debian machine with systemd, OpenSSH and cloud-init of its own. */
export interface Machine extends AsyncDisposable {
  readonly name: string
  readonly address: string
  readonly user: string
  /** `ssh-ed25519 …`, given to it by cloud-init as a hypervisor would. */
  readonly hostKey: string
  /** What it said on its console, last part. */
  console(): string
  /** Until something answers at its SSH port; that cloud-init is done is another matter. */
  answers(): Promise<void>
  /** Ends it between two instructions; what it had written to its disk stays. */
  cutPower(): Promise<void>
  powerOn(): void
}

export async function openMachine(options: MachineOptions): Promise<Machine> {
  const { name, network, root, folder } = options
  const address = network.address(options.number)
  const write = (path: string, text: string, mode = 0o644): void => {
    const full = join(folder, 'changes', path)
    mkdirSync(dirname(full), { recursive: true })
    writeFileSync(full, text, { mode })
  }
  for (const part of ['changes', 'work', 'root', 'containers']) mkdirSync(join(folder, part), { recursive: true })
  const keyFile = join(folder, 'host-key')
  await program('ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-C', '', '-f', keyFile)
  const hostKey = readFileSync(`${keyFile}.pub`, 'utf8').trim()
  for (const [path, text] of seed(options, readFileSync(keyFile, 'utf8'), hostKey))
    write(`var/lib/cloud/seed/nocloud/${path}`, text, 0o600)
  write('etc/apt/sources.list', `deb ${options.debian} bookworm main\n`)
  // There is no name server: without one in here, each look-up is refused at once instead of waiting for an answer.
  write('etc/resolv.conf', '')
  write(
    'etc/systemd/network/10-lab.network',
    `[Match]\nName=host0\n\n[Network]\nAddress=${address}/24\nGateway=${network.gateway}\nLinkLocalAddressing=no\n`,
  )
  const { files, inside } = differences(release())
  for (const { path, text, mode } of files) write(path, text, mode)

  const consoleFile = join(folder, 'console')
  const groups = controlGroups(`${network.bridge}-${name}`)
  let wanted = true
  let process: ChildProcess | undefined
  const start = (): void => {
    const child = spawn('bash', ['-c', BOOT, 'machine', ...inside], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
        LC_ALL: 'C',
        NAME: name,
        BRIDGE: network.bridge,
        LOWER: root,
        FOLDER: folder,
        GROUPS_LIST: groups.folders.join('\n'),
        KERNEL: release(),
        // Its own network settings are its own to change.
        SYSTEMD_NSPAWN_API_VFS_WRITABLE: 'network',
      },
    })
    const keep = (part: Buffer): void => appendFileSync(consoleFile, part)
    child.stdout.on('data', keep)
    child.stderr.on('data', keep)
    child.on('exit', (code) => {
      process = undefined
      if (wanted && code === REBOOT) start()
    })
    process = child
  }
  const stop = async (): Promise<void> => {
    wanted = false
    const child = process
    if (child === undefined) return
    const ended = new Promise((resolve) => child.once('close', resolve))
    child.kill('SIGKILL')
    await ended
  }
  const said = (): string => readFileSync(consoleFile, 'utf8').split('\n').slice(-CONSOLE_LINES).join('\n')
  appendFileSync(consoleFile, '')
  start()
  return {
    name,
    address,
    user: 'admin',
    hostKey,
    console: said,
    async answers() {
      const until = Date.now() + BOOT_MS
      while (!(await greets(address))) {
        if (process === undefined || Date.now() > until)
          throw new Error(`${name} does not answer at ${address}:22. Its console:\n${said()}`)
        await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MS))
      }
    },
    cutPower: stop,
    powerOn() {
      wanted = true
      start()
    },
    async [Symbol.asyncDispose]() {
      await stop()
      await groups.remove()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/**
 * Mounts and processes have namespaces of their own, and the machine dies with the process that started it: whatever
 * happens to that one, nothing but the bridge, empty control groups and a folder is left.
 */
const BOOT = `
set -eu
if [ "\${1:-}" != inner ]; then
  while read -r group; do [ -z "$group" ] || echo $$ > "$group/cgroup.procs"; done <<< "$GROUPS_LIST"
  exec setpriv --pdeathsig KILL unshare --mount --propagation private --pid --fork --kill-child=KILL --mount-proc bash -c "$BASH_EXECUTION_STRING" machine inner "$@"
fi
shift
mount -t overlay overlay -o "lowerdir=$LOWER,upperdir=$FOLDER/changes,workdir=$FOLDER/work" "$FOLDER/root"
[ ! -d "$FOLDER/root/usr/lib/modules/$KERNEL" ] || chroot "$FOLDER/root" depmod "$KERNEL"
keep=
[ -d /run/systemd/system ] || keep=--keep-unit
exec systemd-nspawn -q -D "$FOLDER/root" --boot --machine="$NAME" --register=no $keep --network-bridge="$BRIDGE" \\
  --resolv-conf=off --timezone=off --link-journal=no --console=pipe --bind="$FOLDER/containers:/var/lib/containerd" "$@"
`

/** What a hypervisor hands to cloud-init; the network is the machine's own affair. */
function seed(
  { name, authorizedKeys }: MachineOptions,
  privateKey: string,
  publicKey: string,
): readonly (readonly [string, string])[] {
  const userData = {
    hostname: `${name}-fresh`,
    manage_etc_hosts: true,
    users: [
      {
        name: 'admin',
        shell: '/bin/bash',
        sudo: 'ALL=(ALL) NOPASSWD:ALL',
        lock_passwd: true,
        ssh_authorized_keys: authorizedKeys,
      },
    ],
    ssh_keys: { ed25519_private: privateKey, ed25519_public: publicKey },
    package_update: false,
  }
  return [
    ['meta-data', JSON.stringify({ 'instance-id': randomBytes(8).toString('hex') })],
    // JSON is YAML, and needs no care with quoting.
    ['user-data', `#cloud-config\n${JSON.stringify(userData, null, 2)}\n`],
    ['network-config', JSON.stringify({ config: 'disabled' })],
  ]
}

function greets(address: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: address, port: 22, timeout: 2_000 })
    const done = (answer: boolean): void => {
      socket.destroy()
      resolve(answer)
    }
    socket.once('data', () => done(true))
    socket.once('error', () => done(false))
    socket.once('timeout', () => done(false))
    socket.once('close', () => done(false))
  })
}
