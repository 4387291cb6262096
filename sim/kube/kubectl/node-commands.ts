import type { Fields, KubeObject } from '../object.ts'
import { at, list, text } from '../object.ts'
import type { ResourceKind } from '../resource.ts'
import type { CommandLine } from './command-line.ts'
import type { KubectlSeams } from './answer.ts'
import { UsageError } from './answer.ts'
import { shortForm } from './print.ts'

const MANAGER = { fieldManager: 'kubectl' }

/** `cordon` and `uncordon`, and the first line of `drain`. */
export function setUnschedulable({ api }: KubectlSeams, name: string, wanted: boolean): string {
  const kind = api.kind('v1', 'Node')
  const node = api.get(kind, undefined, name)
  const verb = wanted ? 'cordoned' : 'uncordoned'
  if ((at(node, 'spec', 'unschedulable') === true) === wanted) return `node/${name} already ${verb}\n`
  const taints = list(node, 'spec', 'taints').filter(
    (taint) => text(taint, 'key') !== 'node.kubernetes.io/unschedulable',
  )
  const next = wanted ? [...taints, { effect: 'NoSchedule', key: 'node.kubernetes.io/unschedulable' }] : taints
  api.patch(
    kind,
    undefined,
    name,
    'merge',
    { spec: { unschedulable: wanted ? true : null, taints: next.length === 0 ? null : next } },
    MANAGER,
  )
  return `node/${name} ${verb}\n`
}

/** `label` and `annotate`: `key=value` sets, `key-` removes; an existing other value needs `--overwrite`. */
export function mark(
  { api }: KubectlSeams,
  line: CommandLine,
  what: 'labels' | 'annotations',
  kind: ResourceKind,
  object: KubeObject,
  changes: readonly string[],
): string {
  const now = object.metadata[what] ?? {}
  const patch: Record<string, string | null> = {}
  for (const change of changes) {
    const [, key = '', value] = /^([^=]+?)(?:=([\s\S]*)|-)$/.exec(change) ?? []
    if (key === '')
      throw new UsageError(`at least one ${what === 'labels' ? 'label' : 'annotation'} update is required`)
    if (value === undefined) {
      if (now[key] !== undefined) patch[key] = null
    } else if (now[key] !== undefined && now[key] !== value && !line.on('overwrite'))
      throw new UsageError(
        what === 'labels'
          ? `'${key}' already has a value (${now[key]}), and --overwrite is false`
          : `--overwrite is false but found the following declared annotation(s): '${key}' already has a value (${now[key]})`,
      )
    else if (now[key] !== value) patch[key] = value
  }
  const verb = what === 'labels' ? 'labeled' : 'annotated'
  const done = shortForm(kind, object.metadata.name)
  if (Object.keys(patch).length === 0) return what === 'labels' ? `${done} not labeled\n` : `${done} annotated\n`
  api.patch(kind, object.metadata.namespace, object.metadata.name, 'merge', { metadata: { [what]: patch } }, MANAGER)
  const removed = Object.values(patch).every((value) => value === null)
  return `${done} ${removed && what === 'labels' ? 'unlabeled' : verb}\n`
}

/** `taint`: `key=value:Effect` sets, `key:Effect-` or `key-` removes. */
export function taint({ api }: KubectlSeams, line: CommandLine, node: KubeObject, changes: readonly string[]): string {
  let taints = [...list(node, 'spec', 'taints')] as Fields[]
  let added = false
  let replaced = false
  for (const change of changes) {
    const removal = /^([^=:]+)(?:=[^:]*)?(?::(\w+))?-$/.exec(change)
    if (removal !== null) {
      const [, key = '', effect] = removal
      const kept = taints.filter(
        (item) => !(item['key'] === key && (effect === undefined || item['effect'] === effect)),
      )
      if (kept.length === taints.length)
        throw new UsageError(`taint "${effect === undefined ? key : `${key}:${effect}`}" not found`)
      taints = kept
      continue
    }
    const [, key = '', value, effect] = /^([^=:]+)(?:=([^:]*))?:(\w+)$/.exec(change) ?? []
    if (effect === undefined) throw new UsageError(`unknown taint spec: ${change}`)
    if (!['NoSchedule', 'PreferNoSchedule', 'NoExecute'].includes(effect))
      throw new UsageError(`invalid taint effect: ${effect}, unsupported taint effect`)
    const old = taints.find((item) => item['key'] === key && item['effect'] === effect)
    if (old !== undefined && !line.on('overwrite'))
      throw new UsageError(
        `node ${node.metadata.name} already has a taint(s) with same effect(s) and --overwrite is false`,
      )
    replaced ||= old !== undefined
    added = true
    taints = [
      ...taints.filter((item) => item !== old),
      { effect, key, ...(value === undefined || value === '' ? {} : { value }) },
    ]
  }
  api.patch(
    api.kind('v1', 'Node'),
    undefined,
    node.metadata.name,
    'merge',
    { spec: { taints: taints.length === 0 ? null : taints } },
    MANAGER,
  )
  return `node/${node.metadata.name} ${replaced ? 'modified' : added ? 'tainted' : 'untainted'}\n`
}
