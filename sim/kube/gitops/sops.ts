import { createDecipheriv } from 'node:crypto'
import { Decrypter, armor } from 'age-encryption'
import type { Fields, KubeObject } from '../object.ts'
import { isRecord, list, text } from '../object.ts'

/**
 * Decrypts what SOPS encrypted for age, as kustomize-controller does it for a built object: value by value, with the
 * path as associated data, and without a look at the MAC (the build has rewritten the file by then).
 * @see https://github.com/getsops/sops#message-authentication-code
 */
export class SopsError extends Error {}

const TAG_BYTES = 16

export const isEncrypted = (object: KubeObject): boolean => isRecord(object['sops'])

/**
 * @param identities - Whole key files, or bare `AGE-SECRET-KEY-1…` lines.
 * @throws {@link SopsError} with the message that kustomize-controller puts into the condition.
 */
export async function decryptObject(object: KubeObject, identities: readonly string[]): Promise<KubeObject> {
  const { sops, ...rest } = object
  const key = await dataKey(sops, identities, object)
  return decryptValue(rest, key, []) as KubeObject
}

async function dataKey(sops: unknown, identities: readonly string[], object: KubeObject): Promise<Buffer> {
  const decrypter = new Decrypter()
  for (const line of identities.join('\n').split('\n'))
    if (line.trim().startsWith('AGE-SECRET-KEY-1')) decrypter.addIdentity(line.trim())
  const recipients = list(sops, 'age')
  for (const recipient of recipients) {
    try {
      return Buffer.from(await decrypter.decrypt(armor.decode(text(recipient, 'enc') ?? '')))
    } catch {
      // Another recipient's block; the next one may be ours.
    }
  }
  const [first] = recipients
  const group = object.apiVersion.includes('/')
    ? `${object.apiVersion.slice(object.apiVersion.indexOf('/') + 1)}.${object.apiVersion.slice(0, object.apiVersion.indexOf('/'))}`
    : `${object.apiVersion}.[noGrp]`
  throw new SopsError(
    `decryption failed for '${object.kind}.${group}/${object.metadata.name}': failed to decrypt and format '${object.metadata.namespace ?? ''}/${object.metadata.name}' ${object.kind} data: cannot get sops data key: Failed to get the data key required to decrypt the SOPS file.\n\nGroup 0: FAILED\n  ${text(first, 'recipient') ?? ''}: FAILED\n    - | failed to create reader for decrypting sops data key with\n      | age: identity did not match any of the recipients: incorrect\n      | identity for recipient block\n\nRecovery failed because no master key was able to decrypt the file. In\norder for SOPS to recover the file, at least one key has to be successful,\nbut none were.`,
  )
}

/** List indexes are no part of the path. */
function decryptValue(value: unknown, key: Buffer, path: readonly string[]): unknown {
  if (Array.isArray(value)) return value.map((item) => decryptValue(item, key, path))
  if (isRecord(value)) {
    const out: Fields = {}
    for (const [name, item] of Object.entries(value)) out[name] = decryptValue(item, key, [...path, name])
    return out
  }
  const [, data, iv, tag, type] =
    typeof value === 'string' ? (/^ENC\[AES256_GCM,data:(.*),iv:(.*),tag:(.*),type:(.*)\]$/.exec(value) ?? []) : []
  if (data === undefined || iv === undefined || tag === undefined) return value
  const decipher = createDecipheriv('aes-256-gcm', key, Buffer.from(iv, 'base64'), { authTagLength: TAG_BYTES })
  decipher.setAuthTag(Buffer.from(tag, 'base64'))
  decipher.setAAD(Buffer.from(`${path.join(':')}:`))
  let plain: string
  try {
    plain = Buffer.concat([decipher.update(Buffer.from(data, 'base64')), decipher.final()]).toString()
  } catch {
    throw new SopsError(
      `Error decrypting tree: error decrypting key [${path.join(' ')}]: could not decrypt with AES_GCM: cipher: message authentication failed`,
    )
  }
  if (type === 'int' || type === 'float') return Number(plain)
  return type === 'bool' ? plain.toLowerCase() === 'true' : plain
}
