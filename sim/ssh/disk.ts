import { posix } from 'node:path'
import { unsafeBytesFromLatin1 } from 'just-bash'
import type { ByteString, FsStat, IFileSystem } from 'just-bash'

/** One file, directory or symbolic link; `read` and `write` make a kernel file such as those under /proc. */
export interface Entry {
  kind: 'file' | 'dir' | 'link'
  readonly inode: number
  mode: number
  uid: number
  gid: number
  mtime: number
  data: Uint8Array
  target: string
  children: Map<string, Entry>
  read?: () => string
  write?: (text: string) => void
}

export type FileError =
  | 'ENOENT'
  | 'EACCES'
  | 'ENOSPC'
  | 'EISDIR'
  | 'ENOTDIR'
  | 'EEXIST'
  | 'ENOTEMPTY'
  | 'ELOOP'
  | 'EPERM'

const WORDS: Record<FileError, string> = {
  ENOENT: 'no such file or directory',
  EACCES: 'permission denied',
  ENOSPC: 'no space left on device',
  EISDIR: 'illegal operation on a directory',
  ENOTDIR: 'not a directory',
  EEXIST: 'file already exists',
  ENOTEMPTY: 'directory not empty',
  ELOOP: 'too many levels of symbolic links',
  EPERM: 'operation not permitted',
}

/** As many symbolic links as Linux follows in one path. */
const MAX_LINKS = 40
/**
 * Marks the target of an output redirection. The shell only knows one failure there, a directory in the way; a target
 * that cannot be opened is shown as one, and the words are put right afterwards (see `asBashSays`).
 */
export const REDIRECT_MARK = '\u0001'
/** Names that the shell itself answers to, wherever PATH points. */
const SHELL_WORDS: ReadonlySet<string> = new Set([
  'trap',
  'umask',
  'ulimit',
  'times',
  'jobs',
  'disown',
  'run-program',
  'locate-command',
])

export class DiskError extends Error {
  readonly code: FileError
  constructor(code: FileError, call: string, path: string) {
    super(`${code}: ${WORDS[code]}, ${call} '${path}'`)
    this.code = code
  }
}

const encoder = new TextEncoder()
const bytesOf = (content: string | Uint8Array): Uint8Array =>
  typeof content === 'string' ? encoder.encode(content) : content

/** The files of a machine with owners and modes. It outlives power and reboots; who looks at it is a {@link DiskView}. */
export class Disk {
  readonly root: Entry
  readonly #now: () => number
  /** Bytes that may still be written; the simulator keeps no image, so only what scripts write counts. */
  freeBytes: number
  #inodes = 1

  constructor(now: () => number, freeBytes: number) {
    this.#now = now
    this.freeBytes = freeBytes
    this.root = this.entry('dir', 0o755)
  }

  entry(kind: Entry['kind'], mode: number, uid = 0, gid = 0): Entry {
    this.#inodes += 1
    return {
      kind,
      inode: this.#inodes,
      mode,
      uid,
      gid,
      mtime: this.#now(),
      data: new Uint8Array(),
      target: '',
      children: new Map(),
    }
  }

  /** Directory at `path`, made with its parents when missing. */
  dir(path: string, mode = 0o755): Entry {
    let at = this.root
    for (const name of path.split('/').filter((part) => part !== '')) {
      let next = at.children.get(name)
      if (next?.kind === 'link') next = this.find(posix.resolve('/', next.target))
      if (next === undefined) {
        next = this.entry('dir', mode)
        at.children.set(name, next)
      }
      at = next
    }
    return at
  }

  /** Puts a file there with the rights of the machine itself, parents included. */
  put(path: string, content: string | Uint8Array, mode = 0o644, uid = 0, gid = uid): Entry {
    const file = this.entry('file', mode, uid, gid)
    file.data = bytesOf(content)
    this.dir(posix.dirname(path)).children.set(posix.basename(path), file)
    return file
  }

  /** An installed program. The shell knows its own only under /usr/bin, so elsewhere a script leads there. */
  program(path: string): void {
    const name = posix.basename(path)
    const here = posix.dirname(path) === '/usr/bin'
    this.put(path, here ? '' : `/usr/bin/run-program ${name} "$@"\n`, 0o755)
  }

  link(path: string, target: string): void {
    const link = this.entry('link', 0o777)
    link.target = target
    this.dir(posix.dirname(path)).children.set(posix.basename(path), link)
  }

  kernelFile(path: string, read: () => string, write?: (text: string) => void): void {
    const file = this.put(path, '', write === undefined ? 0o444 : 0o644)
    file.read = read
    if (write !== undefined) file.write = write
  }

  find(path: string, follow = true): Entry | undefined {
    let at: Entry | undefined = this.root
    let rest = path.split('/').filter((part) => part !== '' && part !== '.')
    const walked: Entry[] = []
    let links = 0
    while (rest.length > 0) {
      const name = rest[0]!
      rest = rest.slice(1)
      if (name === '..') {
        at = walked.pop() ?? this.root
        continue
      }
      const next: Entry | undefined = at.children.get(name)
      if (next === undefined) return undefined
      if (next.kind === 'link' && (follow || rest.length > 0)) {
        if (++links > MAX_LINKS) return undefined
        rest = [...next.target.split('/').filter((part) => part !== '' && part !== '.'), ...rest]
        if (next.target.startsWith('/')) {
          at = this.root
          walked.length = 0
        }
        continue
      }
      walked.push(at)
      at = next
    }
    return at
  }

  text(path: string): string | undefined {
    const found = this.find(path)
    if (found === undefined || found.kind !== 'file') return undefined
    return found.read === undefined ? Buffer.from(found.data).toString('utf8') : found.read()
  }

  remove(path: string): void {
    this.find(posix.dirname(path))?.children.delete(posix.basename(path))
  }

  /** Names in a directory, sorted; empty when it is missing. */
  names(path: string): string[] {
    return [...(this.find(path)?.children.keys() ?? [])].toSorted()
  }

  empty(path: string): void {
    this.find(path)?.children.clear()
  }
}

/** The disk as one user sees it, in the shape that the shell asks for. Relative paths do not reach it. */
export class DiskView implements IFileSystem {
  readonly disk: Disk
  readonly uid: number
  readonly gid: number
  umask = 0o022
  /** Why targets of redirections could not be opened. */
  readonly refused = new Map<string, FileError>()

  constructor(disk: Disk, uid: number, gid: number) {
    this.disk = disk
    this.uid = uid
    this.gid = gid
  }

  #may(entry: Entry, right: 4 | 2 | 1): boolean {
    if (this.uid === 0) return true
    const shift = entry.uid === this.uid ? 6 : entry.gid === this.gid ? 3 : 0
    return ((entry.mode >> shift) & right) !== 0
  }

  /** Every directory on the way must be searchable. */
  #walk(path: string, call: string, follow = true): Entry | undefined {
    if (this.uid !== 0) {
      const parts = posix
        .normalize(path)
        .split('/')
        .filter((part) => part !== '')
      for (let n = 0; n < parts.length; n++) {
        const above = this.disk.find(`/${parts.slice(0, n).join('/')}`)
        if (above === undefined) return undefined
        if (above.kind === 'dir' && !this.#may(above, 1)) throw new DiskError('EACCES', call, path)
      }
    }
    return this.disk.find(path, follow)
  }

  #get(path: string, call: string, follow = true): Entry {
    const found = this.#walk(path, call, follow)
    if (found === undefined) throw new DiskError('ENOENT', call, path)
    return found
  }

  #parent(path: string, call: string): Entry {
    const above = this.#get(posix.dirname(posix.normalize(path)), call)
    if (above.kind !== 'dir') throw new DiskError('ENOTDIR', call, path)
    return above
  }

  #writableParent(path: string, call: string): Entry {
    const above = this.#parent(path, call)
    if (!this.#may(above, 2)) throw new DiskError('EACCES', call, path)
    return above
  }

  #bytes(path: string): Uint8Array {
    const found = this.#get(path, 'open')
    if (found.kind === 'dir') throw new DiskError('EISDIR', 'read', path)
    if (!this.#may(found, 4)) throw new DiskError('EACCES', 'open', path)
    return found.read === undefined ? found.data : encoder.encode(found.read())
  }

  async readFile(path: string, options?: unknown): Promise<string> {
    const encoding = typeof options === 'string' ? options : (options as { encoding?: string } | undefined)?.encoding
    const latin = encoding === 'binary' || encoding === 'latin1'
    return Buffer.from(this.#bytes(path)).toString(latin ? 'latin1' : 'utf8')
  }

  async readFileBytes(path: string): Promise<ByteString> {
    return unsafeBytesFromLatin1(Buffer.from(this.#bytes(path)).toString('latin1'))
  }

  async readFileBuffer(path: string): Promise<Uint8Array> {
    return this.#bytes(path)
  }

  async writeFile(path: string, content: string | Uint8Array, options?: unknown): Promise<void> {
    this.#write(path, decode(content, options), false)
  }

  async appendFile(path: string, content: string | Uint8Array, options?: unknown): Promise<void> {
    this.#write(path, decode(content, options), true)
  }

  #write(given: string, bytes: Uint8Array, append: boolean): void {
    const path = unmarked(given)
    if (path === '/dev/null' || path.startsWith('/dev/fd/')) return
    let found = this.#walk(path, 'open')
    if (found === undefined) {
      const above = this.#writableParent(path, 'open')
      found = this.disk.entry('file', 0o666 & ~this.umask, this.uid, this.gid)
      above.children.set(posix.basename(path), found)
    }
    if (found.kind === 'dir') throw new DiskError('EISDIR', 'open', path)
    if (!this.#may(found, 2)) throw new DiskError('EACCES', 'open', path)
    if (found.read !== undefined) {
      if (found.write === undefined) throw new DiskError('EPERM', 'write', path)
      if (bytes.length > 0) found.write(Buffer.from(bytes).toString('utf8'))
      return
    }
    const data = append ? Buffer.concat([found.data, bytes]) : Uint8Array.from(bytes)
    const grows = data.length - found.data.length
    if (grows > this.disk.freeBytes) throw new DiskError('ENOSPC', 'write', path)
    this.disk.freeBytes -= grows
    found.data = data
    found.mtime = Date.now()
  }

  async exists(path: string): Promise<boolean> {
    if (isShellWord(path)) return true
    if (path.includes(REDIRECT_MARK)) return true
    try {
      return this.#walk(path, 'access') !== undefined
    } catch {
      return false
    }
  }

  async stat(path: string): Promise<FsStat> {
    if (isShellWord(path)) return statOf(this.disk.entry('file', 0o755))
    if (path.includes(REDIRECT_MARK)) return this.#statTarget(unmarked(path))
    return statOf(this.#get(path, 'stat'))
  }

  #statTarget(path: string): FsStat {
    const file = this.disk.entry('file', 0o644)
    try {
      this.#openable(path)
    } catch (cause) {
      if (!(cause instanceof DiskError)) throw cause
      this.refused.set(path, cause.code)
      return statOf({ ...file, kind: 'dir' })
    }
    return statOf(file)
  }

  #openable(path: string): void {
    const found = this.#walk(path, 'open')
    if (found === undefined) {
      this.#writableParent(path, 'open')
      if (this.disk.freeBytes <= 0) throw new DiskError('ENOSPC', 'open', path)
      return
    }
    if (found.kind === 'dir') throw new DiskError('EISDIR', 'open', path)
    if (!this.#may(found, 2)) throw new DiskError('EACCES', 'open', path)
  }

  async lstat(path: string): Promise<FsStat> {
    return statOf(this.#get(path, 'lstat', false))
  }

  /** The entry itself, for programs that show owners. */
  look(path: string, follow = true): Entry {
    return this.#get(path, 'stat', follow)
  }

  async mkdir(path: string, options?: { recursive?: boolean }): Promise<void> {
    if (this.#walk(path, 'mkdir') !== undefined) {
      if (options?.recursive === true) return
      throw new DiskError('EEXIST', 'mkdir', path)
    }
    const parent = posix.dirname(posix.normalize(path))
    if (options?.recursive === true && this.#walk(parent, 'mkdir') === undefined) await this.mkdir(parent, options)
    const above = this.#writableParent(path, 'mkdir')
    above.children.set(posix.basename(path), this.disk.entry('dir', 0o777 & ~this.umask, this.uid, this.gid))
  }

  async readdir(path: string): Promise<string[]> {
    const found = this.#get(path, 'scandir')
    if (found.kind !== 'dir') throw new DiskError('ENOTDIR', 'scandir', path)
    if (!this.#may(found, 4)) throw new DiskError('EACCES', 'scandir', path)
    return [...found.children.keys()].toSorted()
  }

  async readdirWithFileTypes(
    path: string,
  ): Promise<{ name: string; isFile: boolean; isDirectory: boolean; isSymbolicLink: boolean }[]> {
    const names = await this.readdir(path)
    const found = this.#get(path, 'scandir')
    return names.map((name) => {
      const kind = found.children.get(name)?.kind
      return { name, isFile: kind === 'file', isDirectory: kind === 'dir', isSymbolicLink: kind === 'link' }
    })
  }

  async rm(path: string, options?: { recursive?: boolean; force?: boolean }): Promise<void> {
    const found = this.#walk(path, 'rm', false)
    if (found === undefined) {
      if (options?.force === true) return
      throw new DiskError('ENOENT', 'rm', path)
    }
    if (found.kind === 'dir' && found.children.size > 0 && options?.recursive !== true)
      throw new DiskError('ENOTEMPTY', 'rm', path)
    const above = this.#writableParent(path, 'rm')
    const sticky = (above.mode & 0o1000) !== 0
    if (sticky && this.uid !== 0 && found.uid !== this.uid) throw new DiskError('EPERM', 'rm', path)
    this.disk.freeBytes += found.data.length
    above.children.delete(posix.basename(posix.normalize(path)))
  }

  async cp(source: string, target: string, options?: { recursive?: boolean }): Promise<void> {
    const from = this.#get(source, 'cp')
    if (from.kind === 'dir') {
      if (options?.recursive !== true) throw new DiskError('EISDIR', 'cp', source)
      await this.mkdir(target, { recursive: true })
      for (const name of from.children.keys())
        await this.cp(posix.join(source, name), posix.join(target, name), options)
      return
    }
    await this.writeFile(target, this.#bytes(source))
    const made = this.#get(target, 'cp')
    if (made.uid === this.uid) made.mode = from.mode & ~this.umask
  }

  async mv(source: string, target: string): Promise<void> {
    const from = this.#get(source, 'rename', false)
    const fromAbove = this.#writableParent(source, 'rename')
    const toAbove = this.#writableParent(target, 'rename')
    const there = toAbove.children.get(posix.basename(target))
    if (there?.kind === 'dir' && there.children.size > 0) throw new DiskError('ENOTEMPTY', 'rename', target)
    fromAbove.children.delete(posix.basename(source))
    toAbove.children.set(posix.basename(target), from)
  }

  resolvePath(base: string, path: string): string {
    if (!path.includes(REDIRECT_MARK)) return posix.resolve(base, path)
    return `/${REDIRECT_MARK}${posix.resolve(base, path.replaceAll(REDIRECT_MARK, ''))}`
  }

  getAllPaths(): string[] {
    const paths: string[] = []
    const visit = (at: Entry, path: string): void => {
      for (const [name, child] of at.children) {
        paths.push(`${path}/${name}`)
        if (child.kind === 'dir') visit(child, `${path}/${name}`)
      }
    }
    visit(this.disk.root, '')
    return paths
  }

  async chmod(path: string, mode: number): Promise<void> {
    const found = this.#get(path, 'chmod')
    if (this.uid !== 0 && found.uid !== this.uid) throw new DiskError('EPERM', 'chmod', path)
    found.mode = mode & 0o7777
  }

  chown(path: string, uid: number | undefined, gid: number | undefined, follow = true): void {
    const found = this.#get(path, 'chown', follow)
    if (this.uid !== 0) throw new DiskError('EPERM', 'chown', path)
    if (uid !== undefined) found.uid = uid
    if (gid !== undefined) found.gid = gid
  }

  async symlink(target: string, path: string): Promise<void> {
    const above = this.#writableParent(path, 'symlink')
    if (above.children.has(posix.basename(path))) throw new DiskError('EEXIST', 'symlink', path)
    const link = this.disk.entry('link', 0o777, this.uid, this.gid)
    link.target = target
    above.children.set(posix.basename(path), link)
  }

  async link(existing: string, path: string): Promise<void> {
    const found = this.#get(existing, 'link', false)
    const above = this.#writableParent(path, 'link')
    if (above.children.has(posix.basename(path))) throw new DiskError('EEXIST', 'link', path)
    above.children.set(posix.basename(path), found)
  }

  async readlink(path: string): Promise<string> {
    const found = this.#get(path, 'readlink', false)
    if (found.kind !== 'link') throw new DiskError('ENOENT', 'readlink', path)
    return found.target
  }

  async realpath(path: string): Promise<string> {
    let real = ''
    const rest = posix
      .normalize(path)
      .split('/')
      .filter((part) => part !== '')
    let links = 0
    while (rest.length > 0) {
      const name = rest.shift()!
      const found = this.disk.find(`${real}/${name}`, false)
      if (found === undefined) throw new DiskError('ENOENT', 'realpath', path)
      if (found.kind !== 'link') {
        real = `${real}/${name}`
        continue
      }
      if (++links > MAX_LINKS) throw new DiskError('ELOOP', 'realpath', path)
      rest.unshift(
        ...posix
          .resolve(real === '' ? '/' : real, found.target)
          .split('/')
          .filter((part) => part !== ''),
      )
      real = ''
    }
    return real === '' ? '/' : real
  }

  async utimes(path: string, _atime: Date, mtime: Date): Promise<void> {
    this.#get(path, 'utimes').mtime = mtime.getTime()
  }
}

function decode(content: string | Uint8Array, options: unknown): Uint8Array {
  if (typeof content !== 'string') return content
  const encoding = typeof options === 'string' ? options : (options as { encoding?: string } | undefined)?.encoding
  return encoding === 'binary' || encoding === 'latin1' ? Buffer.from(content, 'latin1') : encoder.encode(content)
}

const unmarked = (path: string): string => (path.includes(REDIRECT_MARK) ? path.slice(2) : path)

function isShellWord(path: string): boolean {
  return path.startsWith('/usr/bin/') && SHELL_WORDS.has(path.slice('/usr/bin/'.length))
}

function statOf(entry: Entry): FsStat {
  return {
    isFile: entry.kind === 'file',
    isDirectory: entry.kind === 'dir',
    isSymbolicLink: entry.kind === 'link',
    mode: entry.mode,
    size: entry.kind === 'dir' ? 4096 : entry.read === undefined ? entry.data.length : 0,
    mtime: new Date(entry.mtime),
    // `mv` compares them to know whether two paths are one file.
    dev: 1,
    ino: entry.inode,
  }
}
