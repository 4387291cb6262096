import { posix } from 'node:path'
import { DiskError } from '../disk.ts'
import type { Entry } from '../disk.ts'
import type { SimHost } from '../host.ts'
import type { Answer, Call, Program } from '../program.ts'
import { err, out, switches } from '../program.ts'
import { hex } from '../../random.ts'

const WORDS: Readonly<Record<string, string>> = {
  ENOENT: 'No such file or directory',
  EACCES: 'Permission denied',
  EPERM: 'Operation not permitted',
  ENOSPC: 'No space left on device',
  EEXIST: 'File exists',
  EISDIR: 'Is a directory',
  ENOTDIR: 'Not a directory',
}

/** Text of a failure as the C library words it. */
export function reason(cause: unknown): string {
  if (cause instanceof DiskError) return WORDS[cause.code] ?? cause.code
  throw cause
}

export const userName = (host: SimHost, uid: number): string => idName(host, '/etc/passwd', uid)
export const groupName = (host: SimHost, gid: number): string => idName(host, '/etc/group', gid)

function idName(host: SimHost, file: string, id: number): string {
  const line = (host.disk.text(file) ?? '').split('\n').find((entry) => entry.split(':')[2] === String(id))
  return line?.split(':')[0] ?? String(id)
}

function idOf(host: SimHost, file: string, word: string): number | undefined {
  if (/^\d+$/.test(word)) return Number(word)
  const line = (host.disk.text(file) ?? '').split('\n').find((entry) => entry.startsWith(`${word}:`))
  return line === undefined ? undefined : Number(line.split(':')[2])
}

const KIND = { file: '-', dir: 'd', link: 'l' } as const

export function modeText(entry: Entry): string {
  const letters = 'rwxrwxrwx'.split('').map((letter, n) => (((entry.mode >> (8 - n)) & 1) === 1 ? letter : '-'))
  if ((entry.mode & 0o1000) !== 0) letters[8] = letters[8] === 'x' ? 't' : 'T'
  return KIND[entry.kind] + letters.join('')
}

const sizeOf = (entry: Entry): number =>
  entry.kind === 'dir' ? 4096 : entry.kind === 'link' ? entry.target.length : entry.data.length

const ls: Program = async (call) => {
  const { flags, rest } = switches(call.argv)
  if (!flags.has('-l') && !flags.has('-n')) return call.original(call.argv)
  const lines: string[] = []
  let stderr = ''
  const line = (entry: Entry, name: string): string => {
    const when = new Date(entry.mtime)
    const date = `${when.toLocaleString('en', { month: 'short', timeZone: 'UTC' })} ${String(when.getUTCDate()).padStart(2)} ${when.toISOString().slice(11, 16)}`
    const owner = `${userName(call.host, entry.uid)} ${groupName(call.host, entry.gid)}`
    const arrow = entry.kind === 'link' ? ` -> ${entry.target}` : ''
    return `${modeText(entry)} 1 ${owner} ${String(sizeOf(entry)).padStart(4)} ${date} ${name}${arrow}\n`
  }
  const paths = rest.length === 0 ? ['.'] : rest
  const directories: string[] = []
  for (const word of paths) {
    try {
      const entry = call.files.look(call.files.resolvePath(call.cwd, word), false)
      const followed = call.files.look(call.files.resolvePath(call.cwd, word))
      if (followed.kind === 'dir' && !flags.has('-d')) directories.push(word)
      else lines.push(line(entry, word))
    } catch (cause) {
      stderr += `ls: cannot access '${word}': ${reason(cause)}\n`
    }
  }
  for (const word of directories.toSorted()) {
    const path = call.files.resolvePath(call.cwd, word)
    if (paths.length > 1) lines.push(`${lines.length > 0 ? '\n' : ''}${word}:\n`)
    try {
      const names = await call.files.readdir(path)
      lines.push(`total ${names.length * 4}\n`)
      if (flags.has('-a'))
        lines.push(line(call.files.look(path), '.'), line(call.files.look(posix.dirname(path)), '..'))
      for (const name of names)
        if (flags.has('-a') || flags.has('-A') || !name.startsWith('.'))
          lines.push(line(call.files.look(posix.join(path, name), false), name))
    } catch (cause) {
      stderr += `ls: cannot open directory '${word}': ${reason(cause)}\n`
    }
  }
  return { stdout: lines.join(''), stderr, exit: stderr === '' ? 0 : 2 }
}

const stat: Program = (call) => {
  const { flags, values, rest } = switches(call.argv, ['-c', '--format', '--printf'])
  const format = values.get('-c')?.[0] ?? values.get('--format')?.[0]
  const printf = values.get('--printf')?.[0]
  let stdout = ''
  let stderr = ''
  for (const word of rest) {
    try {
      const entry = call.files.look(call.files.resolvePath(call.cwd, word), flags.has('-L'))
      if (flags.has('-f')) {
        stdout +=
          (format ?? '%T').replaceAll('%T', word.startsWith('/sys/fs/cgroup') ? 'cgroup2fs' : 'ext2/ext3') + '\n'
        continue
      }
      const shown: Readonly<Record<string, string>> = {
        a: entry.mode.toString(8),
        A: modeText(entry),
        n: word,
        N: `'${word}'`,
        U: userName(call.host, entry.uid),
        G: groupName(call.host, entry.gid),
        u: String(entry.uid),
        g: String(entry.gid),
        s: String(sizeOf(entry)),
        Y: String(Math.floor(entry.mtime / 1000)),
        y: `${new Date(entry.mtime).toISOString().replace('T', ' ').replace('Z', '000000')} +0000`,
        F:
          entry.kind === 'dir'
            ? 'directory'
            : entry.kind === 'link'
              ? 'symbolic link'
              : sizeOf(entry) === 0
                ? 'regular empty file'
                : 'regular file',
        '%': '%',
      }
      const text =
        format ?? printf ?? '  File: %n\n  Size: %s\t%F\nAccess: (0%a/%A)  Uid: (%u/%U)   Gid: (%g/%G)\nModify: %y'
      const filled = text.replaceAll(/%(.)/g, (whole, letter: string) => shown[letter] ?? whole)
      stdout +=
        printf === undefined ? `${filled}\n` : filled.replaceAll(String.raw`\n`, '\n').replaceAll(String.raw`\t`, '\t')
    } catch (cause) {
      stderr += `stat: cannot statx '${word}': ${reason(cause)}\n`
    }
  }
  return { stdout, stderr, exit: stderr === '' ? 0 : 1 }
}

/** Changes every file below a path too, as `-R` does. */
function eachBelow(call: Call, path: string, act: (path: string) => void): void {
  act(path)
  const entry = call.host.disk.find(path, false)
  if (entry?.kind === 'dir') for (const name of entry.children.keys()) eachBelow(call, posix.join(path, name), act)
}

function chownOf(kind: 'chown' | 'chgrp'): Program {
  return (call) => {
    const { flags, values, rest } = switches(call.argv, ['--reference'])
    const reference = values.get('--reference')?.[0]
    const [spec, ...paths] = reference === undefined ? rest : ['', ...rest]
    const [user, group] = kind === 'chgrp' ? ['', spec!] : (spec ?? '').split(/[:.]/)
    const uid = user === '' || user === undefined ? undefined : idOf(call.host, '/etc/passwd', user)
    if (user !== '' && user !== undefined && uid === undefined) return err(`${kind}: invalid user: '${spec}'\n`)
    const gid = group === '' || group === undefined ? undefined : idOf(call.host, '/etc/group', group)
    if (group !== '' && group !== undefined && gid === undefined) return err(`${kind}: invalid group: '${spec}'\n`)
    let stderr = ''
    for (const word of paths) {
      const path = call.files.resolvePath(call.cwd, word)
      try {
        const like = reference === undefined ? undefined : call.files.look(call.files.resolvePath(call.cwd, reference))
        const act = (at: string): void => call.files.chown(at, like?.uid ?? uid, like?.gid ?? gid, !flags.has('-h'))
        if (flags.has('-R')) eachBelow(call, path, act)
        else act(path)
      } catch (cause) {
        if (cause instanceof DiskError && cause.code === 'ENOENT')
          stderr += `${kind}: cannot access '${word}': ${reason(cause)}\n`
        else stderr += `${kind}: changing ownership of '${word}': ${reason(cause)}\n`
      }
    }
    return { stdout: '', stderr, exit: stderr === '' ? 0 : 1 }
  }
}

const install: Program = async (call) => {
  const { flags, values, rest } = switches(call.argv, ['-m', '-o', '-g', '-t', '--mode', '--owner', '--group'])
  const mode = Number.parseInt(values.get('-m')?.[0] ?? values.get('--mode')?.[0] ?? '755', 8)
  const owner = values.get('-o')?.[0] ?? values.get('--owner')?.[0]
  const group = values.get('-g')?.[0] ?? values.get('--group')?.[0]
  const uid = owner === undefined ? undefined : idOf(call.host, '/etc/passwd', owner)
  const gid = group === undefined ? undefined : idOf(call.host, '/etc/group', group)
  if (owner !== undefined && uid === undefined) return err(`install: invalid user '${owner}'\n`)
  const finish = async (path: string): Promise<void> => {
    await call.files.chmod(path, mode)
    if (uid !== undefined || gid !== undefined) call.files.chown(path, uid, gid)
  }
  const at = (word: string): string => call.files.resolvePath(call.cwd, word)
  try {
    if (flags.has('-d')) {
      for (const word of rest) {
        await call.files.mkdir(at(word), { recursive: true })
        await finish(at(word))
      }
      return out()
    }
    const into = values.get('-t')?.[0]
    const sources = into === undefined ? rest.slice(0, -1) : rest
    const target = into ?? rest.at(-1)
    if (target === undefined || sources.length === 0) return err(`install: missing file operand\n`)
    const isDirectory = (await call.files.exists(at(target))) && call.files.look(at(target)).kind === 'dir'
    for (const source of sources) {
      const path = isDirectory ? posix.join(at(target), posix.basename(source)) : at(target)
      if (flags.has('-D')) await call.files.mkdir(posix.dirname(path), { recursive: true })
      if (source !== '/dev/null' && source !== '/dev/stdin' && !(await call.files.exists(at(source))))
        return err(`install: cannot stat '${source}': No such file or directory\n`)
      const content =
        source === '/dev/null'
          ? ''
          : source === '/dev/stdin'
            ? Buffer.from(call.stdin, 'latin1')
            : await call.files.readFileBuffer(at(source))
      await call.files.rm(path, { force: true })
      await call.files.writeFile(path, content)
      await finish(path)
    }
    return out()
  } catch (cause) {
    return err(`install: cannot create regular file '${rest.at(-1)}': ${reason(cause)}\n`)
  }
}

const mktemp: Program = async (call) => {
  const { flags, values, rest } = switches(call.argv, ['-p', '--tmpdir', '--suffix'])
  const template = rest[0] ?? 'tmp.XXXXXXXXXX'
  const dir =
    values.get('-p')?.[0] ??
    values.get('--tmpdir')?.[0] ??
    (rest[0] === undefined || flags.has('-t') || flags.has('--tmpdir') ? '/tmp' : '')
  if (!/X{3,}/.test(template)) return err(`mktemp: too few X's in template '${template}'\n`)
  const name = template.replace(/X{3,}(?!.*X{3,})/, (xs) => hex(call.host.world.random, xs.length))
  const path = call.files.resolvePath(
    call.cwd,
    `${dir === '' ? '' : `${dir}/`}${name}${values.get('--suffix')?.[0] ?? ''}`,
  )
  try {
    if (flags.has('-d')) await call.files.mkdir(path)
    else await call.files.writeFile(path, '')
    await call.files.chmod(path, flags.has('-d') ? 0o700 : 0o600)
  } catch (cause) {
    return err(`mktemp: failed to create file via template '${template}': ${reason(cause)}\n`)
  }
  return out(`${dir === '' ? name : path}\n`)
}

/** `cp` with the switches that keep owners, modes and times, which the shell's own lacks. */
const cp: Program = async (call) => {
  const { flags, values, rest } = switches(call.argv, ['-t', '--target-directory', '--preserve'])
  const keep = ['-a', '-p', '--preserve', '--archive'].some((flag) => flags.has(flag))
  const recursive = ['-a', '-r', '-R', '--recursive', '--archive'].some((flag) => flags.has(flag))
  const into = values.get('-t')?.[0] ?? values.get('--target-directory')?.[0]
  const target = into ?? rest.at(-1)
  const sources = into === undefined ? rest.slice(0, -1) : rest
  if (target === undefined || sources.length === 0) return err(`cp: missing file operand\n`)
  const at = (word: string): string => call.files.resolvePath(call.cwd, word)
  const targetIsDirectory =
    (await call.files.exists(at(target))) && call.files.look(at(target)).kind === 'dir' && !flags.has('-T')
  for (const source of sources) {
    const path = targetIsDirectory ? posix.join(at(target), posix.basename(source)) : at(target)
    try {
      if (source === '/dev/stdin') {
        await call.files.writeFile(path, Buffer.from(call.stdin, 'latin1'))
        continue
      }
      if (source === '/dev/null') {
        await call.files.writeFile(path, '')
        continue
      }
      if (!(await call.files.exists(at(source)))) return err(`cp: cannot stat '${source}': No such file or directory\n`)
      if (flags.has('-n') && (await call.files.exists(path))) continue
      if (call.files.look(at(source)).kind === 'dir' && !recursive)
        return err(`cp: -r not specified; omitting directory '${source}'\n`)
      await call.files.cp(at(source), path, { recursive })
      if (keep) copyLooks(call, at(source), path)
    } catch (cause) {
      return err(`cp: cannot create regular file '${target}': ${reason(cause)}\n`)
    }
  }
  return out()
}

function copyLooks(call: Call, source: string, target: string): void {
  const from = call.host.disk.find(source)
  const to = call.host.disk.find(target)
  if (from === undefined || to === undefined) return
  to.mode = from.mode
  to.mtime = from.mtime
  if (call.login.uid === 0) Object.assign(to, { uid: from.uid, gid: from.gid })
  if (from.kind === 'dir')
    for (const name of from.children.keys()) copyLooks(call, posix.join(source, name), posix.join(target, name))
}

const truncate: Program = async (call) => {
  const { values, rest } = switches(call.argv, ['-s', '--size'])
  const size = Number(values.get('-s')?.[0] ?? values.get('--size')?.[0] ?? Number.NaN)
  if (!Number.isInteger(size)) return err(`truncate: you must specify either '--size' or '--reference'\n`)
  for (const word of rest) {
    const path = call.files.resolvePath(call.cwd, word)
    const old = (await call.files.exists(path)) ? await call.files.readFileBuffer(path) : new Uint8Array()
    const cut = new Uint8Array(size)
    cut.set(old.subarray(0, size))
    try {
      await call.files.writeFile(path, cut)
    } catch (cause) {
      return err(`truncate: cannot open '${word}' for writing: ${reason(cause)}\n`)
    }
  }
  return out()
}

const cmp: Program = async (call) => {
  const { flags, rest } = switches(call.argv)
  const contents: Buffer[] = []
  for (const word of rest.slice(0, 2)) {
    try {
      contents.push(
        word === '-'
          ? Buffer.from(call.stdin, 'latin1')
          : Buffer.from(await call.files.readFileBuffer(call.files.resolvePath(call.cwd, word))),
      )
    } catch (cause) {
      return err(flags.has('-s') ? '' : `cmp: ${word}: ${reason(cause)}\n`, 2)
    }
  }
  if (contents[0]!.equals(contents[1] ?? Buffer.alloc(0))) return out()
  return out(flags.has('-s') ? '' : `${rest[0]} ${rest[1]} differ: byte 1, line 1\n`, 1)
}

const dd: Program = async (call) => {
  const options = new Map(call.argv.map((word) => word.split('=', 2) as [string, string]))
  const source = options.get('if')
  const bs = sizeWord(options.get('bs') ?? '512')
  const count = options.has('count') ? Number(options.get('count')) : undefined
  const limit = count === undefined ? undefined : count * bs
  const input: Uint8Array =
    source === undefined
      ? Buffer.from(call.stdin, 'latin1')
      : /^\/dev\/(zero|urandom|random)$/.test(source)
        ? new Uint8Array(Math.min(limit ?? 0, MAX_DD_BYTES))
        : await call.files.readFileBuffer(call.files.resolvePath(call.cwd, source))
  const data = limit === undefined ? input : input.subarray(0, limit)
  const target = options.get('of')
  if (target !== undefined) {
    try {
      await call.files.writeFile(call.files.resolvePath(call.cwd, target), data)
    } catch (cause) {
      return err(`dd: failed to open '${target}': ${reason(cause)}\n`)
    }
  }
  const report = options.get('status') === 'none' ? '' : `${data.length} bytes copied\n`
  return { stdout: target === undefined ? Buffer.from(data).toString('latin1') : '', stderr: report, exit: 0 }
}

/** Enough for a test of the disk; more would only fill the simulator's memory. */
const MAX_DD_BYTES = 4 * 2 ** 20

function sizeWord(word: string): number {
  const found = /^(\d+)([kKMG]?)/.exec(word)
  const factor = { '': 1, k: 1024, K: 1024, M: 2 ** 20, G: 2 ** 30 }[(found?.[2] ?? '') as '' | 'k' | 'K' | 'M' | 'G']
  return Number(found?.[1] ?? 0) * factor
}

const realpath: Program = async (call) => {
  const { flags, rest } = switches(call.argv)
  let stdout = ''
  for (const word of rest) {
    const path = call.files.resolvePath(call.cwd, word)
    try {
      stdout += `${await call.files.realpath(path)}\n`
    } catch (cause) {
      if (flags.has('-m')) stdout += `${path}\n`
      else return err(`realpath: ${word}: ${reason(cause)}\n`, 1, stdout)
    }
  }
  return out(stdout)
}

const id: Program = (call) => {
  const { flags, rest } = switches(call.argv)
  const login = rest[0] === undefined ? call.login : call.host.login(rest[0])
  if (login === undefined) return err(`id: '${rest[0]}': no such user\n`)
  const groups = groupsOf(call.host, login.name, login.gid)
  if (flags.has('-u')) return out(`${flags.has('-n') ? login.name : login.uid}\n`)
  if (flags.has('-g')) return out(`${flags.has('-n') ? groupName(call.host, login.gid) : login.gid}\n`)
  if (flags.has('-G')) return out(`${groups.map(([name, gid]) => (flags.has('-n') ? name : gid)).join(' ')}\n`)
  const shown = groups.map(([name, gid]) => `${gid}(${name})`).join(',')
  return out(`uid=${login.uid}(${login.name}) gid=${login.gid}(${groupName(call.host, login.gid)}) groups=${shown}\n`)
}

function groupsOf(host: SimHost, user: string, gid: number): [string, string][] {
  const lines = (host.disk.text('/etc/group') ?? '').split('\n').map((line) => line.split(':'))
  const own = lines.filter((fields) => fields[2] === String(gid))
  const others = lines.filter((fields) => fields[2] !== String(gid) && fields[3]?.split(',').includes(user) === true)
  return [...own, ...others].map((fields) => [fields[0]!, fields[2]!])
}

const getent: Program = (call) => {
  const [database, ...keys] = call.argv.filter((word) => !word.startsWith('-'))
  if (database === 'hosts' || database === 'ahosts' || database === 'ahostsv4') {
    const name = keys[0] ?? ''
    for (const line of (call.host.disk.text('/etc/hosts') ?? '').split('\n')) {
      const [address, ...names] = line.replace(/#.*/, '').trim().split(/\s+/)
      if (names.includes(name)) return out(`${(address ?? '').padEnd(15)} ${name}\n`)
    }
    return out(/^\d+\.\d+\.\d+\.\d+$/.test(name) ? `${name.padEnd(15)} ${name}\n` : '', /^[\d.]+$/.test(name) ? 0 : 2)
  }
  const text = call.host.disk.text(`/etc/${database}`)
  if (text === undefined) return err(`Unknown database: ${database}\n`, 1)
  const lines = text.split('\n').filter((line) => line !== '')
  if (keys.length === 0) return out(`${lines.join('\n')}\n`)
  const found = lines.filter((line) => keys.includes(line.split(':')[0]!) || keys.includes(line.split(':')[2] ?? ''))
  return out(found.map((line) => `${line}\n`).join(''), found.length === keys.length ? 0 : 2)
}

function addLine(host: SimHost, file: string, line: string): void {
  const entry = host.disk.find(file)
  host.disk.put(file, `${host.disk.text(file) ?? ''}${line}\n`, entry?.mode ?? 0o644)
}

const useradd: Program = (call) => {
  const { values, rest, flags } = switches(
    call.argv,
    ['-u', '-g', '-G', '-s', '-d', '-c', '-m', '--home-dir', '--shell', '--uid'].filter((word) => word !== '-m'),
  )
  if (call.login.uid !== 0)
    return err('useradd: Permission denied.\nuseradd: cannot lock /etc/passwd; try again later.\n')
  const name = rest[0] ?? ''
  if (call.host.login(name) !== undefined) return err(`useradd: user '${name}' already exists\n`, 9)
  const taken = (call.host.disk.text('/etc/passwd') ?? '').split('\n').map((line) => Number(line.split(':')[2]))
  const uid = Number(
    values.get('-u')?.[0] ?? values.get('--uid')?.[0] ?? Math.max(1000, ...taken.filter((each) => each < 60_000)) + 1,
  )
  const home = values.get('-d')?.[0] ?? values.get('--home-dir')?.[0] ?? `/home/${name}`
  addLine(call.host, '/etc/passwd', `${name}:x:${uid}:${uid}::${home}:${values.get('-s')?.[0] ?? '/bin/bash'}`)
  addLine(call.host, '/etc/group', `${name}:x:${uid}:`)
  if (flags.has('-m')) Object.assign(call.host.disk.dir(home), { uid, gid: uid, mode: 0o750 })
  call.host.mutated(`useradd ${name}`)
  return out()
}

const groupadd: Program = (call) => {
  const { rest, flags } = switches(call.argv, ['-g'])
  const name = rest[0] ?? ''
  const lines = (call.host.disk.text('/etc/group') ?? '').split('\n')
  if (lines.some((line) => line.startsWith(`${name}:`)))
    return flags.has('-f') ? out() : err(`groupadd: group '${name}' already exists\n`, 9)
  addLine(call.host, '/etc/group', `${name}:x:${2000 + lines.length}:`)
  return out()
}

const mountpoint: Program = (call) => {
  const { flags, rest } = switches(call.argv)
  const mounted = ['/', '/proc', '/sys', '/run', '/dev'].includes(rest[0] ?? '')
  const text = mounted ? `${rest[0]} is a mountpoint\n` : `${rest[0]} is not a mountpoint\n`
  const answer: Answer = out(flags.has('-q') ? '' : text, mounted ? 0 : 32)
  return answer
}

export const filePrograms: Readonly<Record<string, Program>> = {
  ls,
  stat,
  chown: chownOf('chown'),
  chgrp: chownOf('chgrp'),
  install,
  mktemp,
  cp,
  truncate,
  cmp,
  dd,
  realpath,
  id,
  whoami: (call) => out(`${call.login.name}\n`),
  groups: (call) =>
    out(
      `${groupsOf(call.host, call.login.name, call.login.gid)
        .map(([name]) => name)
        .join(' ')}\n`,
    ),
  getent,
  useradd,
  groupadd,
  usermod: (call) => (call.login.uid === 0 ? out() : err('usermod: Permission denied.\n')),
  mountpoint,
  'update-ca-certificates': () => out('Updating certificates in /etc/ssl/certs...\n0 added, 0 removed; done.\n'),
}
