/** Where a repository is hosted, worked out from the address of a Git remote. */
export interface RemoteAddress {
  /** `ssh://git@host[:port]/owner/name.git`, the form that the engines and the runner use. */
  readonly sshUrl: string
  readonly host: string
  /** `owner/name`; GitLab's groups may have more parts. */
  readonly path: string
  /** Page of the repository at its forge, as far as the address tells. */
  readonly webUrl: string
}

/**
 * Reads `https://host/owner/name.git`, `ssh://git@host:22/owner/name.git` and `git@host:owner/name.git`. Credentials in
 * an address are dropped. `undefined` for anything else, a path on this machine above all.
 */
export function remoteAddress(url: string): RemoteAddress | undefined {
  const short = /^(?:([\w.-]+)@)?([\w.-]+):(?!\/\/)([\w./~-]+)$/.exec(url)
  const long = URL.canParse(url) ? new URL(url) : undefined
  if (short === null && (long === undefined || !['https:', 'http:', 'ssh:', 'git+ssh:'].includes(long.protocol)))
    return undefined
  const ssh = long?.protocol.includes('ssh') === true
  const host = (long?.hostname ?? short?.[2] ?? '').toLowerCase()
  const user = (ssh ? long?.username : short?.[1]) || 'git'
  const port = ssh && long !== undefined && long.port !== '' && long.port !== '22' ? `:${long.port}` : ''
  const path = (long?.pathname ?? short?.[3] ?? '').replace(/^\/+|\/+$/g, '').replace(/\.git$/, '')
  if (host === '' || !/^[\w.~-]+(?:\/[\w.~-]+)+$/.test(path)) return undefined
  return {
    sshUrl: `ssh://${user}@${host}${port}/${path}.git`,
    host: `${host}${port}`,
    path,
    webUrl: `https://${host}/${path}`,
  }
}
