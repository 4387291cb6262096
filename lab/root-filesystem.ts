import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { program } from './program.ts'

const SUITE = 'bookworm'
/** What an image for clouds has, without kernel and boot loader; curl and gnupg are not among it. */
const PACKAGES =
  'systemd-sysv dbus udev kmod procps iproute2 iputils-ping netbase nftables openssh-server sudo cloud-init python3-minimal ca-certificates unattended-upgrades'.split(
    ' ',
  )
const LEFT_OUT = ['/usr/share/man/*', '/usr/share/locale/*', '/usr/share/doc/*']

/** The Debian mirror that this machine itself uses. */
export function debianMirror(): string {
  const folder = '/etc/apt/sources.list.d'
  const files = [
    '/etc/apt/sources.list',
    ...(existsSync(folder) ? readdirSync(folder).map((f) => join(folder, f)) : []),
  ]
  for (const file of files) {
    if (!existsSync(file)) continue
    const url = /^(?:URIs:|deb(?: \[[^\]]*\])?)\s+(https?:\/\/\S+\/debian)\/?(?:\s|$)/m.exec(
      readFileSync(file, 'utf8'),
    )?.[1]
    if (url !== undefined) return url
  }
  return 'http://deb.debian.org/debian'
}

/**
 * A Debian 12 that has never booted, made once with mmdebstrap (about a minute, 300 MiB) and kept.
 * @param folder - Where the lab keeps what it can make again.
 * @returns Its root directory; machines use it read-only.
 */
export async function rootFilesystem(folder: string): Promise<string> {
  const name = createHash('sha256')
    .update([SUITE, ...PACKAGES, ...LEFT_OUT].join(' '))
    .digest('hex')
    .slice(0, 12)
  const root = join(folder, `${SUITE}-${name}`)
  if (existsSync(root)) return root
  mkdirSync(folder, { recursive: true })
  const making = `${root}.${process.pid}`
  try {
    await program(
      'nice',
      'mmdebstrap',
      '--variant=minbase',
      '--skip=check/empty',
      `--include=${PACKAGES.join(',')}`,
      '--aptopt=Acquire::Languages "none"',
      '--dpkgopt=force-unsafe-io',
      ...LEFT_OUT.map((path) => `--dpkgopt=path-exclude=${path}`),
      SUITE,
      making,
      debianMirror(),
    )
    for (const key of readdirSync(join(making, 'etc/ssh')).filter((file) => file.startsWith('ssh_host_')))
      rmSync(join(making, 'etc/ssh', key))
    writeFileSync(join(making, 'etc/machine-id'), '')
    writeFileSync(
      join(making, 'etc/cloud/cloud.cfg.d/90_lab.cfg'),
      'datasource_list: [NoCloud, None]\nlocale: C.UTF-8\n',
    )
    await program('chroot', making, 'systemctl', 'enable', 'systemd-networkd', 'ssh')
    renameSync(making, root)
  } finally {
    rmSync(making, { recursive: true, force: true })
  }
  return root
}
