import { Problem } from '../../core/problem.ts'
import type { ForgeReader, RepoInfo, RepoRef } from '../../seams/forge.ts'
import { git, gitLine } from './git.ts'
import { filesAtCommit, type WorkingCopy } from './working-copy.ts'

/** The one repository of a working copy. */
export const LOCAL: RepoRef = { forge: 'local', id: 'local' }

/**
 * The reading half of a forge over a working copy: commits and files through `git`. It has no pulls, comments or people:
 * whoever is at the machine decides there. Publishing is the command line's: it prints.
 */
export function localForge(copy: WorkingCopy): ForgeReader {
  const { root } = copy
  const info = async (): Promise<RepoInfo> => {
    const { origin, repository } = copy
    if (origin === undefined || repository === undefined) throw noOrigin(root)
    return {
      ...LOCAL,
      fullName: origin.path,
      webUrl: origin.webUrl,
      defaultBranch: repository.branch,
      git: repository,
    }
  }
  return {
    name: 'local',
    repositories: async () => [await info()],
    repository: async (repo) => {
      if (repo.forge === LOCAL.forge && repo.id === LOCAL.id) return info()
      throw new Problem({
        code: 'forge.not-found',
        what: `repository ${repo.forge}/${repo.id} is not here`,
        retry: 'never',
      })
    },
    branchHead: (_repo, branch) =>
      gitLine(root, 'rev-parse', '--verify', '--quiet', `refs/heads/${branch}^{commit}`).then(
        (head) => head ?? gitLine(root, 'rev-parse', '--verify', '--quiet', `refs/remotes/origin/${branch}^{commit}`),
      ),
    listFiles: (_repo, commit, prefix) => filesAtCommit(root, commitId(commit), [prefix]),
    async readFiles(_repo, commit, paths) {
      const present = await filesAtCommit(root, commitId(commit), paths)
      const texts = new Map<string, string>()
      for (const path of paths) {
        const blob = present.get(path)
        const result = blob === undefined ? undefined : await git(root, 'cat-file', 'blob', blob)
        if (result?.ok === true) texts.set(path, result.output.toString())
      }
      return texts
    },
    mergeBase: (_repo, a, b) => gitLine(root, 'merge-base', commitId(a), commitId(b)),
    pull: async () => undefined,
    openPulls: async () => [],
    pullOfCommit: async () => undefined,
    comment: async () => undefined,
    permission: async (_repo, login) => ({ login, level: 'none', bot: false }),
  }
}

/** What a command says that needs to know where the repository is hosted. */
export function noOrigin(root: string): Problem {
  return new Problem({
    code: 'git.no-origin',
    what: `the repository at ${root} has no remote "origin" at a forge, so there is no address for the GitOps engine`,
    remedy: 'Add it: git remote add origin git@github.com:OWNER/NAME.git',
    retry: 'never',
  })
}

function commitId(commit: string): string {
  if (/^[0-9a-f]{40,64}$/.test(commit)) return commit
  throw new Problem({ code: 'git.commit', what: `"${commit}" is not a commit id`, retry: 'never' })
}
