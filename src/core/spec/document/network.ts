import * as z from 'zod'
import { addressRange, cidr, hostName, hostOrAddress, port, version } from '../notation.ts'

const interfaceName = z.string().regex(/^[A-Za-z0-9._-]{1,15}$/, 'must be the name of a network interface')
/** Go regular expressions, as Cilium takes them: `^eth[0-9]+`. Bounded, since they only name interfaces. */
const interfacePattern = z.string().min(1).max(60)
const mtu = z
  .int()
  .min(1280)
  .max(9216)
  .optional()
  .describe('MTU of the network below, in bytes; found out when left out. 1280 over Tailscale.')

const cilium = z.strictObject({
  kind: z.literal('cilium').describe('Cilium; replaces kube-proxy.'),
  version: version.optional().describe('`1.20` or exact; without one, the newest that supports this Kubernetes.'),
  encryption: z.enum(['none', 'wireguard']).default('none').describe('Encrypt pod traffic between nodes.'),
  routing: z
    .enum(['tunnel', 'native'])
    .default('tunnel')
    .describe('`tunnel` (VXLAN) works everywhere; `native` needs all nodes in one layer-2 network.'),
  loadBalancer: z
    .strictObject({
      announce: z.literal('l2').default('l2').describe('Answer ARP for the addresses from a node.'),
      addresses: z
        .array(addressRange)
        .min(1)
        .max(32)
        .describe('Addresses for Services of type LoadBalancer, inside the LAN and outside its DHCP range.'),
      interfaces: z
        .array(interfacePattern)
        .max(16)
        .default([])
        .describe('Interfaces to announce on, as regular expressions; all when empty.'),
    })
    .optional()
    .describe('Give Services of type LoadBalancer addresses of the LAN.'),
  gatewayApi: z.boolean().default(false).describe('Gateway API: its CRDs and a GatewayClass `cilium`.'),
  ingress: z.boolean().default(false).describe("Cilium's ingress controller, all Ingresses on one shared address."),
  hubble: z
    .strictObject({
      relay: z.boolean().optional().describe('Collect flows of all nodes; on when `ui` is on.'),
      ui: z.boolean().default(false).describe('Web page that shows flows.'),
      metrics: z
        .array(z.string().regex(/^[a-z-]+$/))
        .default([])
        .describe('Flow metrics, e.g. `dns`, `drop`, `http`.'),
    })
    .prefault({})
    .describe('Observe network flows.'),
  mtu,
})

const flannel = z.strictObject({
  kind: z.literal('flannel').describe('Flannel: small, no network policies.'),
  version: version.optional().describe('Exact version; without one, the newest known.'),
  backend: z.enum(['vxlan', 'host-gw', 'wireguard']).default('vxlan').describe('How packets travel between nodes.'),
  interface: interfaceName.optional().describe('Interface to use on machines that have several.'),
})

const calico = z.strictObject({
  kind: z.literal('calico').describe('Calico.'),
  version: version.optional().describe('`3.32` or exact; without one, the newest that supports this Kubernetes.'),
  encapsulation: z
    .enum(['VXLAN', 'VXLANCrossSubnet', 'IPIP', 'None'])
    .default('VXLANCrossSubnet')
    .describe('How packets travel between nodes.'),
  networkPolicy: z.boolean().default(true).describe('Enforce network policies.'),
  mtu,
})

export const network = z
  .strictObject({
    pods: cidr
      .default('10.244.0.0/16')
      .describe('Addresses of pods; must overlap nothing else and cannot change later.'),
    services: cidr.default('10.96.0.0/16').describe('Addresses of Services; likewise.'),
    dnsDomain: hostName.default('cluster.local').describe("The cluster's DNS domain."),
    cni: z.discriminatedUnion('kind', [cilium, flannel, calico]).describe('The pod network.'),
  })
  .describe("The cluster's own networks.")

export const endpoint = z
  .strictObject({
    address: hostOrAddress.describe('IP address or DNS name that clients and workers dial.'),
    port: port.default(6443).describe('Its TCP port.'),
    keptBy: z
      .enum(['control-plane', 'kube-vip', 'external'])
      .optional()
      .describe(
        'Who answers there: the only control plane, kube-vip on all of them, or a balancer that the site runs. Without it: `control-plane` for a single one, else `kube-vip`.',
      ),
    certSANs: z
      .array(hostOrAddress)
      .max(32)
      .default([])
      .describe('Further names and addresses in the serving certificate.'),
  })
  .describe('Where the Kubernetes API is reached. May be left out with a single control plane: then its address.')
