/**
 * Cuts what `sim/github` serves out of GitHub's own description of its REST API and webhooks.
 *
 * ```sh
 * npm pack @octokit/openapi@23.0.2 && tar xzf octokit-openapi-23.0.2.tgz package/generated/api.github.com.json
 * node test/vectors/cut-github-openapi.ts package/generated/api.github.com.json
 * ```
 * Prose and examples are dropped, schemas are kept word for word.
 */
import { readFile, writeFile } from 'node:fs/promises'
import { githubRoutes, githubWebhooks } from './github-served.ts'

type Json = null | boolean | number | string | Json[] | { [key: string]: Json }
type JsonObject = { [key: string]: Json }

const SOURCE = '@octokit/openapi@23.0.2 generated/api.github.com.json'
const PROSE = new Set(['description', 'summary', 'example', 'examples', 'externalDocs', 'x-github', 'x-displayName'])
/** Keys below `properties` are names of the API, so `description` is not prose there. */
function withoutProse(value: Json, insideProperties = false): Json {
  if (Array.isArray(value)) return value.map((item) => withoutProse(item))
  if (value === null || typeof value !== 'object') return value
  const kept: JsonObject = {}
  for (const [key, item] of Object.entries(value)) {
    if (!insideProperties && PROSE.has(key)) continue
    kept[key] = withoutProse(item, key === 'properties' && !insideProperties)
  }
  return kept
}

function at(root: Json, pointer: string): Json {
  let value: Json | undefined = root
  for (const part of pointer.replace(/^#\//, '').split('/')) {
    if (value === null || typeof value !== 'object' || Array.isArray(value)) throw new Error(`no ${pointer}`)
    value = value[part.replaceAll('~1', '/').replaceAll('~0', '~')]
  }
  if (value === undefined) throw new Error(`the description has no ${pointer}`)
  return value
}

function object(value: Json | undefined): JsonObject {
  if (value === undefined || value === null || typeof value !== 'object' || Array.isArray(value)) throw new Error('not an object')
  return value
}

function follow(root: Json, value: Json): JsonObject {
  const found = object(value)
  return typeof found.$ref === 'string' ? follow(root, at(root, found.$ref)) : found
}

function jsonSchemaOf(root: Json, holder: Json | undefined): Json | undefined {
  if (holder === undefined) return undefined
  const content = follow(root, holder).content
  if (content === undefined) return undefined
  const json = Object.entries(object(content)).find(([type]) => type.includes('json'))
  return json === undefined ? undefined : withoutProse(object(json[1]).schema ?? {})
}

function cut(root: JsonObject): JsonObject {
  const operations: JsonObject = {}
  const webhooks: JsonObject = {}
  for (const route of githubRoutes) {
    const [method, path] = route.split(' ') as [string, string]
    const operation = object(object(object(root.paths)[path])[method.toLowerCase()])
    const responses: JsonObject = {}
    for (const [status, response] of Object.entries(object(operation.responses))) {
      responses[status] = jsonSchemaOf(root, response) ?? null
    }
    operations[route] = { request: jsonSchemaOf(root, operation.requestBody) ?? null, responses }
  }
  for (const name of githubWebhooks) {
    const operation = object(object(object(root['x-webhooks'])[name]).post)
    webhooks[name] = jsonSchemaOf(root, operation.requestBody) ?? null
  }
  const schemas: JsonObject = {}
  const collect = (value: Json): void => {
    if (Array.isArray(value)) return value.forEach(collect)
    if (value === null || typeof value !== 'object') return
    const reference = value.$ref
    if (typeof reference === 'string') {
      const name = reference.replace('#/components/schemas/', '')
      if (schemas[name] === undefined) {
        schemas[name] = withoutProse(at(root, reference))
        collect(schemas[name])
      }
    }
    Object.values(value).forEach(collect)
  }
  collect(operations)
  collect(webhooks)
  return { source: SOURCE, license: 'MIT', operations, webhooks, components: { schemas } }
}

const [input] = process.argv.slice(2)
if (input === undefined) throw new Error('usage: node test/vectors/cut-github-openapi.ts <api.github.com.json>')
const target = new URL('github-openapi.json', import.meta.url)
await writeFile(target, `${JSON.stringify(cut(JSON.parse(await readFile(input, 'utf8')) as JsonObject))}\n`)
