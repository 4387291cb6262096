import { Problem } from '../../../src/core/problem.ts'
import type { Action } from '../../engine/action.ts'
import type { Lan } from '../../lan/lan.ts'
import { GUARD } from '../fence.ts'
import { scriptProblem } from '../script-problem.ts'
import { fileList, kubeadmFile, ONLY_CUT_OFF, WRITE_FILES } from './files.ts'
import { hostState } from './host-state.ts'
import { bootstrapToken } from './token.ts'

/** kubeadm itself waits four minutes for the control plane; image pulls come before. */
const TIMEOUT_MS = 15 * 60_000
const TOKEN_TTL = '2h0m0s'
const ADMIN_BEGIN = 'slipway-admin-conf-begin'

/**
 * An init that did not end well is reset first: nothing can have joined it, since joins wait for this step, so nothing
 * is lost. The configuration holds a token and exists only in memory and only while kubeadm runs.
 */
const INIT = `
set -eu
${GUARD}
socket=unix:///run/containerd/containerd.sock
# A kubeadm that goes on although its connection was lost is waited for, never reset under its feet.
exec 9> /var/lib/slipway/kubeadm.lock
flock -w 600 9 || { echo "kubeadm is still running on this host" >&2; exit 1; }
if [ ! -e /var/lib/slipway/joined ]; then
  if [ -e /etc/kubernetes/admin.conf ] || [ -e /etc/kubernetes/manifests/kube-apiserver.yaml ] || [ -d /var/lib/etcd/member ]; then
    if [ -z "$owner" ]; then echo "kubeadm files of somebody else are here" >&2; exit 91; fi
    ${ONLY_CUT_OFF}
    kubeadm reset -f --cri-socket "$socket" >/dev/null
    rm -rf /etc/cni/net.d
  fi
  printf '%s\\n' "$MARK" > /var/lib/slipway/cluster
  date -u +%FT%TZ > /var/lib/slipway/making
  ${WRITE_FILES}
  mkdir -p /run/slipway
  chmod 0700 /run/slipway
  config=/run/slipway/kubeadm.yaml
  trap 'rm -f "$config"' EXIT
  ( umask 077; printf '%s' "$CONFIG" > "$config" )
  kubeadm init --config "$config"
  date -u +%FT%TZ > /var/lib/slipway/joined
  rm -f /var/lib/slipway/making
fi
echo ${ADMIN_BEGIN}
cat /etc/kubernetes/admin.conf
`

export const initControlPlane: Action<'init-control-plane', Lan> = {
  timeoutMs: TIMEOUT_MS,
  async check(step, lan, context) {
    const state = await hostState(step.target, step.mark, lan, context)
    return state.joined && state.ready && lan.keys.kubeconfig() !== undefined ? 'done' : 'needed'
  },
  async apply(step, lan, context) {
    const token = bootstrapToken(lan)
    const config = kubeadmFile(
      step.config.map((document) =>
        document.kind === 'InitConfiguration'
          ? { ...document, bootstrapTokens: [{ token, ttl: TOKEN_TTL }] }
          : document,
      ),
    )
    context.progress('kubeadm init: pulling images and starting the control plane')
    const result = await lan.remote.run(
      step.target,
      INIT,
      { FENCE: String(lan.fence), MARK: step.mark, CONFIG: config, FILES: fileList(step.files) },
      { timeoutMs: TIMEOUT_MS, signal: context.signal },
    )
    if (result.exit !== 0)
      throw scriptProblem(step.target.machine, `kubeadm init on ${step.target.machine}`, result, {
        code: 'kubeadm.init',
        remedy: 'Mend what it names, then comment `/slipway apply`; the half-made control plane is reset first.',
      })
    const admin = result.stdout.split(`${ADMIN_BEGIN}\n`)[1] ?? ''
    if (!admin.includes('certificate-authority-data'))
      throw new Problem({
        code: 'kubeadm.no-kubeconfig',
        what: `${step.target.machine} gave no administrator's kubeconfig after kubeadm init`,
        remedy: `See /etc/kubernetes/admin.conf on ${step.target.machine}.`,
        retry: 'later',
      })
    lan.keys.recordKubeconfig(admin)
  },
}
