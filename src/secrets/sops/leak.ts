import { readSealed, toBytes } from './format.ts'
import type { FileOptions } from './sealed-file.ts'
import { selector } from './selection.ts'
import { parseValue } from './value.ts'
import { places } from './walk.ts'

/**
 * Values that a file's own rules want encrypted and that are in clear, as paths of keys; needs no identity. Such a file
 * cannot be decrypted either. Comments are not looked at: old files have them in clear.
 * @throws Problem as `decryptFile`, as far as it concerns the outer form; `sops.not-sealed` without a sops block.
 */
export function findLeaks(content: string | Uint8Array, options: FileOptions): readonly (readonly string[])[] {
  const where = { file: options.file }
  const { documents, metadata } = readSealed(toBytes(content), options.format, where)
  const isSealed = (text: string): boolean => {
    try {
      parseValue(text, where)
      return true
    } catch {
      return false
    }
  }
  return places(documents, selector(metadata.selection, where), where)
    .filter(({ leaf, sealed }) => sealed && leaf.kind !== 'comment')
    .filter(({ leaf }) => leaf.kind !== 'str' || (leaf.value !== '' && !isSealed(leaf.value)))
    .map(({ path }) => path)
}
