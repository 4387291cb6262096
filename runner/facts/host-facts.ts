import type { HostFacts } from '../../src/core/facts.ts'
import { ownerMark } from '../../src/core/owner-mark.ts'
import { Problem } from '../../src/core/problem.ts'
import type { ClusterSpec, Machine } from '../../src/core/spec/cluster-spec.ts'
import { targetOf } from '../actions/kubeadm/target.ts'
import type { Lan } from '../lan/lan.ts'

/** A login and a few files; a laptop that is asleep does not answer later either. */
const LOOK_TIMEOUT_MS = 30_000

/** A host may say anything. */
const MAX_VERSION = 60

/** What a host says about itself; changes nothing. */
const LOOK = `
export LC_ALL=C PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
. /etc/os-release
echo "os=$ID"
echo "version=\${VERSION_ID:-}"
echo "arch=$(dpkg --print-architecture 2>/dev/null || uname -m)"
echo "prepared=$(cat /var/lib/slipway/prepared 2>/dev/null)"
echo "mark=$(cat /var/lib/slipway/cluster 2>/dev/null)"
for file in /etc/kubernetes/kubelet.conf /etc/kubernetes/admin.conf /etc/kubernetes/manifests/kube-apiserver.yaml; do
  [ -e "$file" ] && echo "kubeadm=yes"
done
if command -v kubelet >/dev/null 2>&1; then echo "kubelet=$(kubelet --version 2>/dev/null)"; fi
exit 0
`

/** What a machine's operating system tells; `undefined` for one of ours that never booted, so that has no host key. */
export async function hostFacts(spec: ClusterSpec, machine: Machine, lan: Lan): Promise<HostFacts | undefined> {
  const target = targetOf(machine, lan)
  const hostKey = target.hostKey.from === 'spec' ? target.hostKey.key : lan.keys.hostKey(machine.name)
  if (hostKey === undefined) return undefined
  try {
    const result = await lan.remote.run(target, LOOK, {}, { timeoutMs: LOOK_TIMEOUT_MS })
    return { reachable: true, hostKey, ...readLook(result.stdout, ownerMark(spec, machine.name)) }
  } catch (error) {
    // Why it could not be reached is told by the step that needs it.
    if (error instanceof Problem) return { reachable: false, kubeadm: 'none' }
    throw error
  }
}

function readLook(stdout: string, mark: string): Omit<HostFacts, 'reachable' | 'hostKey'> {
  const said = new Map(
    stdout.split('\n').flatMap((line): readonly (readonly [string, string])[] => {
      const at = line.indexOf('=')
      return at < 0 ? [] : [[line.slice(0, at), line.slice(at + 1).trim()]]
    }),
  )
  const text = (name: string): string => (said.get(name) ?? '').slice(0, 40)
  const prepared = said.get('prepared') ?? ''
  const owner = said.get('mark') ?? ''
  const kubelet = /v(\d+\.\d+\.\d+\S*)/.exec(said.get('kubelet') ?? '')?.[0]
  return {
    ...(text('os') === '' ? {} : { os: { id: text('os'), version: text('version'), arch: text('arch').slice(0, 20) } }),
    ...(/^[0-9a-f]{64}$/.test(prepared) ? { recipeDigest: prepared } : {}),
    kubeadm:
      owner !== '' && owner !== mark
        ? 'another'
        : said.get('kubeadm') !== 'yes'
          ? 'none'
          : owner === mark
            ? 'this-cluster'
            : 'another',
    ...(kubelet === undefined ? {} : { kubeletVersion: kubelet.slice(0, MAX_VERSION) }),
  }
}
