import { timingSafeEqual } from 'node:crypto'
import { PveError } from './answer.ts'

export interface TokenSpec {
  /** `user@realm!name` */
  readonly id: string
  readonly secret: string
  /** ACL path → privileges there and below; everything on `/` when left out. */
  readonly privileges?: Readonly<Record<string, readonly string[]>>
}

/** Every privilege of PVE 9 that the routes here look at, and a few more that roles name. */
const PRIVILEGES = (
  'Datastore.Allocate Datastore.AllocateSpace Datastore.AllocateTemplate Datastore.Audit Mapping.Audit Mapping.Modify ' +
  'Mapping.Use Permissions.Modify Pool.Allocate Pool.Audit SDN.Audit SDN.Use Sys.AccessNetwork Sys.Audit Sys.Modify ' +
  'VM.Allocate VM.Audit VM.Backup VM.Clone VM.Config.CDROM VM.Config.CPU VM.Config.Cloudinit VM.Config.Disk ' +
  'VM.Config.HWType VM.Config.Memory VM.Config.Network VM.Config.Options VM.Console VM.Migrate VM.PowerMgmt VM.Snapshot ' +
  'VM.Snapshot.Rollback'
).split(' ')
/** `VM.Monitor` left and `VM.GuestAgent.*` came with PVE 9. */
const AGENT = ['VM.GuestAgent.Audit', 'VM.GuestAgent.Unrestricted']
const MONITOR = ['VM.Monitor']

/** What the caller may do. */
export interface Access {
  readonly token: string
  /** Any of the privileges on the path, or on the pool that a VM is in. */
  may(path: string, privileges: readonly string[], pool?: string): boolean
  /** ACL path → privilege → 1, as `GET /access/permissions` answers. */
  permissions(): Readonly<Record<string, Readonly<Record<string, 1>>>>
  /** The same for one path, with what it inherits. */
  permissionsAt(path: string): Readonly<Record<string, 1>>
}

/**
 * The token of an `Authorization` header.
 * @throws {@link PveError} 401 as pveproxy words it.
 */
export function authenticate(header: string | undefined, tokens: readonly TokenSpec[], release: '8' | '9'): Access {
  if (header === undefined) throw new PveError(401, 'No ticket')
  const match = /^PVEAPIToken=([^=]+)=(.+)$/.exec(header)
  if (match === null) throw new PveError(401, 'invalid token value!')
  const [, id = '', secret = ''] = match
  const token = tokens.find((known) => known.id === id)
  if (token === undefined)
    throw new PveError(401, `no such token '${id.split('!')[1] ?? id}' for user '${id.split('!')[0]}'`)
  if (!sameText(secret, token.secret)) throw new PveError(401, 'invalid token value!')
  return accessOf(token, release)
}

function sameText(one: string, other: string): boolean {
  const [a, b] = [Buffer.from(one), Buffer.from(other)]
  return a.length === b.length && timingSafeEqual(a, b)
}

function accessOf(token: TokenSpec, release: '8' | '9'): Access {
  const all = [...PRIVILEGES, ...(release === '9' ? AGENT : MONITOR)]
  const grants = token.privileges ?? { '/': all }
  const at = (path: string): readonly string[] => {
    for (let here = path; ; here = here.slice(0, here.lastIndexOf('/'))) {
      const granted = grants[here === '' ? '/' : here]
      if (granted !== undefined) return granted
      if (here === '' || here === '/') return []
    }
  }
  return {
    token: token.id,
    may: (path, privileges, pool) => {
      const granted = [...at(path), ...(pool === undefined ? [] : at(`/pool/${pool}`))]
      return privileges.some((privilege) => granted.includes(privilege))
    },
    permissionsAt: (path) => Object.fromEntries(at(path).map((name) => [name, 1 as const])),
    permissions: () =>
      Object.fromEntries(
        Object.entries(grants).map(([path, names]) => [
          path,
          Object.fromEntries(names.map((name) => [name, 1 as const])),
        ]),
      ),
  }
}
