import type { Context } from 'hono'
import * as z from 'zod'
import { WrongParameter } from './refusal.ts'

/**
 * Parameters of a request that changes something: JSON, a form, or the query, as GitLab takes all three. In forms and
 * queries `position[new_line]` nests and everything is text, so shapes use `z.coerce` for numbers.
 */
export async function bodyOf<Shape>(context: Context, shape: z.ZodType<Shape>): Promise<Shape> {
  const fromQuery = nested(Object.entries(context.req.query()))
  const parsed = shape.safeParse({ ...fromQuery, ...(await readBody(context)) })
  if (parsed.success) return parsed.data
  const told = parsed.error.issues.map(({ path, code, message }) => {
    const [first = '', ...rest] = path.map(String)
    const name = `${first}${rest.map((part) => `[${part}]`).join('')}`
    return `${name} ${code === 'invalid_type' && message.includes('received undefined') ? 'is missing' : 'is invalid'}`
  })
  throw new WrongParameter(told.join(', '))
}

async function readBody(context: Context): Promise<Record<string, unknown>> {
  const type = context.req.header('content-type') ?? ''
  if (type.startsWith('multipart/form-data') || type.startsWith('application/x-www-form-urlencoded')) {
    const form = await context.req.formData()
    return nested([...form].map(([name, value]) => [name, typeof value === 'string' ? value : '']))
  }
  const text = await context.req.text()
  if (text === '') return {}
  try {
    const value: unknown = JSON.parse(text)
    return value !== null && typeof value === 'object' ? (value as Record<string, unknown>) : {}
  } catch {
    throw new WrongParameter('The request body is not valid JSON')
  }
}

function nested(pairs: readonly (readonly [string, string])[]): Record<string, unknown> {
  const result: Record<string, unknown> = {}
  for (const [name, value] of pairs) {
    const match = /^([a-z_]+)\[([a-z_]+)\]$/.exec(name)
    if (match === null) {
      result[name] = value
      continue
    }
    const [, outer = '', inner = ''] = match
    result[outer] = { ...(result[outer] as object | undefined), [inner]: value }
  }
  return result
}

/** `true` and `false` as JSON or as text of a form. */
export const Flag = z.union([z.boolean(), z.enum(['true', 'false']).transform((text) => text === 'true')])
