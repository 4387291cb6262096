/** What a hypervisor gives to a machine when it is switched on: the hardware and the seed that cloud-init reads. */
export interface MachineSpec {
  /** Stable for the life of the disk, e.g. `pve/401`; a machine destroyed and made again has another `generation`. */
  readonly id: string
  readonly generation: string
  readonly name: string
  readonly cores: number
  readonly memoryMiB: number
  readonly diskGiB: number
  readonly mac: string
  /** Image that the disk was made from, e.g. `debian-12-generic-amd64-….qcow2`. */
  readonly image: string
  readonly cloudInit: CloudInit
}

/** The values of the hypervisor's cloud-init drive, as given through its API. */
export interface CloudInit {
  readonly user?: string
  readonly sshKeys: readonly string[]
  /** e.g. `10.4.0.11/24`; absent with DHCP. */
  readonly address?: string
  readonly gateway?: string
  readonly nameservers: readonly string[]
  readonly searchDomain?: string
  readonly upgradePackages: boolean
}

export interface GuestInterface {
  readonly name: string
  readonly mac: string
  readonly addresses: readonly { readonly address: string; readonly prefix: number; readonly family: 'ipv4' | 'ipv6' }[]
}

/** What runs behind a hypervisor's API. Back ends: simulated hosts (`sim/ssh`), later nspawn and QEMU. */
export interface Machines {
  /** Returns once power is on; the machine answers SSH later, when it has booted. Harmless when it is on already. */
  powerOn(machine: MachineSpec): Promise<void>
  powerOff(id: string, how: 'shutdown' | 'stop'): Promise<void>
  /** Takes the machine and its disk away. Harmless when it is gone already. */
  destroy(id: string): Promise<void>
  /** As the guest agent reports them; `undefined` while no agent answers. */
  interfaces(id: string): Promise<readonly GuestInterface[] | undefined>
}
