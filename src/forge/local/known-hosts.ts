import { existsSync, readFileSync, statSync } from 'node:fs'
import { Problem } from '../../core/problem.ts'

/**
 * Host keys that the two public forges publish.
 * @see https://docs.github.com/en/authentication/keeping-your-account-and-data-secure/githubs-ssh-key-fingerprints
 * @see https://docs.gitlab.com/user/gitlab_com/#ssh-host-keys-fingerprints
 */
const PUBLISHED: Readonly<Record<string, readonly string[]>> = {
  'github.com': ['github.com ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl'],
  'gitlab.com': [
    'gitlab.com ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAfuCHKVTjquxvt6CM6tdG4SLp1Btn/nOeHHE5UOzRdf',
    'gitlab.com ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBFSMqzJeV9rUzU4kWitGjeR4PWSa29SPqJ1fVkhtj3Hw9xjLVXVYrU9QlYWrOLXBpQ6KWjbjTDTdDkoohFzgbEY=',
  ],
}

/** Largest known_hosts file that is read; a person's own has a few hundred lines. */
const MAX_BYTES = 1024 * 1024
/** Keys of one host; servers have three or four. */
const MAX_KEYS = 20

/**
 * known_hosts lines of a forge's SSH host: from `file` where one is given, else the published ones.
 * @param host - `git.example`, with `:port` when it is not 22.
 * @returns nothing for a host of one's own without a file.
 * @throws Problem `git.known-hosts` when the file cannot be read or does not have the host.
 */
export function knownHosts(host: string, file: string | undefined): readonly string[] {
  if (file === undefined) return PUBLISHED[host] ?? []
  const [name = '', port] = host.split(':')
  const wanted = port === undefined ? name : `[${name}]:${port}`
  if (!existsSync(file) || statSync(file).size > MAX_BYTES)
    throw new Problem({
      code: 'git.known-hosts',
      what: `reading host keys from ${file}: it is not there, or is larger than 1 MiB`,
      retry: 'never',
    })
  const lines = readFileSync(file, 'utf8')
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => !line.startsWith('#') && (line.split(/\s+/)[0] ?? '').split(',').includes(wanted))
    .map((line) => `${wanted} ${line.split(/\s+/).slice(1, 3).join(' ')}`)
    .slice(0, MAX_KEYS)
  if (lines.length === 0)
    throw new Problem({
      code: 'git.known-hosts',
      what: `${file} has no key of ${wanted}`,
      remedy: `Take it from a source that you trust; \`ssh-keyscan ${port === undefined ? '' : `-p ${port} `}${name}\` shows what answers.`,
      retry: 'never',
    })
  return lines
}
