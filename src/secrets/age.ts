import { Decrypter, Encrypter, armor, generateIdentity, identityToRecipient } from 'age-encryption'

/** An age X25519 pair: the identity opens, the recipient seals. */
export interface AgeKeyPair {
  /** `AGE-SECRET-KEY-1…` */
  readonly identity: string
  /** `age1…` */
  readonly recipient: string
}

export async function newAgeKey(): Promise<AgeKeyPair> {
  const identity = await generateIdentity()
  return { identity, recipient: await identityToRecipient(identity) }
}

export function ageRecipient(identity: string): Promise<string> {
  return identityToRecipient(identity)
}

/** Seals a text to recipients, as an ASCII-armoured age file. Whoever seals cannot open. */
export async function seal(plaintext: string, recipients: readonly string[]): Promise<string> {
  const encrypter = new Encrypter()
  for (const recipient of recipients) encrypter.addRecipient(recipient)
  return armor.encode(await encrypter.encrypt(plaintext))
}

/** Opens what {@link seal} made. */
export async function unseal(sealed: string, identity: string): Promise<string> {
  const decrypter = new Decrypter()
  decrypter.addIdentity(identity)
  return decrypter.decrypt(armor.decode(sealed), 'text')
}
