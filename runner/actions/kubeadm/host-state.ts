import { Problem } from '../../../src/core/problem.ts'
import type { SshTarget } from '../../../src/core/steps/host.ts'
import type { ActionContext } from '../../engine/action.ts'
import type { Lan } from '../../lan/lan.ts'
import { scriptProblem } from '../script-problem.ts'

const LOOK_TIMEOUT_MS = 60_000

/** What kubeadm has left on a host, and whose it is. Changes nothing. */
const LOOK = `
mark=$(cat /var/lib/slipway/cluster 2>/dev/null || true)
echo "mark=$mark"
[ -e /etc/kubernetes/kubelet.conf ] && echo kubelet=yes || echo kubelet=no
[ -e /etc/kubernetes/admin.conf ] && echo admin=yes || echo admin=no
[ -e /etc/kubernetes/manifests/kube-apiserver.yaml ] && echo apiserver=yes || echo apiserver=no
[ -e /var/lib/slipway/joined ] && echo joined=yes || echo joined=no
if [ -e /etc/kubernetes/admin.conf ] && kubectl --kubeconfig /etc/kubernetes/admin.conf get --raw /readyz >/dev/null 2>&1; then echo ready=yes; else echo ready=no; fi
`

export interface HostState {
  readonly mark: string
  readonly kubelet: boolean
  readonly admin: boolean
  readonly apiserver: boolean
  /** kubeadm ended well, and we wrote so. */
  readonly joined: boolean
  /** The API server on this host answers that it is ready. */
  readonly ready: boolean
}

/** @throws Problem `host.another-cluster` when kubeadm files are there that this cluster did not make. */
export async function hostState(target: SshTarget, mark: string, lan: Lan, context: ActionContext): Promise<HostState> {
  const result = await lan.remote.run(target, LOOK, {}, { timeoutMs: LOOK_TIMEOUT_MS, signal: context.signal })
  if (result.exit !== 0)
    throw scriptProblem(target.machine, `looking at ${target.machine}`, result, {
      code: 'host.look',
      remedy: `Log in on ${target.machine} and see what is wrong.`,
    })
  const said = new Map(
    result.stdout
      .split('\n')
      .flatMap((line): readonly (readonly [string, string])[] =>
        line.includes('=') ? [[line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]] : [],
      ),
  )
  const yes = (name: string): boolean => said.get(name) === 'yes'
  const state = {
    mark: said.get('mark') ?? '',
    kubelet: yes('kubelet'),
    admin: yes('admin'),
    apiserver: yes('apiserver'),
    joined: yes('joined'),
    ready: yes('ready'),
  }
  if (state.mark !== '' && state.mark !== mark) throw foreign(target, `it carries the mark ${state.mark}`)
  if (state.mark === '' && (state.kubelet || state.admin || state.apiserver))
    throw foreign(target, 'kubeadm has been run on it by hand or for another cluster')
  return state
}

function foreign(target: SshTarget, why: string): Problem {
  return new Problem({
    code: 'host.another-cluster',
    what: `${target.machine} (${target.address}) is part of another cluster: ${why}`,
    remedy: `Give this cluster another machine, or take ${target.machine} out of its cluster and run \`kubeadm reset\` on it yourself.`,
    retry: 'later',
  })
}
