import { parseAllDocuments } from 'yaml'

/** A document of a kubeadm configuration file. */
export type Document = Readonly<Record<string, unknown>>

export interface KubeadmConfig {
  readonly init: Document
  readonly cluster: Document
  readonly join: Document | undefined
  readonly reset: Document | undefined
  readonly kubelet: Document | undefined
}

const NODE_REGISTRATION = [
  'name',
  'criSocket',
  'taints',
  'kubeletExtraArgs',
  'ignorePreflightErrors',
  'imagePullPolicy',
  'imagePullSerial',
]
const COMPONENT = ['extraArgs', 'extraVolumes', 'extraEnvs']
const TIMEOUTS = [
  'controlPlaneComponentHealthCheck',
  'kubeletHealthCheck',
  'kubernetesAPICall',
  'etcdAPICall',
  'tlsBootstrap',
  'discovery',
  'upgradeManifests',
]

/** Fields of kubeadm.k8s.io/v1beta4, as far as they nest. */
const FIELDS: Readonly<Record<string, Readonly<Record<string, readonly string[] | null>>>> = {
  InitConfiguration: {
    bootstrapTokens: null,
    dryRun: null,
    nodeRegistration: NODE_REGISTRATION,
    localAPIEndpoint: ['advertiseAddress', 'bindPort'],
    certificateKey: null,
    skipPhases: null,
    patches: ['directory'],
    timeouts: TIMEOUTS,
  },
  ClusterConfiguration: {
    etcd: ['local', 'external'],
    networking: ['serviceSubnet', 'podSubnet', 'dnsDomain'],
    kubernetesVersion: null,
    controlPlaneEndpoint: null,
    apiServer: [...COMPONENT, 'certSANs'],
    controllerManager: COMPONENT,
    scheduler: COMPONENT,
    dns: ['imageRepository', 'imageTag', 'disabled'],
    proxy: ['disabled'],
    certificatesDir: null,
    imageRepository: null,
    featureGates: null,
    clusterName: null,
    encryptionAlgorithm: null,
    certificateValidityPeriod: null,
    caCertificateValidityPeriod: null,
  },
  JoinConfiguration: {
    dryRun: null,
    nodeRegistration: NODE_REGISTRATION,
    caCertPath: null,
    discovery: ['bootstrapToken', 'file', 'tlsBootstrapToken', 'timeout'],
    controlPlane: ['localAPIEndpoint', 'certificateKey'],
    skipPhases: null,
    patches: ['directory'],
    timeouts: TIMEOUTS,
  },
  ResetConfiguration: {
    certificatesDir: null,
    cleanupTmpDir: null,
    criSocket: null,
    dryRun: null,
    force: null,
    ignorePreflightErrors: null,
    skipPhases: null,
    unmountFlags: null,
    timeouts: TIMEOUTS,
  },
  UpgradeConfiguration: { apply: null, diff: null, node: null, plan: null, timeouts: TIMEOUTS },
}

export function recordOf(value: unknown): Document {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Document) : {}
}

export const text = (value: unknown): string | undefined =>
  typeof value === 'string' || typeof value === 'number' ? String(value) : undefined

/** Reads a configuration file strictly; a string is kubeadm's complaint about it. */
export function readConfig(source: string): KubeadmConfig | string {
  const documents: Document[] = []
  for (const document of parseAllDocuments(source)) {
    if (document.errors.length > 0) return `yaml: ${document.errors[0]!.message.split('\n')[0]}`
    const value: unknown = document.toJS()
    if (value !== null && value !== undefined) documents.push(recordOf(value))
  }
  let known = 0
  for (const document of documents) {
    const complaint = check(document)
    if (complaint !== undefined) return complaint
    if (String(document['apiVersion']).startsWith('kubeadm.k8s.io/')) known += 1
  }
  if (known === 0) return `no kind "ClusterConfiguration" is registered for the version found`
  const of = (kind: string): Document | undefined => documents.find((document) => document['kind'] === kind)
  return {
    init: of('InitConfiguration') ?? {},
    cluster: of('ClusterConfiguration') ?? {},
    join: of('JoinConfiguration'),
    reset: of('ResetConfiguration'),
    kubelet: of('KubeletConfiguration'),
  }
}

function check(document: Document): string | undefined {
  const apiVersion = text(document['apiVersion']) ?? ''
  const kind = text(document['kind']) ?? ''
  const [group, version] = apiVersion.split('/')
  if (kind === '' || apiVersion === '')
    return `invalid configuration: kind and apiVersion is mandatory information that must be specified`
  if (group !== 'kubeadm.k8s.io') return undefined
  if (/^v1(alpha\d|beta[12])$/.test(version ?? ''))
    return `your configuration file uses an old API spec: "${apiVersion}" (kind: "${kind}"). Please use kubeadm v1.22 instead and run 'kubeadm config migrate --old-config old-config-file --new-config new-config-file', which will write the new, similar spec using a newer API version.`
  const where = `schema.GroupVersionKind{Group:"${group}", Version:"${version}", Kind:"${kind}"}`
  const fields = FIELDS[kind]
  if (version !== 'v1beta4' && version !== 'v1beta3')
    return `no kind "${kind}" is registered for version "${apiVersion}"`
  if (fields === undefined) return `no kind "${kind}" is registered for version "${apiVersion}" in scheme`
  for (const [name, value] of Object.entries(document)) {
    if (name === 'apiVersion' || name === 'kind') continue
    const inner = fields[name]
    if (inner === undefined) return strict(where, `unknown field "${name}"`)
    if (inner === null) continue
    for (const [deep, content] of Object.entries(recordOf(value))) {
      if (!inner.includes(deep)) return strict(where, `unknown field "${name}.${deep}"`)
      const map = /^(extraArgs|kubeletExtraArgs)$/.test(deep) && content !== null && !Array.isArray(content)
      if (map && version === 'v1beta4')
        return `error unmarshaling configuration ${where}: json: cannot unmarshal object into Go struct field ${kind}.${name}.${deep} of type []v1beta4.Arg`
    }
  }
  return undefined
}

const strict = (where: string, what: string): string =>
  `error unmarshaling configuration ${where}: strict decoding error: ${what}`

/** `4m0s`, `24h`, `300s` in milliseconds. */
export function durationMs(value: unknown, fallbackMs: number): number {
  const found = [...(text(value) ?? '').matchAll(/(\d+(?:\.\d+)?)(h|ms|m|s)/g)]
  if (found.length === 0) return fallbackMs
  const units = { h: 3_600_000, m: 60_000, s: 1_000, ms: 1 } as const
  return found.reduce((sum, [, amount, unit]) => sum + Number(amount) * units[unit as keyof typeof units], 0)
}
