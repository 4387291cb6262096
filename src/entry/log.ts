import { redactor, redactValue } from '../secrets/redact.ts'
import type { Log } from '../seams/log.ts'

/** Longest line that is logged; a longer one is cut, since no reader scrolls through it. */
const LINE_CHARACTERS = 16_000

/** One JSON object per line, every string of it redacted, `secrets` among what is taken out. */
export function jsonLog(write: (line: string) => void, secrets: Iterable<string> = []): Log {
  const clean = redactor(secrets)
  const at =
    (level: string) =>
    (message: string, fields: Readonly<Record<string, unknown>> = {}) => {
      const line = JSON.stringify({
        at: new Date().toISOString(),
        level,
        message: clean(message),
        ...(redactValue(fields, clean) as Readonly<Record<string, unknown>>),
      })
      write(`${line.slice(0, LINE_CHARACTERS)}\n`)
    }
  return { info: at('info'), warn: at('warn'), error: at('error') }
}
