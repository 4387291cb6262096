import type { AgeKey, KeyGroup, Metadata } from './metadata.ts'
import { unwrapWith, wrapFor, type Identity } from './recipient.ts'
import { refusal, type Where } from './refusal.ts'
import { combine, split } from './shamir.ts'

/** AES-256. */
export const DATA_KEY_BYTES = 32
/** Recipients of one file; each costs an agreement and 400 characters, in every document of the file. */
const MAX_RECIPIENTS = 200
/** Shamir's x is one byte. */
const MAX_GROUPS = 255

/**
 * The data key of a file, by whichever identity is among its recipients.
 * @throws Problem `sops.no-identity` when they do not suffice, naming who could open it.
 */
export async function openDataKey(
  metadata: Metadata,
  identities: readonly Identity[],
  where: Where,
): Promise<Uint8Array<ArrayBuffer>> {
  const parts: Uint8Array<ArrayBuffer>[] = []
  const needed = metadata.keyGroups.length > 1 ? metadata.shamirThreshold || metadata.keyGroups.length : 1
  for (const group of metadata.keyGroups) {
    const part = await openGroup(group, identities, where)
    if (part !== undefined) parts.push(part)
    if (parts.length >= needed) break
  }
  if (parts.length < needed) {
    const recipients = metadata.keyGroups.map(
      (group) => group.age.map((key) => key.recipient).join(', ') || 'no age recipient',
    )
    throw refusal(
      'no-identity',
      needed === 1
        ? `none of the ${identities.length} identities at hand opens it; it is sealed to ${recipients.join('; ')}`
        : `${parts.length} of the ${needed} key groups that it needs can be opened; the groups are ${recipients.join('; ')}`,
      where,
      'Use the identity of one of these recipients, or ask one of them to add yours.',
    )
  }
  const dataKey = metadata.keyGroups.length > 1 ? combine(parts) : parts[0]
  if (dataKey?.length !== DATA_KEY_BYTES)
    throw refusal(
      'bad-metadata',
      'what the recipients hold is not a data key of 32 bytes',
      where,
      'Restore the file from Git.',
    )
  return dataKey
}

async function openGroup(
  group: KeyGroup,
  identities: readonly Identity[],
  where: Where,
): Promise<Uint8Array<ArrayBuffer> | undefined> {
  for (const { enc } of group.age.slice(0, MAX_RECIPIENTS)) {
    const part = await unwrapWith(identities, enc, where)
    if (part !== undefined) return part
  }
  return undefined
}

/**
 * Wraps a data key for groups of recipients. One group holds the key itself; several hold shares of it, and
 * `threshold` of them are needed (0 means all).
 * @throws Problem `sops.no-recipients`, `sops.bad-recipient`, `sops.bad-threshold`
 */
export async function sealDataKey(
  dataKey: Uint8Array<ArrayBuffer>,
  groups: readonly (readonly string[])[],
  threshold: number,
  random: (length: number) => Uint8Array<ArrayBuffer>,
  where: Where,
): Promise<{ readonly keyGroups: KeyGroup[]; readonly shamirThreshold: number }> {
  const unique = groups.map((group) => [...new Set(group)])
  if (unique.length === 0 || unique.some((group) => group.length === 0))
    throw refusal(
      'no-recipients',
      unique.length === 0 ? 'there are no recipients' : 'a key group has no recipients',
      where,
      'Name at least one age recipient.',
    )
  if (unique.length > MAX_GROUPS || unique.flat().length > MAX_RECIPIENTS)
    throw refusal('too-large', `there are more than ${MAX_RECIPIENTS} recipients`, where)
  const needed = unique.length === 1 ? threshold : threshold || unique.length
  if (unique.length > 1 && (needed < 2 || needed > unique.length))
    throw refusal(
      'bad-threshold',
      `shamir_threshold is ${needed}, but there are ${unique.length} key groups`,
      where,
      `Choose from 2 to ${unique.length}.`,
    )
  const parts = unique.length === 1 ? [dataKey] : split(dataKey, unique.length, needed, random)
  const keyGroups: KeyGroup[] = []
  for (const [i, group] of unique.entries()) {
    const age: AgeKey[] = []
    for (const recipient of group) age.push({ recipient, enc: await wrapFor(recipient, parts[i] ?? dataKey, where) })
    keyGroups.push({ age, other: [] })
  }
  return { keyGroups, shamirThreshold: needed }
}
