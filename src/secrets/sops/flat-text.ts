import { floatGeneral, floatPlain } from './number.ts'
import type { Scalar } from './tree.ts'
import { wholeSeconds } from './time.ts'

/** How upstream prints a scalar where a format knows text only (dotenv, ini). */
export function flatText(scalar: Scalar): string {
  switch (scalar.kind) {
    case 'null':
      return '<nil>'
    case 'str':
      return scalar.value
    case 'bytes':
      return new TextDecoder('utf-8', { ignoreBOM: true }).decode(scalar.value)
    case 'int':
      return scalar.value.toString()
    case 'bool':
      return scalar.value ? 'true' : 'false'
    case 'time':
      return wholeSeconds(scalar.value)
    case 'float': {
      const text = floatGeneral(scalar.value, 21).replace('e', 'E')
      return /[.E]|Inf|NaN/.test(text) ? text : `${floatPlain(scalar.value)}.0`
    }
    default:
      return scalar satisfies never
  }
}
