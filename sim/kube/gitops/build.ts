import { parseAllDocuments } from 'yaml'
import type { KubeObject } from '../object.ts'
import { at, isRecord, list, put, strings, text } from '../object.ts'
import { jsonPatch, strategicMergePatch } from '../patch.ts'
import type { ResourceTable } from '../resource.ts'

const KUSTOMIZATION_FILES = ['kustomization.yaml', 'kustomization.yml', 'Kustomization']
/** What this stand-in for kustomize does; any other field is refused rather than passed over. */
const KNOWN_FIELDS = new Set([
  'apiVersion',
  'kind',
  'metadata',
  'resources',
  'namespace',
  'labels',
  'commonAnnotations',
  'patches',
])

/** Why `kustomize build` fails, in its words; paths are relative to the checkout. */
export class BuildError extends Error {}

export interface BuildInput {
  readonly files: ReadonlyMap<string, string>
  /** Folder, without `./` and without a slash at the end; empty for the root. */
  readonly path: string
  readonly resources: ResourceTable
  /** A folder without kustomization.yaml: `generate` takes every manifest below it, as Flux does; `flat` only its own. */
  readonly without: 'generate' | 'flat'
}

export const folderOf = (path: string): string =>
  path
    .replace(/^\.?\//, '')
    .replace(/^\.$/, '')
    .replace(/\/+$/, '')

export const hasFolder = (files: ReadonlyMap<string, string>, path: string): boolean =>
  path === '' || [...files.keys()].some((file) => file.startsWith(`${path}/`))

/** The objects of a folder, built as kustomize would. */
export function build({ files, path, resources, without }: BuildInput): readonly KubeObject[] {
  const own = KUSTOMIZATION_FILES.map((name) => joined(path, name)).find((file) => files.has(file))
  if (own !== undefined) return kustomize(files, path, own, resources)
  const below = [...files.keys()]
    .sort()
    .filter((file) => (path === '' || file.startsWith(`${path}/`)) && /\.ya?ml$/.test(file))
  const folders = below.filter((file) => KUSTOMIZATION_FILES.includes(file.slice(file.lastIndexOf('/') + 1)))
  const nested = without === 'generate' ? folders.map((file) => file.slice(0, file.lastIndexOf('/'))) : []
  const plain = below.filter(
    (file) =>
      !nested.some((folder) => file.startsWith(`${folder}/`)) &&
      (without === 'generate' || !file.slice(path === '' ? 0 : path.length + 1).includes('/')),
  )
  return [
    ...plain.flatMap((file) => parse(files.get(file) ?? '', file).filter(isObject)),
    ...nested
      .filter((folder) => !nested.some((other) => other !== folder && folder.startsWith(`${other}/`)))
      .flatMap((folder) => build({ files, path: folder, resources, without })),
  ]
}

function kustomize(
  files: ReadonlyMap<string, string>,
  path: string,
  own: string,
  resources: ResourceTable,
): readonly KubeObject[] {
  const [kustomization] = parse(files.get(own) ?? '', own)
  if (!isRecord(kustomization)) throw new BuildError(`kustomization.yaml is empty`)
  const strange = Object.keys(kustomization).find((key) => !KNOWN_FIELDS.has(key))
  if (strange !== undefined) throw new BuildError(`the simulated kustomize has no field "${strange}"`)
  let objects = list(kustomization, 'resources').flatMap((entry) => {
    const target = normal(joined(path, String(entry)))
    const content = files.get(target)
    if (content !== undefined) return parse(content, target).filter(isObject)
    if (hasFolder(files, target)) {
      const inner = KUSTOMIZATION_FILES.map((name) => joined(target, name)).find((file) => files.has(file))
      if (inner === undefined)
        throw new BuildError(
          `accumulating resources: accumulation err='accumulating resources from '${String(entry)}': read <path to cached source>/${target}: is a directory': unable to find one of 'kustomization.yaml', 'kustomization.yml' or 'Kustomization' in directory '<path to cached source>/${target}'`,
        )
      return kustomize(files, target, inner, resources)
    }
    const shown = `<path to cached source>/${target}`
    const missing = `evalsymlink failure on '${shown}' : lstat ${shown}: no such file or directory`
    throw new BuildError(
      `accumulating resources: accumulation err='accumulating resources from '${String(entry)}': ${missing}': must build at directory: not a valid directory: ${missing}`,
    )
  })
  objects = objects.map((object) => patched(object, list(kustomization, 'patches'), files, path, resources))
  const namespace = text(kustomization, 'namespace')
  for (const object of objects) {
    if (namespace !== undefined) setNamespace(object, namespace, resources)
    for (const label of list(kustomization, 'labels'))
      for (const [key, value] of Object.entries(strings(label, 'pairs')))
        put(object, ['metadata', 'labels', key], value)
    for (const [key, value] of Object.entries(strings(kustomization, 'commonAnnotations')))
      put(object, ['metadata', 'annotations', key], value)
  }
  return objects
}

export function setNamespace(object: KubeObject, namespace: string, resources: ResourceTable): void {
  const kind = resources.byKind(object.apiVersion, object.kind)
  if (object.kind === 'Namespace' || kind?.namespaced === false) return
  object.metadata.namespace = namespace
}

function patched(
  object: KubeObject,
  patches: readonly unknown[],
  files: ReadonlyMap<string, string>,
  path: string,
  resources: ResourceTable,
): KubeObject {
  let out = object
  for (const entry of patches) {
    const file = text(entry, 'path')
    const source = text(entry, 'patch') ?? files.get(normal(joined(path, file ?? ''))) ?? ''
    const [body] = parse(source, file ?? own)
    const target = at(entry, 'target') ?? { kind: text(body, 'kind'), name: text(body, 'metadata', 'name') }
    const fits =
      (text(target, 'kind') ?? out.kind) === out.kind &&
      (text(target, 'name') ?? out.metadata.name) === out.metadata.name &&
      (text(target, 'namespace') ?? out.metadata.namespace) === out.metadata.namespace
    if (!fits) continue
    const schema = resources.byKind(out.apiVersion, out.kind)?.schema
    out = (Array.isArray(body) ? jsonPatch(out, body) : strategicMergePatch(schema, out, body)) as KubeObject
  }
  return out
}

const own = 'kustomization.yaml'
const isObject = (value: unknown): value is KubeObject =>
  isRecord(value) &&
  text(value, 'kind') !== undefined &&
  text(value, 'apiVersion') !== undefined &&
  isRecord(value['metadata'])
const joined = (folder: string, name: string): string => (folder === '' ? name : `${folder}/${name}`)

function normal(path: string): string {
  const out: string[] = []
  for (const step of path.split('/')) {
    if (step === '..') out.pop()
    else if (step !== '.' && step !== '') out.push(step)
  }
  return out.join('/')
}

function parse(source: string, file: string): readonly unknown[] {
  return parseAllDocuments(source).flatMap((document) => {
    if (document.errors.length > 0)
      throw new BuildError(
        `accumulating resources from '${file}': MalformedYAMLError: yaml: ${document.errors[0]?.message.split('\n')[0]} in File: ${file}`,
      )
    const value: unknown = document.toJS()
    if (value === null || value === undefined) return []
    return isRecord(value) && text(value, 'kind') === 'List' ? list(value, 'items') : [value]
  })
}
