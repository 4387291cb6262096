import type { Forge } from '../../seams/forge.ts'
import { githubClient, type GithubConfig } from './client.ts'
import { githubKeys } from './keys.ts'
import { githubPublisher } from './publisher.ts'
import { githubReader } from './reader.ts'
import { githubWebhooks } from './webhooks.ts'

export type { GithubConfig }

/** GitHub through a GitHub App, by way of Probot. */
export function githubForge(config: GithubConfig): Forge {
  const client = githubClient(config)
  return { ...githubReader(client), ...githubPublisher(client), ...githubKeys(client), ...githubWebhooks(client) }
}
