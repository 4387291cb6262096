import { gunzipSync, gzipSync } from 'node:zlib'

/** POSIX ustar: https://pubs.opengroup.org/onlinepubs/9699919799/utilities/pax.html, "ustar Interchange Format". */
const BLOCK_BYTES = 512
const NAME_BYTES = 100
/** A chart with its definitions stays far below this; a larger one is no chart. */
const MAX_UNPACKED_BYTES = 64 * 1_024 * 1_024

export type Files = ReadonlyMap<string, Uint8Array>

/** A gzipped tar archive whose bytes depend on names and contents only. */
export function pack(files: Files): Uint8Array {
  const blocks: Uint8Array[] = []
  for (const [name, bytes] of [...files].toSorted(([a], [b]) => (a < b ? -1 : 1))) {
    blocks.push(header(name, bytes.length), bytes, new Uint8Array(padding(bytes.length)))
  }
  blocks.push(new Uint8Array(2 * BLOCK_BYTES))
  return gzipSync(Buffer.concat(blocks), { level: 9 })
}

/** Regular files of a gzipped tar archive. */
export function unpack(archive: Uint8Array): Files {
  const tar = gunzipSync(archive, { maxOutputLength: MAX_UNPACKED_BYTES })
  const files = new Map<string, Uint8Array>()
  for (let at = 0; at + BLOCK_BYTES <= tar.length;) {
    const block = tar.subarray(at, at + BLOCK_BYTES)
    const text = (from: number, length: number) => block.toString('utf8', from, from + length).replace(/\0.*$/s, '')
    const name = text(0, NAME_BYTES)
    if (name === '') break
    const size = Number.parseInt(text(124, 12), 8)
    const type = text(156, 1)
    const prefix = text(345, 155)
    const path = prefix === '' ? name : `${prefix}/${name}`
    at += BLOCK_BYTES
    if (type === '0' || type === '') files.set(path, tar.subarray(at, at + size))
    at += size + padding(size)
  }
  return files
}

const padding = (length: number) => (BLOCK_BYTES - (length % BLOCK_BYTES)) % BLOCK_BYTES

function header(name: string, size: number): Uint8Array {
  if (Buffer.byteLength(name) > NAME_BYTES) throw new Error(`${name} is too long a name for this archive`)
  const block = Buffer.alloc(BLOCK_BYTES)
  const octal = (value: number, digits: number) => `${value.toString(8).padStart(digits, '0')}\0`
  block.write(name, 0)
  block.write(octal(0o644, 7), 100)
  block.write(octal(0, 7), 108)
  block.write(octal(0, 7), 116)
  block.write(octal(size, 11), 124)
  block.write(octal(0, 11), 136)
  block.write('        ', 148)
  block.write('0', 156)
  block.write('ustar\x0000', 257)
  const sum = block.reduce((total, byte) => total + byte, 0)
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
  return block
}
