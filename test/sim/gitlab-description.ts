import { existsSync, readFileSync } from 'node:fs'
import Ajv from 'ajv'
import formats from 'ajv-formats'
import type { Exchange } from '../../sim/git/web-server.ts'

type Json = null | boolean | number | string | Json[] | { [key: string]: Json }
type JsonObject = { [key: string]: Json }

interface Parameter {
  readonly name: string
  readonly in: 'path' | 'query' | 'body'
  readonly required?: boolean
  readonly type?: string
  readonly enum?: readonly string[]
  readonly schema?: Json
}

interface Operation {
  readonly parameters?: readonly Parameter[]
  readonly responses: { readonly [status: string]: { readonly schema?: Json } }
}

interface Description {
  readonly paths: { readonly [path: string]: { readonly [method: string]: Operation } }
  readonly definitions: { readonly [name: string]: Json }
}

const FOLDER = new URL('../../../shared/schemas/gitlab/', import.meta.url)

/** Whether GitLab's description and samples are at hand. */
export const hasGitlabDescription = existsSync(FOLDER)

function read(name: string): Json {
  return JSON.parse(readFileSync(new URL(name, FOLDER), 'utf8')) as Json
}

/** A response or payload that GitLab publishes as an example. */
export function gitlabSample(name: string): Json {
  return read(name)
}

/**
 * GitLab's published description of its REST API. It is right about paths, parameters and property names, and loose
 * about response types, so answers are held to their property names only and samples do the rest.
 */
export class GitlabDescription {
  readonly #descriptions = ['openapi_v2-trimmed.json', 'openapi_v2-supplement.json'].map(
    (name) => read(name) as unknown as Description,
  )
  readonly #ajv = new Ajv.default({
    strict: false,
    logger: false,
    allErrors: true,
    coerceTypes: true,
    validateSchema: false,
  })

  constructor() {
    formats.default(this.#ajv)
  }

  routeOf({ method, url }: Pick<Exchange, 'method' | 'url'>): string | undefined {
    return this.#find(method, url)?.route
  }

  #find(method: string, url: string) {
    const path = url.split('?')[0] ?? ''
    for (const description of this.#descriptions) {
      for (const [template, operations] of Object.entries(description.paths)) {
        const operation = operations[method.toLowerCase()]
        const pattern = template.replaceAll('.', '\\.').replaceAll(/\{[a-z_]+\}/g, '[^/]+')
        // `commits/{sha}/statuses` also fits no shorter path, as a parameter never spans a slash.
        if (
          operation !== undefined &&
          new RegExp(`^${pattern}$`).test(path) &&
          !isLiteralElsewhere(description, template, path)
        ) {
          return { route: `${method} ${template}`, operation, description }
        }
      }
    }
    return undefined
  }

  problems(exchange: Exchange): readonly string[] {
    const found = this.#find(exchange.method, exchange.url)
    if (found === undefined) return [`${exchange.method} ${exchange.url} is not described`]
    if (exchange.status >= 400) return []
    const { route, operation, description } = found
    return [
      ...this.#requestProblems(route, operation, description, exchange),
      ...responseProblems(route, operation, description, exchange),
    ]
  }

  #requestProblems(
    route: string,
    operation: Operation,
    description: Description,
    exchange: Exchange,
  ): readonly string[] {
    const given = new URL(exchange.url, 'http://127.0.0.1').searchParams
    const parameters = operation.parameters ?? []
    const body = parameters.find((parameter) => parameter.in === 'body')
    const inBody = body?.schema === undefined ? {} : propertiesOf(resolve(description, body.schema))
    const known = new Set([...parameters.map(({ name }) => name), ...Object.keys(inBody), ...PAGING])
    const unknown = [...given.keys()].filter((name) => !known.has(name.replace(/\[.*$/, '')))
    const problems = unknown.map((name) => `${route}: no query parameter ${name}`)
    for (const { name, in: place, required, enum: words } of parameters) {
      if (place !== 'query') continue
      const value = given.get(name)
      if (required === true && value === null && !given.has(`${name}[]`)) problems.push(`${route}: ${name} is missing`)
      if (value !== null && words !== undefined && !words.includes(value)) problems.push(`${route}: ${name}=${value}`)
    }
    const type = exchange.requestHeaders['content-type'] ?? ''
    if (!type.includes('json') || exchange.requestBody === '' || body?.schema === undefined) return problems
    const value = JSON.parse(exchange.requestBody) as JsonObject
    const schema = {
      ...(resolve(description, body.schema) as JsonObject),
      definitions: description.definitions,
    }
    const names = Object.keys(value).filter((name) => !known.has(name))
    const wrong = this.#ajv.validate(schema, structuredClone(value)) ? [] : (this.#ajv.errors ?? [])
    // Fields that may also come with the query are not missing from the body.
    const told = wrong.filter(({ params, instancePath }) => {
      const missing = String((params as { missingProperty?: string }).missingProperty)
      return !given.has(missing) && !(instancePath.startsWith('/actions/') && ONE_ACTION_ONLY.has(missing))
    })
    return [
      ...problems,
      ...names.map((name) => `${route}: no field ${name}`),
      ...told.map(({ instancePath, message }) => `${route}: ${instancePath} ${message ?? ''}`),
    ]
  }
}

const PAGING = ['page', 'per_page', 'pagination', 'page_token']

function isLiteralElsewhere(description: Description, template: string, path: string): boolean {
  return template !== path && description.paths[path] !== undefined
}

function resolve(description: Description, schema: Json): Json {
  const reference = (schema as JsonObject)['$ref']
  if (typeof reference !== 'string') return schema
  return resolve(description, description.definitions[reference.replace('#/definitions/', '')] ?? {})
}

function propertiesOf(schema: Json): JsonObject {
  return ((schema as JsonObject)['properties'] ?? {}) as JsonObject
}

/** Required by the description of every action, though each belongs to one kind of action. */
const ONE_ACTION_ONLY = new Set(['previous_path', 'execute_filemode', 'content', 'encoding', 'last_commit_id'])

/** Properties of real answers that the description leaves out: seen in samples, in the prose of the docs, or newer. */
const KNOWN_MISSING: ReadonlySet<string> = new Set([
  'commands_changes',
  'noteable_iid',
  'commit',
  'web_url',
  'permissions',
  'description',
  'bot',
  'can_push',
  'token_present',
  'signing_token_present',
  'approvals_required',
  'approvals_left',
])
/** Described with fewer properties than it has: a list of projects tells of each what its own page does. */
const SAME_AS: Readonly<Record<string, string>> = { '/api/v4/projects': '/api/v4/projects/{id}' }

function responseProblems(
  route: string,
  operation: Operation,
  description: Description,
  exchange: Exchange,
): readonly string[] {
  const [method = '', template = ''] = route.split(' ')
  const same = description.paths[SAME_AS[template] ?? '']?.[method.toLowerCase()] ?? operation
  // Some operations are described to answer 200 or 201 where the other is true.
  const answer = same.responses[`${exchange.status}`] ?? same.responses['200'] ?? same.responses['201']
  if (answer?.schema === undefined || !(exchange.responseHeaders['content-type'] ?? '').includes('json')) return []
  const outer = resolve(description, answer.schema) as JsonObject
  const item = outer['type'] === 'array' && outer['items'] !== undefined ? resolve(description, outer['items']) : outer
  const names = Object.keys(propertiesOf(item))
  if (names.length === 0) return []
  const value = JSON.parse(exchange.responseBody) as Json
  const objects = (Array.isArray(value) ? value : [value]) as JsonObject[]
  const extra = new Set(
    objects.flatMap(Object.keys).filter((name) => !names.includes(name) && !KNOWN_MISSING.has(name)),
  )
  return [...extra].map((name) => `${route} ${exchange.status}: ${name} is not described`)
}

function kindOf(value: Json): string {
  if (Array.isArray(value)) return 'array'
  return value === null ? 'null' : typeof value
}

/**
 * Where a value is shaped unlike a published sample: a name is missing, or a value is of another kind. `null` goes with
 * every kind, and empty lists with every list.
 * @param except - Names, or paths such as `.author.email`, that are left out on purpose.
 */
export function shapeProblems(sample: Json, actual: Json, except: ReadonlySet<string>, at = ''): readonly string[] {
  if (sample === null || actual === null) return []
  if (kindOf(sample) !== kindOf(actual)) return [`${at} is a ${kindOf(actual)}, not a ${kindOf(sample)}`]
  if (Array.isArray(sample) && Array.isArray(actual)) {
    const [first] = sample
    if (first === undefined) return []
    return actual.slice(0, 1).flatMap((item) => shapeProblems(first, item, except, `${at}[0]`))
  }
  if (typeof sample !== 'object' || typeof actual !== 'object') return []
  return Object.entries(sample as JsonObject).flatMap(([name, value]) => {
    if (except.has(name) || except.has(`${at}.${name}`)) return []
    const mine = (actual as JsonObject)[name]
    return mine === undefined ? [`${at}.${name} is missing`] : shapeProblems(value, mine, except, `${at}.${name}`)
  })
}
