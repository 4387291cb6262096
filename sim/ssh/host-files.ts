import { basePrograms } from './base-programs.ts'
import type { SimHost } from './host.ts'
import { programsOf } from './package-catalogue.ts'

/** Directories of a fresh system that are not made by one of its files. */
const DIRECTORIES = [
  '/boot',
  '/dev',
  '/etc/apt/keyrings',
  '/etc/apt/sources.list.d',
  '/etc/apt/apt.conf.d',
  '/etc/apt/preferences.d',
  '/etc/cloud',
  '/etc/modules-load.d',
  '/etc/profile.d',
  '/etc/sudoers.d',
  '/etc/sysctl.d',
  '/etc/systemd/system',
  '/etc/systemd/network',
  '/home',
  '/lib/modules',
  '/media',
  '/mnt',
  '/opt',
  '/srv',
  '/usr/lib/sysctl.d',
  '/usr/local/bin',
  '/usr/local/sbin',
  '/usr/sbin',
  '/usr/share/keyrings',
  '/var/cache/apt/archives',
  '/var/lib/apt/lists',
  '/var/lib/dpkg/updates',
  '/var/log',
]

const FIRST_UID = 1000

/** Writes what the image and cloud-init leave on a new disk. */
export function firstFiles(host: SimHost): void {
  const { disk, spec } = host
  for (const path of DIRECTORIES) disk.dir(path)
  disk.link('/bin', 'usr/bin')
  disk.link('/sbin', 'usr/sbin')
  disk.dir('/root').mode = 0o700
  disk.dir('/tmp').mode = 0o1777
  disk.dir('/var/tmp').mode = 0o1777
  for (const path of basePrograms()) disk.program(path)
  for (const name of host.packages.keys()) for (const path of programsOf(name)) disk.program(path)
  disk.put('/etc/os-release', spec.os.osRelease)
  disk.put('/usr/lib/os-release', spec.os.osRelease)
  disk.put('/etc/debian_version', spec.os.id === 'debian' ? `${spec.os.version}.12\n` : `${spec.os.codename}/sid\n`)
  disk.put('/etc/hostname', `${spec.name}\n`)
  const domain = spec.searchDomain === undefined ? '' : `${spec.name}.${spec.searchDomain} `
  disk.put(
    '/etc/hosts',
    `127.0.0.1 localhost\n127.0.1.1 ${domain}${spec.name}\n\n::1 localhost ip6-localhost ip6-loopback\n`,
  )
  const machineId = spec.ids?.machineId ?? host.machineUuid().replaceAll('-', '')
  disk.put('/etc/machine-id', `${machineId}\n`, 0o444)
  disk.put('/etc/shadow', 'root:*:20000:0:99999:7:::\n', 0o640)
  disk.put('/etc/resolv.conf', spec.nameservers.map((address) => `nameserver ${address}\n`).join(''))
  disk.put('/etc/sysctl.conf', '# /etc/sysctl.conf - Configuration file for setting system variables\n')
  disk.put('/etc/timezone', 'Etc/UTC\n')
  disk.put('/usr/lib/sysctl.d/50-pid-max.conf', 'kernel.pid_max = 4194304\n')
  disk.put(
    '/usr/lib/sysctl.d/99-protect-links.conf',
    'fs.protected_fifos = 1\nfs.protected_hardlinks = 1\nfs.protected_regular = 2\nfs.protected_symlinks = 1\n',
  )
  sources(host)
  accounts(host)
  const swap = spec.swapMiB === undefined ? '' : '/swap.img none swap sw 0 0\n'
  if (spec.swapMiB !== undefined) disk.put('/swap.img', '', 0o600)
  disk.put('/etc/fstab', `UUID=${host.machineUuid()} / ext4 rw,discard,errors=remount-ro,x-systemd.growfs 0 1\n${swap}`)
  if (spec.cloudInit !== undefined) {
    disk.put('/etc/cloud/cloud.cfg', '# The top level settings are used as module and system configuration.\n')
    disk.put('/var/lib/cloud/instance/boot-finished', '')
    disk.remove('/var/lib/cloud/instance/boot-finished')
  }
}

function sources({ disk, spec }: SimHost): void {
  const { archive, codename, id } = spec.os
  if (id === 'debian')
    disk.put(
      '/etc/apt/sources.list.d/debian.sources',
      `Types: deb\nURIs: ${archive}\nSuites: ${codename} ${codename}-updates\nComponents: main\n\n` +
        `Types: deb\nURIs: http://deb.debian.org/debian-security\nSuites: ${codename}-security\nComponents: main\n`,
    )
  else
    disk.put(
      '/etc/apt/sources.list.d/ubuntu.sources',
      `Types: deb\nURIs: ${archive}\nSuites: ${codename} ${codename}-updates ${codename}-security\n` +
        `Components: main restricted universe multiverse\nSigned-By: /usr/share/keyrings/ubuntu-archive-keyring.gpg\n`,
    )
  disk.put('/usr/share/keyrings/ubuntu-archive-keyring.gpg', 'GPGKEY:ubuntu')
}

function accounts(host: SimHost): void {
  const { disk, spec } = host
  const users = ['root:x:0:0:root:/root:/bin/bash', 'daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin']
  const groups = ['root:x:0:', 'adm:x:4:', 'sudo:x:27:', 'systemd-journal:x:999:']
  const keys = spec.sshKeys.map((key) => `${key.trim()}\n`).join('')
  if (spec.user === 'root') {
    disk.dir('/root/.ssh').mode = 0o700
    disk.put('/root/.ssh/authorized_keys', keys, 0o600)
  } else {
    const { user } = spec
    users.push(`${user}:x:${FIRST_UID}:${FIRST_UID}:${user}:/home/${user}:/bin/bash`)
    groups[1] = `adm:x:4:${user}`
    groups[2] = `sudo:x:27:${user}`
    groups.push(`${user}:x:${FIRST_UID}:`)
    for (const [path, mode] of [
      [`/home/${user}`, 0o750],
      [`/home/${user}/.ssh`, 0o700],
    ] as const) {
      const dir = disk.dir(path)
      Object.assign(dir, { mode, uid: FIRST_UID, gid: FIRST_UID })
    }
    disk.put(`/home/${user}/.ssh/authorized_keys`, keys, 0o600, FIRST_UID)
    disk.put('/etc/sudoers.d/90-cloud-init-users', `${user} ALL=(ALL) NOPASSWD:ALL\n`, 0o440)
  }
  disk.put('/etc/passwd', `${users.join('\n')}\n`)
  disk.put('/etc/group', `${groups.join('\n')}\n`)
}

/** Makes what the kernel and systemd make anew at every start. */
export function bootFiles(host: SimHost): void {
  const { disk, spec, clock } = host
  for (const path of ['/proc', '/sys', '/run', '/dev']) disk.empty(path)
  if (spec.os.version === '13') disk.empty('/tmp')
  disk.link('/var/run', '/run')
  for (const name of ['null', 'zero', 'random', 'urandom', 'tty']) disk.put(`/dev/${name}`, '', 0o666)
  disk.dir('/dev/shm').mode = 0o1777
  disk.dir('/run/lock').mode = 0o1777
  disk.dir('/run/user')
  disk.dir('/proc/self/fd')
  const uptime = (): number => (clock.now() - host.bootedAt) / 1000
  disk.kernelFile('/proc/sys/kernel/random/boot_id', () => `${host.bootId}\n`)
  disk.kernelFile('/proc/sys/kernel/hostname', () => `${host.hostname}\n`)
  disk.kernelFile('/proc/sys/kernel/osrelease', () => `${spec.os.kernel}\n`)
  disk.kernelFile('/proc/uptime', () => `${uptime().toFixed(2)} ${(uptime() * spec.cores * 0.97).toFixed(2)}\n`)
  disk.kernelFile('/proc/loadavg', () => '0.08 0.03 0.01 1/180 1200\n')
  disk.kernelFile('/proc/cmdline', () => 'BOOT_IMAGE=/boot/vmlinuz root=/dev/sda1 ro console=ttyS0,115200\n')
  disk.kernelFile('/proc/cpuinfo', () =>
    Array.from(
      { length: spec.cores },
      (_, n) =>
        `processor\t: ${n}\nvendor_id\t: AuthenticAMD\nmodel name\t: QEMU Virtual CPU\nflags\t\t: fpu vme sse4_2\n\n`,
    ).join(''),
  )
  disk.kernelFile('/proc/meminfo', () => meminfo(host))
  disk.kernelFile('/proc/swaps', () => {
    const head = 'Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n'
    if (!host.swapOn) return head
    return `${head}/swap.img                               file\t\t${(spec.swapMiB ?? 0) * 1024}\t\t0\t\t-2\n`
  })
  disk.kernelFile('/proc/modules', () =>
    [...host.modules].map((name) => `${name} 32768 0 - Live 0x0000000000000000\n`).join(''),
  )
  disk.kernelFile('/proc/mounts', () => '/dev/sda1 / ext4 rw,relatime,discard,errors=remount-ro 0 0\n')
  disk.kernelFile('/proc/filesystems', () => 'nodev\tsysfs\nnodev\ttmpfs\nnodev\tproc\n\text4\nnodev\toverlay\n')
  const uuid = spec.ids?.productUuid ?? host.machineUuid()
  disk.kernelFile('/sys/class/dmi/id/product_uuid', () => `${uuid}\n`)
  disk.find('/sys/class/dmi/id/product_uuid')!.mode = 0o400
  disk.kernelFile('/sys/class/dmi/id/product_name', () => 'Standard PC (Q35 + ICH9, 2009)\n')
  disk.kernelFile('/sys/class/dmi/id/sys_vendor', () => 'QEMU\n')
  disk.kernelFile('/sys/class/net/eth0/address', () => `${spec.mac.toLowerCase()}\n`)
  disk.kernelFile('/sys/class/net/eth0/operstate', () => 'up\n')
  disk.kernelFile('/sys/class/net/lo/address', () => '00:00:00:00:00:00\n')
  disk.kernelFile('/sys/fs/cgroup/cgroup.controllers', () => 'cpuset cpu io memory hugetlb pids rdma misc\n')
  disk.put('/run/systemd/resolve/resolv.conf', spec.nameservers.map((address) => `nameserver ${address}\n`).join(''))
  host.kernel.mount(disk)
}

function meminfo({ spec, swapOn }: SimHost): string {
  const total = spec.memoryMiB * 1024
  const line = (name: string, value: number): string => `${`${name}:`.padEnd(16)}${String(value).padStart(8)} kB\n`
  const swap = swapOn ? (spec.swapMiB ?? 0) * 1024 : 0
  return (
    line('MemTotal', total) +
    line('MemFree', Math.floor(total * 0.7)) +
    line('MemAvailable', Math.floor(total * 0.85)) +
    line('SwapTotal', swap) +
    line('SwapFree', swap)
  )
}
