import { Probot, ProbotOctokit } from 'probot'
import { Problem } from '../../core/problem.ts'
import type { RepoRef } from '../../seams/forge.ts'
import { forgeProblem } from '../forge-problem.ts'

export interface GithubConfig {
  readonly appId: string
  /** PEM, PKCS#1 as GitHub hands it out or PKCS#8. */
  readonly privateKey: string
  readonly webhookSecrets: readonly string[]
  /** `https://api.github.com`, or `https://host/api/v3` of an Enterprise Server. */
  readonly apiUrl: string
  /** Host that Git is served from over SSH, with its port when that is not 22; read from the API's answers by default. */
  readonly sshKnownHosts?: readonly string[]
}

export type Octokit = InstanceType<typeof ProbotOctokit>

/** One repository as the REST API wants it named. */
export interface Named {
  readonly octokit: Octokit
  readonly owner: string
  readonly repo: string
}

/** Names change rarely; a renamed repository answers 301 or 404 until this has passed. */
const NAME_TTL_MS = 300_000

/** Probot's app, and one authenticated client per installation. */
export interface GithubClient {
  readonly probot: Probot
  readonly config: GithubConfig
  /** Client with the app's own token (`/app` routes). */
  asApp(): Promise<Octokit>
  installation(id: number): Promise<Octokit>
  /** Client and current name of a repository. */
  named(repo: RepoRef): Promise<Named>
  /** Remembers a repository's installation and name, learnt from a list. */
  learn(repoId: number, installation: number, fullName: string): void
  /** Login under which the app comments, `name[bot]`. */
  botLogin(): Promise<string>
  /** Runs a request and turns its failure into a Problem that says what was being done. */
  ask<T>(doing: string, request: () => Promise<T>): Promise<T>
}

const LOG_LEVEL = 'fatal'

export function githubClient(config: GithubConfig): GithubClient {
  // Probot's throttling waits seconds between writes, and its retries repeat a POST whose effect may have happened.
  // Both are decided by this app's own queue instead.
  const Quiet = ProbotOctokit.defaults((options: Record<string, unknown>) => ({
    ...options,
    throttle: { enabled: false },
    retry: { enabled: false },
  }))
  const probot = new Probot({
    appId: config.appId,
    privateKey: config.privateKey,
    secret: config.webhookSecrets[0] ?? '',
    baseUrl: config.apiUrl,
    Octokit: Quiet,
    logLevel: LOG_LEVEL,
  })
  const installations = new Map<number, Promise<Octokit>>()
  const names = new Map<
    string,
    { readonly owner: string; readonly repo: string; readonly installation: number; readonly until: number }
  >()
  let bot: Promise<string> | undefined
  let appOctokit: Promise<Octokit> | undefined

  const client: GithubClient = {
    probot,
    config,
    asApp: () => (appOctokit ??= probot.ready().then(() => probot.auth())),
    installation(id) {
      const known = installations.get(id)
      if (known !== undefined) return known
      const made = probot.ready().then(() => probot.auth(id))
      installations.set(id, made)
      made.catch(() => installations.delete(id))
      return made
    },
    learn(repoId, installation, fullName) {
      const [owner = '', repo = ''] = fullName.split('/')
      names.set(String(repoId), { owner, repo, installation, until: Date.now() + NAME_TTL_MS })
    },
    async named(ref) {
      const known = names.get(ref.id)
      if (known !== undefined && known.until > Date.now())
        return { octokit: await client.installation(known.installation), owner: known.owner, repo: known.repo }
      await learnRepositories(client)
      const found = names.get(ref.id)
      if (found === undefined || found.until <= Date.now())
        throw new Problem({
          code: 'forge.not-installed',
          what: `repository ${ref.id} is not one that the app is installed on`,
          remedy: 'Install the GitHub App on it.',
          retry: 'later',
        })
      return { octokit: await client.installation(found.installation), owner: found.owner, repo: found.repo }
    },
    botLogin: () =>
      (bot ??= client
        .asApp()
        .then((octokit) => client.ask('reading the app', () => octokit.rest.apps.getAuthenticated()))
        .then(({ data }) => `${data?.slug ?? ''}[bot]`)
        .catch((error: unknown) => {
          bot = undefined
          throw error
        })),
    async ask(doing, request) {
      try {
        return await request()
      } catch (error) {
        if (error instanceof Problem) throw error
        throw forgeProblem('GitHub', doing, failureOf(error), error)
      }
    },
  }
  return client
}

/** Most installations and repositories that are looked through. */
const MAX_PAGES = 10

/** Lists every repository of every installation and remembers how to reach each. */
export async function learnRepositories(client: GithubClient): Promise<
  readonly {
    readonly id: number
    readonly full_name: string
    readonly html_url: string
    readonly default_branch: string
    readonly ssh_url: string
    readonly archived: boolean
  }[]
> {
  const app = await client.asApp()
  const installations = await client.ask('listing installations', () =>
    app.paginate(app.rest.apps.listInstallations, { per_page: 100 }),
  )
  const repositories = []
  for (const installation of installations.slice(0, 100 * MAX_PAGES)) {
    if (installation.suspended_at !== null && installation.suspended_at !== undefined) continue
    const octokit = await client.installation(installation.id)
    const listed = await client.ask('listing repositories', () =>
      octokit.paginate(octokit.rest.apps.listReposAccessibleToInstallation, { per_page: 100 }),
    )
    for (const repository of listed) {
      client.learn(repository.id, installation.id, repository.full_name)
      repositories.push(repository)
    }
  }
  return repositories
}

function failureOf(error: unknown): {
  readonly status: number | undefined
  readonly message: string
  readonly retryAfter?: number | undefined
} {
  const record = typeof error === 'object' && error !== null ? (error as Record<string, unknown>) : {}
  const status = typeof record['status'] === 'number' ? record['status'] : undefined
  const headers = (record['response'] as { headers?: Record<string, string> } | undefined)?.headers ?? {}
  const limited =
    status === 429 ||
    (status === 403 && (headers['retry-after'] !== undefined || headers['x-ratelimit-remaining'] === '0'))
  const retryAfter = limited ? Number(headers['retry-after'] ?? 60) : undefined
  // A connection that broke is reported by the client as status 500 without a response.
  return {
    status: record['response'] === undefined && status === 500 ? undefined : status,
    message: error instanceof Error ? error.message : String(error),
    retryAfter,
  }
}

/** The HTTP status of a failure that `ask` has turned into a Problem. */
export function isProblem(error: unknown, code: string): boolean {
  return error instanceof Problem && error.code === code
}
