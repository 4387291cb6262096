import type { CloudInit } from '../machine.ts'
import type { Values } from './config-keys.ts'
import { parseProperties } from './property.ts'

/** What the cloud-init drive of a VM says; keys of the first interface only. */
export function cloudInitOf(config: Values): CloudInit {
  const text = (key: string) => String(config.get(key) ?? '')
  const { named } = parseProperties(text('ipconfig0'))
  const address = named.get('ip')
  const gateway = named.get('gw')
  const words = (value: string) => value.split(/[\s,;]+/).filter((word) => word !== '')
  const keys = decodeURIComponent(text('sshkeys')).split('\n')
  return {
    ...(config.has('ciuser') && { user: text('ciuser') }),
    sshKeys: keys.map((key) => key.trim()).filter((key) => key !== ''),
    ...(address !== undefined && address !== 'dhcp' && { address }),
    ...(gateway !== undefined && { gateway }),
    nameservers: words(text('nameserver')),
    ...(config.has('searchdomain') && { searchDomain: words(text('searchdomain')).join(' ') }),
    // On unless switched off: https://pve.proxmox.com/pve-docs/qm.1.html (ciupgrade, default 1)
    upgradePackages: config.get('ciupgrade') !== 0,
  }
}
