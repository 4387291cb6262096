import { Problem } from '../core/problem.ts'

/**
 * The exact bytes of a request's body.
 * @throws Problem `http.too-large` as soon as more than `limit` bytes came, whatever the length header said.
 */
export async function rawBody(request: Request, limit: number): Promise<Uint8Array<ArrayBuffer>> {
  const parts: Uint8Array[] = []
  let length = 0
  if (request.body) {
    for await (const part of request.body as unknown as AsyncIterable<Uint8Array>) {
      length += part.length
      if (length > limit) {
        throw new Problem({
          code: 'http.too-large',
          what: `the request body is larger than ${limit} bytes`,
          retry: 'never',
        })
      }
      parts.push(part)
    }
  }
  const body = new Uint8Array(length)
  let offset = 0
  for (const part of parts) {
    body.set(part, offset)
    offset += part.length
  }
  return body
}
