import type { HostFile } from '../../src/core/steps/host.ts'
import { minorOf } from '../../src/core/catalogue.ts'

/** The pause image that kubeadm of a minor names itself; a different one here makes it warn and pull two. */
const SANDBOX: Readonly<Record<string, string>> = { '1.35': 'registry.k8s.io/pause:3.10.1' }
const NEWEST_SANDBOX = 'registry.k8s.io/pause:3.10.2'

export const CONTAINERD_SOCKET = 'unix:///run/containerd/containerd.sock'

export function sandboxImage(kubernetesVersion: string): string {
  return SANDBOX[minorOf(kubernetesVersion)] ?? NEWEST_SANDBOX
}

/**
 * containerd's configuration, written whole: the packaged one switches the CRI plugin off. Version 3 of the format is
 * that of containerd 2.x; `imports` leaves room for drop-ins such as NVIDIA's.
 * @param registries - Registry host → endpoint to ask first; upstream stays as the fallback.
 * @see https://github.com/containerd/containerd/blob/main/docs/cri/config.md and docs/hosts.md
 */
export function containerdFiles(
  kubernetesVersion: string,
  containerd: string,
  registries: Readonly<Record<string, string>>,
): readonly HostFile[] {
  return [
    {
      path: '/etc/containerd/config.toml',
      mode: '0644',
      content: minorOf(containerd).startsWith('1.') ? version2(kubernetesVersion) : version3(kubernetesVersion),
      restarts: ['containerd.service'],
    },
    // Read anew at every pull: no restart.
    ...Object.entries(registries)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([host, endpoint]) => ({
        path: `/etc/containerd/certs.d/${host}/hosts.toml`,
        mode: '0644',
        content: hostsToml(host, endpoint),
        restarts: [],
      })),
    {
      path: '/etc/crictl.yaml',
      mode: '0644',
      content: `runtime-endpoint: ${CONTAINERD_SOCKET}\nimage-endpoint: ${CONTAINERD_SOCKET}\ntimeout: 10\n`,
      restarts: [],
    },
  ]
}

function version3(kubernetesVersion: string): string {
  return `version = 3
imports = ["/etc/containerd/conf.d/*.toml"]

[plugins.'io.containerd.cri.v1.images'.pinned_images]
  sandbox = "${sandboxImage(kubernetesVersion)}"

[plugins.'io.containerd.cri.v1.images'.registry]
  config_path = "/etc/containerd/certs.d"

[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"

[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
  SystemdCgroup = true
`
}

function version2(kubernetesVersion: string): string {
  return `version = 2
imports = ["/etc/containerd/conf.d/*.toml"]

[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "${sandboxImage(kubernetesVersion)}"

[plugins."io.containerd.grpc.v1.cri".registry]
  config_path = "/etc/containerd/certs.d"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
  SystemdCgroup = true
`
}

/** docker.io's registry lives at another name than the one people write. */
function hostsToml(host: string, endpoint: string): string {
  const server = host === 'docker.io' ? 'https://registry-1.docker.io' : `https://${host}`
  return `server = ${toml(server)}

[host.${toml(endpoint)}]
  capabilities = ["pull", "resolve"]
`
}

/** A TOML basic string; JSON's escapes are a subset of TOML's. */
function toml(text: string): string {
  return JSON.stringify(text)
}
