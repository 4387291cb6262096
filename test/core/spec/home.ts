import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseClusterSpec } from '../../../src/core/spec/parse.ts'

export const ROOT = join(import.meta.dirname, '../../..')
export const FILE = 'clusters/home/cluster.yaml'
const CONTEXT = {
  repository: {
    sshUrl: 'ssh://git@git.example.org/me/home.git',
    branch: 'main',
    knownHosts: ['git.example.org ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl'],
  },
}

export const parse = (text: string, file = FILE) => parseClusterSpec(text, file, CONTEXT)

export const example = (name: string) => {
  const path = `examples/${name}/clusters/${name}/cluster.yaml`
  return { path, text: readFileSync(join(ROOT, path), 'utf8') }
}

/** The home example with texts replaced; every text must be there. */
export function home(...changes: readonly (readonly [from: string, to: string])[]): string {
  return changes.reduce((text, [from, to]) => {
    if (!text.includes(from)) throw new Error(`the home example does not contain ${JSON.stringify(from)}`)
    return text.replace(from, () => to)
  }, example('home').text)
}
