import { cniRelease, ENGINES, IMAGES, k3sVersion, kubernetesVersion } from '../catalogue.ts'
import type { FileProblem } from '../problem.ts'
import type { ClusterDocument } from './cluster-document.ts'
import type * as spec from './cluster-spec.ts'
import type { ProviderDocument } from './document/provider.ts'
import type { Draft } from './draft.ts'
import { parseAddress, parseRange } from './ipv4.ts'
import { expandMachine } from './resolve-machine.ts'
import type { Path, SourceText } from './source-text.ts'

/** What the file does not say itself: the repository that it lies in. */
export interface SpecContext {
  readonly repository: spec.Repository
}

/**
 * From what a person wrote to what Slipway works with. Where a version or a reference cannot be resolved the written text
 * stays, and the checks report it; only what leaves no machine to speak of is reported here.
 * @param origins - Index in the file of each machine entry, as broken entries were left out before.
 */
export function resolve(
  document: ClusterDocument,
  context: SpecContext,
  source: SourceText,
  origins: readonly number[],
): { readonly draft: Draft; readonly problems: readonly FileProblem[] } {
  const problems: FileProblem[] = []
  const places = new Map<spec.Machine, Path>()
  const { spec: wanted, metadata } = document
  const machines = wanted.machines.flatMap((entry, i) => {
    const path: Path = ['spec', 'machines', origins[i] ?? i]
    const expanded = expandMachine(entry, path, source, problems)
    for (const machine of expanded) places.set(machine, path)
    return expanded
  })
  const ordered = [
    ...machines.filter(({ role }) => role === 'control-plane'),
    ...machines.filter(({ role }) => role === 'worker'),
  ]
  const kubernetes = resolveKubernetes(wanted.kubernetes)
  const resolved: spec.ClusterSpec = {
    name: metadata.name,
    lifecycle: wanted.lifecycle,
    kubernetes,
    endpoint: resolveEndpoint(wanted.endpoint, ordered),
    network: { ...wanted.network, cni: resolveCni(wanted.network.cni, kubernetes.version) },
    providers: Object.fromEntries(
      Object.entries(wanted.providers).map(([name, provider]) => [name, resolveProvider(provider)]),
    ),
    machines: ordered,
    gitops: resolveGitops(wanted.gitops, metadata.name, context),
    components: Object.entries(wanted.components)
      .filter(([, settings]) => settings !== undefined)
      .map(([name, settings]) => ({
        name,
        settings: Array.isArray(settings) ? { items: settings } : (settings as Record<string, unknown>),
      })),
    mirrors: wanted.mirrors,
  }
  return {
    draft: {
      spec: resolved,
      document,
      source,
      placeOf: (machine) => places.get(machine) ?? ['spec', 'machines'],
      complete: problems.length === 0,
      assumed: new Set(),
    },
    problems,
  }
}

function resolveKubernetes(wanted: ClusterDocument['spec']['kubernetes']): spec.Kubernetes {
  const kubelet = {
    featureGates: wanted.kubelet.featureGates,
    ...(wanted.kubelet.maxPods === undefined ? {} : { maxPods: wanted.kubelet.maxPods }),
  }
  switch (wanted.distribution) {
    case 'kubeadm':
      return {
        distribution: 'kubeadm',
        version: kubernetesVersion(wanted.version) ?? wanted.version,
        runtime: resolveRuntime(wanted.runtime),
        kubelet,
        proxyMode: wanted.proxyMode,
        firewall: wanted.firewall,
      }
    case 'k3s':
      return {
        distribution: 'k3s',
        version: k3sVersion(wanted.version) ?? wanted.version,
        datastore: wanted.datastore,
        disable: wanted.disable,
        secretsEncryption: wanted.secretsEncryption,
        embeddedRegistry: wanted.embeddedRegistry,
        kubelet,
        ...(wanted.tailnet === undefined ? {} : { tailnet: wanted.tailnet }),
      }
    case 'kubespray':
      return {
        distribution: 'kubespray',
        version: wanted.version,
        release: wanted.release,
        runtime: resolveRuntime(wanted.runtime),
        kubelet,
        proxyMode: wanted.proxyMode,
        nodeLocalDns: wanted.nodeLocalDns,
        variables: wanted.variables,
      }
    default:
      return wanted satisfies never
  }
}

function resolveRuntime(
  wanted: 'containerd' | 'crio' | { kind: 'containerd' | 'crio'; version?: string | undefined },
): spec.Runtime {
  if (typeof wanted === 'string') return { kind: wanted }
  return { kind: wanted.kind, ...(wanted.version === undefined ? {} : { version: wanted.version }) }
}

function resolveCni(wanted: ClusterDocument['spec']['network']['cni'], kubernetes: string): spec.Cni {
  const version = cniRelease(wanted.kind, wanted.version, kubernetes)?.version ?? wanted.version ?? ''
  switch (wanted.kind) {
    case 'cilium': {
      const { loadBalancer } = wanted
      return {
        kind: 'cilium',
        version,
        encryption: wanted.encryption,
        routing: wanted.routing,
        ...(loadBalancer === undefined
          ? {}
          : {
              loadBalancer: {
                announce: loadBalancer.announce,
                interfaces: loadBalancer.interfaces,
                addresses: loadBalancer.addresses.map(parseRange).filter((range) => range !== undefined),
              },
            }),
        gatewayApi: wanted.gatewayApi,
        ingress: wanted.ingress,
        hubble: { relay: wanted.hubble.relay ?? wanted.hubble.ui, ui: wanted.hubble.ui },
        ...(wanted.mtu === undefined ? {} : { mtu: wanted.mtu }),
      }
    }
    case 'flannel':
      return {
        kind: 'flannel',
        version,
        backend: wanted.backend,
        ...(wanted.interface === undefined ? {} : { interface: wanted.interface }),
      }
    case 'calico':
      return {
        kind: 'calico',
        version,
        encapsulation: wanted.encapsulation,
        networkPolicy: wanted.networkPolicy,
        ...(wanted.mtu === undefined ? {} : { mtu: wanted.mtu }),
      }
    default:
      return wanted satisfies never
  }
}

function resolveEndpoint(
  wanted: ClusterDocument['spec']['endpoint'],
  machines: readonly spec.Machine[],
): spec.Endpoint {
  const planes = machines.filter(({ role }) => role === 'control-plane')
  const first = planes[0]?.address ?? ''
  if (wanted === undefined) return { host: first, port: 6443, keptBy: 'control-plane', certSANs: [] }
  const own = planes.length <= 1 && (wanted.address === first || parseAddress(wanted.address) === undefined)
  return {
    host: wanted.address,
    port: wanted.port,
    keptBy: wanted.keptBy ?? (own ? 'control-plane' : 'kube-vip'),
    certSANs: wanted.certSANs,
  }
}

function resolveProvider(wanted: ProviderDocument): spec.Provider {
  return {
    kind: 'proxmox',
    connection: wanted.connection,
    image: resolveImage(wanted.image),
    storage: wanted.storage,
    imageStorage: wanted.imageStorage,
    bridge: wanted.bridge,
    ...(wanted.vlan === undefined ? {} : { vlan: wanted.vlan }),
    gateway: wanted.gateway,
    nameservers: wanted.nameservers.length === 0 ? [wanted.gateway] : wanted.nameservers,
    ...(wanted.searchDomain === undefined ? {} : { searchDomain: wanted.searchDomain }),
    ...(wanted.pool === undefined ? {} : { pool: wanted.pool }),
    cpuType: wanted.cpuType,
    ...(wanted.template === undefined ? {} : { template: wanted.template }),
    user: wanted.user,
    authorizedKeys: wanted.authorizedKeys,
  }
}

/** With a template no image is fetched; its fields are then empty. */
function resolveImage(wanted: ProviderDocument['image']): spec.Image {
  if (wanted === undefined) return { name: '', url: '', file: '' }
  if (typeof wanted === 'string') return IMAGES[wanted] ?? { name: wanted, url: '', file: '' }
  const [algorithm, value = ''] = wanted.checksum.split(':')
  return {
    name: wanted.file,
    url: wanted.url,
    file: wanted.file,
    checksum: { algorithm: algorithm === 'sha512' ? 'sha512' : 'sha256', value },
  }
}

function resolveGitops(wanted: ClusterDocument['spec']['gitops'], name: string, context: SpecContext): spec.Gitops {
  const { repository } = wanted
  return {
    engine: wanted.engine,
    version: wanted.version ?? ENGINES[wanted.engine].version,
    repository:
      repository === undefined
        ? context.repository
        : { sshUrl: repository.url, branch: repository.branch, knownHosts: repository.knownHosts },
    apps: wanted.apps ?? `clusters/${name}/apps`,
    interval: wanted.interval,
    secrets: wanted.secrets,
  }
}
