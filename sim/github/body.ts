import type { Context } from 'hono'
import * as z from 'zod'
import { Refusal, invalid } from './refusal.ts'

/** The JSON body of a request in the shape that the operation documents; 400 and 422 like GitHub's otherwise. */
export async function bodyOf<Shape>(context: Context, shape: z.ZodType<Shape>, resource: string): Promise<Shape> {
  const text = await context.req.text()
  const parsed = shape.safeParse(text === '' ? {} : parseJson(text))
  if (parsed.success) return parsed.data
  throw invalid(
    ...parsed.error.issues.map(({ path, code, message }) => ({
      resource,
      field: path.map(String).join('.'),
      code: code === 'invalid_type' && message.includes('received undefined') ? 'missing_field' : 'invalid',
    })),
  )
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch {
    throw new Refusal(400, 'Problems parsing JSON')
  }
}
