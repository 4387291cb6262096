/** Mebibytes per unit. Decimal units are left out: `8GB` and `8GiB` differ by 7 %, and a VM's memory is binary. */
const MEBIBYTES = { MiB: 1, GiB: 1024, TiB: 1024 * 1024 } as const

export const SIZE = /^([1-9][0-9]{0,6})(MiB|GiB|TiB)$/

/** `8GiB` → 8192 (MiB); `undefined` for anything else. */
export function mebibytes(text: string): number | undefined {
  const match = SIZE.exec(text)
  if (match === null) return undefined
  return Number(match[1]) * MEBIBYTES[match[2] as keyof typeof MEBIBYTES]
}

/** A whole number of GiB, rounded up so that a disk is never smaller than asked for. */
export function gibibytes(text: string): number | undefined {
  const size = mebibytes(text)
  return size === undefined ? undefined : Math.ceil(size / 1024)
}
