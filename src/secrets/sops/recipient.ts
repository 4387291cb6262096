import { Decrypter, Encrypter, armor } from 'age-encryption'
import { refusal, type Where } from './refusal.ts'
import { SshIdentity, SshRecipient } from './ssh-recipient.ts'

/** Identities in one key file or variable; people carry a handful. */
const MAX_IDENTITIES = 100
/** An armoured share for one recipient has about 400 characters, a post-quantum one 2 200. */
const MAX_ARMOR_CHARACTERS = 16_384

/** What opens: a line `AGE-SECRET-KEY-1…`, `AGE-SECRET-KEY-PQ-1…`, or a whole OpenSSH ed25519 private key file. */
export type Identity = string

/**
 * Reads an identity file or variable as `age` and SOPS do: one identity per line or word, `#` starts a comment. An
 * OpenSSH private key is one identity and stays whole.
 * @throws Problem `sops.bad-identity`; the text is never quoted.
 */
export function parseIdentities(text: string, where: Where): Identity[] {
  if (text.trimStart().startsWith('-----BEGIN')) return [text]
  const words = text
    .split(/\r?\n/)
    .filter((line) => !line.startsWith('#'))
    .flatMap((line) => line.split(/\s+/))
    .filter((word) => word !== '')
  if (words.length > MAX_IDENTITIES)
    throw refusal('bad-identity', `there are more than ${MAX_IDENTITIES} identities`, where)
  for (const [i, word] of words.entries())
    if (!/^AGE-SECRET-KEY-(PQ-)?1[0-9A-Z]+$/i.test(word))
      throw refusal(
        'bad-identity',
        `identity ${i + 1} is not an age secret key`,
        where,
        'Give lines that start with AGE-SECRET-KEY-1, or an OpenSSH ed25519 private key.',
      )
  return words
}

/**
 * Wraps a data key or a share of it for one recipient, as an armoured age file.
 * @throws Problem `sops.bad-recipient`; `sops.not-supported` for ssh-rsa and for plugins.
 */
export async function wrapFor(recipient: string, secret: Uint8Array<ArrayBuffer>, where: Where): Promise<string> {
  const encrypter = new Encrypter()
  try {
    if (recipient.startsWith('ssh-ed25519 ')) encrypter.addRecipient(new SshRecipient(recipient))
    else if (/^age1(pq1|tag1|tagpq1)?[02-9ac-hj-np-z]+$/.test(recipient)) encrypter.addRecipient(recipient)
    else throw new TypeError('no recipient of a known kind')
    return `${armor.encode(await encrypter.encrypt(secret)).trimEnd()}\n`
  } catch (cause) {
    if (/^(ssh-rsa |age1[a-z0-9-]+1)/.test(recipient))
      throw refusal(
        'not-supported',
        `sealing to "${shown(recipient)}" is not built`,
        where,
        'Use an age recipient (age1…) or ssh-ed25519.',
        cause,
      )
    throw refusal(
      'bad-recipient',
      `"${shown(recipient)}" is not an age recipient`,
      where,
      'Give age1… or ssh-ed25519 AAAA….',
      cause,
    )
  }
}

/**
 * Opens what {@link wrapFor} made with the first of the identities that can.
 * @returns undefined when none of them is a recipient, or when the age file is damaged.
 */
export async function unwrapWith(
  identities: readonly Identity[],
  armored: string,
  where: Where,
): Promise<Uint8Array<ArrayBuffer> | undefined> {
  if (armored.length > MAX_ARMOR_CHARACTERS || identities.length === 0) return undefined
  const decrypter = new Decrypter()
  for (const [i, identity] of identities.entries()) {
    try {
      decrypter.addIdentity(identity.trimStart().startsWith('-----BEGIN') ? await SshIdentity.read(identity) : identity)
    } catch {
      throw refusal(
        'bad-identity',
        `identity ${i + 1} cannot be read`,
        where,
        'Give lines that start with AGE-SECRET-KEY-1, or an OpenSSH ed25519 private key.',
      )
    }
  }
  try {
    return Uint8Array.from(await decrypter.decrypt(armor.decode(armored)))
  } catch {
    return undefined
  }
}

function shown(recipient: string): string {
  return recipient.length > 100 ? `${recipient.slice(0, 100)}…` : recipient
}
