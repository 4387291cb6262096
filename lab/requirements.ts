import { accessSync, constants, readFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'

/** Programs of the host and the Debian package that each is in. */
const PROGRAMS: Readonly<Record<string, string>> = {
  mmdebstrap: 'mmdebstrap',
  'systemd-nspawn': 'systemd-container',
  ip: 'iproute2',
  mount: 'mount',
  chroot: 'coreutils',
  gpg: 'gnupg',
  'dpkg-deb': 'dpkg',
  'apt-ftparchive': 'apt-utils',
  'ssh-keygen': 'openssh-client',
}
/** Bits of a process's capabilities: mounts and namespaces, and networks. */
const CAP_NET_ADMIN = 12n
const CAP_SYS_ADMIN = 21n

/** What this machine lacks for the lab, as one line; `undefined` when it can run machines. */
export function missingForLab(): string | undefined {
  if (process.platform !== 'linux') return 'the lab needs Linux'
  if (process.getuid?.() !== 0) return 'the lab needs root'
  const capabilities = BigInt(`0x${/^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]}`)
  if ([CAP_NET_ADMIN, CAP_SYS_ADMIN].some((bit) => ((capabilities >> bit) & 1n) === 0n))
    return 'the lab needs to mount file systems and make networks, and root may not do so here'
  const packages = Object.entries(PROGRAMS).flatMap(([name, from]) => (isProgram(name) ? [] : [from]))
  if (packages.length > 0) return `the lab needs the packages ${packages.join(', ')}`
  return undefined
}

function isProgram(name: string): boolean {
  return [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/sbin'].some((folder) => {
    try {
      accessSync(join(folder, name), constants.X_OK)
      return true
    } catch {
      return false
    }
  })
}
