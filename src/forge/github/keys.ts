import { Problem } from '../../core/problem.ts'
import { sameSshKey } from '../../secrets/ssh-key.ts'
import type { DeployKey, ForgeKeys, RepoRef } from '../../seams/forge.ts'
import { ensured, reading } from '../forge-problem.ts'
import { isProblem, type GithubClient } from './client.ts'

export function githubKeys(client: GithubClient): ForgeKeys {
  async function deployKeys(repo: RepoRef): Promise<readonly DeployKey[]> {
    const { octokit, owner, repo: name } = await client.named(repo)
    const listed = await reading(() =>
      client.ask(`listing deploy keys of ${owner}/${name}`, () =>
        octokit.paginate(octokit.rest.repos.listDeployKeys, { owner, repo: name, per_page: 100 }),
      ),
    )
    return listed.map((key) => ({ id: String(key.id), title: key.title, publicKey: key.key, readOnly: key.read_only }))
  }
  return {
    deployKeys,
    async registerDeployKey(repo, title, publicKey) {
      const key = publicKey.split(' ').slice(0, 2).join(' ')
      const find = async (): Promise<DeployKey | undefined> =>
        (await deployKeys(repo)).find((registered) => sameSshKey(registered.publicKey, key))
      const { octokit, owner, repo: name } = await client.named(repo)
      const registered = await ensured(find, async () => {
        try {
          // GitHub's default is a key that may write.
          const { data } = await client.ask(`registering a deploy key of ${owner}/${name}`, () =>
            octokit.rest.repos.createDeployKey({ owner, repo: name, title, key, read_only: true }),
          )
          return { id: String(data.id), title: data.title, publicKey: data.key, readOnly: data.read_only }
        } catch (error) {
          if (isProblem(error, 'forge.refused') && /already in use/.test((error as Problem).what)) {
            const there = await find()
            if (there !== undefined) return there
            throw new Problem(
              {
                code: 'forge.deploy-key-elsewhere',
                what: `the public key is in use at GitHub already, but not at ${owner}/${name}`,
                remedy: 'Remove it there, or have the runner make a new one.',
                retry: 'never',
              },
              { cause: error },
            )
          }
          throw error
        }
      })
      if (!registered.readOnly)
        throw new Problem({
          code: 'forge.deploy-key-writable',
          what: `deploy key "${registered.title}" of ${owner}/${name} may write`,
          remedy: 'Delete it at GitHub; it is registered again, read-only.',
          retry: 'later',
        })
      return registered
    },
  }
}
