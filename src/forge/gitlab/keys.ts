import * as z from 'zod'
import { Problem } from '../../core/problem.ts'
import { sameSshKey } from '../../secrets/ssh-key.ts'
import type { DeployKey, ForgeKeys, RepoRef } from '../../seams/forge.ts'
import { ensured, reading } from '../forge-problem.ts'
import type { GitlabClient } from './client.ts'

const Key = z.looseObject({ id: z.int(), title: z.string(), key: z.string(), can_push: z.boolean().nullish() })

export function gitlabKeys(client: GitlabClient): ForgeKeys {
  const { api } = client
  const keyOf = (key: z.infer<typeof Key>): DeployKey => ({
    id: String(key.id),
    title: key.title,
    publicKey: key.key,
    readOnly: key.can_push !== true,
  })
  async function deployKeys(repo: RepoRef): Promise<readonly DeployKey[]> {
    const listed = await reading(() =>
      client.ask('listing deploy keys', z.array(Key), () =>
        api.DeployKeys.all({ projectId: Number(repo.id), perPage: 100, maxPages: 20 }),
      ),
    )
    return listed.map(keyOf)
  }
  return {
    deployKeys,
    async registerDeployKey(repo, title, publicKey) {
      const key = publicKey.split(' ').slice(0, 2).join(' ')
      const find = async (): Promise<DeployKey | undefined> =>
        (await deployKeys(repo)).find((registered) => sameSshKey(registered.publicKey, key))
      const registered = await ensured(find, async () => {
        try {
          return keyOf(
            await client.ask('registering a deploy key', Key, () =>
              api.DeployKeys.create(Number(repo.id), title, key, { canPush: false }),
            ),
          )
        } catch (error) {
          // The wording differs between versions; the field that it names does not.
          if (error instanceof Problem && error.code === 'forge.refused' && /fingerprint/.test(error.what)) {
            const there = await find()
            if (there !== undefined) return there
            throw new Problem(
              {
                code: 'forge.deploy-key-elsewhere',
                what: 'the public key is in use at GitLab already, but not at this project',
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
          what: `deploy key "${registered.title}" may write`,
          remedy: 'Delete it at GitLab; it is registered again, read-only.',
          retry: 'later',
        })
      return registered
    },
  }
}
