import { randomUUID } from 'node:crypto'
import {
  chmodSync,
  closeSync,
  existsSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs'
import { dirname, join, normalize, sep } from 'node:path'
import { Problem } from '../src/core/problem.ts'
import { newSshKey, readSshKey, type SshKeyPair } from '../src/secrets/ssh-key.ts'

/**
 * The runner's secrets as files of its own user: folders 0700, files 0600, written whole or not at all. Nothing in here
 * leaves the LAN; what others need of it are public halves.
 */
export interface Keystore {
  readonly folder: string
  /** Text of a file, `undefined` when there is none. */
  read(name: string): string | undefined
  /** Replaces a file in one step; survives a power loss. */
  write(name: string, text: string): void
  remove(name: string): void
  /**
   * The text of a file, made and written first when there is none. Two processes that ask at once get the same text.
   */
  readOrMake(name: string, make: () => Promise<string>): Promise<string>
  /** An OpenSSH ed25519 pair under `name` and `name.pub`. */
  sshKey(name: string, comment: string): Promise<SshKeyPair>
  /** Path of a file for programs that want one (ssh). */
  path(name: string): string
}

export function fileKeystore(folder: string): Keystore {
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  chmodSync(folder, 0o700)
  const path = (name: string): string => {
    const full = normalize(join(folder, name))
    if (!full.startsWith(folder + sep))
      throw new Problem({ code: 'runner.keystore-name', what: `"${name}" leaves the keystore`, retry: 'never' })
    return full
  }
  const prepare = (name: string): string => {
    const full = path(name)
    mkdirSync(dirname(full), { recursive: true, mode: 0o700 })
    return full
  }
  /** Writes a new file beside the target and syncs it; the caller puts it in place. */
  const stage = (target: string, text: string): string => {
    const staged = `${target}.${randomUUID()}.new`
    const fd = openSync(staged, 'wx', 0o600)
    try {
      writeSync(fd, text)
      fsyncSync(fd)
    } finally {
      closeSync(fd)
    }
    return staged
  }
  const read = (name: string): string | undefined =>
    existsSync(path(name)) ? readFileSync(path(name), 'utf8') : undefined
  return {
    folder,
    path,
    read,
    write(name, text) {
      const target = prepare(name)
      renameSync(stage(target, text), target)
      syncFolder(dirname(target))
    },
    remove: (name) => rmSync(path(name), { force: true }),
    async readOrMake(name, make) {
      const present = read(name)
      if (present !== undefined) return present
      const target = prepare(name)
      const staged = stage(target, await make())
      try {
        // A link fails when somebody else was first; then theirs counts.
        linkSync(staged, target)
        syncFolder(dirname(target))
      } catch (error) {
        if (!isExisting(error)) throw error
      } finally {
        rmSync(staged, { force: true })
      }
      return readFileSync(target, 'utf8')
    },
    async sshKey(name, comment) {
      const privateKey = await this.readOrMake(name, async () => (await newSshKey(comment)).privateKey)
      const pair = await readSshKey(privateKey)
      if (read(`${name}.pub`) === undefined) this.write(`${name}.pub`, `${pair.publicKey}\n`)
      return { privateKey: pair.privateKey, publicKey: pair.publicKey }
    },
  }
}

function isExisting(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'EEXIST'
}

function syncFolder(folder: string): void {
  const fd = openSync(folder, 'r')
  try {
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}
