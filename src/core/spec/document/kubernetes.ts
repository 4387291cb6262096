import * as z from 'zod'
import { cidr, cpuQuantity, memoryQuantity, version } from '../notation.ts'

const runtimeName = z.enum(['containerd', 'crio'])

const runtime = z
  .union([
    runtimeName,
    z.strictObject({
      kind: runtimeName.describe('Which container runtime.'),
      version: version.optional().describe('Its version; without one, what the catalogue pairs with this Kubernetes.'),
    }),
  ])
  .default('containerd')
  .describe(
    'Container runtime: `containerd` or `crio`, or an object with `kind` and `version`. CRI-O follows the Kubernetes minor.',
  )

/** CPU and memory that pods on a node may not use. */
export const reservation = z.strictObject({
  cpu: cpuQuantity.optional().describe('CPU kept from pods, e.g. `500m` or `2`.'),
  memory: memoryQuantity.optional().describe('Memory kept from pods, e.g. `512Mi`.'),
})

const kubelet = z
  .strictObject({
    maxPods: z.int().min(10).max(500).optional().describe("Pods per node; the kubelet's default is 110."),
    featureGates: z
      .record(z.string().regex(/^[A-Z][A-Za-z0-9]+$/, 'is not the name of a feature gate'), z.boolean())
      .default({})
      .describe(
        'Feature gates by name. Gates that this Kubernetes no longer has are refused: the kubelet would not start.',
      ),
    systemReserved: reservation.optional().describe('Kept for the operating system on every node.'),
    readOnlyPort: z
      .boolean()
      .default(false)
      .describe('Serve metrics without authentication on port 10255. An old lab default; leave it off.'),
  })
  .prefault({})
  .describe('Settings of the kubelet on every node.')

const proxyMode = z
  .enum(['iptables', 'nftables', 'ipvs'])
  .default('iptables')
  .describe('How kube-proxy programs the kernel. Unused with Cilium, which replaces kube-proxy.')

const kubeadm = z.strictObject({
  distribution: z.literal('kubeadm').describe('Kubernetes as upstream ships it, set up with kubeadm.'),
  version: version.describe(
    'Kubernetes version: a minor such as `1.36` for its newest known patch, or exactly `1.36.3`.',
  ),
  runtime,
  kubelet,
  proxyMode,
  firewall: z
    .enum(['none', 'managed'])
    .default('none')
    .describe('`managed`: every machine only opens the ports that its role and the CNI need.'),
})

const tailnet = z.strictObject({
  cidr: cidr.default('100.64.0.0/10').describe("The tailnet's addresses."),
  interface: z
    .string()
    .regex(/^[a-z0-9]{1,15}$/)
    .default('tailscale0')
    .describe('Interface that carries it.'),
})

const k3s = z.strictObject({
  distribution: z.literal('k3s').describe('K3s: one binary, small control plane.'),
  version: version.describe('Kubernetes version: `1.36`, or exactly with the build: `1.36.4+k3s1`.'),
  datastore: z
    .enum(['etcd', 'sqlite'])
    .default('etcd')
    .describe('`sqlite` is for a single control plane and can be converted to `etcd` later, not back.'),
  disable: z
    .array(z.enum(['traefik', 'servicelb', 'local-storage', 'metrics-server', 'coredns']))
    .default([])
    .describe('Parts that K3s brings and this cluster does without.'),
  secretsEncryption: z.boolean().default(true).describe('Encrypt Secrets in the datastore.'),
  embeddedRegistry: z
    .boolean()
    .default(false)
    .describe('Nodes hand images to each other, so each crosses the WAN once.'),
  kubelet,
  tailnet: tailnet
    .optional()
    .describe('Run the cluster over Tailscale: node addresses and pod traffic use this network.'),
  upgradeByController: z
    .boolean()
    .default(false)
    .describe('Let the system-upgrade-controller perform upgrades in the cluster instead of the runner.'),
})

const kubespray = z.strictObject({
  distribution: z.literal('kubespray').describe('Kubernetes set up by Kubespray over SSH.'),
  version: version.describe('Kubernetes version that this Kubespray release has checksums for.'),
  release: z
    .string()
    .regex(/^v2\.[0-9]+\.[0-9]+$/, 'must be a Kubespray release such as v2.31.0')
    .default('v2.31.0')
    .describe("Kubespray's release."),
  runtime,
  kubelet,
  proxyMode,
  nodeLocalDns: z.boolean().default(true).describe('DNS cache on every node at 169.254.25.10.'),
  nodePrefix: z.int().min(20).max(28).default(24).describe("Prefix length of each node's part of the pod network."),
  metricsServer: z.boolean().default(false).describe("Kubespray's metrics-server."),
  variables: z
    .record(z.string().regex(/^[a-z][a-z0-9_]*$/, 'is not the name of a Kubespray variable'), z.json())
    .default({})
    .describe('Further Kubespray variables, checked by name against the release.'),
})

export const kubernetes = z
  .discriminatedUnion('distribution', [kubeadm, k3s, kubespray])
  .describe('How Kubernetes is installed; each distribution has its own fields.')
