import type { FileProblem } from '../problem.ts'
import { type Check, type Draft, problemAt } from './draft.ts'
import { ownerOf } from './schema-problem.ts'
import type { Path } from './source-text.ts'

/**
 * What this release can plan, as paths into the document; `*` stands for any name or index, a path that ends in `**` for
 * everything below. Whatever the schema allows and this list does not is refused by name, so a field is never ignored.
 * A field with values is only supported at those.
 */
const SUPPORTED: Readonly<Record<string, readonly unknown[] | 'any'>> = {
  apiVersion: 'any',
  kind: 'any',
  'metadata.name': 'any',
  'spec.lifecycle': ['keep'],
  'spec.kubernetes.distribution': ['kubeadm'],
  'spec.kubernetes.version': 'any',
  'spec.kubernetes.runtime': ['containerd'],
  'spec.kubernetes.runtime.kind': ['containerd'],
  'spec.kubernetes.runtime.version': 'any',
  'spec.kubernetes.kubelet.maxPods': 'any',
  'spec.kubernetes.kubelet.featureGates.**': 'any',
  'spec.kubernetes.kubelet.readOnlyPort': [false],
  'spec.kubernetes.proxyMode': 'any',
  'spec.kubernetes.firewall': 'any',
  'spec.endpoint.address': 'any',
  'spec.endpoint.port': 'any',
  'spec.endpoint.keptBy': ['control-plane', 'external'],
  'spec.endpoint.certSANs.**': 'any',
  'spec.network.pods': 'any',
  'spec.network.services': 'any',
  'spec.network.dnsDomain': 'any',
  'spec.network.cni.kind': ['cilium', 'flannel'],
  'spec.network.cni.version': 'any',
  'spec.network.cni.backend': 'any',
  'spec.network.cni.interface': 'any',
  'spec.network.cni.encryption': 'any',
  'spec.network.cni.routing': 'any',
  'spec.network.cni.loadBalancer.**': 'any',
  'spec.network.cni.gatewayApi': 'any',
  'spec.network.cni.ingress': 'any',
  'spec.network.cni.hubble.relay': 'any',
  'spec.network.cni.hubble.ui': 'any',
  'spec.network.cni.mtu': 'any',
  'spec.providers.*.kind': ['proxmox'],
  'spec.providers.*.connection': 'any',
  'spec.providers.*.image.**': 'any',
  'spec.providers.*.template': 'any',
  'spec.providers.*.storage': 'any',
  'spec.providers.*.imageStorage': 'any',
  'spec.providers.*.bridge': 'any',
  'spec.providers.*.vlan': 'any',
  'spec.providers.*.gateway': 'any',
  'spec.providers.*.nameservers.**': 'any',
  'spec.providers.*.searchDomain': 'any',
  'spec.providers.*.pool': 'any',
  'spec.providers.*.cpuType': 'any',
  'spec.providers.*.user': 'any',
  'spec.providers.*.authorizedKeys.**': 'any',
  'spec.machines.*.name': 'any',
  'spec.machines.*.role': 'any',
  'spec.machines.*.labels.**': 'any',
  'spec.machines.*.taints.**': 'any',
  'spec.machines.*.optional': [false],
  'spec.machines.*.provider': 'any',
  'spec.machines.*.node.**': 'any',
  'spec.machines.*.id.**': 'any',
  'spec.machines.*.address.**': 'any',
  'spec.machines.*.cores': 'any',
  'spec.machines.*.memory': 'any',
  'spec.machines.*.disk': 'any',
  'spec.machines.*.performance.hugePages': [false],
  'spec.machines.*.host.**': 'any',
  'spec.machines.*.user': 'any',
  'spec.machines.*.port': 'any',
  'spec.machines.*.hostKey.**': 'any',
  'spec.gitops.engine': 'any',
  'spec.gitops.version': 'any',
  'spec.gitops.repository.**': 'any',
  'spec.gitops.apps': 'any',
  'spec.gitops.interval': 'any',
  'spec.gitops.secrets.sops': 'any',
  'spec.mirrors.**': 'any',
}

/** Fields that choose a form: when the choice itself is not supported, the fields beside it are not listed too. */
const CHOICES = new Set(['distribution', 'kind'])

type Verdict = 'yes' | 'deeper' | { readonly only: readonly unknown[] } | 'no'

/** Whether the field at `path` can be planned. Names the words of the schema; lists and names are `*`. */
export function supportOf(path: Path, value: unknown): Verdict {
  // Component by component, although there is none yet.
  let deeper = path.length === 2 && path[1] === 'components'
  for (const [pattern, values] of Object.entries(SUPPORTED)) {
    const parts = pattern.split('.')
    const open = parts.at(-1) === '**'
    const fixed = open ? parts.slice(0, -1) : parts
    if (!fixed.slice(0, path.length).every((part, i) => part === '*' || part === path[i])) continue
    if (path.length < fixed.length) deeper = true
    else if (path.length === fixed.length || open) {
      if (values === 'any' || values.includes(value)) return 'yes'
      if (typeof value !== 'object') return { only: values }
    }
  }
  return deeper && typeof value === 'object' ? 'deeper' : 'no'
}

/** Everything that the file says and this release cannot plan, each at its field. */
export const unsupported: Check = (draft) => [...written(draft, draft.source.value, []), ...implied(draft)]

function written(draft: Draft, value: unknown, path: Path): readonly FileProblem[] {
  if (typeof value !== 'object' || value === null) return []
  const entries: readonly (readonly [string | number, unknown])[] = Array.isArray(value)
    ? value.map((item, i) => [i, item] as const)
    : Object.entries(value)
  const choice = entries.find(
    ([name, chosen]) => CHOICES.has(String(name)) && typeof supportOf([...path, name], chosen) === 'object',
  )
  return (choice === undefined ? entries : [choice]).flatMap(([name, inner]): readonly FileProblem[] => {
    const at = [...path, name]
    const verdict = supportOf(at, inner)
    if (verdict === 'yes' || (isEmpty(inner) && path[1] !== 'components')) return []
    if (verdict === 'deeper') return written(draft, inner, at)
    const shown = typeof inner === 'object' ? '' : ` ${JSON.stringify(inner)}`
    const what = `${String(name)}${shown}${ownerOf(path, draft.source.value)} is not yet supported`
    const remedy =
      verdict === 'no'
        ? 'Leave it out for now; docs/reference-setups.md says what can be planned.'
        : `This release plans: ${verdict.only.map(String).join(', ')}.`
    return [problemAt(draft, at, ['spec.not-yet-supported', what, remedy], verdict === 'no' ? 'key' : 'value')]
  })
}

/** What follows from the file without being written in one place. */
function implied(draft: Draft): readonly FileProblem[] {
  const { spec, document } = draft
  const problems: FileProblem[] = []
  if (
    spec.kubernetes.distribution === 'kubeadm' &&
    spec.endpoint.keptBy === 'kube-vip' &&
    document.spec.endpoint?.keptBy === undefined
  )
    problems.push(
      problemAt(
        draft,
        ['spec', 'endpoint'],
        [
          'spec.not-yet-supported',
          `the address ${spec.endpoint.host} has to be kept by kube-vip, which is not yet supported`,
          'Write `keptBy: external` and let a balancer of your own answer there, or have one control plane at its own address.',
        ],
      ),
    )
  if (spec.gitops.secrets.sops && spec.gitops.engine !== 'flux')
    problems.push(
      problemAt(
        draft,
        ['spec', 'gitops', 'secrets', 'sops'],
        [
          'spec.not-yet-supported',
          `sops with ${spec.gitops.engine} is not yet supported`,
          'Use `engine: flux`, which decrypts by itself, or leave `sops` off.',
        ],
        'key',
      ),
    )
  return problems
}

/** Says nothing: `extraDisks: []`. A component with no settings does say something. */
function isEmpty(value: unknown): boolean {
  return value === null || (typeof value === 'object' && Object.keys(value).length === 0)
}
