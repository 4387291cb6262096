import { parseAllDocuments } from 'yaml'
import type { Fields, KubeObject } from '../object.ts'
import { at, isRecord, list, text } from '../object.ts'
import type { ResourceKind } from '../resource.ts'
import { StatusError } from '../status.ts'
import type { CommandLine } from './command-line.ts'
import type { KubectlSeams } from './answer.ts'
import { UsageError } from './answer.ts'
import { shortForm } from './print.ts'

const LAST_APPLIED = 'kubectl.kubernetes.io/last-applied-configuration'

/** The objects of a YAML stream; a `List` counts as its items. */
export function manifests(source: string): readonly KubeObject[] {
  return parseAllDocuments(source).flatMap((document) => {
    if (document.errors.length > 0)
      throw new UsageError(
        `error parsing STDIN: error converting YAML to JSON: yaml: ${document.errors[0]?.message.split('\n')[0]}`,
      )
    const value: unknown = document.toJS()
    if (value === null || value === undefined) return []
    const items = isRecord(value) && text(value, 'kind') === 'List' ? list(value, 'items') : [value]
    return items.map((item) => {
      if (text(item, 'kind') === undefined)
        throw new UsageError(
          'error validating "STDIN": error validating data: kind not set; if you choose to ignore these errors, turn validation off with --validate=false',
        )
      if (text(item, 'apiVersion') === undefined)
        throw new UsageError(
          'error validating "STDIN": error validating data: apiVersion not set; if you choose to ignore these errors, turn validation off with --validate=false',
        )
      return { ...(item as KubeObject), metadata: (at(item, 'metadata') ?? {}) as KubeObject['metadata'] }
    })
  })
}

export function mapped({ api }: KubectlSeams, object: KubeObject): ResourceKind {
  const kind = api.resources.byKind(object.apiVersion, object.kind)
  if (kind === undefined)
    throw new UsageError(
      `resource mapping not found for name: "${object.metadata.name}" namespace: "${object.metadata.namespace ?? ''}" from "STDIN": no matches for kind "${object.kind}" in version "${object.apiVersion}"\nensure CRDs are installed first`,
    )
  return kind
}

export function apply(seams: KubectlSeams, line: CommandLine, source: string, namespace: string): string {
  const objects = manifests(source)
  if (objects.length === 0) throw new UsageError('no objects passed to apply')
  return objects.map((object) => applyOne(seams, line, object, namespace)).join('')
}

function applyOne(seams: KubectlSeams, line: CommandLine, object: KubeObject, fallback: string): string {
  const { api } = seams
  const kind = mapped(seams, object)
  const namespace = kind.namespaced ? (object.metadata.namespace ?? fallback) : undefined
  const dry = line.flag('dry-run') ?? 'none'
  const suffix = dry === 'server' ? ' (server dry run)' : dry === 'client' ? ' (dry run)' : ''
  const options = { dryRun: dry !== 'none', fieldValidation: 'Strict' as const }
  const { name } = object.metadata
  if (line.on('server-side')) {
    try {
      api.patch(kind, namespace, name, 'apply', object, {
        ...options,
        force: line.on('force-conflicts'),
        fieldManager: line.flag('field-manager') ?? 'kubectl',
      })
    } catch (error) {
      if (error instanceof StatusError && error.code === 409 && error.message.startsWith('Apply failed'))
        throw new UsageError(
          `${error.message}\nPlease review the fields above--they currently have other managers. Here\nare the ways you can resolve this warning:\n* If you intend to manage all of these fields, please re-run the apply\n  command with the \`--force-conflicts\` flag.\n* If you do not intend to manage all of the fields, please edit your\n  manifest to remove references to the fields that should keep their\n  current managers.\n* You may co-own fields by updating your manifest to match the existing\n  value; in this case, you'll become the manager if the other manager(s)\n  stop managing the field (remove it from their configuration).\nSee https://kubernetes.io/docs/reference/using-api/server-side-apply/#conflicts`,
        )
      throw error
    }
    return `${shortForm(kind, name)} serverside-applied${suffix}\n`
  }
  const marked: KubeObject = {
    ...object,
    metadata: {
      ...object.metadata,
      annotations: { ...object.metadata.annotations, [LAST_APPLIED]: `${JSON.stringify(object)}\n` },
    },
  }
  const manager = { ...options, fieldManager: line.flag('field-manager') ?? 'kubectl-client-side-apply' }
  const live = api.store.get(kind, namespace, name)
  if (live === undefined) {
    api.create(kind, namespace, marked, manager)
    return `${shortForm(kind, name)} created${suffix}\n`
  }
  const before = parsed(live.metadata.annotations?.[LAST_APPLIED])
  const patch = { ...marked, ...removed(before, marked) }
  const { object: after } = api.patch(
    kind,
    namespace,
    name,
    kind.crd === undefined ? 'strategic' : 'merge',
    patch,
    manager,
  )
  return `${shortForm(kind, name)} ${after.metadata.resourceVersion === live.metadata.resourceVersion && dry === 'none' ? 'unchanged' : 'configured'}${suffix}\n`
}

function parsed(annotation: string | undefined): unknown {
  try {
    return JSON.parse(annotation ?? '{}')
  } catch {
    return {}
  }
}

/** `next` with a null for each field that was applied before and is no longer there: the third side of the merge. */
function removed(before: unknown, next: unknown): Fields {
  const out: Fields = isRecord(next) ? { ...next } : {}
  if (!isRecord(before)) return out
  for (const [key, value] of Object.entries(before)) {
    if (out[key] === undefined) out[key] = null
    else if (isRecord(value) && isRecord(out[key])) out[key] = removed(value, out[key])
  }
  return out
}
