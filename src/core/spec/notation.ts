import * as z from 'zod'
import { parseAddress, parseInterface, parseRange, parseSubnet, formatSubnet } from './ipv4.ts'
import { SIZE } from './quantity.ts'

/** Texts that occur in many places of a cluster file, each with the form it must have. */

const LABEL = /^[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?$/

export const dnsLabel = z
  .string()
  .regex(LABEL, 'must be lower-case letters, digits and inner hyphens, at most 63 characters')

export const hostName = z
  .string()
  .max(253)
  .regex(/^[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*$/, 'must be a DNS name in lower case')

export const ipAddress = z
  .string()
  .refine((text) => parseAddress(text) !== undefined, 'must be an IPv4 address such as 10.0.4.21')
  .meta({ format: 'ipv4' })

export const hostOrAddress = z
  .string()
  .refine(
    (text) => parseAddress(text) !== undefined || (hostName.safeParse(text).success && !/^[0-9.]+$/.test(text)),
    'must be an IPv4 address or a DNS name',
  )

export const cidr = z
  .string()
  .refine((text) => {
    const subnet = parseSubnet(text)
    return subnet !== undefined && formatSubnet(subnet) === text
  }, 'must be a network such as 10.244.0.0/16, with no bits set behind the prefix')
  .meta({ pattern: '^[0-9.]+/[0-9]{1,2}$' })

/** `10.0.4.21/24`, or `10.0.4.21../24` counting up. */
export const interfaceAddress = z
  .string()
  .refine(
    (text) => parseInterface(text.replace('..', '')) !== undefined && /^[0-9]+(?:\.[0-9]+){3}(?:\.\.)?\//.test(text),
    'must be an address with its prefix such as 10.0.4.21/24, or 10.0.4.21../24 to count up from there',
  )
  .meta({ pattern: '^[0-9]+(\\.[0-9]+){3}(\\.\\.)?/[0-9]{1,2}$' })

/** `10.0.4.31`, or `10.0.4.31..` counting up. */
export const countedAddress = z
  .string()
  .refine(
    (text) => parseAddress(text.replace(/\.\.$/, '')) !== undefined,
    'must be an IPv4 address such as 10.0.4.31, or 10.0.4.31.. to count up from there',
  )
  .meta({ pattern: '^[0-9]+(\\.[0-9]+){3}(\\.\\.)?$' })

export const addressRange = z
  .string()
  .refine(
    (text) => parseRange(text) !== undefined,
    'must be a range such as 10.0.4.200-10.0.4.220, a CIDR or one address',
  )

export const size = z.string().regex(SIZE, 'must be a size such as 8GiB (MiB, GiB or TiB)')

/** As Kubernetes writes it: `500m`, `2`, `1.5`. */
export const cpuQuantity = z
  .union([z.string().regex(/^(?:[0-9]+m|[0-9]+(?:\.[0-9]+)?)$/, 'must be an amount of CPU such as 500m or 2'), z.int()])
  .transform(String)

/** As Kubernetes writes it: `512Mi`, `4Gi`. */
export const memoryQuantity = z.string().regex(/^[0-9]+(?:Ki|Mi|Gi|Ti)$/, 'must be an amount of memory such as 512Mi')

/** As Kubernetes writes it: `10Gi`. */
export const volumeSize = z.string().regex(/^[1-9][0-9]*(?:Mi|Gi|Ti)$/, 'must be a volume size such as 20Gi')

export const duration = z
  .string()
  .regex(/^(?:[0-9]+h)?(?:[0-9]+m)?(?:[0-9]+s)?$/, 'must be a duration such as 1m or 1h30m')
  .min(2)

/** Versions with or without patch. YAML would read `1.30` as a number; the reader keeps it as text. */
export const version = z
  .string()
  .regex(
    /^[0-9]+\.[0-9]+(?:\.[0-9]+)?(?:\+[a-z0-9]+)?$/,
    'must be a version such as 1.36 or 1.36.3, without a leading v',
  )
  .meta({ type: ['string', 'number'] })

export const httpUrl = z.url({ protocol: /^https?$/, error: 'must be an http or https URL' }).refine((text) => {
  const url = URL.canParse(text) ? new URL(text) : undefined
  return url === undefined || (url.username === '' && url.password === '')
}, 'must not carry a user name or password: credentials live only with the runner')

export const port = z.int().min(1).max(65_535)

const QUALIFIED = /^(?:([a-z0-9](?:[-a-z0-9.]*[a-z0-9])?)\/)?([A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)$/

/** Key of a label or taint: optional DNS prefix and name, e.g. `slipway.dev/pool`. */
function isQualifiedName(text: string): boolean {
  return text.length <= 317 && QUALIFIED.test(text)
}

const labelValue = z
  .string()
  .max(63)
  .regex(
    /^(?:[A-Za-z0-9](?:[-A-Za-z0-9_.]*[A-Za-z0-9])?)?$/,
    'must be letters, digits, - _ . and begin and end with one of the first two',
  )

export const labels = z.record(z.string().refine(isQualifiedName, 'is not the name of a label'), labelValue)

const TAINT = /^([^=:]+)(?:=([^:]*))?:(NoSchedule|PreferNoSchedule|NoExecute)$/

/** `nvidia.com/gpu=present:NoSchedule` → its parts. */
export function parseTaint(text: string) {
  const match = TAINT.exec(text)
  const [, key = '', value, effect] = match ?? []
  if (match === null || !isQualifiedName(key) || (value !== undefined && !labelValue.safeParse(value).success))
    return undefined
  return {
    key,
    ...(value === undefined || value === '' ? {} : { value }),
    effect: effect as 'NoSchedule' | 'PreferNoSchedule' | 'NoExecute',
  }
}

export const taint = z
  .string()
  .refine(
    (text) => parseTaint(text) !== undefined,
    'must be key=value:Effect or key:Effect, where Effect is NoSchedule, PreferNoSchedule or NoExecute',
  )
  .meta({ pattern: TAINT.source })

/** Name of a Secret in the cluster, which a sealed file under apps/ brings: never the secret itself. */
export const secretName = z.string().regex(LABEL, 'must be the name of a Secret')
