/** Numbers printed as Go's strconv prints them: the reference for the bytes that SOPS encrypts, hashes and writes. */

const INT64_MIN = -(2n ** 63n)
const INT64_MAX = 2n ** 63n - 1n

export function isInt64(value: bigint): boolean {
  return value >= INT64_MIN && value <= INT64_MAX
}

/** Go's `FormatFloat(v, 'f', -1, 64)`: the shortest digits that read back as `v`, never an exponent. */
export function floatPlain(value: number): string {
  const special = notFinite(value)
  if (special !== undefined) return special
  const { sign, digits, exponent } = shortest(value)
  if (exponent < 0) return `${sign}0.${'0'.repeat(-exponent - 1)}${digits}`
  if (exponent >= digits.length - 1) return `${sign}${digits}${'0'.repeat(exponent - digits.length + 1)}`
  return `${sign}${digits.slice(0, exponent + 1)}.${digits.slice(exponent + 1)}`
}

/** Go's `FormatFloat(v, 'g', -1, 64)`: plain for decimal exponents from -4 to below `limit`, else `d.ddde+XX`. */
export function floatGeneral(value: number, limit = 6): string {
  const special = notFinite(value)
  if (special !== undefined) return special
  const { sign, digits, exponent } = shortest(value)
  if (exponent >= -4 && exponent < limit) return floatPlain(value)
  const power = Math.abs(exponent).toString().padStart(2, '0')
  const fraction = digits.length > 1 ? `.${digits.slice(1)}` : ''
  return `${sign}${digits[0] ?? '0'}${fraction}e${exponent < 0 ? '-' : '+'}${power}`
}

/** Go's `json.Marshal` of a float: plain unless below 1e-6 or from 1e21 on, exponents without a leading zero. */
export function floatJson(value: number): string {
  const size = Math.abs(value)
  if (size === 0 || (size >= 1e-6 && size < 1e21)) return floatPlain(value)
  return floatGeneral(value, -Infinity).replace(/e-0(\d)$/, 'e-$1')
}

function notFinite(value: number): string | undefined {
  if (Number.isNaN(value)) return 'NaN'
  if (value === Infinity) return '+Inf'
  if (value === -Infinity) return '-Inf'
  return undefined
}

function shortest(value: number): { sign: string; digits: string; exponent: number } {
  const [mantissa = '0', exponent = '0'] = Math.abs(value).toExponential().split('e')
  return {
    sign: value < 0 || Object.is(value, -0) ? '-' : '',
    digits: mantissa.replace('.', ''),
    exponent: Number(exponent),
  }
}
