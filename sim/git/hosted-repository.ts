import type { Role } from '../forge.ts'
import type { Account } from './account.ts'
import type { PublicKey } from './public-key.ts'
import type { Pull } from './pull.ts'
import type { GitRepository } from './repository.ts'

export interface DeployKey {
  readonly id: number
  title: string
  readonly key: PublicKey
  readOnly: boolean
  readonly addedBy: Account
  readonly createdAt: string
  readonly expiresAt: string | undefined
  lastUsed: string | undefined
}

export interface Repository {
  readonly id: number
  readonly owner: Account
  readonly name: string
  readonly private: boolean
  archived: boolean
  readonly defaultBranch: string
  readonly git: GitRepository
  readonly parent: Repository | undefined
  readonly roles: Map<number, Role>
  deployKeys: DeployKey[]
  readonly pulls: Pull[]
  readonly createdAt: string
  pushedAt: string
}

const ROLES: readonly Role[] = ['none', 'read', 'triage', 'write', 'maintain', 'admin']

export function atLeast(role: Role, needed: Role): boolean {
  return ROLES.indexOf(role) >= ROLES.indexOf(needed)
}

export function fullName({ owner, name }: Repository): string {
  return `${owner.login}/${name}`
}
