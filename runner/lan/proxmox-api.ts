/** A VM as the cluster-wide list and its configuration tell. */
export interface ProxmoxVm {
  readonly vmid: number
  readonly node: string
  readonly name: string
  readonly running: boolean
  /** Text of the description, where the owner mark is. */
  readonly description: string
  readonly lock?: string
  readonly template: boolean
  /** Raw configuration, key → value as the API gives it. */
  readonly config: Readonly<Record<string, unknown>>
}

/** The parts of the Proxmox VE API that Slipway uses. Every call that starts a task waits for its end. */
export interface ProxmoxApi {
  readonly name: string
  version(): Promise<string>
  /** Wherever in the cluster it is now; `undefined` when no VM has this id. */
  findVm(vmid: number): Promise<ProxmoxVm | undefined>
  /** All VMs with their descriptions, for finding strays; at most 1,000. */
  vms(): Promise<readonly ProxmoxVm[]>
  /** File names of content type `import` on a storage of a node. */
  images(node: string, storage: string): Promise<readonly string[]>
  storageContent(storage: string): Promise<readonly string[]>
  get(path: string): Promise<unknown>
  /** Calls that change something; waits for the task when the answer is a UPID. */
  change(
    method: 'POST' | 'PUT' | 'DELETE',
    path: string,
    body: Readonly<Record<string, unknown>>,
    options: { readonly timeoutMs: number; readonly signal?: AbortSignal; readonly progress?: (text: string) => void },
  ): Promise<unknown>
  /** MAC addresses and IPv4 addresses that the guest agent reports; `undefined` while no agent answers. */
  guestAddresses(
    node: string,
    vmid: number,
  ): Promise<readonly { readonly mac: string; readonly addresses: readonly string[] }[] | undefined>
}
