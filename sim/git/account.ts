import type { PublicKey } from './public-key.ts'

/** A person, an organisation or group, or the app's own user. */
export interface Account {
  readonly id: number
  readonly login: string
  readonly name: string
  readonly email: string
  readonly kind: 'user' | 'organization' | 'bot'
  readonly token: string
  readonly createdAt: string
  readonly sshKeys: PublicKey[]
}
