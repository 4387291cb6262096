import type { Account } from './account.ts'
import { atLeast, fullName, type DeployKey, type Repository } from './hosted-repository.ts'
import type { Hosting } from './hosting.ts'
import { parsePublicKey } from './public-key.ts'
import type { GitAccess, SshPrincipal } from './ssh-server.ts'

/** The words a forge refuses Git over SSH with. */
export interface RefusalWords {
  readonly notFound: string
  readonly readOnlyKey: string
  denied(repository: string, login: string): string
  readonly archived: string
  greeting(name: string): string
}

/** A key's owner: a person, or the repositories that hold it as a deploy key. */
export interface KeyOwner extends SshPrincipal {
  readonly account: Account | undefined
  readonly holds: readonly { readonly repository: Repository; readonly deployKey: DeployKey }[]
}

/** Lets registered keys in: people by their role, deploy keys to their own repositories, read-only ones for fetches. */
export function forgeAccess(hosting: Hosting, words: RefusalWords): GitAccess<KeyOwner> {
  return {
    identify(blob) {
      const type = blob.subarray(4, 4 + blob.readUInt32BE(0)).toString('latin1')
      const key = parsePublicKey(`${type} ${blob.toString('base64')}`)
      if (key === undefined) return undefined
      const holders = hosting.keyHolders(key)
      const account = holders.find((holder) => 'login' in holder)
      const holds = holders.filter((holder) => 'deployKey' in holder)
      const first = holds[0]
      if (account !== undefined) return { name: account.login, account, holds }
      return first === undefined ? undefined : { name: fullName(first.repository), account, holds }
    },
    greeting: ({ name }) => words.greeting(name),
    open({ account, holds }, path, access) {
      const repository = hosting.repository(path)
      if (repository === undefined) return { refused: words.notFound }
      if (access === 'write' && repository.archived) return { refused: words.archived }
      const held = holds.find((holder) => holder.repository === repository)
      if (held !== undefined) {
        held.deployKey.lastUsed = hosting.now()
        const refused = access === 'write' && held.deployKey.readOnly
        return refused ? { refused: words.readOnlyKey } : { repository: repository.git }
      }
      const role = hosting.role(repository, account)
      if (!atLeast(role, 'read') || account === undefined) return { refused: words.notFound }
      if (access === 'write' && !atLeast(role, 'write')) {
        return { refused: words.denied(fullName(repository), account.login) }
      }
      return { repository: repository.git }
    },
    async pushed({ account, holds }, path, updates) {
      const repository = hosting.repository(path)
      const actor = account ?? holds.find((holder) => holder.repository === repository)?.deployKey.addedBy
      if (repository !== undefined && actor !== undefined) await hosting.pushed(repository, updates, actor)
    },
  }
}
