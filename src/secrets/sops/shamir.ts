/**
 * Shamir's secret sharing byte by byte over GF(2^8) with the polynomial x^8 + x^4 + x^3 + x + 1, as upstream splits a
 * data key among key groups. A share is the secret's length in bytes of y, then one byte of x, counted from 1.
 */

/** Any `threshold` of the `parts` shares give the secret back; fewer say nothing about it. */
export function split(
  secret: Uint8Array,
  parts: number,
  threshold: number,
  random: (length: number) => Uint8Array,
): Uint8Array<ArrayBuffer>[] {
  if (threshold < 2 || parts < threshold || parts > 255)
    throw new RangeError('a threshold from 2 to the number of parts')
  const shares = Array.from({ length: parts }, (_, i) => {
    const share = new Uint8Array(secret.length + 1)
    share[secret.length] = i + 1
    return share
  })
  for (const [at, byte] of secret.entries()) {
    const coefficients = [byte, ...random(threshold - 1)]
    for (const [i, share] of shares.entries())
      share[at] = coefficients.reduceRight((sum, coefficient) => multiply(sum, i + 1) ^ coefficient, 0)
  }
  return shares
}

/** Undefined when the shares cannot belong together: too few, different lengths, the same x twice or an x of 0. */
export function combine(shares: readonly Uint8Array[]): Uint8Array<ArrayBuffer> | undefined {
  const length = (shares[0]?.length ?? 0) - 1
  const xs = shares.map((share) => share.at(-1) ?? 0)
  if (shares.length < 2 || length < 1 || shares.some((share) => share.length !== length + 1)) return undefined
  if (new Set(xs).size !== xs.length || xs.includes(0)) return undefined
  const weights = xs.map((xi, i) =>
    xs.reduce((product, xj, j) => (i === j ? product : multiply(product, multiply(xj, inverse(xi ^ xj)))), 1),
  )
  return Uint8Array.from({ length }, (_, at) =>
    shares.reduce((sum, share, i) => sum ^ multiply(share[at] ?? 0, weights[i] ?? 0), 0),
  )
}

/** Without tables or branches on the factors, which are secret. */
function multiply(a: number, b: number): number {
  let product = 0
  for (let bit = 7; bit >= 0; bit--)
    product = ((product << 1) & 0xff) ^ (-(product >> 7) & 0x1b) ^ (-((b >> bit) & 1) & a)
  return product
}

/** a^254, which is 1/a, since the group has 255 elements. */
function inverse(a: number): number {
  let result = 1
  for (let i = 0; i < 254; i++) result = multiply(result, a)
  return result
}
