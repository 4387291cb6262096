import { configOf, imagesOf, init, join, reset, upgrade, VALUED, versionWarning } from '../kubeadm/cluster-steps.ts'
import { durationMs } from '../kubeadm/config.ts'
import { minorOf, SEE_STACK } from '../kubeadm/preflight.ts'
import { hex } from '../../random.ts'
import type { Answer, Call, Program } from '../program.ts'
import { err, out, switches } from '../program.ts'
import { upstreamVersion } from './container.ts'

const YEAR_MS = 365 * 86_400_000
const DAY_MS = 86_400_000
const CERTIFICATES: readonly (readonly [name: string, ca: string, words: string])[] = [
  ['admin.conf', 'ca', 'certificate embedded in the kubeconfig file for the admin to use and for kubeadm itself'],
  ['apiserver', 'ca', 'certificate for serving the Kubernetes API'],
  ['apiserver-etcd-client', 'etcd-ca', 'certificate the apiserver uses to access etcd'],
  ['apiserver-kubelet-client', 'ca', 'certificate for the API server to connect to kubelet'],
  ['controller-manager.conf', 'ca', 'certificate embedded in the kubeconfig file for the controller manager to use'],
  ['etcd-healthcheck-client', 'etcd-ca', 'certificate for liveness probes to healthcheck etcd'],
  ['etcd-peer', 'etcd-ca', 'certificate for etcd nodes to communicate with each other'],
  ['etcd-server', 'etcd-ca', 'certificate for serving etcd'],
  ['front-proxy-client', 'front-proxy-ca', 'certificate for the front proxy client'],
  ['scheduler.conf', 'ca', 'certificate embedded in the kubeconfig file for the scheduler manager to use'],
  ['super-admin.conf', 'ca', 'certificate embedded in the kubeconfig file for the super-admin'],
]

function versionDocument(version: string): Record<string, unknown> {
  return {
    major: '1',
    minor: String(minorOf(version)),
    gitVersion: version,
    gitCommit: '0000000000000000000000000000000000000000',
    gitTreeState: 'clean',
    buildDate: '1970-01-01T00:00:00Z',
    goVersion: 'go1.26.8',
    compiler: 'gc',
    platform: 'linux/amd64',
  }
}

const kubeadm: Program = async (call) => {
  const { host, argv, login } = call
  const version = `v${upstreamVersion(host, 'kubeadm')}`
  const [verb, ...words] = argv
  const { values, rest, flags } = switches(words, VALUED)
  if (verb === 'version') {
    const format = values.get('-o')?.[0] ?? values.get('--output')?.[0]
    if (format === 'short') return out(`${version}\n`)
    if (format === 'json') return out(`${JSON.stringify({ clientVersion: versionDocument(version) }, null, 2)}\n`)
    return out(
      `kubeadm version: &version.Info{Major:"1", Minor:"${minorOf(version)}", GitVersion:"${version}", Platform:"linux/amd64"}\n`,
    )
  }
  if (verb === 'config')
    return configCommand(call, rest, values.get('--config')?.[0], values.get('--kubernetes-version')?.[0])
  if (login.uid !== 0)
    return err(
      `[preflight] Some fatal errors occurred:\n\t[ERROR IsPrivilegedUser]: user is not running as root\n[preflight] If you know what you are doing, you can make a check non-fatal with \`--ignore-preflight-errors=...\`\nerror: error execution phase preflight: preflight checks failed\n${SEE_STACK}`,
    )
  switch (verb ?? '') {
    case 'init':
      return init(call)
    case 'join':
      return join(call)
    case 'reset':
      return reset(call)
    case 'upgrade':
      return upgrade(call)
    case 'token':
      return token(call, rest, values, flags)
    case 'certs':
      return certs(call, rest, values.get('-o')?.[0] ?? values.get('--output')?.[0])
    default:
      return err(`error: unknown command "${verb}" for "kubeadm"\n${SEE_STACK}`)
  }
}

async function configCommand(
  call: Call,
  rest: readonly string[],
  path: string | undefined,
  asked: string | undefined,
): Promise<Answer> {
  const { host } = call
  const own = `v${upstreamVersion(host, 'kubeadm')}`
  const config = await configOf(call, path)
  if ('exit' in config) return config
  const configured = config.cluster['kubernetesVersion']
  const version =
    typeof configured === 'string'
      ? `v${configured.replace(/^v/, '')}`
      : asked === undefined
        ? own
        : `v${asked.replace(/^v/, '')}`
  const warning = version === own && configured === undefined && asked === undefined ? versionWarning(host) : ''
  if (rest[0] === 'validate')
    return path === undefined
      ? err(`error: the --config flag is mandatory\n${SEE_STACK}`)
      : { stdout: 'ok\n', stderr: warning, exit: 0 }
  if (rest[0] === 'images' && rest[1] === 'list')
    return {
      stdout: imagesOf(version)
        .map((name) => `${name}\n`)
        .join(''),
      stderr: warning,
      exit: 0,
    }
  if (rest[0] === 'images' && rest[1] === 'pull') {
    if (host.runtimeSocket() === undefined)
      return err(`error: failed to pull images: could not connect to the container runtime\n${SEE_STACK}`)
    let stdout = ''
    for (const name of imagesOf(version)) {
      if (!host.images.has(name)) await host.clock.sleep(1_500)
      host.images.add(name)
      stdout += `[config/images] Pulled ${name}\n`
    }
    host.mutated('kubeadm config images pull')
    return { stdout, stderr: warning, exit: 0 }
  }
  return err(`error: the simulator has no "kubeadm config ${rest.join(' ')}"\n${SEE_STACK}`)
}

function token(
  call: Call,
  rest: readonly string[],
  values: ReadonlyMap<string, readonly string[]>,
  flags: ReadonlySet<string>,
): Answer {
  const { host } = call
  if (rest[0] === 'generate') return out(`${hex(host.world.random, 6)}.${hex(host.world.random, 16)}\n`)
  const given = rest[1]
  if (given !== undefined && rest[0] === 'create' && !/^[a-z0-9]{6}\.[a-z0-9]{16}$/.test(given))
    return err(
      String.raw`error: the bootstrap token "${given}" was not of the form "\\A([a-z0-9]{6})\\.([a-z0-9]{16})\\z"` +
        `\n${SEE_STACK}`,
    )
  if (host.node?.controlPlane !== true)
    return err(
      `error: failed to load admin kubeconfig: open /etc/kubernetes/admin.conf: no such file or directory\n${SEE_STACK}`,
    )
  const { cluster } = host.node
  if (rest[0] === 'create') {
    const made = given ?? `${hex(host.world.random, 6)}.${hex(host.world.random, 16)}`
    cluster.createToken(made, durationMs(values.get('--ttl')?.[0], DAY_MS))
    host.mutated('kubeadm token create')
    return out(
      flags.has('--print-join-command')
        ? `kubeadm join ${cluster.endpoint.replace(/^https:\/\//, '')} --token ${made} --discovery-token-ca-cert-hash ${cluster.caCertHash} \n`
        : `${made}\n`,
    )
  }
  return rest[0] === 'list' || rest[0] === 'delete'
    ? out()
    : err(`error: missing subcommand; "token" is not meant to be run on its own\n${SEE_STACK}`)
}

function certs(call: Call, rest: readonly string[], format: string | undefined): Answer {
  const { host } = call
  if (host.node?.controlPlane !== true)
    return err(
      `error: failed to load admin kubeconfig: open /etc/kubernetes/admin.conf: no such file or directory\n${SEE_STACK}`,
    )
  if (rest[0] === 'renew') {
    host.node.certificatesSince = host.clock.now()
    host.mutated('kubeadm certs renew all')
    return out(
      `[renew] Reading configuration from the "kubeadm-config" ConfigMap in namespace "kube-system"...\n\n${CERTIFICATES.map(([, , words]) => `${words} renewed\n`).join('')}\nDone renewing certificates. You must restart the kube-apiserver, kube-controller-manager, kube-scheduler and etcd, so that they can use the new certificates.\n`,
    )
  }
  const expires = host.node.certificatesSince + YEAR_MS
  const stamp = (ms: number): string => `${new Date(ms).toISOString().slice(0, 19)}Z`
  const residual = (ms: number): number => Math.floor((ms - host.clock.now()) / 1000)
  if (format === 'json') {
    const ca = expires + 9 * YEAR_MS
    return out(
      `${JSON.stringify(
        {
          kind: 'CertificateExpirationInfo',
          apiVersion: 'output.kubeadm.k8s.io/v1alpha3',
          certificates: CERTIFICATES.map(([name, caName]) => ({
            name,
            expirationDate: stamp(expires),
            residualTime: residual(expires),
            externallyManaged: false,
            caName,
            missing: host.disk.find('/etc/kubernetes/admin.conf') === undefined,
          })),
          certificateAuthorities: ['ca', 'etcd-ca', 'front-proxy-ca'].map((name) => ({
            name,
            expirationDate: stamp(ca),
            residualTime: residual(ca),
            externallyManaged: false,
            missing: false,
          })),
        },
        null,
        4,
      )}\n`,
    )
  }
  return out(
    `CERTIFICATE                EXPIRES\n${CERTIFICATES.map(([name]) => `${name.padEnd(26)} ${stamp(expires)}\n`).join('')}`,
  )
}

const kubectl: Program = async (call) => {
  const { host, argv } = call
  const words = argv.filter((word, n) => !word.startsWith('--kubeconfig') && argv[n - 1] !== '--kubeconfig')
  const version = `v${upstreamVersion(host, 'kubectl')}`
  const json = words.includes('json') || words.includes('-ojson')
  if (words[0] === 'version' && words.some((word) => word === '--client' || word === '--client=true'))
    return out(
      json
        ? `${JSON.stringify({ clientVersion: versionDocument(version) }, null, 2)}\n`
        : `Client Version: ${version}\n`,
    )
  const at = argv.indexOf('--kubeconfig')
  const path =
    argv.find((word) => word.startsWith('--kubeconfig='))?.slice('--kubeconfig='.length) ??
    (at >= 0 ? argv[at + 1] : undefined) ??
    call.env['KUBECONFIG'] ??
    `${call.login.home}/.kube/config`
  const refused = 'The connection to the server localhost:8080 was refused - did you specify the right host or port?\n'
  let config: string
  try {
    config = await call.files.readFile(call.files.resolvePath(call.cwd, path))
  } catch {
    return err(
      at >= 0 || call.env['KUBECONFIG'] !== undefined
        ? `error: error loading config file "${path}": open ${path}: ${host.disk.find(path) === undefined ? 'no such file or directory' : 'permission denied'}\n`
        : refused,
    )
  }
  const server = /server:\s*"?https:\/\/([^\s"]+)/.exec(config)?.[1]
  const cluster = server === undefined ? host.node?.cluster : (host.world.kube.clusterAt(server) ?? host.node?.cluster)
  if (cluster === undefined)
    return err(`Unable to connect to the server: dial tcp ${server}: connect: connection refused\n`)
  if (host.node?.controlPlane === true && !host.kubeletHealthy() && cluster.etcdMembers().length <= 1)
    return err(`The connection to the server ${server} was refused - did you specify the right host or port?\n`)
  const answer = await cluster.kubectl(words, Buffer.from(call.stdin, 'latin1').toString())
  return { stdout: answer.stdout, stderr: answer.stderr, exit: answer.exit }
}

export const kubernetesPrograms: Readonly<Record<string, Program>> = {
  kubeadm,
  kubelet: ({ host, argv }) =>
    argv[0] === '--version'
      ? out(`Kubernetes v${upstreamVersion(host, 'kubelet')}\n`)
      : err('kubelet: the simulator runs it through systemd only\n'),
  kubectl,
}
