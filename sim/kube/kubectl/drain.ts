import type { KubeObject } from '../object.ts'
import { at, list, text } from '../object.ts'
import { StatusError } from '../status.ts'
import type { CommandLine } from './command-line.ts'
import { durationMs } from './command-line.ts'
import type { Answer, KubectlSeams } from './answer.ts'
import { setUnschedulable } from './node-commands.ts'

/** kubectl waits this long before it tries to evict again. */
const RETRY_MS = 5_000
const LOOK_MS = 500
/** Without `--timeout` kubectl would wait for ever; an hour of simulated time is for ever here. */
const ENDLESS_MS = 3_600_000

/** `kubectl drain`, with the texts of `vectors/hosts/kubectl.jsonl`. */
export async function drain(seams: KubectlSeams, line: CommandLine, name: string): Promise<Answer> {
  const { api, clock } = seams
  const stdout: string[] = [setUnschedulable(seams, name, true)]
  const stderr: string[] = []
  const pods = api.store
    .list(api.kind('v1', 'Pod'))
    .filter((pod) => text(pod, 'spec', 'nodeName') === name && !isMirror(pod))
  const title = ({ metadata }: KubeObject) => `${metadata.namespace}/${metadata.name}`
  const owner = ({ metadata }: KubeObject) => metadata.ownerReferences?.find(({ controller }) => controller === true)
  const daemons = pods.filter((pod) => owner(pod)?.kind === 'DaemonSet')
  const others = pods.filter((pod) => owner(pod)?.kind !== 'DaemonSet')
  const unmanaged = others.filter((pod) => owner(pod) === undefined && !isDone(pod))
  const local = others.filter(
    (pod) => !isDone(pod) && list(pod, 'spec', 'volumes').some((volume) => at(volume, 'emptyDir') !== undefined),
  )
  const refusals = [
    ...(unmanaged.length > 0 && !line.on('force')
      ? [`cannot delete Pods that declare no controller (use --force to override): ${unmanaged.map(title).join(', ')}`]
      : []),
    ...(daemons.length > 0 && !line.on('ignore-daemonsets')
      ? [`cannot delete DaemonSet-managed Pods (use --ignore-daemonsets to ignore): ${daemons.map(title).join(', ')}`]
      : []),
    ...(local.length > 0 && !line.on('delete-emptydir-data')
      ? [
          `cannot delete Pods with local storage (use --delete-emptydir-data to override): ${local.map(title).join(', ')}`,
        ]
      : []),
  ]
  const failed = (why: string): Answer => ({
    exit: 1,
    stdout: stdout.join(''),
    stderr: `${stderr.join('')}error: unable to drain node "${name}" due to error: ${why}, continuing command...\nThere are pending nodes to be drained:\n ${name}\n${why}\n`,
  })
  if (refusals.length > 0) return failed(refusals.length === 1 ? (refusals[0] ?? '') : `[${refusals.join(', ')}]`)
  if (daemons.length > 0) stderr.push(`Warning: ignoring DaemonSet-managed Pods: ${daemons.map(title).join(', ')}\n`)
  const doomed = others.filter(({ metadata }) => metadata.deletionTimestamp === undefined)
  const asked = line.flag('timeout')
  const limit = asked === undefined || durationMs(asked) === 0 ? ENDLESS_MS : durationMs(asked)
  const grace = line.flag('grace-period')
  const options = grace === undefined || Number(grace) < 0 ? {} : { gracePeriodSeconds: Number(grace) }
  let waited = 0
  const pending = [...doomed]
  for (const pod of doomed) stdout.push(`evicting pod ${title(pod)}\n`)
  const evicted: KubeObject[] = []
  while (pending.length > 0) {
    for (const pod of pending.splice(0)) {
      try {
        api.evict(pod.metadata.namespace ?? '', pod.metadata.name, options)
        evicted.push(pod)
      } catch (error) {
        if (!(error instanceof StatusError)) throw error
        if (error.code === 404) continue
        if (error.code !== 429)
          return failed(
            `error when evicting pods/"${pod.metadata.name}" -n "${pod.metadata.namespace}": ${error.message}`,
          )
        stderr.push(
          `error when evicting pods/"${pod.metadata.name}" -n "${pod.metadata.namespace}" (will retry after 5s): ${error.message}\n`,
        )
        pending.push(pod)
      }
    }
    if (pending.length === 0) break
    if (waited >= limit)
      return failed(
        `error when evicting pods/"${pending[0]?.metadata.name}" -n "${pending[0]?.metadata.namespace}": global timeout reached: ${asked}`,
      )
    await clock.sleep(RETRY_MS)
    waited += RETRY_MS
  }
  for (const pod of evicted) {
    while (
      api.store.get(api.kind('v1', 'Pod'), pod.metadata.namespace, pod.metadata.name)?.metadata.uid === pod.metadata.uid
    ) {
      if (waited >= limit)
        return failed(
          `error when waiting for pod "${pod.metadata.name}" in namespace "${pod.metadata.namespace}" to terminate: global timeout reached: ${asked}`,
        )
      await clock.sleep(LOOK_MS)
      waited += LOOK_MS
    }
    stdout.push(`pod/${pod.metadata.name} evicted\n`)
  }
  stdout.push(`node/${name} drained\n`)
  return { exit: 0, stdout: stdout.join(''), stderr: stderr.join('') }
}

const isMirror = ({ metadata }: KubeObject): boolean =>
  metadata.annotations?.['kubernetes.io/config.mirror'] !== undefined
const isDone = (pod: KubeObject): boolean => ['Succeeded', 'Failed'].includes(text(pod, 'status', 'phase') ?? '')
