import type { Fields, KubeObject } from './object.ts'
import { fields, isRecord, list, put, strings, text } from './object.ts'
import type { ResourceKind } from './resource.ts'
import { matchesSelector } from './selector.ts'
import { applyDefaults, prune, violations } from './schema.ts'
import type { Cause } from './status.ts'

/**
 * Defaults and checks of the built-in kinds, as far as the simulated controllers and the product's objects meet them;
 * custom resources are held to their own schema.
 */

const SUBDOMAIN = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/
const QUALIFIED_NAME = /^([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]$/
const LABEL_VALUE = /^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$/
/** A Secret or ConfigMap holds at most 1 MiB; annotations together at most 256 KiB. */
const MAX_DATA_BYTES = 1_048_576
const MAX_ANNOTATION_BYTES = 262_144
const SUBDOMAIN_RULE =
  "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"

/** RBAC names may hold colons. */
const LOOSE_NAMES = new Set(['roles', 'clusterroles', 'rolebindings', 'clusterrolebindings'])

export function setDefaults(kind: ResourceKind, object: KubeObject): void {
  if (kind.crd !== undefined) {
    prune(kind.schema, object)
    applyDefaults(kind.schema, object)
    return
  }
  const spec = isRecord(object['spec']) ? object['spec'] : undefined
  switch (kind.kind) {
    case 'Namespace':
      put(object, ['metadata', 'labels', 'kubernetes.io/metadata.name'], object.metadata.name)
      object['spec'] = { finalizers: ['kubernetes'], ...spec }
      object['status'] ??= { phase: 'Active' }
      break
    case 'Secret':
      object['type'] ??= 'Opaque'
      if (isRecord(object['stringData'])) {
        const encoded = Object.entries(strings(object, 'stringData')).map(([key, value]) => [
          key,
          Buffer.from(value).toString('base64'),
        ])
        object['data'] = { ...fields(object, 'data'), ...(Object.fromEntries(encoded) as Fields) }
        delete object['stringData']
      }
      break
    case 'Pod':
      if (spec !== undefined) podDefaults(spec)
      object['status'] ??= { phase: 'Pending', qosClass: 'BestEffort' }
      break
    case 'Deployment':
      if (spec === undefined) break
      defaults(spec, {
        replicas: 1,
        revisionHistoryLimit: 10,
        progressDeadlineSeconds: 600,
        strategy: { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: '25%', maxSurge: '25%' } },
      })
      templateDefaults(spec)
      break
    case 'DaemonSet':
      if (spec === undefined) break
      defaults(spec, {
        revisionHistoryLimit: 10,
        updateStrategy: { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: 1, maxSurge: 0 } },
      })
      templateDefaults(spec)
      break
    case 'StatefulSet':
      if (spec === undefined) break
      defaults(spec, {
        replicas: 1,
        revisionHistoryLimit: 10,
        podManagementPolicy: 'OrderedReady',
        updateStrategy: { type: 'RollingUpdate', rollingUpdate: { partition: 0 } },
      })
      templateDefaults(spec)
      break
    case 'Job':
      if (spec === undefined) break
      defaults(spec, { backoffLimit: 6, completions: 1, parallelism: 1, completionMode: 'NonIndexed', suspend: false })
      templateDefaults(spec)
      break
    case 'Service':
      if (spec === undefined) break
      defaults(spec, { type: 'ClusterIP', sessionAffinity: 'None', internalTrafficPolicy: 'Cluster' })
      for (const port of list(spec, 'ports'))
        if (isRecord(port)) defaults(port, { protocol: 'TCP', targetPort: port['port'] })
      object['status'] ??= { loadBalancer: {} }
      break
    case 'PersistentVolumeClaim':
      if (spec !== undefined) defaults(spec, { volumeMode: 'Filesystem' })
      object['status'] ??= { phase: 'Pending' }
      break
    case 'CustomResourceDefinition':
      if (spec === undefined) break
      defaults(spec, { conversion: { strategy: 'None' } })
      if (isRecord(spec['names'])) {
        const name = text(spec, 'names', 'kind') ?? ''
        defaults(spec['names'], { listKind: `${name}List`, singular: name.toLowerCase() })
      }
      break
    default:
  }
}

function defaults(target: Fields, values: Fields): void {
  for (const [key, value] of Object.entries(values))
    if (target[key] === undefined && value !== undefined) target[key] = value
}

function templateDefaults(spec: Fields): void {
  if (isRecord(spec['template']) && isRecord(spec['template']['spec'])) podDefaults(spec['template']['spec'])
}

function podDefaults(spec: Fields): void {
  defaults(spec, {
    restartPolicy: 'Always',
    dnsPolicy: 'ClusterFirst',
    schedulerName: 'default-scheduler',
    securityContext: {},
    terminationGracePeriodSeconds: 30,
  })
  for (const container of [...list(spec, 'containers'), ...list(spec, 'initContainers')]) {
    if (!isRecord(container)) continue
    const image = text(container, 'image') ?? ''
    const latest = !/[:@]/.test(image.slice(image.lastIndexOf('/') + 1)) || image.endsWith(':latest')
    defaults(container, {
      imagePullPolicy: latest ? 'Always' : 'IfNotPresent',
      resources: {},
      terminationMessagePath: '/dev/termination-log',
      terminationMessagePolicy: 'File',
    })
    for (const port of list(container, 'ports')) if (isRecord(port)) defaults(port, { protocol: 'TCP' })
  }
}

export function problems(kind: ResourceKind, object: KubeObject, live: KubeObject | undefined): Cause[] {
  const causes: Cause[] = []
  const refuse = (field: string, message: string, reason = 'FieldValueInvalid') =>
    causes.push({ reason, message, field })
  const { name, labels = {}, annotations = {} } = object.metadata
  if (name === '' || name === undefined)
    refuse('metadata.name', 'Required value: name or generateName is required', 'FieldValueRequired')
  else if (!LOOSE_NAMES.has(kind.plural) && (!SUBDOMAIN.test(name) || name.length > 253))
    refuse('metadata.name', `Invalid value: ${JSON.stringify(name)}: ${SUBDOMAIN_RULE}`)
  for (const [key, value] of Object.entries(labels)) {
    const [prefix, short] = key.includes('/')
      ? [key.slice(0, key.indexOf('/')), key.slice(key.indexOf('/') + 1)]
      : ['', key]
    if (!QUALIFIED_NAME.test(short) || short.length > 63 || (prefix !== '' && !SUBDOMAIN.test(prefix)))
      refuse(
        'metadata.labels',
        `Invalid value: ${JSON.stringify(key)}: name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character`,
      )
    if (typeof value === 'string' && (!LABEL_VALUE.test(value) || value.length > 63))
      refuse(
        'metadata.labels',
        `Invalid value: ${JSON.stringify(value)}: must be no more than 63 bytes and consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character`,
      )
  }
  if (
    Object.entries(annotations).reduce((sum, [key, value]) => sum + key.length + value.length, 0) > MAX_ANNOTATION_BYTES
  )
    refuse('metadata.annotations', `Too long: may not be more than ${MAX_ANNOTATION_BYTES} bytes`, 'FieldValueTooLong')
  causes.push(...(kind.crd === undefined ? builtInProblems(kind, object, live) : violations(kind.schema, object)))
  return causes
}

function builtInProblems(kind: ResourceKind, object: KubeObject, live: KubeObject | undefined): Cause[] {
  const causes: Cause[] = violations(kind.schema, object).filter(({ reason }) => reason === 'FieldValueRequired')
  const refuse = (field: string, message: string, reason = 'FieldValueInvalid') =>
    causes.push({ reason, message, field })
  switch (kind.kind) {
    case 'Secret':
    case 'ConfigMap': {
      let bytes = 0
      for (const [key, value] of Object.entries({ ...strings(object, 'data'), ...strings(object, 'binaryData') })) {
        if (!/^[-._a-zA-Z0-9]+$/.test(key))
          refuse(
            `data[${key}]`,
            `Invalid value: ${JSON.stringify(key)}: a valid config key must consist of alphanumeric characters, '-', '_' or '.'`,
          )
        bytes += value.length
      }
      if (bytes > MAX_DATA_BYTES)
        refuse('data', `Too long: may not be more than ${MAX_DATA_BYTES} bytes`, 'FieldValueTooLong')
      if (live?.['immutable'] === true && JSON.stringify(live['data']) !== JSON.stringify(object['data']))
        refuse('data', 'Forbidden: field is immutable when `immutable` is set', 'FieldValueForbidden')
      if (kind.kind === 'Secret' && live !== undefined && live['type'] !== object['type'])
        refuse('type', `Invalid value: ${JSON.stringify(object['type'])}: field is immutable`)
      break
    }
    case 'Deployment':
    case 'DaemonSet':
    case 'StatefulSet': {
      const selector = fields(object, 'spec', 'selector')
      const labels = strings(object, 'spec', 'template', 'metadata', 'labels')
      if (Object.keys(selector).length === 0) {
        if (!causes.some(({ field }) => field === 'spec.selector'))
          refuse('spec.selector', 'Required value', 'FieldValueRequired')
      } else if (!matchesSelector(selector, labels))
        refuse(
          'spec.template.metadata.labels',
          `Invalid value: ${JSON.stringify(labels)}: \`selector\` does not match template \`labels\``,
        )
      if (live !== undefined && JSON.stringify(fields(live, 'spec', 'selector')) !== JSON.stringify(selector))
        refuse('spec.selector', `Invalid value: ${JSON.stringify(selector)}: field is immutable`)
      break
    }
    case 'Job':
      if (
        live !== undefined &&
        JSON.stringify(fields(live, 'spec', 'template')) !== JSON.stringify(fields(object, 'spec', 'template'))
      )
        refuse('spec.template', 'Invalid value: field is immutable')
      break
    case 'CustomResourceDefinition': {
      const wanted = `${text(object, 'spec', 'names', 'plural')}.${text(object, 'spec', 'group')}`
      if (object.metadata.name !== wanted)
        refuse(
          'metadata.name',
          `Invalid value: ${JSON.stringify(object.metadata.name)}: must be spec.names.plural+"."+spec.group`,
        )
      break
    }
    case 'Node':
      for (const taint of list(object, 'spec', 'taints')) {
        const effect = text(taint, 'effect') ?? ''
        if (!['NoSchedule', 'PreferNoSchedule', 'NoExecute'].includes(effect))
          refuse(
            'spec.taints[0].effect',
            `Unsupported value: ${JSON.stringify(effect)}: supported values: "NoExecute", "NoSchedule", "PreferNoSchedule"`,
            'FieldValueNotSupported',
          )
      }
      break
    default:
  }
  return causes
}
