import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const ROOT = '/sys/fs/cgroup'
const REMOVE_TRIES = 20
const REMOVE_AGAIN_MS = 100

/**
 * A control group of its own in each hierarchy of version 1, where two machines would otherwise share one. With version
 * 2 there is a systemd on the host, and systemd-nspawn asks that for a scope.
 */
export function controlGroups(name: string): { readonly folders: readonly string[]; remove(): Promise<void> } {
  if (existsSync(join(ROOT, 'cgroup.controllers'))) return { folders: [], remove: async () => undefined }
  const own = readFileSync('/proc/self/cgroup', 'utf8').trim().split('\n')
  const folders = own.flatMap((line) => {
    const [, names = '', path = ''] = /^\d+:([^:]*):(.*)$/.exec(line) ?? []
    const hierarchy = names === '' ? 'unified' : names.replace(/^name=/, '')
    if (!existsSync(join(ROOT, hierarchy))) return []
    const folder = join(ROOT, hierarchy, path, name)
    mkdirSync(folder, { recursive: true })
    if (hierarchy === 'cpuset')
      for (const file of ['cpuset.cpus', 'cpuset.mems'])
        writeFileSync(join(folder, file), readFileSync(join(ROOT, hierarchy, path, file), 'utf8'))
    return [folder]
  })
  return {
    folders,
    async remove() {
      for (const folder of folders) {
        // The kernel takes a moment to see that the last process is gone.
        for (let tries = 1; existsSync(folder); tries++) {
          try {
            removeTree(folder)
          } catch (error) {
            if (tries === REMOVE_TRIES) throw error
            await new Promise((resolve) => setTimeout(resolve, REMOVE_AGAIN_MS))
          }
        }
      }
    },
  }
}

/** Folders only: the files of a control group are not there to be removed. */
function removeTree(folder: string): void {
  for (const entry of readdirSync(folder, { withFileTypes: true }))
    if (entry.isDirectory()) removeTree(join(folder, entry.name))
  rmdirSync(folder)
}
