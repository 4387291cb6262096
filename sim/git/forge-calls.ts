import type { FaultPlan } from '../faults.ts'
import type { ForgeFault, SimComment, SimDeployKey, SimForge, SimPull, SimRepo } from '../forge.ts'
import type { Deliveries } from './deliveries.ts'
import type { Account } from './account.ts'
import { atLeast, fullName, type Repository } from './hosted-repository.ts'
import type { Hosting } from './hosting.ts'
import type { Comment, Pull } from './pull.ts'
import { parsePublicKey, publicKeyLine } from './public-key.ts'

/** The calls of {@link SimForge} that are the same on both forges. */
export type SharedCalls = Omit<
  SimForge,
  | 'kind'
  | 'apiUrl'
  | 'knownHosts'
  | 'credentials'
  | 'createRepo'
  | 'checks'
  | 'annotations'
  | 'deployments'
  | 'setWebhook'
  | 'stop'
  | typeof Symbol.asyncDispose
>

export interface ForgeParts {
  readonly hosting: Hosting
  readonly deliveries: Deliveries
  readonly faults: FaultPlan<ForgeFault>
  readonly tokenPrefix: string
  readonly sshPort: number
  /** Account that the app or its token writes as. */
  readonly bot: Account
  pullUrl(pull: Pull): string
  repoUrl(repository: Repository): string
  mergeMessage(pull: Pull): string
}

export function repositoryNamed(hosting: Hosting, name: string): Repository {
  const repository = hosting.repository(name)
  if (repository === undefined) throw new Error(`the simulated forge has no repository ${name}`)
  return repository
}

function personNamed(hosting: Hosting, login: string): Account {
  const account = hosting.account(login)
  if (account === undefined) throw new Error(`the simulated forge has no user ${login}`)
  return account
}

function pullNumbered(hosting: Hosting, name: string, number: number): Pull {
  const pull = repositoryNamed(hosting, name).pulls.find((candidate) => candidate.number === number)
  if (pull === undefined) throw new Error(`${name} has no pull ${number}`)
  return pull
}

export function forgeCalls(parts: ForgeParts): SharedCalls {
  const { hosting, deliveries, faults } = parts
  const showPull = (pull: Pull): SimPull => ({
    repo: fullName(pull.repository),
    number: pull.number,
    title: pull.title,
    state: pull.state,
    headRepo: pull.headRepository === undefined ? undefined : fullName(pull.headRepository),
    headBranch: pull.headBranch,
    headSha: pull.headSha,
    baseBranch: pull.baseBranch,
    mergeCommit: pull.merge?.sha,
    htmlUrl: parts.pullUrl(pull),
  })
  const showComment = (comment: Comment): SimComment => ({
    id: comment.id,
    author: comment.author.login,
    byApp: comment.author === parts.bot,
    body: comment.body,
    createdAt: comment.createdAt,
    updatedAt: comment.updatedAt,
  })
  return {
    async createUser(login) {
      const { id, token } = hosting.createAccount(login, 'user', parts.tokenPrefix)
      return { id, login, token }
    },
    async addUserKey(login, publicKey) {
      const key = parsePublicKey(publicKey)
      if (key === undefined) throw new Error('not an OpenSSH public key')
      personNamed(hosting, login).sshKeys.push(key)
    },
    async fork(name, login) {
      const copy = await hosting.fork(repositoryNamed(hosting, name), personNamed(hosting, login))
      return showRepository(parts, copy)
    },
    async grant(name, login, role) {
      repositoryNamed(hosting, name).roles.set(personNamed(hosting, login).id, role)
    },
    async archive(name) {
      repositoryNamed(hosting, name).archived = true
    },
    async deleteRepo(name) {
      hosting.deleteRepository(repositoryNamed(hosting, name))
    },
    commit(name, { branch, files, author, message = `Update ${branch}` }) {
      const repository = repositoryNamed(hosting, name)
      return hosting.commitFiles(repository, { branch, files, message, author: personNamed(hosting, author) })
    },
    async openPull(name, { branch, files, title, author, body = null, from = name }) {
      const repository = repositoryNamed(hosting, name)
      const headRepository = repositoryNamed(hosting, from)
      const person = personNamed(hosting, author)
      await hosting.commitFiles(headRepository, { branch, files, author: person, message: title })
      const baseBranch = repository.defaultBranch
      const opened = await hosting.openPull(repository, {
        headRepository,
        headBranch: branch,
        baseBranch,
        title,
        body,
        author: person,
      })
      if (typeof opened === 'string') throw new Error(`no pull for ${from}:${branch}: ${opened}`)
      return showPull(opened)
    },
    async pushToPull(name, number, { files, author, message = 'Change the proposal' }) {
      const pull = pullNumbered(hosting, name, number)
      const { headRepository, headBranch: branch } = pull
      if (headRepository === undefined) throw new Error(`the branch of ${name}#${number} is gone`)
      await hosting.commitFiles(headRepository, { branch, files, message, author: personNamed(hosting, author) })
      return showPull(pull)
    },
    pull: async (name, number) => showPull(pullNumbered(hosting, name, number)),
    pulls: async (name) => repositoryNamed(hosting, name).pulls.map(showPull),
    async merge(name, number, login) {
      const pull = pullNumbered(hosting, name, number)
      const person = personNamed(hosting, login)
      if (!atLeast(hosting.role(pull.repository, person), 'write'))
        throw new Error(`${login} may not merge ${name}#${number}`)
      const merged = await hosting.mergePull(pull, person, { message: parts.mergeMessage(pull) })
      if ('refused' in merged) throw new Error(`${name}#${number} was not merged: ${merged.refused}`)
      return showPull(pull)
    },
    async close(name, number, login) {
      const pull = pullNumbered(hosting, name, number)
      hosting.closePull(pull, personNamed(hosting, login))
      return showPull(pull)
    },
    async reopen(name, number, login) {
      const pull = pullNumbered(hosting, name, number)
      hosting.reopenPull(pull, personNamed(hosting, login))
      return showPull(pull)
    },
    async comment(name, number, login, body) {
      return showComment(hosting.addComment(pullNumbered(hosting, name, number), personNamed(hosting, login), body))
    },
    async editComment(name, commentId, login, body) {
      const found = hosting.findComment(repositoryNamed(hosting, name), commentId)
      if (found === undefined) throw new Error(`${name} has no comment ${commentId}`)
      hosting.editComment(found.pull, found.comment, personNamed(hosting, login), body)
      return showComment(found.comment)
    },
    async approve(name, number, login) {
      hosting.addReview(pullNumbered(hosting, name, number), personNamed(hosting, login), 'APPROVED', '')
    },
    comments: async (name, number) => pullNumbered(hosting, name, number).comments.map(showComment),
    deployKeys: async (name) =>
      repositoryNamed(hosting, name).deployKeys.map(({ id, title, key, readOnly, lastUsed }): SimDeployKey => ({
        id,
        title,
        key: publicKeyLine(key),
        readOnly,
        lastUsed,
      })),
    sshUrl: async (name) => sshUrl(parts.sshPort, repositoryNamed(hosting, name)),
    async readFile(name, revision, path) {
      const { git } = repositoryNamed(hosting, name)
      const sha = await git.objectId(`${revision}:${path}`)
      return sha === undefined ? undefined : (await git.blob(sha)).toString('utf8')
    },
    lastDeliveries: async () =>
      deliveries.all.map(({ id, guid, event, action, status, deliveredAt: at }) => ({
        id,
        guid,
        event,
        action,
        status,
        at,
      })),
    async redeliver(id) {
      if (!deliveries.redeliver(id)) throw new Error(`no delivery ${id}`)
    },
    webhooksSettled: () => deliveries.settled(),
    async setFaults(rules) {
      faults.set(rules)
    },
  }
}

export function showRepository(parts: Pick<ForgeParts, 'repoUrl'>, repository: Repository): SimRepo {
  const { id, defaultBranch } = repository
  return { id, fullName: fullName(repository), defaultBranch, htmlUrl: parts.repoUrl(repository) }
}

function sshUrl(port: number, repository: Repository): string {
  return `ssh://git@127.0.0.1:${port}/${fullName(repository)}.git`
}
