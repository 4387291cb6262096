import { parse } from 'yaml'
import type { Chart } from './chart.ts'

export interface Release {
  readonly name: string
  readonly namespace: string
}

type Values = Readonly<Record<string, unknown>>

/** The order in which helm installs; kinds that are not named come last. */
const ORDER = [
  'Namespace',
  'NetworkPolicy',
  'ResourceQuota',
  'PodDisruptionBudget',
  'ServiceAccount',
  'Secret',
  'ConfigMap',
  'StorageClass',
  'PersistentVolume',
  'PersistentVolumeClaim',
  'CustomResourceDefinition',
  'ClusterRole',
  'ClusterRoleBinding',
  'Role',
  'RoleBinding',
  'Service',
  'DaemonSet',
  'Deployment',
  'StatefulSet',
  'Job',
  'CronJob',
]

/** `helm template`: definitions first when they are wanted, then the templates' documents in helm's order. */
export function render(chart: Chart, release: Release, values: readonly Values[], includeCrds: boolean): string {
  const all = values.reduce<Values>((under, over) => merge(under, over), chart.values)
  const documents = [...chart.templates].flatMap(([path, template]) => {
    const text = fill(template, `${chart.name}/${path}`, { chart, release, values: all })
    return documentsOf(text).map((document) => ({ path, document, kind: kindOf(document, `${chart.name}/${path}`) }))
  })
  const place = (kind: string) => (ORDER.includes(kind) ? ORDER.indexOf(kind) : ORDER.length)
  const sorted = documents.toSorted((a, b) => place(a.kind) - place(b.kind))
  const crds = includeCrds
    ? [...chart.crds].flatMap(([path, text]) => documentsOf(text).map((document) => ({ path, document })))
    : []
  return [...crds, ...sorted]
    .map(({ path, document }) => `---\n# Source: ${chart.name}/${path}\n${document}\n`)
    .join('')
}

/** Maps are merged, everything else is replaced, and null takes a default away. */
function merge(under: Values, over: Values): Values {
  const merged: Record<string, unknown> = { ...under }
  for (const [key, value] of Object.entries(over)) {
    const below = merged[key]
    if (value === null) delete merged[key]
    else merged[key] = isMap(value) && isMap(below) ? merge(below, value) : value
  }
  return merged
}

const isMap = (value: unknown): value is Values => typeof value === 'object' && value !== null && !Array.isArray(value)

interface Scope {
  readonly chart: Chart
  readonly release: Release
  readonly values: Values
}

function fill(template: string, path: string, scope: Scope): string {
  return template.replace(/\{\{(.*?)\}\}/gs, (action, inside: string) => {
    const expression = inside.replace(/^-\s|\s-$/g, '').trim()
    const known = /^\.(Values|Release|Chart)((?:\.[A-Za-z]\w*)+)$/.exec(expression)
    if (known === null || inside !== inside.replace(/^-\s|\s-$/g, '')) {
      throw new Error(`${path}: ${action} is not known to this stand-in for helm, which fills in plain values only`)
    }
    return print(
      lookUp(known[1] ?? '', (known[2] ?? '').slice(1).split('.'), scope, `${path}: ${action}`),
      `${path}: ${action}`,
    )
  })
}

function lookUp(root: string, keys: readonly string[], { chart, release, values }: Scope, where: string): unknown {
  const [key = ''] = keys
  if (root === 'Release' && keys.length === 1 && key === 'Name') return release.name
  if (root === 'Release' && keys.length === 1 && key === 'Namespace') return release.namespace
  if (root === 'Release' && keys.length === 1 && key === 'Service') return 'Helm'
  if (root === 'Chart' && keys.length === 1 && key === 'Version') return chart.version
  if (root === 'Chart' && keys.length === 1 && key === 'AppVersion') return chart.appVersion
  if (root === 'Chart' && keys.length === 1 && key === 'Name') return chart.name
  if (root !== 'Values') throw new Error(`${where} is not known to this stand-in for helm`)
  let at: unknown = values
  for (const step of keys) {
    if (!isMap(at)) throw new Error(`${where}: nil pointer evaluating interface {}.${step}`)
    at = at[step]
  }
  return at
}

/** As Go prints it; a value that is missing prints nothing. */
function print(value: unknown, where: string): string {
  if (value === undefined || value === null) return ''
  if (typeof value === 'string') return value
  if (typeof value === 'number' || typeof value === 'boolean') return String(value)
  throw new Error(`${where} is a map or a list, which this stand-in for helm does not print`)
}

function documentsOf(text: string): readonly string[] {
  return text
    .split(/^---\s*$/m)
    .map((document) => document.trim())
    .filter((document) => document.split('\n').some((line) => line.trim() !== '' && !line.startsWith('#')))
}

function kindOf(document: string, path: string): string {
  try {
    const { kind } = parse(document) as { readonly kind?: string }
    return kind ?? ''
  } catch (cause) {
    throw new Error(`YAML parse error on ${path}: ${(cause as Error).message}`, { cause })
  }
}
