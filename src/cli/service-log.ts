import { jsonLog } from '../entry/log.ts'
import type { Log } from '../seams/log.ts'
import { redactor, redactValue } from '../secrets/redact.ts'
import type { Terminal } from './terminal.ts'

/** The log of a long-running command: lines for a person at a terminal, JSON lines for everybody else. */
export function serviceLog(
  terminal: Pick<Terminal, 'interactive' | 'out'>,
  json: boolean,
  secrets: Iterable<string> = [],
): Log {
  if (json || !terminal.interactive) return jsonLog(terminal.out, secrets)
  const clean = redactor(secrets)
  const at =
    (sign: string) =>
    (message: string, fields: Readonly<Record<string, unknown>> = {}): void => {
      const more = Object.keys(fields).length === 0 ? '' : `  ${JSON.stringify(redactValue(fields, clean))}`
      terminal.out(`${new Date().toISOString().slice(11, 19)} ${sign} ${clean(message)}${more}\n`)
    }
  return { info: at(' '), warn: at('!'), error: at('✖') }
}
