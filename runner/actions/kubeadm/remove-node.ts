import { Problem } from '../../../src/core/problem.ts'
import { ownerMark } from '../../../src/core/owner-mark.ts'
import type { Action } from '../../engine/action.ts'
import type { Lan } from '../../lan/lan.ts'
import { GUARD } from '../fence.ts'
import { scriptProblem } from '../script-problem.ts'

const TIMEOUT_MS = 10 * 60_000

/** Takes back what kubeadm and the CNI made on a host; settings of the host itself stay. */
const RESET = `
set -eu
${GUARD}
if [ "$owner" = "$MARK" ]; then
  kubeadm reset -f --cri-socket unix:///run/containerd/containerd.sock >/dev/null
  rm -rf /etc/cni/net.d /var/lib/slipway/joined /var/lib/slipway/making
  for link in cni0 flannel.1 cilium_host cilium_net cilium_vxlan; do ip link delete "$link" 2>/dev/null || true; done
  rm -f /var/lib/slipway/cluster
fi
`

export const removeNode: Action<'remove-node', Lan> = {
  timeoutMs: TIMEOUT_MS,
  async check(step, lan) {
    const node = await (await lan.kube()).get({ apiVersion: 'v1', kind: 'Node', name: step.node })
    return node === undefined ? 'done' : 'needed'
  },
  async apply(step, lan, context) {
    if (step.role === 'control-plane')
      throw new Problem({
        code: 'kube.remove-control-plane',
        what: `removing the control plane ${step.node} is not yet supported`,
        remedy: 'Keep it in the spec.',
        retry: 'never',
      })
    if (step.target !== undefined) {
      const { target } = step
      try {
        // The kubelet is stopped by the reset before its node goes, or it would register itself again.
        const result = await lan.remote.run(
          target,
          RESET,
          { FENCE: String(lan.fence), MARK: ownerMark(lan.spec, target.machine) },
          { timeoutMs: 5 * 60_000, signal: context.signal },
        )
        if (result.exit !== 0)
          throw scriptProblem(target.machine, `resetting ${target.machine}`, result, {
            code: 'kubeadm.reset',
            remedy: `Log in on ${target.machine} and see what is wrong, then comment \`/slipway apply\`.`,
          })
      } catch (error) {
        if (!(error instanceof Problem) || error.code !== 'ssh.unreachable') throw error
        context.progress(`${target.machine} does not answer; its node is removed all the same`)
      }
    }
    await (await lan.kube()).delete({ apiVersion: 'v1', kind: 'Node', name: step.node })
  },
}
