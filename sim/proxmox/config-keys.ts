import { badParameters, failed } from './answer.ts'
import { parseProperties } from './property.ts'

/**
 * Keys of a VM's config, with `[n]` for numbered ones, and what the simulator checks of their values. Source: parameters
 * of `POST /nodes/{node}/qemu/{vmid}/config` in the API description.
 */
type Kind = 'string' | 'boolean' | 'integer' | 'number'
const KEYS: Readonly<Record<string, Kind>> = {
  ...kind('boolean', 'acpi allow-ksm autostart ciupgrade freeze keephugepages kvm localtime numa onboot protection'),
  ...kind('boolean', 'reboot tablet tdf template'),
  ...kind('integer', 'balloon cores cpuunits migrate_speed shares smp sockets vcpus'),
  ...kind('number', 'cpulimit migrate_downtime'),
  ...kind(
    'string',
    'affinity agent amd-sev arch args audio0 bios boot bootdisk cdrom cicustom cipassword citype ciuser',
  ),
  ...kind('string', 'cpu description efidisk0 hookscript hostpci[n] hotplug hugepages ide[n] import-working-storage'),
  ...kind('string', 'intel-tdx ipconfig[n] ivshmem keyboard lock machine memory name nameserver net[n] numa[n] ostype'),
  ...kind(
    'string',
    'parallel[n] rng0 sata[n] scsi[n] scsihw searchdomain serial[n] smbios1 spice_enhancements sshkeys',
  ),
  ...kind(
    'string',
    'startdate startup tags tpmstate0 unused[n] usb[n] vga virtio[n] virtiofs[n] vmgenid vmstatestorage',
  ),
  ...kind('string', 'watchdog'),
}

function kind(value: Kind, names: string): Record<string, Kind> {
  return Object.fromEntries(names.split(' ').map((name) => [name, value]))
}

/** Refused for every token: https://git.proxmox.com/?p=qemu-server.git, check_vm_modify_config_perm. */
const ROOT_ONLY = new Set(
  'affinity amd-sev arch args hookscript hugepages intel-tdx ivshmem keephugepages lock vmgenid'.split(' '),
)
const ENUMS: Readonly<Record<string, readonly string[]>> = {
  bios: ['seabios', 'ovmf'],
  citype: ['configdrive2', 'nocloud', 'opennebula'],
  scsihw: ['lsi', 'lsi53c810', 'virtio-scsi-pci', 'virtio-scsi-single', 'megasas', 'pvscsi'],
  ostype: 'other wxp w2k w2k3 w2k8 wvista win7 win8 win10 win11 l24 l26 solaris'.split(' '),
}
const DNS_NAME =
  /^(?=.{1,253}$)[a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?(\.[a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?)*$/
const TAG = /^[a-z0-9_][a-z0-9_\-+.]*$/i
const URL_ENCODED = /^[-%a-zA-Z0-9_.!~*'()]*$/
const DESCRIPTION_LENGTH = 8_192

export type Value = string | number
export type Values = ReadonlyMap<string, Value>

export const DISK_KEY = /^(ide[0-3]|sata[0-5]|scsi([12]?\d|30)|virtio(\d|1[0-5])|efidisk0|tpmstate0|unused\d+)$/

export function isConfigKey(key: string): boolean {
  return kindOf(key) !== undefined
}

function kindOf(key: string): Kind | undefined {
  return KEYS[key] ?? (/\d$/.test(key) ? KEYS[key.replace(/\d+$/, '[n]')] : undefined)
}

/**
 * Checks the keys and values of a create or an update.
 * @throws {@link PveError} 400 with every problem of form, then 500 for what only root may set.
 */
export function checkConfig(given: Readonly<Record<string, unknown>>, isRoot: boolean): Map<string, Value> {
  const errors: Record<string, string> = {}
  const values = new Map<string, Value>()
  for (const [key, value] of Object.entries(given)) {
    const outcome = checkValue(key, value)
    if (typeof outcome === 'object') errors[key] = outcome.problem
    else values.set(key, outcome)
  }
  if (Object.keys(errors).length > 0) throw badParameters(errors)
  if (!isRoot) for (const [key, value] of values) checkRootOnly(key, String(value))
  return values
}

function checkValue(key: string, value: unknown): Value | { readonly problem: string } {
  const type = kindOf(key)
  if (type === undefined) {
    return { problem: 'property is not defined in schema and the schema does not allow additional properties' }
  }
  if (typeof value !== 'string' && typeof value !== 'number' && typeof value !== 'boolean')
    return { problem: "type check ('string') failed" }
  const text = typeof value === 'boolean' ? (value ? '1' : '0') : String(value)
  if (type === 'boolean') {
    if (/^(1|on|yes|true)$/i.test(text)) return 1
    if (/^(0|off|no|false)$/i.test(text)) return 0
    return { problem: `type check ('boolean') failed - got '${text}'` }
  }
  if (type === 'integer' || type === 'number') {
    const wanted = type === 'integer' ? /^-?\d+$/ : /^-?\d+(\.\d+)?$/
    return wanted.test(text) ? Number(text) : { problem: `type check ('${type}') failed - got '${text}'` }
  }
  const problem = checkText(key, text)
  return problem === undefined ? text : { problem }
}

function checkText(key: string, text: string): string | undefined {
  const allowed = ENUMS[key]
  if (allowed !== undefined && !allowed.includes(text)) {
    return `value '${text}' does not have a value in the enumeration '${allowed.join(', ')}'`
  }
  if (key === 'name' && !DNS_NAME.test(text)) return `invalid format - value does not look like a valid DNS name\n`
  if (key === 'sshkeys' && !URL_ENCODED.test(text)) return `invalid format - invalid urlencoded string: ${text}\n`
  if (key === 'description' && text.length > DESCRIPTION_LENGTH) return 'value may only be 8192 characters long'
  if (key === 'tags' && text !== '' && text.split(/[;, ]+/).some((tag) => !TAG.test(tag))) {
    return `invalid format - invalid characters in tag\n`
  }
  if (key === 'memory' && !/^(current=)?\d+$/.test(text)) return 'invalid format - format error'
  if (key.startsWith('ipconfig')) return checkIpConfig(text)
  if (key.startsWith('net') && /^net\d+$/.test(key) && !/^(model=)?[a-z0-9-]+(=|,|$)/i.test(text)) {
    return 'invalid format - format error'
  }
  return undefined
}

function checkIpConfig(text: string): string | undefined {
  const { first, named } = parseProperties(text)
  if (first !== '') return `invalid format - format error\n`
  for (const [key, value] of named) {
    if (!['ip', 'gw', 'ip6', 'gw6'].includes(key)) return `invalid format - format error\n${key}: unknown property`
    if (key === 'ip' && value !== 'dhcp' && !/^\d+(\.\d+){3}\/\d+$/.test(value)) {
      return `invalid format - format error\nip: invalid format - value does not look like a valid IPv4 network configuration`
    }
  }
  if (named.has('gw') && !named.has('ip')) return 'gateway specified without specifying an IP address'
  return undefined
}

function checkRootOnly(key: string, value: string): void {
  if (ROOT_ONLY.has(key)) throw failed(`only root can set '${key}' config`)
  if (/^serial\d+$/.test(key) && value !== 'socket') throw failed(`only root can set '${key}' config for real devices`)
  if (/^parallel\d+$/.test(key)) throw failed(`only root can set '${key}' config`)
  if (/^usb\d+$/.test(key) && !/^spice|mapping=/.test(value)) {
    throw failed(`only root can set '${key}' config for real devices`)
  }
  if (/^hostpci\d+$/.test(key) && (!value.includes('mapping=') || value.includes('romfile='))) {
    throw failed(`only root can set '${key}' config for non-mapped devices`)
  }
  if (DISK_KEY.test(key)) {
    const { first, named } = parseProperties(value)
    if (first.startsWith('/') || named.get('import-from')?.startsWith('/') === true) {
      throw failed('Only root can pass arbitrary filesystem paths.')
    }
  }
}
