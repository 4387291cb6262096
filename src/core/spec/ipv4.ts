import type { AddressRange } from './cluster-spec.ts'

/** An IPv4 network: its first address as a number from 0 to 2³² − 1, and its prefix length. */
export interface Subnet {
  readonly base: number
  readonly prefix: number
}

const OCTET = /^(?:0|[1-9][0-9]{0,2})$/

/** Dotted quad to number; `undefined` for anything else. Leading zeros are refused: some programs read them as octal. */
export function parseAddress(text: string): number | undefined {
  const octets = text.split('.')
  if (octets.length !== 4) return undefined
  let number = 0
  for (const octet of octets) {
    if (!OCTET.test(octet) || Number(octet) > 255) return undefined
    number = number * 256 + Number(octet)
  }
  return number
}

export function formatAddress(number: number): string {
  return [24, 16, 8, 0].map((shift) => Math.floor(number / 2 ** shift) % 256).join('.')
}

/** `10.0.4.21/24` → its address and prefix, host bits kept. */
export function parseInterface(text: string): { readonly address: number; readonly prefix: number } | undefined {
  const [host = '', bits = '', ...rest] = text.split('/')
  const address = parseAddress(host)
  if (address === undefined || rest.length > 0 || !/^(?:[0-9]|[12][0-9]|3[0-2])$/.test(bits)) return undefined
  return { address, prefix: Number(bits) }
}

/** The network that an address with a prefix belongs to. */
export function subnetOf(address: number, prefix: number): Subnet {
  const size = 2 ** (32 - prefix)
  return { base: Math.floor(address / size) * size, prefix }
}

/** A CIDR such as `10.244.0.0/16`; `undefined` when malformed. Host bits are cleared: compare with `isCanonical`. */
export function parseSubnet(text: string): Subnet | undefined {
  const parsed = parseInterface(text)
  return parsed === undefined ? undefined : subnetOf(parsed.address, parsed.prefix)
}

export function formatSubnet(subnet: Subnet): string {
  return `${formatAddress(subnet.base)}/${subnet.prefix}`
}

/** Both ends included. */
export interface NumberRange {
  readonly first: number
  readonly last: number
}

export function rangeOf(subnet: Subnet): NumberRange {
  return { first: subnet.base, last: subnet.base + 2 ** (32 - subnet.prefix) - 1 }
}

export function overlap(a: NumberRange, b: NumberRange): boolean {
  return a.first <= b.last && b.first <= a.last
}

export function within(inner: NumberRange, outer: NumberRange): boolean {
  return outer.first <= inner.first && inner.last <= outer.last
}

/** `10.0.4.200-10.0.4.220`, `10.0.4.200`, or a CIDR, as one range; `undefined` when malformed or upside down. */
export function parseRange(text: string): AddressRange | undefined {
  if (text.includes('/')) {
    const subnet = parseSubnet(text)
    if (subnet === undefined || formatSubnet(subnet) !== text) return undefined
    const { first, last } = rangeOf(subnet)
    return { from: formatAddress(first), to: formatAddress(last) }
  }
  const [from = '', to = from, ...rest] = text.split('-').map((part) => part.trim())
  const first = parseAddress(from)
  const last = parseAddress(to)
  if (rest.length > 0 || first === undefined || last === undefined || first > last) return undefined
  return { from, to }
}

/** A parsed `AddressRange` as numbers. Its texts come from `parseRange`, so they are addresses. */
export function numbersOf(range: AddressRange): NumberRange {
  return { first: parseAddress(range.from) ?? 0, last: parseAddress(range.to) ?? 0 }
}
