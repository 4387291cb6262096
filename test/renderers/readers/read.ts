import { parseAllDocuments } from 'yaml'

/** What a bundle says about one component, in no engine's dialect. */
export interface Said {
  readonly name: string
  readonly what: 'chart' | 'manifests' | 'folder'
  /** Chart with its repository, URL, or path; own objects are told by `kind/name` in order. */
  readonly from: string
  readonly version: string
  readonly values: unknown
  readonly namespace: string
  readonly waitsFor: readonly string[]
  readonly owner: 'runner' | 'engine'
}

export type Data = Readonly<Record<string, any>>

export function documents(files: ReadonlyMap<string, string>, path: string): readonly Data[] {
  const text = files.get(path)
  if (text === undefined) throw new Error(`the bundle has no ${path}`)
  return parseAllDocuments(text, { version: '1.1' }).map((doc) => {
    if (doc.errors.length > 0) throw doc.errors[0]
    return doc.toJS() as Data
  })
}

/** Reads a kustomize folder: either one URL or a file of objects. */
export function readFolder(
  files: ReadonlyMap<string, string>,
  folder: string,
): { readonly from: string; readonly version: string; readonly name: string; readonly namespace: string } {
  const kustomization = documents(files, `${folder}/kustomization.yaml`)[0]!
  const annotations = kustomization['metadata'].annotations as Data
  const resources = kustomization['resources'] as string[]
  const from = resources[0]!.startsWith('https://')
    ? resources[0]!
    : documents(files, `${folder}/${resources[0]!}`)
        .map((object) => `${object['kind']}/${object['metadata'].name}`)
        .join(' ')
  return {
    from,
    version: annotations['slipway.dev/version'],
    name: annotations['slipway.dev/component'],
    namespace: '',
  }
}

/** Names of the folders directly under a path. */
export function foldersUnder(files: ReadonlyMap<string, string>, path: string): readonly string[] {
  return [
    ...new Set(
      [...files.keys()]
        .filter((file) => file.startsWith(`${path}/`))
        .map((file) => file.slice(path.length + 1).split('/')[0]!),
    ),
  ]
}
