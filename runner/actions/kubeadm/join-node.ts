import type { KubeObject } from '../../../src/core/component.ts'
import { conditionOf } from '../../../src/core/conditions.ts'
import { ownerMark } from '../../../src/core/owner-mark.ts'
import { Problem } from '../../../src/core/problem.ts'
import type { KubeadmDocument } from '../../../src/core/steps/kubeadm.ts'
import type { Step } from '../../../src/core/step.ts'
import type { Action, ActionContext } from '../../engine/action.ts'
import type { Lan } from '../../lan/lan.ts'
import { addressOf } from '../../facts/kube-facts.ts'
import { GUARD } from '../fence.ts'
import { scriptProblem } from '../script-problem.ts'
import { fileList, kubeadmFile, ONLY_CUT_OFF, WRITE_FILES } from './files.ts'
import { hostState } from './host-state.ts'
import { targetOf } from './target.ts'
import { bootstrapToken, caCertHash, newCertificateKey, tokenSecret } from './token.ts'

const TIMEOUT_MS = 12 * 60_000
/** An unknown token or a silent API makes kubeadm retry without a word; a real join takes seconds. */
const JOIN_SECONDS = 420

const JOIN = `
set -eu
${GUARD}
socket=unix:///run/containerd/containerd.sock
# A kubeadm that goes on although its connection was lost is waited for, never reset under its feet.
exec 9> /var/lib/slipway/kubeadm.lock
flock -w 600 9 || { echo "kubeadm is still running on this host" >&2; exit 1; }
# Cut off after its join, but before it could note that: a member with pods on it is not reset.
if [ "$MEMBER" = yes ] && [ "$owner" = "$MARK" ] && [ -e /etc/kubernetes/kubelet.conf ] && [ ! -e /var/lib/slipway/joined ]; then
  date -u +%FT%TZ > /var/lib/slipway/joined
fi
if [ ! -e /var/lib/slipway/joined ]; then
  if [ -e /etc/kubernetes/kubelet.conf ] || [ -e /etc/kubernetes/pki/ca.crt ]; then
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
  timeout ${JOIN_SECONDS} kubeadm join --config "$config"
  date -u +%FT%TZ > /var/lib/slipway/joined
fi
rm -f /var/lib/slipway/making
`

const UPLOAD_CERTIFICATES = `
set -eu
${GUARD}
mkdir -p /run/slipway
chmod 0700 /run/slipway
config=/run/slipway/upload-certs.yaml
trap 'rm -f "$config"' EXIT
( umask 077; printf '%s' "$CONFIG" > "$config" )
kubeadm init phase upload-certs --upload-certs --config "$config" >/dev/null
`

export const joinNode: Action<'join-node', Lan> = {
  timeoutMs: TIMEOUT_MS,
  async check(step, lan, context) {
    const state = await hostState(step.target, step.mark, lan, context)
    const kube = await lan.kube()
    const node = await kube.get({ apiVersion: 'v1', kind: 'Node', name: step.target.machine })
    if (node !== undefined && addressOf(node) !== '' && addressOf(node) !== step.target.address)
      throw new Problem({
        code: 'kube.node-name-taken',
        what: `the cluster has a node "${step.target.machine}" at ${addressOf(node)}, not at ${step.target.address}`,
        remedy: `Give this machine another name, or remove that node: kubectl delete node ${step.target.machine}`,
        retry: 'later',
      })
    return node !== undefined && state.kubelet && state.joined ? 'done' : 'needed'
  },
  async apply(step, lan, context) {
    const kube = await lan.kube()
    await kube.version()
    const token = bootstrapToken(lan)
    await kube.apply([tokenSecret(token, lan.clock.now())])
    const node = await kube.get({ apiVersion: 'v1', kind: 'Node', name: step.target.machine })
    const certificateKey = step.role === 'control-plane' ? await uploadCertificates(step, lan, context) : undefined
    const kubeconfig = lan.keys.kubeconfig()
    if (kubeconfig === undefined)
      throw new Problem({
        code: 'kube.no-credentials',
        what: 'there are no administrator credentials for this cluster yet',
        retry: 'later',
      })
    const discovery = {
      bootstrapToken: {
        token,
        apiServerEndpoint: `${bracketed(step.endpoint.host)}:${step.endpoint.port}`,
        caCertHashes: [caCertHash(kubeconfig)],
      },
    }
    const config = kubeadmFile(
      step.config.map((document) =>
        document.kind === 'JoinConfiguration' ? joinDocument(document, discovery, certificateKey) : document,
      ),
    )
    context.progress(step.role === 'control-plane' ? 'kubeadm join: control plane and etcd member' : 'kubeadm join')
    const result = await lan.remote.run(
      step.target,
      JOIN,
      {
        FENCE: String(lan.fence),
        MARK: step.mark,
        CONFIG: config,
        FILES: fileList(step.files),
        MEMBER: isWhole(node, step.role) ? 'yes' : 'no',
      },
      { timeoutMs: TIMEOUT_MS, signal: context.signal },
    )
    if (result.exit === 124)
      throw new Problem({
        code: 'kubeadm.join-timeout',
        what: `${step.target.machine} did not join within ${JOIN_SECONDS / 60} minutes`,
        where: step.target.machine,
        remedy: `See that ${step.target.machine} reaches ${step.endpoint.host}:${step.endpoint.port}, then comment \`/slipway apply\`.`,
        retry: 'later',
      })
    if (result.exit !== 0)
      throw scriptProblem(step.target.machine, `${step.target.machine} did not join`, result, {
        code: 'kubeadm.join',
        remedy: 'Mend what it names, then comment `/slipway apply` to go on with this step.',
      })
  },
}

/** Whether the cluster itself says that a join ended well; kubeadm marks a control plane after its etcd member runs. */
function isWhole(node: KubeObject | undefined, role: Step<'join-node'>['role']): boolean {
  const marked = 'node-role.kubernetes.io/control-plane' in (node?.metadata.labels ?? {})
  return conditionOf(node, 'Ready')?.status === 'True' && (role === 'worker' || marked)
}

function joinDocument(
  document: KubeadmDocument,
  discovery: object,
  certificateKey: string | undefined,
): KubeadmDocument {
  const controlPlane = document['controlPlane']
  return {
    ...document,
    discovery,
    ...(certificateKey === undefined || typeof controlPlane !== 'object'
      ? {}
      : { controlPlane: { ...controlPlane, certificateKey } }),
  }
}

/** Has a control plane that is there share its certificates, encrypted under a key made here, for two hours. */
async function uploadCertificates(step: Step<'join-node'>, lan: Lan, context: ActionContext): Promise<string> {
  const source = lan.spec.machines.find(
    (machine) => machine.role === 'control-plane' && machine.name !== step.target.machine,
  )
  if (source === undefined)
    throw new Problem({ code: 'kubeadm.no-control-plane', what: 'there is no control plane to join', retry: 'never' })
  const target = targetOf(source, lan)
  const certificateKey = newCertificateKey()
  const apiVersion = 'kubeadm.k8s.io/v1beta4'
  // Without a version kubeadm asks the Internet for the newest one.
  const config = kubeadmFile([
    { apiVersion, kind: 'InitConfiguration', certificateKey },
    { apiVersion, kind: 'ClusterConfiguration', kubernetesVersion: `v${step.kubernetesVersion}` },
  ])
  const result = await lan.remote.run(
    target,
    UPLOAD_CERTIFICATES,
    { CONFIG: config, FENCE: String(lan.fence), MARK: ownerMark(lan.spec, source.name) },
    { timeoutMs: 120_000, signal: context.signal },
  )
  if (result.exit !== 0)
    throw scriptProblem(source.name, `sharing the control plane's certificates from ${source.name}`, result, {
      code: 'kubeadm.upload-certs',
      remedy: `See that the API on ${source.name} answers, then comment \`/slipway apply\`.`,
    })
  return certificateKey
}

function bracketed(host: string): string {
  return host.includes(':') ? `[${host}]` : host
}
