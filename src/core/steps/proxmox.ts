/** Steps that a Proxmox VE carries out. `connection` names an entry of the runner's `runner.yaml`. */
export interface ProxmoxSteps {
  /** Downloads an OS image into a storage of one node; nothing to do when the file is there already. */
  'fetch-image': {
    readonly connection: string
    readonly node: string
    readonly storage: string
    readonly url: string
    readonly file: string
    readonly checksum?: { readonly algorithm: 'sha256' | 'sha512'; readonly value: string }
  }
  /** Makes a machine from an image or a template: disk, network, cloud-init and our mark in one call; it stays off. */
  'create-vm': {
    readonly connection: string
    readonly machine: string
    readonly node: string
    readonly vmid: number
    /** Owner mark, written into the VM's description by the call that makes it. */
    readonly mark: string
    readonly pool?: string
    readonly cores: number
    readonly memoryMiB: number
    readonly diskGiB: number
    readonly storage: string
    readonly source:
      | { readonly kind: 'image'; readonly storage: string; readonly file: string }
      | { readonly kind: 'template'; readonly vmid: number }
    readonly cpuType: string
    readonly bridge: string
    readonly vlan?: number
    /** `10.0.4.11/24` */
    readonly address: string
    readonly gateway: string
    readonly nameservers: readonly string[]
    readonly searchDomain?: string
    readonly user: string
    readonly authorizedKeys: readonly string[]
  }
  /** Changes the size of a machine that exists. Cores and memory take effect with a restart, a disk only grows. */
  'resize-vm': {
    readonly connection: string
    readonly machine: string
    readonly vmid: number
    readonly mark: string
    readonly cores: number
    readonly memoryMiB: number
    readonly diskGiB: number
    readonly restart: boolean
  }
  /** Switches a machine on. */
  'start-vm': { readonly connection: string; readonly machine: string; readonly vmid: number; readonly mark: string }
  /** Stops and deletes a machine with its disks. Only ever one that carries our mark. */
  'destroy-vm': { readonly connection: string; readonly machine: string; readonly vmid: number; readonly mark: string }
}
