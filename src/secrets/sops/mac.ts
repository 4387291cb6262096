import { concatBytes } from '../bytes.ts'
import { leafBytes } from './value.ts'
import type { Place } from './walk.ts'
import type { Leaf } from './tree.ts'

/** What upstream starts the hash with when only encrypted values count, so that the two kinds never agree by chance. */
const ONLY_ENCRYPTED_START = Uint8Array.from(
  '8a3fd2ad54ce66527b1034f3d147be0b0b975b3bf44f72c6fdadec8176f27d69'.match(/../g) ?? [],
  (hex) => Number.parseInt(hex, 16),
)

/**
 * SHA-512 over the plain bytes of the values in document order, in upper-case hexadecimal. `plain[i]` is the clear
 * leaf of `places[i]`. Comments and `null` are not in it, nor keys, nor the boundaries between values.
 */
export async function computeMac(
  places: readonly Place[],
  plain: readonly Leaf[],
  onlyEncrypted: boolean,
): Promise<string> {
  const parts: Uint8Array[] = onlyEncrypted ? [ONLY_ENCRYPTED_START] : []
  for (const [i, leaf] of plain.entries())
    if (leaf.kind !== 'comment' && (!onlyEncrypted || places[i]?.sealed === true)) parts.push(leafBytes(leaf))
  const digest = await crypto.subtle.digest('SHA-512', concatBytes(...parts))
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, '0'))
    .join('')
    .toUpperCase()
}
