import { badParameters, failed } from './answer.ts'

const GIB = 2 ** 30

export interface StorageSpec {
  readonly storage: string
  readonly type: 'dir' | 'nfs' | 'zfspool' | 'lvmthin' | 'lvm'
  readonly content: readonly string[]
  readonly sizeGiB: number
  /** The same volumes on all nodes. */
  readonly shared?: boolean
}

/** What the installer sets up, with `import` switched on, and a ZFS pool. */
export const DEFAULT_STORAGES: readonly StorageSpec[] = [
  { storage: 'local', type: 'dir', content: ['backup', 'import', 'iso', 'vztmpl'], sizeGiB: 200 },
  { storage: 'local-lvm', type: 'lvmthin', content: ['images', 'rootdir'], sizeGiB: 900 },
  { storage: 'local-zfs', type: 'zfspool', content: ['images', 'rootdir'], sizeGiB: 900 },
]

export interface Volume {
  readonly volid: string
  readonly storage: string
  readonly node: string
  readonly content: string
  readonly format: 'raw' | 'qcow2' | 'iso' | 'ova' | 'vmdk'
  sizeBytes: number
  /** Seconds since the epoch. */
  readonly ctime: number
  readonly vmid?: number
  /** The base volume under a linked clone. */
  readonly parent?: string
  /** File name of the image that the content came from. */
  readonly image?: string
  /** New with every disk made, so that a machine's state can be tied to it. */
  readonly generation: string
  readonly checksums?: Readonly<Record<string, string>>
}

/** Storages and the volumes on them, per node. */
export class Storages {
  readonly specs: readonly StorageSpec[]
  readonly #volumes: Volume[] = []

  constructor(specs: readonly StorageSpec[]) {
    this.specs = specs
  }

  spec(storage: string): StorageSpec {
    const spec = this.specs.find((known) => known.storage === storage)
    if (spec === undefined) throw failed(`storage '${storage}' does not exist`)
    return spec
  }

  volumes(node: string, storage?: string): readonly Volume[] {
    return this.#volumes.filter((volume) => {
      if (storage !== undefined && volume.storage !== storage) return false
      return volume.node === node || this.spec(volume.storage).shared === true
    })
  }

  find(node: string, volid: string): Volume | undefined {
    return this.volumes(node).find((volume) => volume.volid === volid)
  }

  /** Linked clones on any volume of this one. */
  children(volume: Volume): readonly Volume[] {
    return this.#volumes.filter((other) => other.parent === volume.volid && other.node === volume.node)
  }

  add(volume: Volume): Volume {
    this.#volumes.push(volume)
    return volume
  }

  remove(volume: Volume): void {
    const at = this.#volumes.indexOf(volume)
    if (at >= 0) this.#volumes.splice(at, 1)
  }

  /** `vm-101-disk-0` and so on, spelled as the storage's type does; the first number free. */
  nameDisk(node: string, storage: string, vmid: number, kind: 'vm' | 'base', parent?: Volume): string {
    const spec = this.spec(storage)
    for (let number = 0; ; number++) {
      const name = this.#spell(spec, vmid, `${kind}-${vmid}-disk-${number}`)
      if (this.volumes(node, storage).some((volume) => volume.volid.endsWith(name))) continue
      if (parent === undefined || spec.type === 'lvmthin') return `${storage}:${name}`
      return `${parent.volid}/${name}`
    }
  }

  nameCloudInit(storage: string, vmid: number): string {
    return `${storage}:${this.#spell(this.spec(storage), vmid, `vm-${vmid}-cloudinit`)}`
  }

  #spell({ type }: StorageSpec, vmid: number, name: string): string {
    return isFileStorage(type) ? `${vmid}/${name}.qcow2` : name
  }

  /** Bytes that volumes take; thin volumes are counted with half their size, linked clones with a tenth. */
  usedBytes(node: string, storage: string): number {
    const thin = this.spec(storage).type !== 'lvm'
    const share = (volume: Volume) =>
      volume.parent === undefined ? (thin && volume.vmid !== undefined ? 0.5 : 1) : 0.1
    return Math.round(this.volumes(node, storage).reduce((sum, volume) => sum + volume.sizeBytes * share(volume), 0))
  }

  status(node: string, storage: string): Record<string, unknown> {
    const { type, content, sizeGiB, shared } = this.spec(storage)
    const total = sizeGiB * GIB
    const used = this.usedBytes(node, storage)
    const facts = { type, content: content.join(','), total, used, avail: total - used, active: 1, enabled: 1 }
    return { ...facts, shared: shared === true ? 1 : 0 }
  }
}

export function isFileStorage(type: StorageSpec['type']): boolean {
  return type === 'dir' || type === 'nfs'
}

const EXTENSIONS: Readonly<Record<string, RegExp>> = { iso: /\.(iso|img)$/i, import: /\.(ova|qcow2|raw|vmdk)$/ }

/** Checks the target of an upload or a download, with the texts of PVE::API2::Storage::Status. */
export function checkTarget(spec: StorageSpec, content: string, filename: string): void {
  if (!spec.content.includes(content)) {
    throw badParameters({ storage: `storage '${spec.storage}' is not configured for content-type '${content}'` })
  }
  if (!isFileStorage(spec.type)) throw failed(`can't upload to storage type '${spec.type}'`)
  const extension = EXTENSIONS[content]
  if (extension === undefined) throw badParameters({ content: `upload content type '${content}' not allowed` })
  if (!extension.test(filename)) {
    const problem = content === 'iso' ? "missing '.iso' or '.img' extension" : 'invalid filename or wrong extension'
    throw badParameters({ filename: problem })
  }
  if (!/^[A-Za-z0-9\-.+=_]+$/.test(filename)) throw badParameters({ filename: 'invalid filename or wrong extension' })
}

export function formatOf(filename: string): Volume['format'] {
  const extension = filename.slice(filename.lastIndexOf('.') + 1)
  return extension === 'qcow2' || extension === 'ova' || extension === 'vmdk' || extension === 'raw' ? extension : 'iso'
}
