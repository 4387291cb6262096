import { badParameters } from './answer.ts'
import type { Access } from './access.ts'
import type { World } from './world.ts'

/** A parameter of a call, as far as the simulator checks it. */
export interface Parameter {
  readonly type: 'string' | 'integer' | 'boolean'
  readonly optional?: true
  readonly pattern?: RegExp
  readonly values?: readonly string[]
  readonly min?: number
  readonly max?: number
}

export interface Call {
  readonly world: World
  readonly access: Access
  /** `user@realm!token`; recorded as the owner of tasks. */
  readonly user: string
  /** Checked; booleans are 0 or 1. */
  readonly params: Readonly<Record<string, string | number>>
  /** For routes that take VM config keys: everything that `parameters` does not name. */
  readonly rest: Readonly<Record<string, unknown>>
  /** The uploaded file, on the route that takes one. */
  readonly file?: { readonly bytes: Uint8Array }
}

export interface Route {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE'
  /** e.g. `/nodes/{node}/qemu/{vmid}/config`; `{volume}` may contain slashes. */
  readonly path: string
  readonly parameters?: Readonly<Record<string, Parameter>>
  readonly takesConfig?: true
  /** Checked before the call: any of the privileges on the path. */
  readonly needs?: readonly [path: string, ...privileges: string[]]
  readonly run: (call: Call) => unknown
}

const text = { type: 'string' } as const
export const PARAMETER = {
  text,
  optionalText: { type: 'string', optional: true },
  flag: { type: 'boolean', optional: true },
  vmid: { type: 'integer', min: 100, max: 999_999_999 },
  optionalVmid: { type: 'integer', min: 100, max: 999_999_999, optional: true },
  count: { type: 'integer', min: 0, optional: true },
} as const satisfies Record<string, Parameter>

export function matchRoute(
  routes: readonly Route[],
  method: string,
  path: string,
): { readonly route: Route; readonly captured: Readonly<Record<string, string>> } | undefined {
  for (const route of routes) {
    if (route.method !== method) continue
    const names: string[] = []
    const pattern = route.path.replace(/\{(\w+)\}/g, (_, name: string) => {
      names.push(name)
      return name === 'volume' ? '(.+)' : '([^/]+)'
    })
    const match = new RegExp(`^${pattern}$`).exec(path)
    if (match === null) continue
    const captured = Object.fromEntries(names.map((name, at) => [name, decodeURIComponent(match[at + 1] ?? '')]))
    return { route, captured }
  }
  return undefined
}

/** @throws {@link PveError} 400 with every problem, in the words of PVE::JSONSchema. */
export function checkParameters(route: Route, given: Readonly<Record<string, unknown>>): Pick<Call, 'params' | 'rest'> {
  const known = parametersOf(route)
  const errors: Record<string, string> = {}
  const params: Record<string, string | number> = {}
  const rest: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(given)) {
    const parameter = known[name]
    if (parameter === undefined) {
      if (route.takesConfig === true) rest[name] = value
      else errors[name] = 'property is not defined in schema and the schema does not allow additional properties'
      continue
    }
    const outcome = checkOne(parameter, value)
    if (typeof outcome === 'object') errors[name] = outcome.problem
    else params[name] = outcome
  }
  for (const [name, parameter] of Object.entries(known)) {
    if (parameter.optional !== true && given[name] === undefined)
      errors[name] = 'property is missing and it is not optional'
  }
  if (Object.keys(errors).length > 0) throw badParameters(errors)
  return { params, rest }
}

function parametersOf(route: Route): Readonly<Record<string, Parameter>> {
  const inPath = [...route.path.matchAll(/\{(\w+)\}/g)].map(([, name = '']) => [
    name,
    name === 'vmid' ? PARAMETER.vmid : PARAMETER.text,
  ])
  return { ...Object.fromEntries(inPath), ...route.parameters }
}

function checkOne(parameter: Parameter, value: unknown): string | number | { readonly problem: string } {
  if (typeof value !== 'string' && typeof value !== 'number' && typeof value !== 'boolean')
    return { problem: `type check ('${parameter.type}') failed` }
  const given = typeof value === 'boolean' ? (value ? '1' : '0') : String(value)
  if (parameter.type === 'boolean') {
    if (/^(1|on|yes|true)$/i.test(given)) return 1
    if (/^(0|off|no|false)$/i.test(given)) return 0
    return { problem: `type check ('boolean') failed - got '${given}'` }
  }
  if (parameter.type === 'integer') {
    if (!/^-?\d+$/.test(given)) return { problem: `type check ('integer') failed - got '${given}'` }
    const number = Number(given)
    if (parameter.min !== undefined && number < parameter.min) {
      return { problem: `value must have a minimum value of ${parameter.min}` }
    }
    if (parameter.max !== undefined && number > parameter.max) {
      return { problem: `value must have a maximum value of ${parameter.max}` }
    }
    return number
  }
  if (parameter.values !== undefined && !parameter.values.includes(given)) {
    return { problem: `value '${given}' does not have a value in the enumeration '${parameter.values.join(', ')}'` }
  }
  if (parameter.pattern !== undefined && !parameter.pattern.test(given)) {
    return { problem: 'value does not match the regex pattern' }
  }
  return given
}
