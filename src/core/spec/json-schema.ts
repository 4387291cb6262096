import * as z from 'zod'
import { policyDocument } from '../policy.ts'
import { clusterDocument } from './cluster-document.ts'

/** Where editors find the schemas once they are published; files in a checkout name a relative path instead. */
const PUBLISHED = 'https://slipway.dev/schema/v1alpha1'

/** A JSON schema as far as the generator and the reference read it. */
export interface JsonSchema {
  readonly $ref?: string
  readonly type?: string | readonly string[]
  readonly description?: string
  readonly default?: unknown
  readonly const?: unknown
  readonly enum?: readonly unknown[]
  readonly pattern?: string
  readonly minimum?: number
  readonly maximum?: number
  readonly properties?: Readonly<Record<string, JsonSchema>>
  readonly required?: readonly string[]
  readonly additionalProperties?: boolean | JsonSchema
  readonly propertyNames?: JsonSchema
  readonly items?: JsonSchema
  readonly anyOf?: readonly JsonSchema[]
  readonly oneOf?: readonly JsonSchema[]
}

/** The JSON schema (draft 2020-12) of what a person writes in `cluster.yaml`: for editors, and for the reference page. */
export function clusterJsonSchema(): JsonSchema {
  return published('cluster', 'Slipway cluster', clusterDocument)
}

/** Likewise of `slipway.policy.yaml`. */
export function policyJsonSchema(): JsonSchema {
  return published('policy', 'Slipway policy', policyDocument)
}

function published(name: string, title: string, document: z.ZodType): JsonSchema {
  const { $schema, ...schema } = z.toJSONSchema(document, { io: 'input', reused: 'inline' })
  return { $schema, $id: `${PUBLISHED}/${name}.schema.json`, title, ...schema } as JsonSchema
}

/** The schema at a path of words such as `spec.machines.gpus.sharing`; lists, names and alternatives are passed through. */
export function schemaAt(schema: JsonSchema, path: string): JsonSchema | undefined {
  let found: readonly JsonSchema[] = alternatives(schema)
  for (const word of path.split('.')) {
    found = found.flatMap((one) => {
      const inner = one.properties?.[word]
      return inner === undefined ? [] : alternatives(inner)
    })
    if (found.length === 0) return undefined
  }
  return found[0]
}

/** A schema and everything that it may be instead or contain as list entry or named entry. */
function alternatives(schema: JsonSchema): readonly JsonSchema[] {
  return [
    schema,
    ...[...(schema.anyOf ?? []), ...(schema.oneOf ?? [])].flatMap(alternatives),
    ...(schema.items === undefined ? [] : alternatives(schema.items)),
    ...(typeof schema.additionalProperties === 'object' ? alternatives(schema.additionalProperties) : []),
  ]
}
