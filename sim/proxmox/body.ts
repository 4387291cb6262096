import type { IncomingMessage } from 'node:http'
import { badParameters, PveError } from './answer.ts'

/** The limit of pveproxy for anything but uploads. */
const MAX_BODY_BYTES = 512 * 1_024
/** Uploads are held in memory here, so images of real size do not fit. */
const MAX_UPLOAD_BYTES = 256 * 1_024 * 1_024

export interface Body {
  readonly values: Readonly<Record<string, unknown>>
  readonly file?: { readonly bytes: Uint8Array }
}

/** Parameters from the query and from a form, JSON or multipart body. */
export async function readBody(request: IncomingMessage, url: URL): Promise<Body> {
  const query = Object.fromEntries(url.searchParams)
  const type = request.headers['content-type'] ?? ''
  const isUpload = type.startsWith('multipart/form-data')
  if (request.headers['transfer-encoding'] !== undefined)
    throw new PveError(501, 'chunked transfer encoding not supported')
  const limit = isUpload ? MAX_UPLOAD_BYTES : MAX_BODY_BYTES
  if (Number(request.headers['content-length'] ?? 0) > limit) throw new PveError(501, 'for data too large')
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  const bytes = Buffer.concat(chunks)
  if (bytes.length === 0) return { values: query }
  if (isUpload) return readUpload(bytes, type, query)
  if (type.startsWith('application/json')) return { values: { ...query, ...readObject(bytes) } }
  if (type.startsWith('application/x-www-form-urlencoded')) {
    return { values: { ...query, ...Object.fromEntries(new URLSearchParams(bytes.toString())) } }
  }
  throw new PveError(400, `unknown content type '${type}'`)
}

function readObject(bytes: Buffer): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(bytes.toString())
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return { ...value }
  } catch {
    // Falls through to the answer below, as for JSON that is no object.
  }
  throw new PveError(400, 'malformed JSON')
}

/** The file part is named `filename` and comes last; fields after it are not seen, as in the real server. */
async function readUpload(bytes: Buffer, type: string, query: Record<string, unknown>): Promise<Body> {
  const form = await new Response(new Uint8Array(bytes), { headers: { 'content-type': type } }).formData()
  const values: Record<string, unknown> = { ...query }
  for (const [name, value] of form) {
    if (typeof value === 'string') values[name] = value
    else {
      if (name !== 'filename') throw badParameters({ [name]: 'unexpected file part' })
      values['filename'] = value.name
      return { values, file: { bytes: new Uint8Array(await value.arrayBuffer()) } }
    }
  }
  return { values }
}
