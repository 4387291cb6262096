/** Timestamps as Go reads and prints them. */

const DATE = String.raw`(\d{4})-(\d{1,2})-(\d{1,2})`
const CLOCK = String.raw`(\d{1,2}):(\d{1,2}):(\d{1,2})(?:[.,](\d+))?`
const WITH_ZONE = new RegExp(`^${DATE}[Tt]${CLOCK}(Z|[-+]\\d{2}:\\d{2})$`)
const WITHOUT_ZONE = new RegExp(`^${DATE} ${CLOCK}$`)
const DATE_ONLY = new RegExp(`^${DATE}$`)
const RFC3339 = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d+)?(?:Z|[-+]\d{2}:\d{2})$/
/** The longest form that means anything: nanoseconds and an offset. */
const MAX_LENGTH = 64

/**
 * A YAML timestamp, as go-yaml 3 recognises one, in RFC 3339 with its own offset and no trailing zeros of the second;
 * undefined when it is none. `2001-12-14 21:59:43.10 -5` is none, as upstream decided.
 */
export function yamlTime(text: string): string | undefined {
  if (text.length > MAX_LENGTH) return undefined
  return canonical(WITH_ZONE.exec(text) ?? WITHOUT_ZONE.exec(text) ?? DATE_ONLY.exec(text))
}

/** RFC 3339 exactly, in the same canonical form; undefined when it is not. */
export function canonicalTime(text: string): string | undefined {
  if (text.length > MAX_LENGTH || !RFC3339.test(text)) return undefined
  return canonical(WITH_ZONE.exec(text))
}

/** Without the fraction of a second: the form of `lastmodified` that the MAC is bound to. */
export function wholeSeconds(canonicalText: string): string {
  return canonicalText.replace(/\.\d+/, '')
}

function canonical(match: RegExpExecArray | null): string | undefined {
  if (match === null) return undefined
  const [, year = '', month = '', day = '', hour = '0', minute = '0', second = '0', fraction = '', zone = 'Z'] = match
  const [y, mo, d, h, mi, s] = [year, month, day, hour, minute, second].map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ]
  if (mo < 1 || mo > 12 || d < 1 || d > daysIn(y, mo) || h > 23 || mi > 59 || s > 59) return undefined
  const offset = zone === 'Z' ? 0 : Number(zone.slice(1, 3)) * 60 + Number(zone.slice(4, 6))
  if (zone !== 'Z' && (Number(zone.slice(1, 3)) > 23 || Number(zone.slice(4, 6)) > 59)) return undefined
  const two = (value: number) => value.toString().padStart(2, '0')
  const nanoseconds = fraction.slice(0, 9).replace(/0+$/, '')
  return `${year}-${two(mo)}-${two(d)}T${two(h)}:${two(mi)}:${two(s)}${nanoseconds === '' ? '' : `.${nanoseconds}`}${offset === 0 ? 'Z' : zone}`
}

function daysIn(year: number, month: number): number {
  if (month === 2) return (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0 ? 29 : 28
  return [4, 6, 9, 11].includes(month) ? 30 : 31
}
