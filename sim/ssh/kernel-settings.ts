import type { Disk } from './disk.ts'

const DEFAULTS: Readonly<Record<string, string>> = {
  'net.ipv4.ip_forward': '0',
  'net.ipv6.conf.all.forwarding': '0',
  'net.ipv4.conf.all.rp_filter': '2',
  'net.ipv4.conf.default.rp_filter': '2',
  'net.ipv6.conf.all.disable_ipv6': '0',
  'net.ipv6.conf.default.disable_ipv6': '0',
  'net.core.somaxconn': '4096',
  'net.core.rmem_max': '212992',
  'net.core.wmem_max': '212992',
  'fs.inotify.max_user_instances': '128',
  'fs.inotify.max_user_watches': '65536',
  'fs.file-max': '9223372036854775807',
  'fs.protected_fifos': '1',
  'fs.protected_hardlinks': '1',
  'fs.protected_regular': '2',
  'fs.protected_symlinks': '1',
  'kernel.panic': '0',
  'kernel.panic_on_oops': '0',
  'kernel.pid_max': '4194304',
  'kernel.keys.root_maxkeys': '1000000',
  'kernel.keys.root_maxbytes': '25000000',
  'vm.overcommit_memory': '0',
  'vm.max_map_count': '65530',
  'vm.swappiness': '60',
  'vm.panic_on_oom': '0',
}

/** Keys that appear with a module. */
const OF_MODULE: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  br_netfilter: {
    'net.bridge.bridge-nf-call-iptables': '1',
    'net.bridge.bridge-nf-call-ip6tables': '1',
    'net.bridge.bridge-nf-call-arptables': '1',
  },
  nf_conntrack: { 'net.netfilter.nf_conntrack_max': '262144' },
}

/** Values under /proc/sys; they are gone with the power, and some appear with a module only. */
export class KernelSettings {
  readonly #values = new Map<string, string>()

  reset(): void {
    this.#values.clear()
    for (const [key, value] of Object.entries(DEFAULTS)) this.#values.set(key, value)
  }

  keys(): string[] {
    return [...this.#values.keys()].toSorted()
  }

  get(key: string): string | undefined {
    return this.#values.get(key)
  }

  /** False when there is no such key. */
  set(disk: Disk, key: string, value: string): boolean {
    if (!this.#values.has(key)) return false
    this.#values.set(key, value)
    this.#show(disk, key)
    return true
  }

  mount(disk: Disk): void {
    for (const key of this.#values.keys()) this.#show(disk, key)
  }

  moduleLoaded(disk: Disk, module: string): void {
    for (const [key, value] of Object.entries(OF_MODULE[module] ?? {})) {
      this.#values.set(key, value)
      this.#show(disk, key)
    }
  }

  #show(disk: Disk, key: string): void {
    const path = `/proc/sys/${key.replaceAll('.', '/')}`
    if (disk.find(path) !== undefined) return
    disk.kernelFile(
      path,
      () => `${this.#values.get(key) ?? ''}\n`,
      (text) => this.#values.set(key, text.trim()),
    )
  }
}
