import { refusal, type Where } from './refusal.ts'

/** Flux reads no more than 5 MiB of a SOPS file; a binary one is a third longer in base64, which leaves room. */
export const MAX_FILE_BYTES = 8 * 1024 * 1024

/** Levels of mappings and lists; Kubernetes objects stay below 20. It keeps every recursion here far from the stack's end. */
export const MAX_DEPTH = 128

/** Values, comments and containers after aliases are expanded: what stops an alias bomb ("billion laughs"). */
export const MAX_NODES = 200_000

/** Characters after aliases are expanded, so that a few long strings cannot be multiplied without bound either. */
export const MAX_EXPANDED_CHARACTERS = 32 * 1024 * 1024

/** Documents in one YAML file. */
export const MAX_DOCUMENTS = 1_000

/** @throws Problem `sops.too-large` */
export function checkSize(bytes: number, where: Where): void {
  if (bytes > MAX_FILE_BYTES)
    throw refusal('too-large', `the file has ${bytes} bytes; the limit is ${MAX_FILE_BYTES}`, where, 'Split the file.')
}

/** @throws Problem `sops.too-large` */
export function checkDepth(depth: number, where: Where): void {
  if (depth > MAX_DEPTH)
    throw refusal('too-large', `values are nested more than ${MAX_DEPTH} levels deep`, where, 'Flatten the file.')
}
