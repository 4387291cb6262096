import type { SimHost } from '../host.ts'
import type { Answer, Program } from '../program.ts'
import { err, out, switches } from '../program.ts'
import { etcdctl } from './etcdctl.ts'

export function upstreamVersion(host: SimHost, name: string): string | undefined {
  const found = host.packages.get(name)
  return found === undefined || found.configOnly === true
    ? undefined
    : found.version.replace(/^\d+:/, '').split(/[-~]/)[0]
}

export const containerdVersion = (host: SimHost): string =>
  upstreamVersion(host, 'containerd.io') ?? upstreamVersion(host, 'containerd') ?? '0'

/** `containerd config default`, cut to the sections that a script changes or a reader checks. */
function defaultConfig(version: string): string {
  if (version.startsWith('1.'))
    return `version = 2\nroot = "/var/lib/containerd"\nstate = "/run/containerd"\ndisabled_plugins = []\nimports = []\n\n[plugins]\n  [plugins."io.containerd.grpc.v1.cri"]\n    sandbox_image = "registry.k8s.io/pause:3.8"\n    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]\n      runtime_type = "io.containerd.runc.v2"\n      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]\n        SystemdCgroup = false\n    [plugins."io.containerd.grpc.v1.cri".registry]\n      config_path = ""\n`
  return `version = 3\nroot = '/var/lib/containerd'\nstate = '/run/containerd'\ndisabled_plugins = []\nimports = []\n\n[plugins]\n  [plugins.'io.containerd.cri.v1.images']\n    snapshotter = 'overlayfs'\n    [plugins.'io.containerd.cri.v1.images'.pinned_images]\n      sandbox = 'registry.k8s.io/pause:3.10.1'\n    [plugins.'io.containerd.cri.v1.images'.registry]\n      config_path = ''\n\n  [plugins.'io.containerd.cri.v1.runtime']\n    [plugins.'io.containerd.cri.v1.runtime'.containerd]\n      default_runtime_name = 'runc'\n      [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]\n        runtime_type = 'io.containerd.runc.v2'\n        [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]\n          SystemdCgroup = false\n    [plugins.'io.containerd.cri.v1.runtime'.cni]\n      bin_dirs = ['/opt/cni/bin']\n      conf_dir = '/etc/cni/net.d'\n`
}

/** What the runtime service of a running containerd would answer, read from the configuration that it was given. */
export function criState(host: SimHost): { readonly enabled: boolean; readonly systemdCgroup: boolean } {
  const config = host.disk.text('/etc/containerd/config.toml') ?? ''
  const disabled = /^\s*disabled_plugins\s*=\s*\[([^\]]*)\]/m.exec(config)?.[1] ?? ''
  return {
    enabled: !/['"](cri|io\.containerd\.grpc\.v1\.cri|io\.containerd\.cri\.v1\.runtime)['"]/.test(disabled),
    systemdCgroup: /^\s*SystemdCgroup\s*=\s*true/m.test(config),
  }
}

const containerd: Program = ({ host, argv }) => {
  const version = containerdVersion(host)
  if (argv[0] === '--version' || argv[0] === '-v')
    return out(`containerd containerd.io v${version} 0000000000000000000000000000000000000000\n`)
  if (argv[0] === 'config' && (argv[1] === 'default' || argv[1] === 'dump'))
    return out(
      argv[1] === 'dump'
        ? (host.disk.text('/etc/containerd/config.toml') ?? defaultConfig(version))
        : defaultConfig(version),
    )
  return err('containerd: the simulator runs it through systemd only\n')
}

const socketMissing = (socket: string): string =>
  `validate service connection: validate CRI v1 runtime API for endpoint "${socket}": rpc error: code = Unavailable desc = connection error: desc = "transport: Error while dialing: dial unix ${socket.replace('unix://', '')}: connect: no such file or directory"`

/** Why no container can be run through this socket, in the words of the client library. */
export function criRefusal(host: SimHost, socket: string): string | undefined {
  if (!host.runtimeSockets().some((each) => each.replace('/var/run', '/run') === socket.replace('/var/run', '/run')))
    return socketMissing(socket)
  if (socket.includes('containerd') && !criState(host).enabled)
    return `validate service connection: validate CRI v1 runtime API for endpoint "${socket}": rpc error: code = Unimplemented desc = unknown service runtime.v1.RuntimeService`
  return undefined
}

export function staticPods(host: SimHost): string[] {
  if (!host.kubeletHealthy()) return []
  return host.disk
    .names('/etc/kubernetes/manifests')
    .filter((name) => name.endsWith('.yaml'))
    .map((name) => name.slice(0, -'.yaml'.length))
}

const containerId = (name: string): string => Buffer.from(name.padEnd(32, '0')).toString('hex').slice(0, 64)

const ctr: Program = (call) => {
  const { host, argv, login } = call
  if (argv[0] === '--version' || argv[0] === '-v')
    return out(`ctr github.com/containerd/containerd/v2 v${containerdVersion(host)}\n`)
  if (argv[0] === 'version') return out(`Client:\n  Version:  v${containerdVersion(host)}\n`)
  if (login.uid !== 0) return err('ctr: failed to dial "/run/containerd/containerd.sock": permission denied\n')
  if (host.unit('containerd')?.active !== true)
    return err(
      'ctr: failed to dial "/run/containerd/containerd.sock": connection error: desc = "transport: error while dialing: dial unix:///run/containerd/containerd.sock: timeout"\n',
    )
  const rest = argv[0] === '-n' || argv[0] === '--namespace' ? argv.slice(2) : argv
  const [object, verb, ...words] = rest
  if (/^i(mages?)?$/.test(object ?? '')) {
    if (verb === 'ls' || verb === 'list')
      return out(
        [...host.images]
          .toSorted()
          .map((name) => `${name}\n`)
          .join(''),
      )
    if (verb === 'pull' || verb === 'import') {
      host.images.add(words.at(-1) ?? '')
      return out()
    }
  }
  if (/^c(ontainers?)?$/.test(object ?? ''))
    return out(
      `CONTAINER    IMAGE    RUNTIME\n${staticPods(host)
        .map((name) => `${containerId(name)}    registry.k8s.io/${name}:3.6.8-0    io.containerd.runc.v2\n`)
        .join('')}`,
    )
  if (/^t(asks?)?$/.test(object ?? '') && verb === 'exec') return execIn(call.host, words)
  return out()
}

/** `ctr tasks exec --exec-id X <container> etcdctl …` */
function execIn(host: SimHost, words: readonly string[]): Answer {
  const at = words.indexOf('etcdctl')
  if (at < 0) return err('ctr: the simulator runs etcdctl in containers only\n')
  if (!staticPods(host).includes('etcd')) return err('ctr: no running task found: task not found: not found\n')
  return etcdctl(host, words.slice(at + 1))
}

const crictl: Program = (call) => {
  const { host, argv, login } = call
  const { values, rest, flags } = switches(argv, [
    '-r',
    '--runtime-endpoint',
    '-i',
    '--image-endpoint',
    '-o',
    '--output',
    '--name',
    '--state',
    '--label',
    '--timeout',
    '-t',
  ])
  if (flags.has('--version') || flags.has('-v')) return out(`crictl version v${upstreamVersion(host, 'cri-tools')}\n`)
  const configured = /^runtime-endpoint:\s*"?([^"\s]+)/m.exec(host.disk.text('/etc/crictl.yaml') ?? '')?.[1]
  const socket =
    values.get('-r')?.[0] ??
    values.get('--runtime-endpoint')?.[0] ??
    configured ??
    'unix:///run/containerd/containerd.sock'
  if (login.uid !== 0)
    return err(`FATA[0000] ${socketMissing(socket).replace('no such file or directory', 'permission denied')}\n`)
  const refusal = criRefusal(host, socket)
  if (refusal !== undefined) return err(`FATA[0000] ${refusal}\n`)
  const [verb, ...words] = rest
  const runtime = socket.includes('crio')
    ? ['cri-o', upstreamVersion(host, 'cri-o') ?? '']
    : ['containerd', `v${containerdVersion(host)}`]
  if (verb === 'version')
    return out(`Version:  0.1.0\nRuntimeName:  ${runtime[0]}\nRuntimeVersion:  ${runtime[1]}\nRuntimeApiVersion:  v1\n`)
  if (verb === 'info')
    return out(
      `${JSON.stringify(
        {
          status: {
            conditions: [
              { type: 'RuntimeReady', status: true },
              { type: 'NetworkReady', status: host.disk.names('/etc/cni/net.d').length > 0 },
            ],
          },
          config: { containerd: { runtimes: { runc: { options: { SystemdCgroup: criState(host).systemdCgroup } } } } },
        },
        null,
        2,
      )}\n`,
    )
  if (verb === 'pull') {
    host.images.add(words[0] ?? '')
    return out(`Image is up to date for ${words[0]}\n`)
  }
  if (verb === 'images' || verb === 'image')
    return out(
      values.get('-o')?.[0] === 'json'
        ? `${JSON.stringify({ images: [...host.images].map((name) => ({ id: name, repoTags: [name] })) })}\n`
        : [...host.images].map((name) => `${name}\n`).join(''),
    )
  if (verb === 'ps' || verb === 'pods') {
    const wanted = values.get('--name')?.[0]
    const names = staticPods(host).filter((name) => wanted === undefined || name.includes(wanted))
    if (values.get('-o')?.[0] === 'json')
      return out(
        `${JSON.stringify({ containers: names.map((name) => ({ id: containerId(name), metadata: { name }, state: 'CONTAINER_RUNNING' })) })}\n`,
      )
    if (flags.has('-q')) return out(names.map((name) => `${containerId(name)}\n`).join(''))
    return out(
      `CONTAINER      STATE    NAME\n${names.map((name) => `${containerId(name).slice(0, 13)}  Running  ${name}\n`).join('')}`,
    )
  }
  if (verb === 'exec') {
    // The rest of the line belongs to etcdctl, switches included.
    const at = argv.indexOf('etcdctl')
    return at < 0
      ? err('FATA[0000] the simulator runs etcdctl in containers only\n')
      : etcdctl(host, argv.slice(at + 1))
  }
  return out()
}

export const containerPrograms: Readonly<Record<string, Program>> = {
  containerd,
  ctr,
  crictl,
  runc: ({ host }) => out(`runc version ${upstreamVersion(host, 'runc') ?? '1.3.3'}\nspec: 1.2.1\n`),
  crio: ({ host }) => out(`crio version ${upstreamVersion(host, 'cri-o') ?? ''}\n`),
  etcdctl: (call) => etcdctl(call.host, call.argv),
}
