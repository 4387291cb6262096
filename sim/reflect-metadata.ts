/**
 * The part of the metadata reflection proposal that `@peculiar/x509` needs at import; it asks for any polyfill.
 * Import this file before that package.
 */
type Metadata = Map<unknown, unknown>

const metadata = new WeakMap<object, Metadata>()

const own = (key: unknown, target: object): unknown => metadata.get(target)?.get(key)

function inherited(key: unknown, target: object): unknown {
  for (let at: object | null = target; at !== null; at = Object.getPrototypeOf(at) as object | null) {
    if (metadata.get(at)?.has(key) === true) return own(key, at)
  }
  return undefined
}

function define(key: unknown, value: unknown, target: object): void {
  const values = metadata.get(target) ?? new Map<unknown, unknown>()
  metadata.set(target, values.set(key, value))
}

if (!('getMetadata' in Reflect)) {
  Object.assign(Reflect, { defineMetadata: define, getMetadata: inherited, getOwnMetadata: own })
}
