import { posix } from 'node:path'
import { documents, foldersUnder, readFolder, type Data, type Said } from './read.ts'

export function readFleetBundle(files: ReadonlyMap<string, string>, root: string): readonly Said[] {
  const repo = documents(files, `${root}/fleet/gitrepo.yaml`)[0]!
  const entries = repo['spec'].bundles as { base: string; options: string }[]
  const engine = entries.map(({ base, options }) =>
    component(files, base, documents(files, posix.join(base, options))[0]!, 'engine'),
  )
  const runner = foldersUnder(files, `${root}/runner`).map((name) =>
    component(files, `${root}/runner/${name}`, documents(files, `${root}/runner/${name}/fleet.yaml`)[0]!, 'runner'),
  )
  return [...runner, ...engine]
}

function component(files: ReadonlyMap<string, string>, base: string, options: Data, owner: 'engine' | 'runner'): Said {
  const name = (options['name'] as string).replace(/^slipway-/, '')
  const common = {
    name,
    owner,
    waitsFor: ((options['dependsOn'] ?? []) as { name: string }[]).map((other) => other.name.replace(/^slipway-/, '')),
  }
  const { helm } = options
  if (helm.chart !== undefined)
    return {
      ...common,
      what: 'chart',
      from: `${helm.repo} ${helm.chart}`,
      version: helm.version,
      values: helm.values,
      namespace: options['defaultNamespace'],
    }
  if (!files.has(`${base}/kustomization.yaml`))
    return {
      ...common,
      what: 'folder',
      from: base,
      version: options['labels']['slipway.dev/version'],
      values: null,
      namespace: '',
    }
  const folder = readFolder(files, base)
  return { ...common, what: 'manifests', from: folder.from, version: folder.version, values: null, namespace: '' }
}
