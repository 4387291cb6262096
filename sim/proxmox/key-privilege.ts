import { forbidden } from './answer.ts'
import type { Access } from './access.ts'
import { DISK_KEY } from './config-keys.ts'
import { parseProperties } from './property.ts'

const CPU = /^(affinity|cores|cpu|cpulimit|cpuunits|numa\d*|smp|sockets|vcpus)$/
const MEMORY = /^(allow-ksm|balloon|memory|shares)$/
const HARDWARE =
  /^(acpi|audio0|hostpci\d+|hotplug|kvm|machine|parallel\d+|rng0|scsihw|serial\d+|smbios1|spice_enhancements|tablet|usb\d+|vga|virtiofs\d+|watchdog)$/
const CLOUD_INIT = /^(cicustom|cipassword|citype|ciupgrade|ciuser|ipconfig\d+|nameserver|searchdomain|sshkeys)$/

/**
 * Checks the privileges of every key that a create or an update touches, as qemu-server's check_vm_modify_config_perm.
 * @param values - Key → new value; the value is empty for a key that is taken away.
 * @throws {@link PveError} 403 naming the path and the privilege.
 */
export function checkKeyPrivileges(
  access: Access,
  vmid: number,
  pool: string | undefined,
  values: ReadonlyMap<string, string | number>,
): void {
  const path = `/vms/${vmid}`
  const need = (...privileges: readonly string[]) => {
    if (!access.may(path, privileges, pool)) throw forbidden(path, privileges)
  }
  for (const [key, value] of values) {
    if (CPU.test(key)) need('VM.Config.CPU')
    else if (MEMORY.test(key)) need('VM.Config.Memory')
    else if (HARDWARE.test(key)) need('VM.Config.HWType')
    else if (CLOUD_INIT.test(key)) need('VM.Config.Cloudinit', 'VM.Config.Network')
    else if (/^net\d+$/.test(key)) need('VM.Config.Network')
    else if (/^(boot|bootdisk|vmstatestorage)$/.test(key)) need('VM.Config.Disk')
    else if (DISK_KEY.test(key)) {
      const { first, named } = parseProperties(String(value))
      const isCloudInit = /:(cloudinit|.*vm-\d+-cloudinit.*)$/.test(first)
      if (isCloudInit) need('VM.Config.Cloudinit')
      if (isCloudInit || named.get('media') === 'cdrom') need('VM.Config.CDROM')
      else need('VM.Config.Disk')
    } else {
      need('VM.Config.Options')
      if (key === 'startup' && !access.may('/', ['Sys.Modify'])) throw forbidden('/', ['Sys.Modify'])
    }
  }
}
