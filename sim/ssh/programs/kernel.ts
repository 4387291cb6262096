import type { Program } from '../program.ts'
import { err, out, switches } from '../program.ts'

const uname: Program = ({ argv, host }) => {
  const { flags } = switches(argv)
  const { kernel } = host.spec.os
  const version = '#1 SMP PREEMPT_DYNAMIC'
  if (flags.has('-a')) return out(`Linux ${host.hostname} ${kernel} ${version} x86_64 GNU/Linux\n`)
  const words = [
    flags.has('-s') || flags.size === 0 ? 'Linux' : undefined,
    flags.has('-n') ? host.hostname : undefined,
    flags.has('-r') ? kernel : undefined,
    flags.has('-v') ? version : undefined,
    flags.has('-m') || flags.has('-p') ? 'x86_64' : undefined,
    flags.has('-o') ? 'GNU/Linux' : undefined,
  ]
  return out(`${words.filter((word) => word !== undefined).join(' ')}\n`)
}

const modprobe: Program = ({ argv, host, login }) => {
  const { flags, rest } = switches(argv)
  const names = flags.has('-a') ? rest : rest.slice(0, 1)
  for (const name of names) {
    if (flags.has('-r')) {
      host.modules.delete(name.replaceAll('-', '_'))
      continue
    }
    if (host.modules.has(name.replaceAll('-', '_'))) continue
    if (login.uid !== 0) return err(`modprobe: ERROR: could not insert '${name}': Operation not permitted\n`)
    if (!host.loadModule(name))
      return err(
        flags.has('-q')
          ? ''
          : `modprobe: FATAL: Module ${name} not found in directory /lib/modules/${host.spec.os.kernel}\n`,
      )
    host.mutated(`modprobe ${name}`)
  }
  return out()
}

const lsmod: Program = ({ host }) =>
  out(
    `Module                  Size  Used by\n${[...host.modules].map((name) => `${name.padEnd(20)} 32768  0\n`).join('')}`,
  )

const sysctl: Program = ({ argv, host, login, stdin, files, cwd }) => {
  const { flags, values, rest } = switches(argv, ['--pattern'])
  const quiet = flags.has('-q') || flags.has('--quiet')
  if (flags.has('--system')) {
    if (login.uid !== 0) return err('sysctl: permission denied on key "kernel.pid_max"\n')
    const applied = host.applySysctlFiles()
    host.mutated('sysctl --system')
    return { stdout: quiet ? '' : applied.stdout, stderr: applied.stderr, exit: applied.stderr === '' ? 0 : 1 }
  }
  if (flags.has('-p') || flags.has('--load') || values.has('--load')) {
    const path = rest[0] ?? '/etc/sysctl.conf'
    const text = path === '-' ? stdin : host.disk.text(files.resolvePath(cwd, path))
    if (text === undefined) return err(`sysctl: cannot open "${path}": No such file or directory\n`)
    const applied = host.applySysctls(text)
    host.mutated(`sysctl -p ${path}`)
    return { stdout: quiet ? '' : applied.stdout, stderr: applied.stderr, exit: applied.stderr === '' ? 0 : 1 }
  }
  if (flags.has('-a'))
    return out(
      host.kernel
        .keys()
        .map((key) => `${key} = ${host.kernel.get(key)}\n`)
        .join(''),
    )
  let stdout = ''
  let stderr = ''
  for (const word of rest) {
    const [name, value] = word.split(/=(.*)/s)
    const key = (name ?? '').trim().replaceAll('/', '.')
    const current = host.kernel.get(key)
    if (current === undefined) {
      if (!flags.has('-e'))
        stderr += `sysctl: cannot stat /proc/sys/${key.replaceAll('.', '/')}: No such file or directory\n`
      continue
    }
    if (value !== undefined) {
      if (login.uid !== 0) {
        stderr += `sysctl: permission denied on key "${key}"\n`
        continue
      }
      host.kernel.set(host.disk, key, value.trim())
      host.mutated(`sysctl ${key}=${value.trim()}`)
    }
    if (quiet && value !== undefined) continue
    const now = host.kernel.get(key) ?? ''
    stdout += flags.has('-n') ? `${now}\n` : `${key} = ${now}\n`
  }
  return { stdout, stderr, exit: stderr === '' ? 0 : 1 }
}

const swapoff: Program = ({ host, login }) => {
  if (login.uid !== 0) return err('swapoff: Not superuser.\n', 16)
  if (host.swapOn) host.mutated('swapoff')
  host.swapOn = false
  return out()
}

const swapon: Program = ({ argv, host, login }) => {
  const { flags, rest } = switches(argv)
  const mib = host.spec.swapMiB ?? 0
  if (flags.has('--show') || flags.has('-s') || (flags.size === 0 && rest.length === 0)) {
    if (!host.swapOn) return out()
    const head = flags.has('--noheadings') ? '' : 'NAME      TYPE SIZE USED PRIO\n'
    return out(`${head}/swap.img file ${mib}M   0B   -2\n`)
  }
  if (login.uid !== 0) return err('swapon: Not superuser.\n', 16)
  const fstab = host.disk.text('/etc/fstab') ?? ''
  if (flags.has('-a') ? /^[^#\n]*\sswap\s/m.test(fstab) : rest.length > 0) host.swapOn = true
  return out()
}

const free: Program = ({ argv, host }) => {
  const { flags } = switches(argv)
  const unit = flags.has('-b') ? 1 : flags.has('-m') ? 2 ** 20 : flags.has('-g') ? 2 ** 30 : 1024
  const shown = (mib: number): string => String(Math.floor((mib * 2 ** 20) / unit)).padStart(12)
  const { memoryMiB, swapMiB = 0 } = host.spec
  const swap = host.swapOn ? swapMiB : 0
  return out(
    '               total        used        free      shared  buff/cache   available\n' +
      `Mem:    ${[1, 0.1, 0.7, 0.001, 0.2, 0.85].map((part) => shown(memoryMiB * part)).join('')}\n` +
      `Swap:   ${shown(swap)}${shown(0)}${shown(swap)}\n`,
  )
}

const df: Program = ({ argv, host }) => {
  const { flags, values, rest } = switches(argv, ['--output', '-t', '-x', '--block-size'])
  const size = host.spec.diskGiB * 2 ** 30
  const avail = Math.max(0, Math.floor(host.disk.freeBytes))
  const unit = flags.has('-B') || argv.some((word) => word.startsWith('-B1')) ? 1 : flags.has('-h') ? 2 ** 30 : 1024
  const number = (bytes: number): string =>
    flags.has('-h') ? `${(bytes / unit).toFixed(0)}G` : String(Math.floor(bytes / unit))
  for (const path of rest)
    if (host.disk.find(path) === undefined) return err(`df: ${path}: No such file or directory\n`)
  const wanted = values.get('--output')?.[0]?.split(',')
  const columns: Readonly<Record<string, readonly [string, string]>> = {
    source: ['Filesystem', '/dev/sda1'],
    fstype: ['Type', 'ext4'],
    size: [flags.has('-h') ? 'Size' : unit === 1 ? '1B-blocks' : '1K-blocks', number(size)],
    used: ['Used', number(size - avail)],
    avail: ['Avail', number(avail)],
    pcent: ['Use%', `${Math.round(((size - avail) / size) * 100)}%`],
    target: ['Mounted on', '/'],
    iavail: ['IFree', '1000000'],
  }
  const names = wanted ?? ['source', ...(flags.has('-T') ? ['fstype'] : []), 'size', 'used', 'avail', 'pcent', 'target']
  const row = (at: 0 | 1): string =>
    names.map((name) => (columns[name]?.[at] ?? '-').padEnd(at === 0 ? 0 : 0)).join(' ')
  return out(`${row(0)}\n${row(1)}\n`)
}

const findmnt: Program = ({ argv, host }) => {
  const { flags, values, rest } = switches(argv, ['-o', '--output', '-T', '--target', '-t', '-S', '--source', '-M'])
  const target = rest[0] ?? values.get('-T')?.[0] ?? values.get('--target')?.[0] ?? values.get('-M')?.[0] ?? '/'
  const known: Readonly<Record<string, string>> = {
    TARGET: '/',
    SOURCE: '/dev/sda1',
    FSTYPE: 'ext4',
    OPTIONS: 'rw,relatime',
  }
  if (target !== '/' && (!(values.has('-T') || values.has('--target')) || host.disk.find(target) === undefined)) {
    if (target === '/sys/fs/cgroup') return out('/sys/fs/cgroup cgroup2 cgroup2 rw,nosuid,nodev,noexec,relatime\n')
    return out('', 1)
  }
  const names = (values.get('-o')?.[0] ?? values.get('--output')?.[0] ?? 'TARGET,SOURCE,FSTYPE,OPTIONS')
    .toUpperCase()
    .split(',')
  if (flags.has('-J')) {
    const fields = Object.fromEntries(names.map((name) => [name.toLowerCase(), known[name] ?? null]))
    return out(`${JSON.stringify({ filesystems: [fields] }, null, 3)}\n`)
  }
  const head = flags.has('-n') ? '' : `${names.join(' ')}\n`
  return out(`${head}${names.map((name) => known[name] ?? '').join(' ')}\n`)
}

const lsblk: Program = ({ argv, host }) => {
  const { flags } = switches(argv, ['-o', '--output'])
  const size = host.spec.diskGiB * 2 ** 30
  if (flags.has('-J') || flags.has('--json')) {
    const bytes = flags.has('-b') ? size : `${host.spec.diskGiB}G`
    const child = { name: 'sda1', size: bytes, type: 'part', fstype: 'ext4', mountpoint: '/', mountpoints: ['/'] }
    return out(
      `${JSON.stringify({ blockdevices: [{ name: 'sda', size: bytes, type: 'disk', fstype: null, mountpoint: null, mountpoints: [null], children: [child] }] }, null, 3)}\n`,
    )
  }
  return out(
    `NAME   MAJ:MIN RM SIZE RO TYPE MOUNTPOINTS\nsda      8:0    0  ${host.spec.diskGiB}G  0 disk \n└─sda1   8:1    0  ${host.spec.diskGiB}G  0 part /\n`,
  )
}

export const kernelPrograms: Readonly<Record<string, Program>> = {
  uname,
  arch: () => out('x86_64\n'),
  nproc: ({ host }) => out(`${host.spec.cores}\n`),
  getconf: ({ argv, host }) =>
    argv[0] === '_NPROCESSORS_ONLN'
      ? out(`${host.spec.cores}\n`)
      : argv[0] === 'PAGE_SIZE'
        ? out('4096\n')
        : out('64\n'),
  modprobe,
  lsmod,
  modinfo: ({ argv, host }) =>
    host.modules.has(argv.at(-1) ?? '')
      ? out(`name:           ${argv.at(-1)}\n`)
      : err(`modinfo: ERROR: Module ${argv.at(-1)} not found.\n`),
  sysctl,
  swapon,
  swapoff,
  free,
  df,
  findmnt,
  lsblk,
  mount: ({ argv }) => (argv.length === 0 ? out('/dev/sda1 on / type ext4 (rw,relatime)\n') : out()),
  umount: () => out(),
  lspci: () =>
    out(
      '00:00.0 Host bridge: Intel Corporation 82G33/G31/P35/P31 Express DRAM Controller\n00:01.0 VGA compatible controller: Red Hat, Inc. Virtio 1.0 GPU (rev 01)\n',
    ),
  uptime: ({ host }) =>
    out(
      `up ${Math.floor((host.clock.now() - host.bootedAt) / 60_000)} min,  1 user,  load average: 0.08, 0.03, 0.01\n`,
    ),
  'systemd-detect-virt': () => out('kvm\n'),
}
