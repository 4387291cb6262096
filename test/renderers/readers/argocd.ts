import { documents, foldersUnder, readFolder, type Data, type Said } from './read.ts'

/** Argo CD says order by waves; `waitsFor` is told by the reader as everything of the engine in the wave before. */
export function readArgocdBundle(files: ReadonlyMap<string, string>, root: string): readonly Said[] {
  const listed = (documents(files, `${root}/kustomization.yaml`)[0]!['resources'] as string[]).filter((path) =>
    path.startsWith('components/'),
  )
  const applications = listed.map((path) => documents(files, `${root}/${path}`)[0]!)
  const wave = (application: Data): number =>
    Number(application['metadata'].annotations['argocd.argoproj.io/sync-wave'])
  const engine = applications.map((application) => ({
    ...component(files, application, 'engine'),
    waitsFor: applications
      .filter((other) => wave(other) === wave(application) - 1)
      .map((other) => other['metadata'].name as string),
  }))
  const runner = foldersUnder(files, `${root}/runner`).map((name): Said => {
    if (files.has(`${root}/runner/${name}/application.yaml`))
      return component(files, documents(files, `${root}/runner/${name}/application.yaml`)[0]!, 'runner')
    const { from, version } = readFolder(files, `${root}/runner/${name}`)
    return { name, what: 'manifests', from, version, values: null, namespace: '', waitsFor: [], owner: 'runner' }
  })
  return [...runner, ...engine]
}

function component(files: ReadonlyMap<string, string>, application: Data, owner: 'engine' | 'runner'): Said {
  const { source, destination } = application['spec']
  const base = { name: application['metadata'].name, waitsFor: [], owner }
  if (source.chart !== undefined)
    return {
      ...base,
      what: 'chart',
      from: `${source.repoURL} ${source.chart}`,
      version: source.targetRevision,
      values: source.helm.valuesObject,
      namespace: destination.namespace,
    }
  if (!files.has(`${source.path}/kustomization.yaml`))
    return {
      ...base,
      what: 'folder',
      from: source.path,
      version: application['metadata'].annotations['slipway.dev/version'],
      values: null,
      namespace: '',
    }
  const folder = readFolder(files, source.path)
  return { ...base, what: 'manifests', from: folder.from, version: folder.version, values: null, namespace: '' }
}
