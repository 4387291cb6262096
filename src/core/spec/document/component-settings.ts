import * as z from 'zod'
import {
  addressRange,
  cpuQuantity,
  dnsLabel,
  duration,
  hostName,
  ipAddress,
  memoryQuantity,
  port,
  secretName,
  volumeSize,
} from '../notation.ts'

/**
 * Settings of the components that a cluster may ask for by name. A setting is what a person decides; everything that
 * can be worked out from the rest of the spec is not asked for again.
 */

const version = z
  .string()
  .regex(/^v?[0-9]+(?:\.[0-9]+){1,2}$/, 'must be a version such as 1.21.1')
  .meta({ type: ['string', 'number'] })
  .optional()
  .describe('Chart version; without one, the one that this release knows.')
const storageClass = dnsLabel.describe('Name of a StorageClass.')
const email = z.email('must be an e-mail address')
const component = <Shape extends z.core.$ZodLooseShape>(what: string, shape: Shape) =>
  z
    .strictObject({ version, ...shape })
    .optional()
    .describe(what)

const dns01 = z.strictObject({
  provider: z.literal('cloudflare').describe('DNS provider.'),
  zone: hostName.describe('The only zone that the token may edit.'),
  tokenSecret: secretName
    .default('cloudflare-api-token')
    .describe('Secret with key `api-token`: Zone:DNS:Edit and Zone:Zone:Read on that zone.'),
})

const certManager = component('cert-manager with one ClusterIssuer.', {
  issuer: z
    .strictObject({
      acme: z.enum(['letsencrypt', 'letsencrypt-staging']).optional().describe('Certificates from an ACME directory.'),
      email: email.optional().describe('Contact that the directory may write to.'),
      dns01: dns01.optional().describe('Prove names by DNS, which works inside a LAN.'),
      selfSigned: z.boolean().default(false).describe("A certificate authority of the cluster's own."),
    })
    .optional()
    .describe('The issuer; `letsencrypt-prod` with ACME.'),
  certificates: z
    .array(
      z.strictObject({
        name: dnsLabel.describe('Name of the Certificate and its Secret.'),
        namespace: dnsLabel.describe('Namespace.'),
        dnsNames: z
          .array(z.string().regex(/^(?:\*\.)?[a-z0-9.-]+$/, 'must be a DNS name, with *. for a wildcard'))
          .min(1)
          .max(100)
          .describe('Names, e.g. `*.home.example.org`.'),
      }),
    )
    .max(100)
    .default([])
    .describe('Certificates to keep.'),
})

const tcpEntry = z.strictObject({
  name: dnsLabel.describe('Name of the entry point.'),
  port: port.describe('Port that it listens on.'),
  service: dnsLabel.describe('Service behind it.'),
  namespace: dnsLabel.describe('Namespace of that Service.'),
  servicePort: port.optional().describe("The Service's port; the same when left out."),
  host: hostName.optional().describe('Only for this TLS server name; any without it.'),
})

const traefik = component('Traefik as ingress and gateway controller.', {
  replicas: z.int().min(1).max(20).default(1).describe('Replicas.'),
  address: ipAddress.optional().describe('LoadBalancer address.'),
  tcp: z.array(tcpEntry).max(50).default([]).describe('TCP entry points with an IngressRouteTCP each.'),
  gatewayApi: z.boolean().default(false).describe('Also serve Gateway API.'),
})

const ingress = component('An Ingress that several components share.', {
  class: z.enum(['traefik', 'cilium', 'gateway']).describe('Who serves it. ingress-nginx is retired and not offered.'),
  domain: hostName.describe('Components get names under it.'),
  issuer: dnsLabel.optional().describe('cert-manager issuer for their certificates.'),
})

const gateway = component('One Gateway that components and apps attach routes to.', {
  class: dnsLabel.default('cilium').describe('GatewayClass.'),
  address: ipAddress.optional().describe('Its address.'),
  hosts: z
    .array(z.string().regex(/^(?:\*\.)?[a-z0-9.-]+$/, 'must be a DNS name, with *. for a wildcard'))
    .max(50)
    .default([])
    .describe('Host names of its HTTPS listener.'),
})

const classes = z
  .array(
    z.strictObject({
      name: storageClass,
      default: z.boolean().default(false).describe('Used by claims that name no class.'),
      reclaim: z.enum(['Delete', 'Retain']).default('Delete').describe('What happens to a volume whose claim is gone.'),
    }),
  )
  .max(20)

const cephfs = component(
  'CephFS of an existing Ceph cluster, through ceph-csi; hosts get ceph-common and the kernel module.',
  {
    fsid: z.uuid('must be the FSID, a UUID').describe("The Ceph cluster's FSID."),
    monitors: z.array(ipAddress).min(1).max(9).describe('Monitors.'),
    monitorPort: port.default(6789).describe('Their port.'),
    filesystem: z.string().max(60).default('cephfs').describe('Name of the file system.'),
    secret: secretName.default('ceph-csi').describe('Secret with `userID`, `userKey`, `adminID` and `adminKey`.'),
    classes: classes
      .default([
        { name: 'cephfs', default: true, reclaim: 'Delete' },
        { name: 'cephfs-retain', default: false, reclaim: 'Retain' },
      ])
      .describe('Storage classes.'),
    replicas: z.int().min(1).max(5).optional().describe('Provisioner replicas; 1 with a single worker, else 2.'),
  },
)

const nfs = component('Volumes on an NFS export, one directory each.', {
  server: z.string().min(1).max(253).describe('NFS server.'),
  path: z
    .string()
    .regex(/^\/\S*$/, 'must be an absolute path')
    .describe('Exported path.'),
  class: storageClass.default('nfs-client').describe('Storage class.'),
  default: z.boolean().default(true).describe('Make it the default class.'),
  mountOptions: z
    .array(z.string().regex(/^[a-z0-9_=.-]+$/, 'must be a mount option'))
    .max(20)
    .default([])
    .describe('e.g. `rsize=1048576`.'),
})

const localPath = component('Volumes on directories of the node: fast, bound to it.', {
  class: storageClass.default('local-path').describe('Storage class.'),
  default: z.boolean().default(false).describe('Make it the default class.'),
  path: z
    .string()
    .regex(/^\/\S*$/, 'must be an absolute path')
    .default('/var/lib/local-path')
    .describe('Directory on the nodes.'),
  purpose: z
    .string()
    .max(60)
    .optional()
    .describe('Use the extra disk of this `purpose`: it is formatted once and mounted at `path`.'),
})

const storageClasses = z
  .array(
    z.strictObject({
      name: storageClass,
      provisioner: z.string().min(1).max(253).describe('Provisioner.'),
      default: z.boolean().default(false).describe('Used by claims that name no class.'),
      reclaim: z.enum(['Delete', 'Retain']).default('Delete').describe('What happens to a volume whose claim is gone.'),
      parameters: z.record(z.string(), z.string()).default({}).describe('Parameters of the provisioner.'),
    }),
  )
  .max(50)
  .optional()
  .describe('Further storage classes.')

const gpuOperator = component("NVIDIA's GPU operator.", {
  toolkit: z.boolean().default(true).describe('Let it set up the container toolkit.'),
  dcgm: z.boolean().default(true).describe('GPU metrics; their ServiceMonitor only where `monitoring` is on.'),
  mig: z.enum(['none', 'single', 'mixed']).default('none').describe('Split GPUs with MIG.'),
  timeSlicing: z.int().min(2).max(64).optional().describe('Default for nodes that say nothing themselves.'),
})

const gpuDevicePlugin = component("NVIDIA's device plugin alone, with a RuntimeClass `nvidia`; enough for most labs.", {
  labels: z.boolean().default(true).describe('Label nodes with `accelerator` and `gpu-type`.'),
})

const dcgm = component('GPU metrics with DCGM, and a dashboard where `monitoring` is on.', {})

const monitoring = component('Prometheus, Alertmanager and Grafana.', {
  retention: duration.default('360h').describe('How long metrics are kept.'),
  storage: z
    .strictObject({ class: storageClass.optional(), size: volumeSize.describe('Its size.') })
    .optional()
    .describe('Volume for metrics; none when left out.'),
  host: hostName.optional().describe("Grafana's host name."),
  logs: z.enum(['none', 'loki']).default('none').describe('Also collect logs.'),
})

const rancher = component(
  'Rancher. With engine `fleet`, the Fleet that Rancher brings is used and no other installed.',
  {
    host: hostName.describe('Its host name.'),
    replicas: z.int().min(1).max(5).default(3).describe('Replicas.'),
    bootstrapSecret: secretName.default('bootstrap-secret').describe('Secret with the first password.'),
  },
)

const jupyterhub = component('JupyterHub with a choice of profiles.', {
  host: hostName.optional().describe('Its host name.'),
  profiles: z
    .array(
      z.strictObject({
        name: z.string().min(1).max(60).describe('As people see it.'),
        image: z.string().min(1).max(300).describe('Container image with its tag.'),
        gpus: z.int().min(0).max(16).default(0).describe('GPUs.'),
        cpu: cpuQuantity.optional().describe('CPU limit.'),
        memory: memoryQuantity.optional().describe('Memory limit.'),
      }),
    )
    .max(50)
    .default([])
    .describe('What people choose from.'),
  home: z
    .strictObject({ class: storageClass, size: volumeSize.describe('Its size.') })
    .optional()
    .describe('Volume that each person keeps.'),
  scratch: z
    .strictObject({ class: storageClass, size: volumeSize.describe('Its size.') })
    .optional()
    .describe('Fast volume of a session.'),
  cullAfter: duration.default('1h').describe('Stop servers idle for this long.'),
  auth: z.enum(['dummy', 'ldap', 'oauth']).describe('`dummy` lets anybody in with one password: only in a closed lab.'),
  authSecret: secretName.optional().describe('Secret with the settings of the authenticator.'),
})

const database = {
  namespace: dnsLabel.optional().describe('Namespace; named like the component when left out.'),
  storage: z
    .strictObject({ class: storageClass.optional(), size: volumeSize.describe('Its size.') })
    .optional()
    .describe('Volume; none: data is lost with the pod.'),
  host: hostName.optional().describe('DNS name under which it is reached.'),
  secret: secretName.optional().describe('Secret with its password.'),
}

const postgresql = component('PostgreSQL, by the CloudNativePG operator.', {
  ...database,
  instances: z.int().min(1).max(9).default(1).describe('Servers, one of them primary.'),
})

const valkey = component('Valkey, which speaks the protocol of Redis.', database)

const authentik = component('Authentik: single sign-on.', {
  host: hostName.describe('Its host name.'),
  namespace: dnsLabel.default('authentik').describe('Namespace.'),
  secret: secretName.default('authentik').describe('Secret with its secret key and database password.'),
})

const externalDns = component('external-dns: records for Services, Ingresses and routes.', {
  provider: z.literal('cloudflare').describe('DNS provider.'),
  zones: z.array(hostName).min(1).max(20).describe('Zones that it may edit.'),
  tokenSecret: secretName.default('cloudflare-api-token').describe('Secret with key `api-token`.'),
  records: z
    .array(z.strictObject({ name: hostName.describe('Name.'), address: ipAddress.describe('A record.') }))
    .max(100)
    .default([])
    .describe('Fixed A records.'),
  mode: z.enum(['api', 'printed']).default('api').describe('`printed`: only say which records to make by hand.'),
})

const kubeVip = component(
  'Settings of kube-vip, which keeps the API address; `endpoint.keptBy: kube-vip` turns it on.',
  {
    interface: z
      .string()
      .regex(/^[A-Za-z0-9._-]{1,15}$/)
      .optional()
      .describe('Interface; the one with the default route when left out.'),
    services: z
      .array(addressRange)
      .max(16)
      .default([])
      .describe('Also give Services of type LoadBalancer these addresses.'),
  },
)

const metallb = component('MetalLB: addresses for Services of type LoadBalancer.', {
  addresses: z.array(addressRange).min(1).max(32).describe('Addresses, inside the LAN and outside its DHCP range.'),
})

const snapshots = component('CSI snapshots: CRDs and controller.', {})

const quotas = z
  .record(
    dnsLabel,
    z.strictObject({
      cpu: cpuQuantity.optional().describe('Sum of CPU requests.'),
      memory: memoryQuantity.optional().describe('Sum of memory requests.'),
      gpus: z.int().min(0).max(1000).optional().describe('GPUs.'),
      pods: z.int().min(0).max(10_000).optional().describe('Pods.'),
      defaults: z
        .strictObject({
          cpu: cpuQuantity.optional().describe('CPU limit of a container that names none.'),
          memory: memoryQuantity.optional().describe('Memory limit of a container that names none.'),
        })
        .optional()
        .describe('LimitRange.'),
    }),
  )
  .optional()
  .describe('ResourceQuota and LimitRange per namespace.')

export const components = z
  .strictObject({
    'cert-manager': certManager,
    traefik,
    ingress,
    gateway,
    metallb,
    'kube-vip': kubeVip,
    'external-dns': externalDns,
    cephfs,
    nfs,
    'local-path': localPath,
    scratch: localPath,
    'storage-classes': storageClasses,
    longhorn: component('Longhorn: replicated volumes on the disks of the nodes.', {
      class: storageClass.default('longhorn').describe('Storage class.'),
      replicas: z.int().min(1).max(5).default(2).describe('Copies of each volume.'),
    }),
    snapshots,
    'gpu-operator': gpuOperator,
    'gpu-device-plugin': gpuDevicePlugin,
    dcgm,
    'metrics-server': component('metrics-server, for `kubectl top` and autoscaling.', {
      insecureKubeletTls: z.boolean().default(false).describe("Do not check the kubelets' certificates."),
    }),
    monitoring,
    rancher,
    jupyterhub,
    postgresql,
    valkey,
    authentik,
    'tailscale-operator': component('Tailscale operator: Services in the tailnet.', {
      secret: secretName.default('operator-oauth').describe('Secret with the OAuth client.'),
    }),
    'sealed-secrets': component('Sealed Secrets controller.', {}),
    'external-secrets': component('External Secrets operator.', {}),
    quotas,
  })
  .prefault({})
  .describe('What runs on the cluster besides your own manifests, by name; the GitOps engine owns it.')
