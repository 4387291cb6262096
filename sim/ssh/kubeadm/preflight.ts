import type { SimHost } from '../host.ts'
import type { Answer } from '../program.ts'
import { err } from '../program.ts'
import { criRefusal, upstreamVersion } from '../programs/container.ts'

const MIN_CPUS = 2
const MIN_MEMORY_MIB = 1700
export const SEE_STACK = 'To see the stack trace of this error execute with --v=5 or higher\n'

export interface Preflight {
  readonly kind: 'init' | 'join' | 'join-control-plane'
  readonly ignored: readonly string[]
  readonly socket: string
}

const CONTROL_PLANE_PODS = ['kube-apiserver', 'kube-controller-manager', 'kube-scheduler', 'etcd']

/** kubeadm's checks before init and join, in its order; `undefined` when nothing fatal was found. */
export function preflight(host: SimHost, { kind, ignored, socket }: Preflight, stdout: string): Answer | undefined {
  const found: [check: string, message: string][] = []
  const warned: [check: string, message: string][] = []
  const { disk } = host
  const ports = host.ports()
  const port = (number: number): void => {
    if (ports.includes(number)) found.push([`Port-${number}`, `Port ${number} is in use`])
  }
  const fileFree = (path: string): void => {
    if (disk.find(path) !== undefined)
      found.push([
        `FileAvailable-${path.replaceAll('/', '-').replace(/^-/, '--').replace(/^--/, '--')}`.replace('---', '--'),
        `${path} already exists`,
      ])
  }
  const controlPlane = kind !== 'join'
  if (controlPlane && host.spec.cores < MIN_CPUS)
    found.push(['NumCPU', `the number of available CPUs ${host.spec.cores} is less than the required ${MIN_CPUS}`])
  if (controlPlane && host.spec.memoryMiB < MIN_MEMORY_MIB)
    found.push(['Mem', `the system RAM (${host.spec.memoryMiB} MB) is less than the minimum ${MIN_MEMORY_MIB} MB`])
  if (host.swapOn)
    warned.push([
      'Swap',
      'swap is supported for cgroup v2 only. The kubelet must be properly configured to use swap. Please refer to https://kubernetes.io/docs/concepts/architecture/nodes/#swap-memory, or disable swap on the node',
    ])
  if (controlPlane) {
    for (const number of [6443, 10259, 10257]) port(number)
    for (const pod of CONTROL_PLANE_PODS) fileFree(`/etc/kubernetes/manifests/${pod}.yaml`)
  }
  if (kind !== 'init')
    for (const path of ['/etc/kubernetes/kubelet.conf', '/etc/kubernetes/bootstrap-kubelet.conf']) fileFree(path)
  const refusal = criRefusal(host, socket)
  if (refusal !== undefined)
    for (const check of ['CRI', 'ContainerRuntimeVersion'])
      found.push([
        check,
        `could not connect to the container runtime: failed to create new CRI runtime service: ${refusal}`,
      ])
  if (host.kernel.get('net.ipv4.ip_forward') !== '1')
    found.push(['FileContent--proc-sys-net-ipv4-ip_forward', '/proc/sys/net/ipv4/ip_forward contents are not set to 1'])
  for (const tool of ['crictl', 'iptables'])
    if (!['/usr/bin', '/usr/sbin', '/usr/local/bin'].some((dir) => disk.find(`${dir}/${tool}`) !== undefined))
      (tool === 'crictl' ? warned : found).push([`FileExisting-${tool}`, `${tool} not found in system path`])
  const kubelet = upstreamVersion(host, 'kubelet')
  if (kubelet === undefined)
    found.push([
      'KubeletVersion',
      "couldn't get kubelet version: cannot execute 'kubelet --version': executable file not found in $PATH",
    ])
  else if (host.unit('kubelet')?.enabled !== true)
    warned.push(['Service-Kubelet', "kubelet service is not enabled, please run 'systemctl enable kubelet.service'"])
  const kubeadm = upstreamVersion(host, 'kubeadm')
  if (kubelet !== undefined && kubeadm !== undefined && minorOf(kubelet) > minorOf(kubeadm))
    found.push([
      'KubeletVersion',
      `the kubelet version is higher than the control plane version. This is not a supported version skew and may lead to a malfunctional cluster. Kubelet version: "${kubelet}" Control plane version: "${kubeadm}"`,
    ])
  port(10250)
  if (controlPlane) {
    for (const number of [2379, 2380]) port(number)
    if (disk.names('/var/lib/etcd').length > 0) found.push(['DirAvailable--var-lib-etcd', '/var/lib/etcd is not empty'])
  }
  if (kind === 'join') fileFree('/etc/kubernetes/pki/ca.crt')
  const skip = (check: string): boolean =>
    ignored.some((each) => each.toLowerCase() === 'all' || each.toLowerCase() === check.toLowerCase())
  for (const each of found.filter(([check]) => skip(check))) warned.push(each)
  const fatal = found.filter(([check]) => !skip(check))
  const warnings = warned.map(([check, message]) => `\t[WARNING ${check}]: ${message}\n`).join('')
  if (fatal.length === 0) return warnings === '' ? undefined : { stdout: '', stderr: warnings, exit: 0 }
  return err(
    `${warnings}[preflight] Some fatal errors occurred:\n${fatal.map(([check, message]) => `\t[ERROR ${check}]: ${message}\n`).join('')}` +
      '[preflight] If you know what you are doing, you can make a check non-fatal with `--ignore-preflight-errors=...`\n' +
      `error: error execution phase preflight: preflight checks failed\n${SEE_STACK}`,
    1,
    stdout,
  )
}

export const minorOf = (version: string): number => Number(/^v?1\.(\d+)/.exec(version)?.[1] ?? 0)
