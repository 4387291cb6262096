import {
  CNI_RELEASES,
  cniRelease,
  containerdFits,
  containerdSeries,
  crioFits,
  ENGINES,
  k3sVersion,
  K3S,
  knownKubernetes,
  kubernetesVersion,
  KUBESPRAY,
  minorOf,
} from '../../catalogue.ts'
import type { FileProblem } from '../../problem.ts'
import { type Check, type Draft, problemAt } from '../draft.ts'
import { valueAt } from '../schema-problem.ts'
import type { Path } from '../source-text.ts'

/** Versions that exist, and that go together. */
export const versions: Check = (draft) => {
  const certain = !draft.assumed.has('kubernetes')
  return [
    ...(certain ? [...kubernetes(draft), ...runtime(draft), ...featureGates(draft)] : []),
    ...(certain && !draft.assumed.has('cni') ? [...cni(draft), ...proxy(draft)] : []),
    ...engine(draft),
  ]
}

const VERSION: Path = ['spec', 'kubernetes', 'version']

function kubernetes(draft: Draft): readonly FileProblem[] {
  const wanted = draft.document.spec.kubernetes
  switch (wanted.distribution) {
    case 'kubeadm':
      if (kubernetesVersion(wanted.version) !== undefined) return []
      return [
        problemAt(draft, VERSION, [
          'spec.unknown-version',
          `Kubernetes ${wanted.version} is not one that this release knows`,
          `Write 1.36 or 1.35 for the newest patch, or one of ${knownKubernetes()}.`,
        ]),
      ]
    case 'k3s':
      if (k3sVersion(wanted.version) !== undefined) return []
      return [
        problemAt(draft, VERSION, [
          'spec.unknown-version',
          `K3s ${wanted.version} is not one that this release knows`,
          `Write ${Object.keys(K3S).join(' or ')}, or exactly with the build, e.g. ${Object.values(K3S)[0] ?? ''}.`,
        ]),
      ]
    case 'kubespray': {
      const release = KUBESPRAY[wanted.release]
      if (release === undefined)
        return [
          problemAt(
            draft,
            ['spec', 'kubernetes', 'release'],
            [
              'spec.unknown-version',
              `Kubespray ${wanted.release} is not one that this release knows`,
              `Take one of: ${Object.keys(KUBESPRAY).join(', ')}.`,
            ],
          ),
        ]
      const exact = /^1\.[0-9]+\.[0-9]+$/.test(wanted.version)
      const fits = exact && compare(wanted.version, release.oldest) >= 0 && compare(wanted.version, release.newest) <= 0
      return fits
        ? []
        : [
            problemAt(draft, VERSION, [
              'compat.kubespray',
              exact
                ? `Kubespray ${wanted.release} cannot install Kubernetes ${wanted.version}`
                : `Kubespray needs an exact Kubernetes version, not ${wanted.version}`,
              `Take one from ${release.oldest} to ${release.newest}, or another Kubespray release.`,
            ]),
          ]
    }
    default:
      return wanted satisfies never
  }
}

function runtime(draft: Draft): readonly FileProblem[] {
  const { kubernetes: k8s } = draft.spec
  if (
    k8s.distribution !== 'kubeadm' ||
    k8s.runtime.version === undefined ||
    kubernetesVersion(k8s.version) === undefined
  )
    return []
  const { kind, version } = k8s.runtime
  const path: Path = ['spec', 'kubernetes', 'runtime', 'version']
  if (!/^[0-9]+\.[0-9]+\.[0-9]+$/.test(version))
    return [
      problemAt(draft, path, [
        'spec.inexact-version',
        `${kind} ${version} is not an exact version`,
        `Write all three numbers, or leave it out for the newest ${kind === 'crio' ? minorOf(k8s.version) : containerdSeries(k8s.version)}.`,
      ]),
    ]
  if (kind === 'containerd' ? containerdFits(version, k8s.version) : crioFits(version, k8s.version)) return []
  return [
    problemAt(
      draft,
      ['spec', 'kubernetes', 'runtime', 'version'],
      [
        'compat.runtime',
        `${kind} ${version} is not supported with Kubernetes ${minorOf(k8s.version)}`,
        kind === 'containerd'
          ? `Leave the version out for ${containerdSeries(k8s.version)}.`
          : `CRI-O's minor must be ${minorOf(k8s.version)}: leave the version out.`,
      ],
    ),
  ]
}

function cni(draft: Draft): readonly FileProblem[] {
  const wanted = draft.document.spec.network.cni
  const { version } = draft.spec.kubernetes
  const minor = minorOf(version)
  const at: Path = ['spec', 'network', 'cni', wanted.version === undefined ? 'kind' : 'version']
  const name = { cilium: 'Cilium', flannel: 'Flannel', calico: 'Calico' }[wanted.kind]
  const release = cniRelease(wanted.kind, wanted.version, version)
  const fitting = cniRelease(wanted.kind, undefined, version)
  if (release === undefined && wanted.version !== undefined)
    return [
      problemAt(draft, at, [
        'spec.unknown-version',
        `${name} ${wanted.version} is not one that this release knows`,
        `Leave the version out, or take one of: ${CNI_RELEASES[wanted.kind].map((one) => one.version).join(', ')}.`,
      ]),
    ]
  // An unknown Kubernetes is reported already; nothing fits it.
  if (release !== undefined && !release.kubernetes.includes(minor) && fitting !== undefined)
    return [
      problemAt(draft, at, [
        'compat.cni',
        `${name} ${release.version} does not support Kubernetes ${minor}`,
        `${name} ${fitting.version} does.`,
      ]),
    ]
  return []
}

/** A field that would have no effect is a misunderstanding, so it is said rather than ignored. */
function proxy(draft: Draft): readonly FileProblem[] {
  const path: Path = ['spec', 'kubernetes', 'proxyMode']
  if (draft.spec.network.cni.kind !== 'cilium' || valueAt(draft.source.value, path) === undefined) return []
  return [
    problemAt(
      draft,
      path,
      ['spec.unused-field', 'proxyMode has no effect with Cilium, which replaces kube-proxy', 'Leave it out.'],
      'key',
    ),
  ]
}

function engine(draft: Draft): readonly FileProblem[] {
  const wanted = draft.document.spec.gitops
  const known = ENGINES[wanted.engine].version
  if (wanted.version === undefined || wanted.version === known) return []
  return [
    problemAt(
      draft,
      ['spec', 'gitops', 'version'],
      [
        'spec.unknown-version',
        `${wanted.engine} ${wanted.version} is not one that this release knows`,
        `Leave the version out, or write ${known}.`,
      ],
    ),
  ]
}

/** Gates that are gone: the kubelet does not start with them. By the minor that removed them. */
const REMOVED_GATES: Readonly<Record<string, string>> = {
  CSIMigration: '1.27',
  CSIMigrationAWS: '1.27',
  CSIMigrationGCE: '1.28',
  CSIMigrationAzureDisk: '1.26',
  CSIMigrationAzureFile: '1.30',
  CSIMigrationvSphere: '1.29',
  DynamicKubeletConfig: '1.26',
  EphemeralContainers: '1.27',
  LocalStorageCapacityIsolation: '1.27',
  IPv6DualStack: '1.25',
  PodSecurity: '1.28',
  TTLAfterFinished: '1.25',
}

function featureGates(draft: Draft): readonly FileProblem[] {
  return Object.keys(draft.spec.kubernetes.kubelet.featureGates).flatMap((gate): readonly FileProblem[] => {
    const removed = REMOVED_GATES[gate]
    if (removed === undefined) return []
    return [
      problemAt(
        draft,
        ['spec', 'kubernetes', 'kubelet', 'featureGates', gate],
        [
          'compat.feature-gate',
          `feature gate ${gate} was removed in Kubernetes ${removed}; the kubelet would refuse to start`,
          'Leave it out.',
        ],
        'key',
      ),
    ]
  })
}

function compare(a: string, b: string): number {
  const [left, right] = [a, b].map((text) => text.split('.').map(Number))
  for (let i = 0; i < 3; i += 1) {
    const difference = (left?.[i] ?? 0) - (right?.[i] ?? 0)
    if (difference !== 0) return difference
  }
  return 0
}
