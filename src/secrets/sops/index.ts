/**
 * SOPS files with age recipients, as a library: no files, network or clock, only Web Crypto.
 *
 * Reads what upstream SOPS 3.7 and later wrote in YAML, JSON, dotenv, ini and binary, and writes what 3.13.3 writes,
 * byte for byte apart from what is random:
 * ```ts
 * const file = 'secrets/db.yaml'
 * const rule = ruleFor(parseCreationRules(text, '.sops.yaml'), '.sops.yaml', file)
 * const sealed = await encryptFile(plain, { file, format: formatOf(file), ...rule, now: new Date() })
 * const identities = parseIdentities(keys, { file: 'keys.txt' })
 * const clear = await decryptFile(sealed, { file, format: formatOf(file), identities })
 * ```
 * `editFile` keeps the ciphertext of what did not change, `rotateFile` makes a new data key, `updateKeys` changes
 * recipients only; `inspectFile` and `findLeaks` need no key.
 *
 * Everything that is refused is a Problem with a code `sops.…`, the file and the keys down to the value. No value, key
 * or plaintext is ever in one.
 *
 * Recipients: age X25519 and post-quantum hybrid, and ssh-ed25519. Not built, and said so by `sops.not-supported`:
 * ssh-rsa, age plugins, keys of other kinds (pgp, kms, …; they are kept on `editFile`, but cannot be wrapped anew), and
 * `\p{…}` in regular expressions.
 *
 * Where upstream would lose something, this does otherwise or refuses: a bare `#` in a list is left out, ini keys that
 * read as comments and text after a JSON object are refused, and what `writeYaml` names. A comment between two levels of
 * indentation may come to stand one level off from where upstream puts it; it is never lost.
 *
 * What the format itself does not protect: names of clear keys, comments, the type of a value and everything in the
 * `sops` block. Trust in those comes from the Git commit.
 */
export { ruleFor, parseCreationRules, type CreationRule, type SopsConfig } from './creation-rules.ts'
export { formatOf, type SopsFormat } from './format.ts'
export { findLeaks } from './leak.ts'
export { SOPS_VERSION, type AgeKey, type KeyGroup, type Metadata } from './metadata.ts'
export { parseIdentities, type Identity } from './recipient.ts'
export {
  decryptFile,
  decryptTree,
  editFile,
  encryptFile,
  inspectFile,
  rotateFile,
  updateKeys,
  type FileOptions,
  type OpenOptions,
  type RecipientOptions,
  type WriteOptions,
} from './sealed-file.ts'
export { DEFAULT_SELECTION, SELECTION_RULES, type Selection, type SelectionRule } from './selection.ts'
export type { Comment, Entry, Leaf, Mapping, Node, Scalar, Sequence } from './tree.ts'
