import { readFileSync } from 'node:fs'
import Ajv, { type ValidateFunction } from 'ajv'
import formats from 'ajv-formats'
import type { Exchange } from '../../sim/git/web-server.ts'

type Json = null | boolean | number | string | Json[] | { [key: string]: Json }

interface Operation {
  readonly request: Json
  readonly responses: { readonly [status: string]: Json }
}

interface Description {
  readonly operations: { readonly [route: string]: Operation }
  readonly webhooks: { readonly [name: string]: Json }
  readonly components: { readonly schemas: { readonly [name: string]: Json } }
}

const FILE = new URL('../vectors/github-openapi.json', import.meta.url)

/** OpenAPI 3.0 says `nullable` where JSON schema has a type `null`. */
function asJsonSchema(value: Json): Json {
  if (Array.isArray(value)) return value.map(asJsonSchema)
  if (value === null || typeof value !== 'object') return value
  const { nullable, ...rest } = value
  const schema = Object.fromEntries(Object.entries(rest).map(([key, item]) => [key, asJsonSchema(item)]))
  return nullable === true ? { anyOf: [schema, { type: 'null' }] } : schema
}

/** GitHub's published description of its REST API and webhooks, as far as `sim/github` serves it. */
export class GithubDescription {
  readonly #description: Description
  readonly #ajv = new Ajv.default({ strict: false, logger: false, allErrors: true })
  readonly #compiled = new Map<string, ValidateFunction>()

  constructor() {
    this.#description = asJsonSchema(JSON.parse(readFileSync(FILE, 'utf8')) as Json) as unknown as Description
    formats.default(this.#ajv)
    // GitHub gives an empty string as the default of some of its links.
    this.#ajv.addFormat('uri', /^$|^[a-z][a-z0-9+.-]*:\/\/[^\s{}]+$/i)
    this.#ajv.addSchema({ $id: 'github', components: this.#description.components })
  }

  get routes(): readonly string[] {
    return Object.keys(this.#description.operations)
  }

  /** e.g. `GET /repos/{owner}/{repo}`; `undefined` for a path that GitHub does not describe. */
  routeOf({ method, url }: Pick<Exchange, 'method' | 'url'>): string | undefined {
    const path = url.split('?')[0]?.replace(/^\/api\/v3(?=\/)/, '') ?? ''
    const matching = this.routes.filter((route) => {
      const [routeMethod, template = ''] = route.split(' ')
      const open = /\{(path|ref|basehead)\}$/.test(template)
      const pattern = template
        .replaceAll(/[.*+?^$()|[\]\\]/g, '\\$&')
        .replace(/\{[a-z_]+\}$/, open ? '.*' : '[^/]+')
        .replaceAll(/\{[a-z_]+\}/g, '[^/]+')
      return routeMethod === method && new RegExp(`^${pattern}$`).test(path)
    })
    // Of `commits/{ref}` and `commits/{ref}/status` the longer is meant.
    return matching.toSorted((a, b) => b.split('/').length - a.split('/').length)[0]
  }

  /** Where a request or its answer is not as described; empty when all is well. */
  problems(exchange: Exchange): readonly string[] {
    const route = this.routeOf(exchange)
    if (route === undefined) return []
    const operation = this.#description.operations[route]
    if (operation === undefined) return []
    const found: string[] = []
    if (exchange.status < 400 && operation.request !== null) {
      const body = exchange.requestBody === '' ? {} : (JSON.parse(exchange.requestBody) as Json)
      found.push(...this.#check(`${route} request`, operation.request, body))
    }
    const schema = operation.responses[`${exchange.status}`]
    if (schema === undefined && exchange.status < 400)
      found.push(`${route} is not described to answer ${exchange.status}`)
    if (schema !== undefined && schema !== null && exchange.responseBody !== '') {
      found.push(...this.#check(`${route} ${exchange.status}`, schema, JSON.parse(exchange.responseBody) as Json))
    }
    return found
  }

  /** @param action - As in the payload; pushes and pings have none. */
  webhookProblems(event: string, action: string | undefined, payload: Json): readonly string[] {
    const name = [event, action]
      .filter((part) => part !== undefined)
      .join('-')
      .replaceAll('_', '-')
    const schema = this.#description.webhooks[name]
    return schema === undefined ? [`no webhook ${name}`] : this.#check(`webhook ${name}`, schema, payload)
  }

  #check(name: string, schema: Json, value: Json): readonly string[] {
    const known = this.#compiled.get(name)
    const validate = known ?? this.#ajv.compile(withAbsoluteReferences(schema) as object)
    this.#compiled.set(name, validate)
    if (validate(value)) return []
    return (validate.errors ?? []).map(
      ({ instancePath, message, params }) => `${name}: ${instancePath} ${message ?? ''} ${JSON.stringify(params)}`,
    )
  }
}

function withAbsoluteReferences(value: Json): Json {
  if (Array.isArray(value)) return value.map(withAbsoluteReferences)
  if (value === null || typeof value !== 'object') return value
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [
      key,
      key === '$ref' && typeof item === 'string' ? `github${item}` : withAbsoluteReferences(item),
    ]),
  )
}
