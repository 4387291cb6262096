import { conditionOf, statusOf } from '../../../src/core/conditions.ts'
import type { EngineStatus } from '../../../src/core/facts.ts'
import { Problem } from '../../../src/core/problem.ts'
import type { Step } from '../../../src/core/step.ts'
import type { Action } from '../../engine/action.ts'
import type { Lan } from '../../lan/lan.ts'
import { readRecord } from '../gitops/record.ts'

/** A CNI of several hundred megabytes and an engine's first sync over a home connection. */
const TIMEOUT_MS = 20 * 60_000
const LOOK_AGAIN_MS = 2_000
/** A failure that an engine reports may be one of its first tries; one that lasts this long is real. */
const FAILING_FOR_MS = 45_000

export const awaitCluster: Action<'await-cluster', Lan> = {
  timeoutMs: TIMEOUT_MS,
  async check(step, lan) {
    return (await missing(step, lan)).waiting.length === 0 ? 'done' : 'needed'
  },
  async apply(step, lan, context) {
    const nudged = String(lan.clock.now())
    const kube = await lan.kube()
    if ((await readRecord(kube)).get('engine.pointed') !== undefined)
      for (const { target, patch } of lan.engine.nudge(lan.spec, nudged)) await kube.patch(target, patch)
    let failingSince: number | undefined
    for (;;) {
      const { waiting, engine } = await missing(step, lan)
      if (waiting.length === 0) return
      context.progress(`waiting for ${waiting.slice(0, 4).join(', ')}`)
      failingSince = engine?.state === 'failed' ? (failingSince ?? lan.clock.now()) : undefined
      if (failingSince !== undefined && lan.clock.now() - failingSince > FAILING_FOR_MS)
        throw engineProblem(lan, engine?.message ?? '')
      if (lan.clock.now() > context.deadline - LOOK_AGAIN_MS * 2)
        throw new Problem({
          code: 'kube.not-ready',
          what: `still waiting for ${waiting.join(', ')}`,
          remedy: 'See `kubectl get nodes` and `kubectl -n kube-system get pods`, then comment `/slipway apply`.',
          retry: 'later',
        })
      await lan.clock.sleep(LOOK_AGAIN_MS, context.signal)
    }
  },
}

async function missing(
  step: Step<'await-cluster'>,
  lan: Lan,
): Promise<{ readonly waiting: readonly string[]; readonly engine?: EngineStatus }> {
  const kube = await lan.kube()
  const nodes = await kube.list('v1', 'Node')
  const waiting = step.nodes.filter(
    (name) =>
      conditionOf(
        nodes.find((node) => node.metadata.name === name),
        'Ready',
      )?.status !== 'True',
  )
  const dns = await kube.get({ apiVersion: 'apps/v1', kind: 'Deployment', namespace: 'kube-system', name: 'coredns' })
  const dnsUp = Number(statusOf(dns)['availableReplicas'] ?? 0) > 0 ? [] : ['CoreDNS']
  if ((await readRecord(kube)).get('engine.pointed') === undefined) return { waiting: [...waiting, ...dnsUp] }
  const watched = await Promise.all(lan.engine.watched(lan.spec).map((ref) => kube.get(ref)))
  const engine = lan.engine.readStatus(watched.filter((object) => object !== undefined))
  return {
    waiting: [...waiting, ...dnsUp, ...(engine.state === 'ready' ? [] : [`${lan.engine.name} (${engine.state})`])],
    engine,
  }
}

/** An engine's failure with the remedy that its words call for. */
function engineProblem(lan: Lan, message: string): Problem {
  const remedies: readonly (readonly [RegExp, string])[] = [
    [
      /unable to authenticate|permission denied|publickey/i,
      'The deploy key is not accepted: see that it is registered at the forge, then comment `/slipway apply`.',
    ],
    [
      /key mismatch|knownhosts|host key/i,
      "The forge's SSH host key is not the one expected. If it was really changed, update the known hosts; otherwise find out who answers.",
    ],
    [
      /decrypt|sops|identity did not match/i,
      "A sealed file is not sealed to this cluster's recipient: see .sops.yaml and seal it again.",
    ],
    [/path not found|no such file/i, 'A folder or file that the bundle names is not in the repository: merge it.'],
  ]
  const remedy =
    remedies.find(([pattern]) => pattern.test(message))?.[1] ?? 'Mend the manifest that it names in a new pull.'
  return new Problem({
    code: 'gitops.failed',
    what: `${lan.engine.name} cannot apply the repository: ${message}`,
    remedy,
    retry: 'later',
  })
}
