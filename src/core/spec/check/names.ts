import { type Check, problemAt } from '../draft.ts'

/** The cluster is called like its folder, so that paths, environments and locks speak of the same thing. */
export const names: Check = (draft) => {
  const path = ['metadata', 'name']
  const { file } = draft.source.problemAt(path, { code: '', what: '', retry: 'never' })
  const folder = /(?:^|\/)clusters\/([^/]+)\/cluster\.ya?ml$/.exec(file)?.[1]
  const { name } = draft.spec
  if (folder === undefined || folder === name || draft.assumed.has('name')) return []
  return [
    problemAt(draft, path, [
      'spec.name-differs',
      `the cluster is named "${name}" but lies in clusters/${folder}/`,
      `Write "${folder}", or move the folder to clusters/${name}/.`,
    ]),
  ]
}
