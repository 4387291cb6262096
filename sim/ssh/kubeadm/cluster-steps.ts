import { stringify } from 'yaml'
import type { NodeInfo } from '../../kube/cluster.ts'
import { hex } from '../../random.ts'
import type { SimHost } from '../host.ts'
import type { Answer, Call } from '../program.ts'
import { err, out, switches } from '../program.ts'
import { containerdVersion, upstreamVersion } from '../programs/container.ts'
import type { Document, KubeadmConfig } from './config.ts'
import { durationMs, readConfig, recordOf, text } from './config.ts'
import { preflight, SEE_STACK } from './preflight.ts'

/** A small control plane on a solid-state disk. */
const INIT_MS = 25_000
const JOIN_MS = 8_000
const JOIN_CONTROL_PLANE_MS = 20_000
const RESET_MS = 3_000
const RETRY_MS = 5_000
const DAY_MS = 86_400_000
const DISCOVERY_MS = 300_000
export const DEFAULT_SOCKET = 'unix:///var/run/containerd/containerd.sock'

export const VALUED = [
  '--config',
  '--kubernetes-version',
  '--control-plane-endpoint',
  '--apiserver-advertise-address',
  '--pod-network-cidr',
  '--service-cidr',
  '--token',
  '--token-ttl',
  '--discovery-token-ca-cert-hash',
  '--certificate-key',
  '--cri-socket',
  '--node-name',
  '--ignore-preflight-errors',
  '--skip-phases',
  '--apiserver-cert-extra-sans',
  '--v',
  '-v',
  '--ttl',
  '--description',
  '-o',
  '--output',
  '--kubeconfig',
  '--cert-dir',
  '--patches',
  '--image-repository',
  '--usages',
  '--groups',
]

export async function configOf(call: Call, path: string | undefined): Promise<KubeadmConfig | Answer> {
  if (path === undefined) return { init: {}, cluster: {}, join: undefined, reset: undefined, kubelet: undefined }
  const source =
    path === '-'
      ? Buffer.from(call.stdin, 'latin1').toString()
      : call.host.disk.text(call.files.resolvePath(call.cwd, path))
  if (source === undefined)
    return err(`error: couldn't read configuration file: open ${path}: no such file or directory\n${SEE_STACK}`)
  const config = readConfig(source)
  return typeof config === 'string' ? err(`error: ${config}\n${SEE_STACK}`) : config
}

const isAnswer = (value: object): value is Answer => 'exit' in value

function nodeInfo(host: SimHost, registration: Document, address: string, controlPlane: boolean): NodeInfo {
  const taints = registration['taints']
  const defaults = controlPlane ? [{ key: 'node-role.kubernetes.io/control-plane', effect: 'NoSchedule' }] : []
  const extra = Array.isArray(registration['kubeletExtraArgs']) ? registration['kubeletExtraArgs'].map(recordOf) : []
  const argument = (name: string): string | undefined => text(extra.find((each) => each['name'] === name)?.['value'])
  const labels = Object.fromEntries(
    (argument('node-labels') ?? '')
      .split(',')
      .filter((each) => each !== '')
      .map((each) => each.split('=', 2) as [string, string]),
  )
  return {
    name: text(registration['name']) ?? host.hostname.toLowerCase(),
    address: argument('node-ip') ?? address,
    kubeletVersion: `v${upstreamVersion(host, 'kubelet') ?? '0'}`,
    containerRuntime:
      text(registration['criSocket'])?.includes('crio') === true
        ? `cri-o://${upstreamVersion(host, 'cri-o')}`
        : `containerd://${containerdVersion(host)}`,
    osImage: host.spec.os.prettyName,
    cores: host.spec.cores,
    memoryMiB: host.spec.memoryMiB,
    taints: Array.isArray(taints)
      ? taints.map(recordOf).map((taint) => ({
          key: String(taint['key']),
          effect: String(taint['effect']),
          ...(text(taint['value']) === undefined ? {} : { value: text(taint['value'])! }),
        }))
      : defaults,
    labels,
  }
}

const staticPod = (name: string, version: string): string =>
  stringify({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: 'kube-system', labels: { component: name, tier: 'control-plane' } },
    spec: {
      hostNetwork: true,
      priorityClassName: 'system-node-critical',
      containers: [
        {
          name,
          command: [name],
          image: name === 'etcd' ? 'registry.k8s.io/etcd:3.6.8-0' : `registry.k8s.io/${name}:${version}`,
        },
      ],
    },
  })

export function writeControlPlane(host: SimHost, version: string): void {
  for (const name of ['etcd', 'kube-apiserver', 'kube-controller-manager', 'kube-scheduler'])
    host.disk.put(`/etc/kubernetes/manifests/${name}.yaml`, staticPod(name, version), 0o600)
  host.disk.dir('/var/lib/etcd', 0o700)
  host.disk.put('/var/lib/etcd/member/snap/db', '', 0o600)
}

function writeKubelet(host: SimHost, config: Document | undefined, socket: string, address: string): void {
  const standard = {
    apiVersion: 'kubelet.config.k8s.io/v1beta1',
    kind: 'KubeletConfiguration',
    cgroupDriver: 'systemd',
    clusterDNS: ['10.96.0.10'],
    clusterDomain: 'cluster.local',
    containerRuntimeEndpoint: socket,
    staticPodPath: '/etc/kubernetes/manifests',
  }
  host.disk.put('/var/lib/kubelet/config.yaml', stringify({ ...standard, ...config }))
  host.disk.put(
    '/var/lib/kubelet/instance-config.yaml',
    stringify({ apiVersion: standard.apiVersion, kind: standard.kind, containerRuntimeEndpoint: socket }),
  )
  host.disk.put('/var/lib/kubelet/kubeadm-flags.env', `KUBELET_KUBEADM_ARGS="--node-ip=${address}"\n`)
  const at = host.addUnit('kubelet.service', true, '/usr/bin/kubelet')
  at.enabled = true
  host.startUnit(at)
}

function pods(host: SimHost): void {
  const version = `v${upstreamVersion(host, 'kubeadm')}`
  for (const name of imagesOf(version)) host.images.add(name)
}

export const imagesOf = (version: string): string[] => [
  ...['kube-apiserver', 'kube-controller-manager', 'kube-scheduler', 'kube-proxy'].map(
    (name) => `registry.k8s.io/${name}:${version}`,
  ),
  'registry.k8s.io/coredns/coredns:v1.14.2',
  'registry.k8s.io/pause:3.10.2',
  'registry.k8s.io/etcd:3.6.8-0',
]

/** Said by every kubeadm call that was not told a version and cannot ask the internet. */
export function versionWarning(host: SimHost): string {
  const url = 'https://dl.k8s.io/release/stable-1.txt'
  return `W0000 00:00:00.000000       1 version.go:108] could not fetch a Kubernetes version from the internet: unable to get URL "${url}": Get "${url}": dial tcp: lookup dl.k8s.io on 127.0.0.53:53: server misbehaving\nW0000 00:00:00.000000       1 version.go:109] falling back to the local client version: v${upstreamVersion(host, 'kubeadm')}\n`
}

export async function init(call: Call): Promise<Answer> {
  const { host } = call
  const { flags, values, rest } = switches(call.argv.slice(1), VALUED)
  const value = (name: string): string | undefined => values.get(name)?.[0]
  const config = await configOf(call, value('--config'))
  if (isAnswer(config)) return config
  const { init: start, cluster } = config
  const registration = recordOf(start['nodeRegistration'])
  const own = `v${upstreamVersion(host, 'kubeadm')}`
  const asked = text(cluster['kubernetesVersion']) ?? value('--kubernetes-version')
  const version = asked === undefined ? own : asked.startsWith('v') ? asked : `v${asked}`
  const warning = asked === undefined ? versionWarning(host) : ''
  const socket = text(registration['criSocket']) ?? value('--cri-socket') ?? DEFAULT_SOCKET
  const ignored = [
    ...((registration['ignorePreflightErrors'] as string[] | undefined) ?? []),
    ...(value('--ignore-preflight-errors')?.split(',') ?? []),
  ]
  if (rest[0] === 'phase') {
    if (values.has('--kubernetes-version')) return err(`error: unknown flag: --kubernetes-version\n${SEE_STACK}`)
    return phase(
      call,
      rest.slice(1),
      value('--certificate-key') ?? text(start['certificateKey']),
      ignored,
      socket,
      warning,
    )
  }
  if (
    host.runtimeSockets().length > 1 &&
    text(registration['criSocket']) === undefined &&
    value('--cri-socket') === undefined
  )
    return err(
      `error: found multiple CRI endpoints on the host. Please define which one do you wish to use by setting the 'criSocket' field in the kubeadm configuration file: ${host.runtimeSockets().join(', ')}\n${SEE_STACK}`,
    )
  let stdout = `[init] Using Kubernetes version: ${version}\n[preflight] Running pre-flight checks\n`
  const refused = preflight(host, { kind: 'init', ignored, socket }, stdout)
  if (refused !== undefined && refused.exit !== 0) return { ...refused, stderr: warning + refused.stderr }
  if (flags.has('--dry-run'))
    return {
      stdout: `${stdout}[preflight] Would pull the required images (like 'kubeadm config images pull')\n`,
      stderr: warning,
      exit: 0,
    }
  const networking = recordOf(cluster['networking'])
  const endpoint = recordOf(start['localAPIEndpoint'])
  const address = text(endpoint['advertiseAddress']) ?? value('--apiserver-advertise-address') ?? host.spec.address
  const given = text(cluster['controlPlaneEndpoint']) ?? value('--control-plane-endpoint') ?? `${address}:6443`
  const controlPlaneEndpoint = /:\d+$/.test(given) ? given : `${given}:6443`
  const tokens = Array.isArray(start['bootstrapTokens'])
    ? start['bootstrapTokens']
        .map(recordOf)
        .map((each) => ({ token: String(each['token']), ttlMs: durationMs(each['ttl'], DAY_MS) }))
    : [
        {
          token: value('--token') ?? `${word(host, 6)}.${word(host, 16)}`,
          ttlMs: durationMs(value('--token-ttl'), DAY_MS),
        },
      ]
  const skipped = [
    ...((start['skipPhases'] as string[] | undefined) ?? []),
    ...(value('--skip-phases')?.split(',') ?? []),
  ]
  const uploadKey = flags.has('--upload-certs')
    ? (text(start['certificateKey']) ?? value('--certificate-key') ?? hex(host.world.random, 64))
    : undefined
  const power = host.powerSignal
  const node = nodeInfo(host, registration, address, true)
  // Half of the time passes before anything is left behind but files, as on a real machine that loses power in between.
  host.mutated('kubeadm init')
  pods(host)
  writeControlPlane(host, version)
  await host.clock.sleep(INIT_MS / 2)
  if (power.aborted) return err('', 1)
  const made = await host.world.kube.init({
    kubernetesVersion: version,
    node,
    controlPlaneEndpoint,
    podSubnet: text(networking['podSubnet']) ?? value('--pod-network-cidr') ?? '',
    serviceSubnet: text(networking['serviceSubnet']) ?? value('--service-cidr') ?? '10.96.0.0/12',
    certSANs: [
      ...((recordOf(cluster['apiServer'])['certSANs'] as string[] | undefined) ?? []),
      ...(value('--apiserver-cert-extra-sans')?.split(',') ?? []),
    ],
    bootstrapTokens: tokens,
    skipKubeProxy: skipped.includes('addon/kube-proxy') || recordOf(cluster['proxy'])['disabled'] === true,
    clusterConfiguration: {
      apiVersion: 'kubeadm.k8s.io/v1beta4',
      kind: 'ClusterConfiguration',
      ...cluster,
      kubernetesVersion: version,
      controlPlaneEndpoint,
    },
    ...(uploadKey === undefined ? {} : { uploadCertsKey: uploadKey }),
  })
  for (const [path, pem] of made.pki) host.disk.put(pkiPath(path), pem, path.endsWith('.key') ? 0o600 : 0o644)
  const server = `https://${controlPlaneEndpoint}`
  for (const [name, user] of [
    ['admin', 'admin'],
    ['super-admin', 'super-admin'],
    ['controller-manager', 'admin'],
    ['scheduler', 'admin'],
  ] as const)
    host.disk.put(`/etc/kubernetes/${name}.conf`, made.kubeconfig(user, server), 0o600)
  host.disk.put('/etc/kubernetes/kubelet.conf', made.kubeconfig(`node:${node.name}`, server), 0o600)
  host.node = {
    cluster: made,
    nodeName: node.name,
    controlPlane: true,
    kubeletVersion: node.kubeletVersion,
    certificatesSince: host.clock.now(),
  }
  writeKubelet(host, config.kubelet, socket, node.address)
  await host.clock.sleep(INIT_MS / 2)
  stdout +=
    '[certs] Using certificateDir folder "/etc/kubernetes/pki"\n[kubeconfig] Using kubeconfig folder "/etc/kubernetes"\n[control-plane] Using manifest folder "/etc/kubernetes/manifests"\n[kubelet-start] Starting the kubelet\n[api-client] The API server is healthy\n' +
    (uploadKey === undefined
      ? '[upload-certs] Skipping phase. Please see --upload-certs\n'
      : `[upload-certs] Storing the certificates in Secret "kubeadm-certs" in the "kube-system" Namespace\n[upload-certs] Using certificate key:\n${uploadKey}\n`) +
    `[addons] Applied essential addon: CoreDNS\n\nYour Kubernetes control-plane has initialized successfully!\n\nThen you can join any number of worker nodes by running the following on each as root:\n\nkubeadm join ${controlPlaneEndpoint} --token ${tokens[0]?.token ?? ''} \\\n\t--discovery-token-ca-cert-hash ${made.caCertHash} \n`
  return { stdout, stderr: warning + (refused?.stderr ?? ''), exit: 0 }
}

const pkiPath = (path: string): string => (path.startsWith('/') ? path : `/etc/kubernetes/pki/${path}`)

function word(host: SimHost, length: number): string {
  return hex(host.world.random, length)
}

function phase(
  call: Call,
  words: readonly string[],
  key: string | undefined,
  ignored: readonly string[],
  socket: string,
  warning: string,
): Answer {
  const { host } = call
  const [name] = words
  if (name === 'preflight') {
    const head = '[preflight] Running pre-flight checks\n'
    const refused = preflight(host, { kind: 'init', ignored, socket }, head)
    if (refused !== undefined && refused.exit !== 0) return { ...refused, stderr: warning + refused.stderr }
    pods(host)
    return {
      stdout: `${head}[preflight] Pulling images required for setting up a Kubernetes cluster\n[preflight] This might take a minute or two, depending on the speed of your internet connection\n[preflight] You can also perform this action beforehand using 'kubeadm config images pull'\n`,
      stderr: warning + (refused?.stderr ?? ''),
      exit: 0,
    }
  }
  if (name === 'upload-certs') {
    if (host.node?.controlPlane !== true)
      return err(
        `${warning}error: error execution phase upload-certs: failed to load admin kubeconfig: open /etc/kubernetes/admin.conf: no such file or directory\n${SEE_STACK}`,
      )
    const used = key ?? hex(host.world.random, 64)
    host.node.cluster.uploadCerts(used)
    host.mutated('kubeadm init phase upload-certs')
    return {
      stdout: `[upload-certs] Storing the certificates in Secret "kubeadm-certs" in the "kube-system" Namespace\n[upload-certs] Using certificate key:\n${used}\n`,
      stderr: warning,
      exit: 0,
    }
  }
  return err(`error: the simulator has no init phase "${words.join(' ')}"\n${SEE_STACK}`)
}

export async function join(call: Call): Promise<Answer> {
  const { host } = call
  const { flags, values, rest } = switches(call.argv.slice(1), VALUED)
  const value = (name: string): string | undefined => values.get(name)?.[0]
  const config = await configOf(call, value('--config'))
  if (isAnswer(config)) return config
  const document = config.join ?? {}
  const registration = recordOf(document['nodeRegistration'])
  const discovery = recordOf(recordOf(document['discovery'])['bootstrapToken'])
  const controlPlane = document['controlPlane'] !== undefined || flags.has('--control-plane')
  const plane = recordOf(document['controlPlane'])
  const socket = text(registration['criSocket']) ?? value('--cri-socket') ?? DEFAULT_SOCKET
  const ignored = [
    ...((registration['ignorePreflightErrors'] as string[] | undefined) ?? []),
    ...(value('--ignore-preflight-errors')?.split(',') ?? []),
  ]
  const endpoint = text(discovery['apiServerEndpoint']) ?? rest[0] ?? ''
  const token =
    text(discovery['token']) ?? value('--token') ?? text(recordOf(document['discovery'])['tlsBootstrapToken']) ?? ''
  const hashes =
    (discovery['caCertHashes'] as string[] | undefined) ?? values.get('--discovery-token-ca-cert-hash') ?? []
  let stdout = '[preflight] Running pre-flight checks\n'
  const refused = preflight(host, { kind: controlPlane ? 'join-control-plane' : 'join', ignored, socket }, stdout)
  if (refused !== undefined && refused.exit !== 0) return refused
  const address =
    text(recordOf(plane['localAPIEndpoint'])['advertiseAddress']) ??
    value('--apiserver-advertise-address') ??
    host.spec.address
  const node = {
    ...nodeInfo(
      host,
      value('--node-name') === undefined ? registration : { ...registration, name: value('--node-name') },
      address,
      controlPlane,
    ),
  }
  const key = text(plane['certificateKey']) ?? value('--certificate-key')
  // An unknown token and an endpoint where nothing listens look alike: kubeadm tries again without a word.
  const limitMs = durationMs(recordOf(document['timeouts'])['discovery'], DISCOVERY_MS)
  const power = host.powerSignal
  for (let waitedMs = 0; ; waitedMs += RETRY_MS) {
    if (call.signal?.aborted === true || power.aborted) return err('', 1, stdout)
    const cluster = host.world.kube.clusterAt(endpoint)
    const joined = await cluster?.join({
      token,
      caCertHashes: hashes,
      node,
      ...(controlPlane ? { controlPlane: key === undefined ? {} : { certificateKey: key } } : {}),
    })
    if (cluster !== undefined && joined?.ok === true) {
      host.mutated('kubeadm join')
      pods(host)
      await host.clock.sleep(controlPlane ? JOIN_CONTROL_PLANE_MS : JOIN_MS)
      if (power.aborted) return err('', 1, stdout)
      const server = `https://${endpoint}`
      host.disk.put('/etc/kubernetes/kubelet.conf', cluster.kubeconfig(`node:${node.name}`, server), 0o600)
      for (const [path, pem] of cluster.pki)
        if (controlPlane || (/(^|\/)ca\.crt$/.test(path) && !path.includes('etcd')))
          host.disk.put(pkiPath(path), pem, path.endsWith('.key') ? 0o600 : 0o644)
      if (controlPlane) {
        writeControlPlane(host, node.kubeletVersion)
        host.disk.put('/etc/kubernetes/admin.conf', cluster.kubeconfig('admin', server), 0o600)
      }
      host.node = {
        cluster,
        nodeName: node.name,
        controlPlane,
        kubeletVersion: node.kubeletVersion,
        certificatesSince: host.clock.now(),
      }
      writeKubelet(host, undefined, socket, node.address)
      stdout += `[preflight] Reading configuration from the "kubeadm-config" ConfigMap in namespace "kube-system"...\n[kubelet-start] Writing kubelet configuration to file "/var/lib/kubelet/config.yaml"\n[kubelet-start] Starting the kubelet\n[kubelet-start] Waiting for the kubelet to perform the TLS Bootstrap\n\nThis node has joined the cluster${controlPlane ? ' and a new control plane instance was created' : ''}:\n* Certificate signing request was sent to apiserver and a response was received.\n* The Kubelet was informed of the new secure connection details.\n\nRun 'kubectl get nodes' on the control-plane to see this node join the cluster.\n\n`
      return { stdout, stderr: refused?.stderr ?? '', exit: 0 }
    }
    if (joined?.ok === false && joined.refused !== 'unknown-token') {
      const words = {
        'wrong-ca-hash': `error: error execution phase preflight: couldn't validate the identity of the API Server: cluster CA found in cluster-info ConfigMap is invalid: none of the public keys "${cluster?.caCertHash}" are pinned\n`,
        'no-certificate-key': `error: error execution phase control-plane-prepare/download-certs: error downloading certs: error downloading the secret: Secret "kubeadm-certs" was not found in the "kube-system" Namespace. This Secret might have expired. Please, run \`kubeadm init phase upload-certs --upload-certs\` on a control plane to generate a new one\n`,
        'etcd-learner-busy':
          'error: error execution phase control-plane-join/etcd: error creating local etcd static pod manifest file: etcdserver: too many learner members in cluster\n',
      } as const
      return err(`${words[joined.refused]}${SEE_STACK}`, 1, stdout)
    }
    if (waitedMs >= limitMs)
      return err(
        `error: error execution phase preflight: couldn't validate the identity of the API Server: failed to request the cluster-info ConfigMap: client rate limiter Wait returned an error: context deadline exceeded\n${SEE_STACK}`,
        1,
        stdout,
      )
    await host.clock.sleep(RETRY_MS)
  }
}

export async function reset(call: Call): Promise<Answer> {
  const { host } = call
  const { flags, values } = switches(call.argv.slice(1), VALUED)
  const config = await configOf(call, values.get('--config')?.[0])
  if (isAnswer(config)) return config
  const force = flags.has('-f') || flags.has('--force') || config.reset?.['force'] === true
  if (!force && !/^y/i.test(call.stdin))
    return err(
      `W0000 00:00:00.000000       1 preflight.go:55] [reset] WARNING: Changes made to this host by 'kubeadm init' or 'kubeadm join' will be reverted.\nerror: error execution phase preflight: won't proceed; the user didn't answer (Y|y) in order to continue\n${SEE_STACK}`,
      1,
      '[reset] Are you sure you want to proceed? [y/N]: ',
    )
  await host.clock.sleep(RESET_MS)
  const { node } = host
  if (node?.controlPlane === true) {
    const member = node.cluster.etcdMembers().find(({ name }) => name === node.nodeName)
    if (member !== undefined && node.cluster.etcdMembers().length > 1) node.cluster.removeEtcdMember(member.id)
  }
  const kubelet = host.unit('kubelet')
  if (kubelet !== undefined) host.stopUnit(kubelet)
  host.node = undefined
  for (const dir of ['/etc/kubernetes/manifests', '/var/lib/kubelet', '/etc/kubernetes/pki', '/var/lib/etcd'])
    host.disk.empty(dir)
  for (const name of ['admin', 'super-admin', 'kubelet', 'bootstrap-kubelet', 'controller-manager', 'scheduler'])
    host.disk.remove(`/etc/kubernetes/${name}.conf`)
  host.mutated('kubeadm reset')
  return {
    stdout:
      '[preflight] Running pre-flight checks\n[reset] Stopping the kubelet service\n[reset] Unmounting mounted directories in "/var/lib/kubelet"\n[reset] Deleting contents of directories: [/etc/kubernetes/manifests /var/lib/kubelet /etc/kubernetes/pki]\n[reset] Deleting files: [/etc/kubernetes/admin.conf /etc/kubernetes/super-admin.conf /etc/kubernetes/kubelet.conf /etc/kubernetes/bootstrap-kubelet.conf /etc/kubernetes/controller-manager.conf /etc/kubernetes/scheduler.conf]\n\nThe reset process does not perform cleanup of CNI plugin configuration,\nnetwork filtering rules and kubeconfig files.\n\nFor information on how to perform this cleanup manually, please see:\n    https://k8s.io/docs/reference/setup-tools/kubeadm/kubeadm-reset/\n\n',
    stderr:
      node === undefined || !node.controlPlane
        ? 'W0000 00:00:00.000000       1 removeetcdmember.go:105] [reset] No kubeadm config, using etcd pod spec to get data directory\n'
        : '',
    exit: 0,
  }
}

export async function upgrade(call: Call): Promise<Answer> {
  const { host } = call
  const { rest, values } = switches(call.argv.slice(1), [...VALUED, '--certificate-renewal', '--etcd-upgrade'])
  const [verb, asked] = rest
  const { node } = host
  const own = `v${upstreamVersion(host, 'kubeadm')}`
  if (node === undefined)
    return err(
      `error: couldn't create a Kubernetes client from file "/etc/kubernetes/admin.conf": failed to load admin kubeconfig: open /etc/kubernetes/admin.conf: no such file or directory\n${SEE_STACK}`,
    )
  if (verb === 'plan')
    return values.get('-o')?.[0] === 'json'
      ? out()
      : out(`[upgrade/versions] Target version: ${own}\n[upgrade/versions] kubeadm version: ${own}\n`)
  await host.clock.sleep(verb === 'apply' ? INIT_MS : JOIN_MS)
  if (verb === 'apply') {
    if (!node.controlPlane)
      return err(`error: couldn't create a Kubernetes client from file "/etc/kubernetes/admin.conf"\n${SEE_STACK}`)
    const version = asked === undefined ? own : asked.startsWith('v') ? asked : `v${asked}`
    if (version !== own && Number(version.split('.')[1]) > Number(own.split('.')[1]))
      return err(
        `[upgrade/version] FATAL: the --version argument is invalid due to these fatal errors:\n\n\t- Specified version to upgrade to "${version}" is higher than the kubeadm version "${own}". Upgrade kubeadm first using the tool you used to install kubeadm\n\n${SEE_STACK}`,
      )
    node.cluster.upgrade(version)
    writeControlPlane(host, version)
    node.certificatesSince = host.clock.now()
    host.mutated(`kubeadm upgrade apply ${version}`)
    return out(
      `[upgrade] SUCCESS! A control plane node of your cluster was upgraded to "${version}".\n\n[upgrade] Now please proceed with upgrading the rest of the nodes by following the right order.\n`,
    )
  }
  if (verb === 'node') {
    if (node.controlPlane) writeControlPlane(host, own)
    host.mutated('kubeadm upgrade node')
    return out(
      '[upgrade] Backing up kubelet config file to /etc/kubernetes/tmp/kubeadm-kubelet-config\n[upgrade/kubelet-config] The kubelet configuration for this node was successfully upgraded!\n',
    )
  }
  return err(`error: unknown command "${verb}" for "kubeadm upgrade"\n${SEE_STACK}`)
}
