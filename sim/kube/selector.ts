import type { KubeObject } from './object.ts'
import { at, list, strings, text } from './object.ts'
import type { ResourceKind } from './resource.ts'
import { apiVersionOf } from './resource.ts'
import { badRequest } from './status.ts'

export type Labels = Readonly<Record<string, string>>

/** Parses `a=b,c!=d,e in (x,y),f notin (z),g,!h`. */
export function labelSelector(source: string): (labels: Labels) => boolean {
  const terms = source.match(/(?:[^,(]|\([^)]*\))+/g) ?? []
  const tests = terms.map((raw) => {
    const term = raw.trim()
    const set = /^(\S+)\s+(in|notin)\s+\(([^)]*)\)$/.exec(term)
    if (set !== null) {
      const [, key = '', operator, inside = ''] = set
      const values = inside.split(',').map((value) => value.trim())
      return (labels: Labels) => {
        const value = labels[key]
        return operator === 'in'
          ? value !== undefined && values.includes(value)
          : value === undefined || !values.includes(value)
      }
    }
    const equality = /^([^=!\s]+)\s*(==|=|!=)\s*(\S*)$/.exec(term)
    if (equality !== null) {
      const [, key = '', operator, value = ''] = equality
      return (labels: Labels) => (operator === '!=' ? labels[key] !== value : labels[key] === value)
    }
    const presence = /^(!?)\s*([^\s=!()]+)$/.exec(term)
    if (presence === null)
      throw badRequest(`unable to parse requirement: found '${term}', expected: an identifier or '!'`)
    const [, absent, key = ''] = presence
    return (labels: Labels) => (labels[key] === undefined) === (absent === '!')
  })
  return (labels) => tests.every((test) => test(labels))
}

/** A `LabelSelector` object; an empty one matches everything, as in a PodDisruptionBudget of policy/v1. */
export function matchesSelector(selector: unknown, labels: Labels): boolean {
  return (
    Object.entries(strings(selector, 'matchLabels')).every(([key, value]) => labels[key] === value) &&
    list(selector, 'matchExpressions').every((expression) => {
      const value = labels[text(expression, 'key') ?? '']
      const values = list(expression, 'values')
      switch (text(expression, 'operator') ?? '') {
        case 'In':
          return value !== undefined && values.includes(value)
        case 'NotIn':
          return value === undefined || !values.includes(value)
        case 'Exists':
          return value !== undefined
        case 'DoesNotExist':
          return value === undefined
        default:
          return false
      }
    })
  )
}

/** The fields, beside name and namespace, by which each resource can be selected. */
const SELECTABLE: Readonly<Record<string, readonly string[]>> = {
  pods: [
    'spec.nodeName',
    'spec.restartPolicy',
    'spec.schedulerName',
    'spec.serviceAccountName',
    'status.phase',
    'status.podIP',
    'status.nominatedNodeName',
  ],
  nodes: ['spec.unschedulable'],
  secrets: ['type'],
  namespaces: ['status.phase'],
  replicasets: ['status.replicas'],
  jobs: ['status.successful'],
  certificatesigningrequests: ['spec.signerName'],
  services: ['spec.clusterIP', 'spec.type'],
  events: [
    'involvedObject.kind',
    'involvedObject.namespace',
    'involvedObject.name',
    'involvedObject.uid',
    'reason',
    'reportingComponent',
    'source',
    'type',
  ],
}

/** Parses `metadata.name=x,status.phase!=Running`. */
export function fieldSelector(source: string, kind: ResourceKind, labels = ''): (object: KubeObject) => boolean {
  const tests = source
    .split(',')
    .filter((term) => term !== '')
    .map((term) => {
      const [, field = '', operator = '', value = ''] = /^([^=!]+)(==|=|!=)(.*)$/.exec(term) ?? []
      if (operator === '') throw badRequest(`invalid field selector: ${term}; can't understand '${term}'`)
      if (!['metadata.name', 'metadata.namespace', ...(SELECTABLE[kind.plural] ?? [])].includes(field))
        throw badRequest(
          `Unable to find "${apiVersionOf(kind)}, Resource=${kind.plural}" that match label selector "${labels}", field selector "${source}": field label not supported: ${field}`,
        )
      return (object: KubeObject) => {
        const found = at(object, ...field.split('.'))
        const shown =
          found === undefined
            ? field === 'spec.unschedulable'
              ? 'false'
              : ''
            : JSON.stringify(found).replaceAll('"', '')
        return (shown === value) === (operator !== '!=')
      }
    })
  return (object) => tests.every((test) => test(object))
}
