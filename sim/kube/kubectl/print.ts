import { stringify } from 'yaml'
import type { KubeObject } from '../object.ts'
import { at, isRecord, list, number, text } from '../object.ts'
import type { ResourceKind } from '../resource.ts'
import { jsonPath } from './json-path.ts'

/** `node/k3`, `deployment.apps/web` */
export const shortForm = (kind: ResourceKind, name: string): string =>
  `${kind.group === '' ? kind.singular : `${kind.singular}.${kind.group}`}/${name}`

/** `2m5s`, `13m`, `4h`, `3d`: kubectl's human durations. */
function age(since: string | undefined, now: number): string {
  const seconds = Math.max(0, Math.floor((now - Date.parse(since ?? '')) / 1000))
  if (Number.isNaN(seconds)) return '<unknown>'
  if (seconds < 120) return `${seconds}s`
  const minutes = Math.floor(seconds / 60)
  if (minutes < 10) return seconds % 60 === 0 ? `${minutes}m` : `${minutes}m${seconds % 60}s`
  if (minutes < 180) return `${minutes}m`
  const hours = Math.floor(minutes / 60)
  return hours < 48 ? `${hours}h` : `${Math.floor(hours / 24)}d`
}

function columns(
  kind: ResourceKind,
  object: KubeObject,
  wide: boolean,
  now: number,
): readonly (readonly [string, string])[] {
  const { metadata } = object
  const old = ['AGE', age(metadata.creationTimestamp, now)] as const
  const count = (...path: readonly string[]) => String(number(object, ...path) ?? 0)
  switch (kind.kind) {
    case 'Node': {
      const ready = list(object, 'status', 'conditions').find((item) => text(item, 'type') === 'Ready')
      const state = text(ready, 'status') === 'True' ? 'Ready' : 'NotReady'
      const roles = Object.keys(metadata.labels ?? {}).flatMap((key) =>
        key.startsWith('node-role.kubernetes.io/') ? [key.slice(24)] : [],
      )
      return [
        ['NAME', metadata.name],
        ['STATUS', at(object, 'spec', 'unschedulable') === true ? `${state},SchedulingDisabled` : state],
        ['ROLES', roles.length === 0 ? '<none>' : roles.sort().join(',')],
        old,
        ['VERSION', text(object, 'status', 'nodeInfo', 'kubeletVersion') ?? ''],
        ...(wide
          ? ([
              ['INTERNAL-IP', text(list(object, 'status', 'addresses')[0], 'address') ?? '<none>'],
              ['EXTERNAL-IP', '<none>'],
              ['OS-IMAGE', text(object, 'status', 'nodeInfo', 'osImage') ?? ''],
              ['KERNEL-VERSION', text(object, 'status', 'nodeInfo', 'kernelVersion') ?? ''],
              ['CONTAINER-RUNTIME', text(object, 'status', 'nodeInfo', 'containerRuntimeVersion') ?? ''],
            ] as const)
          : []),
      ]
    }
    case 'Pod': {
      const containers = list(object, 'spec', 'containers').length
      const ready = list(object, 'status', 'containerStatuses').filter((item) => at(item, 'ready') === true).length
      const phase = text(object, 'status', 'phase') ?? 'Pending'
      const shown =
        metadata.deletionTimestamp !== undefined ? 'Terminating' : phase === 'Succeeded' ? 'Completed' : phase
      return [
        ['NAME', metadata.name],
        ['READY', `${ready}/${containers}`],
        ['STATUS', shown],
        ['RESTARTS', '0'],
        old,
        ...(wide
          ? ([
              ['IP', text(object, 'status', 'podIP') ?? '<none>'],
              ['NODE', text(object, 'spec', 'nodeName') ?? '<none>'],
              ['NOMINATED NODE', '<none>'],
              ['READINESS GATES', '<none>'],
            ] as const)
          : []),
      ]
    }
    case 'Namespace':
      return [['NAME', metadata.name], ['STATUS', text(object, 'status', 'phase') ?? ''], old]
    case 'Deployment':
      return [
        ['NAME', metadata.name],
        ['READY', `${count('status', 'readyReplicas')}/${count('spec', 'replicas')}`],
        ['UP-TO-DATE', count('status', 'updatedReplicas')],
        ['AVAILABLE', count('status', 'availableReplicas')],
        old,
      ]
    case 'DaemonSet':
      return [
        ['NAME', metadata.name],
        ['DESIRED', count('status', 'desiredNumberScheduled')],
        ['CURRENT', count('status', 'currentNumberScheduled')],
        ['READY', count('status', 'numberReady')],
        ['UP-TO-DATE', count('status', 'updatedNumberScheduled')],
        ['AVAILABLE', count('status', 'numberAvailable')],
        ['NODE SELECTOR', '<none>'],
        old,
      ]
    case 'StatefulSet':
      return [
        ['NAME', metadata.name],
        ['READY', `${count('status', 'readyReplicas')}/${count('spec', 'replicas')}`],
        old,
      ]
    case 'Secret':
      return [
        ['NAME', metadata.name],
        ['TYPE', text(object, 'type') ?? ''],
        ['DATA', String(Object.keys(at(object, 'data') ?? {}).length)],
        old,
      ]
    case 'ConfigMap':
      return [['NAME', metadata.name], ['DATA', String(Object.keys(at(object, 'data') ?? {}).length)], old]
    default:
      return [['NAME', metadata.name], old]
  }
}

export interface TableOptions {
  readonly wide: boolean
  readonly withNamespace: boolean
  readonly headers: boolean
  readonly now: number
}

export function table(
  kind: ResourceKind,
  objects: readonly KubeObject[],
  { wide, withNamespace, headers, now }: TableOptions,
): string {
  const rows = objects.map((object) => [
    ...(withNamespace ? ([['NAMESPACE', object.metadata.namespace ?? '']] as const) : []),
    ...columns(kind, object, wide, now),
  ])
  const [first] = rows
  if (first === undefined) return ''
  const lines = [
    ...(headers ? [first.map(([title]) => title)] : []),
    ...rows.map((row) => row.map(([, value]) => value)),
  ]
  const widths = first.map((_, column) => Math.max(...lines.map((line) => (line[column] ?? '').length)))
  return lines
    .map(
      (line) =>
        `${line.map((value, column) => (column === line.length - 1 ? value : value.padEnd((widths[column] ?? 0) + 3))).join('')}\n`,
    )
    .join('')
}

/** Keys in the order of the alphabet, as kubectl prints; who owns which field is left out. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted)
  if (!isRecord(value)) return value
  return Object.fromEntries(
    Object.keys(value)
      .sort()
      .map((key) => [key, sorted(value[key])]),
  )
}

const withoutOwners = (object: KubeObject): KubeObject => {
  const { managedFields: _, ...metadata } = object.metadata
  return { ...object, metadata }
}

/** `-o json|yaml|name|jsonpath=…` of one object, or of a List of them. */
export function printed(format: string, kind: ResourceKind, objects: readonly KubeObject[], single: boolean): string {
  const clean = objects.map(withoutOwners)
  const whole: unknown = single
    ? clean[0]
    : { apiVersion: 'v1', items: clean, kind: 'List', metadata: { resourceVersion: '' } }
  if (format === 'json') return `${JSON.stringify(sorted(whole), null, 4)}\n`
  if (format === 'yaml') return stringify(sorted(whole), { lineWidth: 0, indentSeq: false })
  if (format === 'name') return objects.map(({ metadata }) => `${shortForm(kind, metadata.name)}\n`).join('')
  const template = /^jsonpath=(.*)$/s.exec(format)?.[1]
  if (template !== undefined)
    return jsonPath(template.startsWith('{') || !template.startsWith('.') ? template : `{${template}}`, whole)
  throw new Error(
    `unable to match a printer suitable for the output format "${format}", allowed formats are: custom-columns,custom-columns-file,go-template,go-template-file,json,jsonpath,jsonpath-as-json,jsonpath-file,name,template,templatefile,wide,yaml`,
  )
}
