import { documents, foldersUnder, readFolder, type Data, type Said } from './read.ts'

export function readFluxBundle(files: ReadonlyMap<string, string>, root: string): readonly Said[] {
  const listed = (documents(files, `${root}/kustomization.yaml`)[0]!['resources'] as string[]).filter((path) =>
    path.startsWith('components/'),
  )
  const engine = listed.map((path) => component(files, documents(files, `${root}/${path}`), 'engine'))
  const runner = foldersUnder(files, `${root}/runner`).map((name): Said => {
    if (files.has(`${root}/runner/${name}/release.yaml`))
      return component(files, documents(files, `${root}/runner/${name}/release.yaml`), 'runner')
    const { from, version } = readFolder(files, `${root}/runner/${name}`)
    return { name, what: 'manifests', from, version, values: null, namespace: '', waitsFor: [], owner: 'runner' }
  })
  return [...runner, ...engine]
}

function component(files: ReadonlyMap<string, string>, docs: readonly Data[], owner: 'engine' | 'runner'): Said {
  const release = docs.find((doc) => doc['kind'] === 'HelmRelease')
  if (release !== undefined) {
    const { chart, version, sourceRef } = release['spec'].chart.spec
    const repository = docs.find((doc) => doc['kind'] === 'HelmRepository' && doc['metadata'].name === sourceRef.name)!
    return {
      name: release['metadata'].name,
      what: 'chart',
      from: `${repository['spec'].url} ${chart}`,
      version,
      values: release['spec'].values,
      namespace: release['spec'].targetNamespace,
      waitsFor: waits(release),
      owner,
    }
  }
  const kustomization = docs.find((doc) => doc['kind'] === 'Kustomization')!
  const path = (kustomization['spec'].path as string).replace(/^\.\//, '')
  const base = {
    name: kustomization['metadata'].name,
    values: null,
    waitsFor: waits(kustomization),
    owner,
    namespace: '',
  }
  if (!files.has(`${path}/kustomization.yaml`))
    return {
      ...base,
      what: 'folder',
      from: path,
      version: kustomization['metadata'].annotations['slipway.dev/version'],
    }
  return { ...base, what: 'manifests', from: readFolder(files, path).from, version: readFolder(files, path).version }
}

const waits = (object: Data): readonly string[] =>
  ((object['spec'].dependsOn ?? []) as { name: string }[]).map(({ name }) => name)
