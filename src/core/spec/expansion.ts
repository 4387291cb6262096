import { formatAddress, parseAddress } from './ipv4.ts'

/** Machines that one entry may stand for; a home or lab does not have more, and a typo must not make thousands. */
export const MAX_MACHINES_PER_ENTRY = 256

export const NAME_RANGE = /^([a-z0-9-]*)\{([0-9]{1,4})\.\.([0-9]{1,4})\}([a-z0-9-]*)$/

/**
 * `w-{1..3}` → `w-1`, `w-2`, `w-3`; a plain name → itself. Leading zeros set the width (`{08..11}`).
 * `undefined` when the range runs backwards or is longer than {@link MAX_MACHINES_PER_ENTRY}.
 */
export function expandName(text: string): readonly string[] | undefined {
  const match = NAME_RANGE.exec(text)
  if (match === null) return [text]
  const [, before = '', first = '', last = '', after = ''] = match
  const count = Number(last) - Number(first) + 1
  if (count < 1 || count > MAX_MACHINES_PER_ENTRY) return undefined
  const width = first.startsWith('0') ? first.length : 1
  return Array.from({ length: count }, (_, i) => `${before}${String(Number(first) + i).padStart(width, '0')}${after}`)
}

/** `411..` or 411 for the machine at `index` of its entry: counted up. A list gives one each. */
export function nthId(value: number | string | readonly number[], index: number): number | undefined {
  if (typeof value === 'number') return index === 0 ? value : undefined
  if (typeof value === 'string') return Number(value.slice(0, -2)) + index
  return value[index]
}

/**
 * `10.0.4.21../24` for the machine at `index` → `10.0.4.21/24`, `10.0.4.22/24`, …; a plain address belongs to the
 * first machine only; a list gives one each. `undefined` when there is none for this index.
 */
export function nthAddress(value: string | readonly string[], index: number): string | undefined {
  if (typeof value !== 'string') return value[index]
  const match = /^([0-9.]+?)\.\.(\/[0-9]+)?$/.exec(value)
  if (match === null) return index === 0 ? value : undefined
  const first = parseAddress(match[1] ?? '')
  if (first === undefined || first + index > 0xff_ff_ff_ff) return undefined
  return `${formatAddress(first + index)}${match[2] ?? ''}`
}

/** One value for all, or a list dealt out in turn: `[pve1, pve2]` puts every other machine on `pve2`. */
export function dealt<T>(value: T | readonly T[], index: number): T | undefined {
  return Array.isArray(value) ? (value as readonly T[])[index % value.length] : (value as T)
}
