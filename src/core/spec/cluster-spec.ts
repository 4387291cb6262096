import type { ComponentRequest } from './component-request.ts'

/**
 * What a cluster file asks for, after parsing: ranges and lists expanded, defaults filled in, units turned into
 * numbers, references checked. `cluster-document.ts` is the form that a person writes; `resolve.ts` leads from there
 * to here. Everything downstream reads this form only.
 */
export interface ClusterSpec {
  /** DNS label, equal to the folder name under `clusters/`. */
  readonly name: string
  readonly lifecycle: 'keep' | 'destroy'
  readonly kubernetes: Kubernetes
  readonly endpoint: Endpoint
  readonly network: Network
  readonly providers: Readonly<Record<string, Provider>>
  /** In the order of the file; control planes first. */
  readonly machines: readonly Machine[]
  readonly gitops: Gitops
  readonly components: readonly ComponentRequest[]
  readonly mirrors: Mirrors
}

export type Kubernetes = Kubeadm | K3s | Kubespray

/** A runtime with its exact version or, without one, the version the catalogue pairs with this Kubernetes. */
export interface Runtime {
  readonly kind: 'containerd' | 'crio'
  readonly version?: string
}

interface KubeletSettings {
  readonly maxPods?: number
  readonly featureGates: Readonly<Record<string, boolean>>
}

export interface Kubeadm {
  readonly distribution: 'kubeadm'
  /** Exact, without `v`: `1.36.3`. */
  readonly version: string
  readonly runtime: Runtime
  readonly kubelet: KubeletSettings
  readonly proxyMode: 'iptables' | 'nftables' | 'ipvs'
  readonly firewall: 'none' | 'managed'
}

interface K3s {
  readonly distribution: 'k3s'
  /** Exact, with the k3s build: `1.36.3+k3s1`. */
  readonly version: string
  readonly datastore: 'etcd' | 'sqlite'
  readonly disable: readonly string[]
  readonly secretsEncryption: boolean
  readonly embeddedRegistry: boolean
  readonly kubelet: KubeletSettings
  readonly tailnet?: { readonly cidr: string; readonly interface: string }
}

interface Kubespray {
  readonly distribution: 'kubespray'
  readonly version: string
  /** Kubespray's own release, `v2.31.0`. */
  readonly release: string
  readonly runtime: Runtime
  readonly kubelet: KubeletSettings
  readonly proxyMode: 'iptables' | 'nftables' | 'ipvs'
  readonly nodeLocalDns: boolean
  /** Further Kubespray variables, checked by name against the release. */
  readonly variables: Readonly<Record<string, unknown>>
}

export interface Endpoint {
  /** IP address or DNS name that clients and workers dial. */
  readonly host: string
  readonly port: number
  /** Who answers at it: the only control plane itself, kube-vip, or a balancer that the site runs. */
  readonly keptBy: 'control-plane' | 'kube-vip' | 'external'
  /** Further names and addresses in the serving certificate. */
  readonly certSANs: readonly string[]
}

export interface Network {
  /** CIDR, e.g. `10.244.0.0/16`. */
  readonly pods: string
  readonly services: string
  readonly dnsDomain: string
  readonly cni: Cni
}

export type Cni = Cilium | Flannel | Calico

export interface Cilium {
  readonly kind: 'cilium'
  readonly version: string
  readonly encryption: 'none' | 'wireguard'
  readonly routing: 'tunnel' | 'native'
  readonly loadBalancer?: {
    readonly announce: 'l2'
    readonly addresses: readonly AddressRange[]
    readonly interfaces: readonly string[]
  }
  readonly gatewayApi: boolean
  readonly ingress: boolean
  readonly hubble: { readonly relay: boolean; readonly ui: boolean }
  readonly mtu?: number
}

export interface Flannel {
  readonly kind: 'flannel'
  readonly version: string
  readonly backend: 'vxlan' | 'host-gw' | 'wireguard'
  readonly interface?: string
}

interface Calico {
  readonly kind: 'calico'
  readonly version: string
  readonly encapsulation: 'VXLAN' | 'VXLANCrossSubnet' | 'IPIP' | 'None'
  readonly networkPolicy: boolean
  readonly mtu?: number
}

/** First and last address, both included. */
export interface AddressRange {
  readonly from: string
  readonly to: string
}

export type Provider = ProxmoxProvider

export interface ProxmoxProvider {
  readonly kind: 'proxmox'
  /** Name of a connection in the runner's `runner.yaml`; address and credentials exist only there. */
  readonly connection: string
  readonly image: Image
  /** Storage for disks. */
  readonly storage: string
  /** Storage that holds downloaded images (content type `import`). */
  readonly imageStorage: string
  readonly bridge: string
  readonly vlan?: number
  readonly gateway: string
  readonly nameservers: readonly string[]
  readonly searchDomain?: string
  readonly pool?: string
  /** Proxmox CPU type, `host` or e.g. `x86-64-v2-AES`. */
  readonly cpuType: string
  /** Instead of an image, clone this template. */
  readonly template?: number
  readonly user: string
  readonly authorizedKeys: readonly string[]
}

/** An operating system image: a name of the catalogue, or a URL of one's own. */
export interface Image {
  readonly name: string
  readonly url: string
  /** File name under which the storage keeps it; carries its version. */
  readonly file: string
  readonly checksum?: { readonly algorithm: 'sha256' | 'sha512'; readonly value: string }
}

export type Role = 'control-plane' | 'worker'

export interface Taint {
  readonly key: string
  readonly value?: string
  readonly effect: 'NoSchedule' | 'PreferNoSchedule' | 'NoExecute'
}

interface MachineBase {
  readonly name: string
  readonly role: Role
  /** Without prefix length. */
  readonly address: string
  readonly labels: Readonly<Record<string, string>>
  readonly taints: readonly Taint[]
  /** May be unreachable without stopping the others (laptops). */
  readonly optional: boolean
  readonly reserved?: { readonly cpu?: string; readonly memory?: string }
  readonly gpus?: Gpus
}

/** A virtual machine that Slipway makes and owns. */
export interface VirtualMachine extends MachineBase {
  readonly kind: 'vm'
  readonly provider: string
  /** Proxmox node. */
  readonly node: string
  readonly vmid: number
  readonly prefixLength: number
  readonly cores: number
  readonly memoryMiB: number
  readonly diskGiB: number
  readonly extraDisks: readonly { readonly storage: string; readonly sizeGiB: number; readonly purpose?: string }[]
  /** Proxmox PCI resource mappings passed through. */
  readonly passthrough: readonly string[]
  readonly performance: { readonly pinnedCores?: string; readonly hugePages: boolean }
}

/** A machine that exists already and is reached by SSH. */
export interface ExistingHost extends MachineBase {
  readonly kind: 'host'
  readonly user: string
  readonly port: number
  /** `ssh-ed25519 AAAA…`: the host key that must answer. */
  readonly hostKey: string
}

export type Machine = VirtualMachine | ExistingHost

interface Gpus {
  readonly vendor: 'nvidia'
  readonly count: number | 'all'
  readonly driver: 'host' | 'operator' | 'none'
  readonly sharing?: { readonly timeSlicing: number }
}

export type EngineName = 'flux' | 'argocd' | 'fleet'

export interface Gitops {
  readonly engine: EngineName
  readonly version: string
  /** The repository that the engine follows, as it must be written for SSH: `ssh://git@host[:port]/owner/repo.git`. */
  readonly repository: Repository
  /** Folder of the user's own manifests, e.g. `clusters/home/apps`. */
  readonly apps: string
  readonly interval: string
  readonly secrets: { readonly sops: boolean }
}

export interface Repository {
  readonly sshUrl: string
  readonly branch: string
  /** known_hosts lines of the forge's SSH host. */
  readonly knownHosts: readonly string[]
}

/** Where to fetch instead of upstream. Keys are upstream prefixes, values what replaces them. */
export interface Mirrors {
  /** apt repositories: upstream URL prefix → mirror URL prefix. */
  readonly packages: Readonly<Record<string, string>>
  readonly binaries: Readonly<Record<string, string>>
  readonly charts: Readonly<Record<string, string>>
  readonly manifests: Readonly<Record<string, string>>
  /** Registry host → endpoint URL, as containerd's hosts.toml takes it. */
  readonly containerImages: Readonly<Record<string, string>>
  readonly osImages: Readonly<Record<string, string>>
}
