/** A property string such as `local-lvm:0,import-from=local:import/x.qcow2,discard=on`: a first value and named ones. */
export interface Properties {
  readonly first: string
  readonly named: ReadonlyMap<string, string>
}

export function parseProperties(text: string): Properties {
  const [head = '', ...rest] = text.split(',')
  const named = new Map<string, string>()
  let first = ''
  if (/^[\w-]+=/.test(head)) rest.unshift(head)
  else first = head
  for (const part of rest) {
    const at = part.indexOf('=')
    named.set(at < 0 ? part : part.slice(0, at), at < 0 ? '' : part.slice(at + 1))
  }
  return { first, named }
}

/** The first value, then the named ones by name, as Proxmox VE prints them. */
export function printProperties(first: string, named: ReadonlyMap<string, string>): string {
  const sorted = [...named].toSorted(([a], [b]) => (a < b ? -1 : 1))
  return [...(first === '' ? [] : [first]), ...sorted.map(([key, value]) => `${key}=${value}`)].join(',')
}

const UNIT: Readonly<Record<string, number>> = { '': 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30, T: 2 ** 40 }

/** `40G` → bytes; undefined when it is not a size. */
export function parseSize(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)([KMGT]?)$/.exec(text)
  return match === null ? undefined : Math.round(Number(match[1]) * (UNIT[match[2] ?? ''] ?? 1))
}

/** Bytes → the largest unit that is exact, e.g. `3G` or `2252M`. */
export function printSize(bytes: number): string {
  for (const unit of ['T', 'G', 'M', 'K'] as const) {
    const size = UNIT[unit] ?? 1
    if (bytes >= size && bytes % size === 0) return `${bytes / size}${unit}`
  }
  return String(bytes)
}
