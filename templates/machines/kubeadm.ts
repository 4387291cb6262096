import type { ClusterSpec, Kubeadm, Machine } from '../../src/core/spec/cluster-spec.ts'
import type { KubeadmDocument } from '../../src/core/steps/kubeadm.ts'
import { CONTAINERD_SOCKET } from './containerd.ts'

const API = 'kubeadm.k8s.io/v1beta4'
const API_PORT = 6443
/** Pulls at a time on one node; the kubelet's own default is one after another. */
const PARALLEL_PULLS = 5

/**
 * The documents of `kubeadm init --config` for the first control plane. Bootstrap token and certificate key are added
 * by the runner on the LAN.
 * @see https://kubernetes.io/docs/reference/config-api/kubeadm-config.v1beta4/
 */
export function initDocuments(spec: ClusterSpec, kubernetes: Kubeadm, machine: Machine): readonly KubeadmDocument[] {
  return [
    {
      apiVersion: API,
      kind: 'InitConfiguration',
      localAPIEndpoint: { advertiseAddress: machine.address, bindPort: API_PORT },
      nodeRegistration: registration(spec, machine),
      ...(withoutProxy(spec) ? { skipPhases: ['addon/kube-proxy'] } : {}),
    },
    clusterConfiguration(spec, kubernetes),
    kubeletConfiguration(spec, kubernetes),
    ...(withoutProxy(spec)
      ? []
      : [
          {
            apiVersion: 'kubeproxy.config.k8s.io/v1alpha1',
            kind: 'KubeProxyConfiguration',
            mode: kubernetes.proxyMode,
            clusterCIDR: spec.network.pods,
          },
        ]),
  ]
}

/** `JoinConfiguration` without discovery and certificate key, which the runner adds. */
export function joinDocuments(spec: ClusterSpec, machine: Machine): readonly KubeadmDocument[] {
  return [
    {
      apiVersion: API,
      kind: 'JoinConfiguration',
      nodeRegistration: registration(spec, machine),
      ...(machine.role === 'control-plane'
        ? { controlPlane: { localAPIEndpoint: { advertiseAddress: machine.address, bindPort: API_PORT } } }
        : {}),
    },
  ]
}

/** Cilium does kube-proxy's work; recorded in the cluster's configuration too, or an upgrade would bring it back. */
function withoutProxy(spec: ClusterSpec): boolean {
  return spec.network.cni.kind === 'cilium'
}

/**
 * The address is given, since a machine with two networks would pick one by itself. Taints are those of the spec from
 * the first moment; a cluster of control planes alone has no other place for pods, so the usual one is left out.
 */
function registration(spec: ClusterSpec, machine: Machine): object {
  const taints = [
    ...(machine.role === 'control-plane' && spec.machines.some(({ role }) => role === 'worker')
      ? [{ key: 'node-role.kubernetes.io/control-plane', effect: 'NoSchedule' }]
      : []),
    ...machine.taints,
  ]
  return {
    name: machine.name,
    criSocket: CONTAINERD_SOCKET,
    imagePullSerial: false,
    ...(machine.role === 'control-plane' || taints.length > 0 ? { taints } : {}),
    kubeletExtraArgs: [{ name: 'node-ip', value: machine.address }],
  }
}

function clusterConfiguration(spec: ClusterSpec, kubernetes: Kubeadm): KubeadmDocument {
  const controlPlanes = spec.machines.filter(({ role }) => role === 'control-plane')
  const names = [spec.endpoint.host, ...spec.endpoint.certSANs, ...controlPlanes.map(({ address }) => address)]
  return {
    apiVersion: API,
    kind: 'ClusterConfiguration',
    clusterName: spec.name,
    kubernetesVersion: `v${kubernetes.version}`,
    // Even for one control plane: it cannot be added later without new certificates.
    controlPlaneEndpoint: `${bracketed(spec.endpoint.host)}:${spec.endpoint.port}`,
    networking: {
      dnsDomain: spec.network.dnsDomain,
      podSubnet: spec.network.pods,
      serviceSubnet: spec.network.services,
    },
    apiServer: { certSANs: [...new Set(names)] },
    ...(withoutProxy(spec) ? { proxy: { disabled: true } } : {}),
  }
}

function kubeletConfiguration(spec: ClusterSpec, kubernetes: Kubeadm): KubeadmDocument {
  const { maxPods, featureGates } = kubernetes.kubelet
  return {
    apiVersion: 'kubelet.config.k8s.io/v1beta1',
    kind: 'KubeletConfiguration',
    cgroupDriver: 'systemd',
    clusterDomain: spec.network.dnsDomain,
    failSwapOn: true,
    serializeImagePulls: false,
    maxParallelImagePulls: PARALLEL_PULLS,
    ...(maxPods === undefined ? {} : { maxPods }),
    ...(Object.keys(featureGates).length === 0 ? {} : { featureGates }),
  }
}

function bracketed(host: string): string {
  return host.includes(':') ? `[${host}]` : host
}
