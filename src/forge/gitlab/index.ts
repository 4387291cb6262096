import type { Forge } from '../../seams/forge.ts'
import { gitlabClient, type GitlabConfig } from './client.ts'
import { gitlabKeys } from './keys.ts'
import { gitlabPublisher } from './publisher.ts'
import { gitlabReader } from './reader.ts'
import { gitlabWebhooks } from './webhooks.ts'

export type { GitlabConfig }

/** GitLab with a project or group access token, by way of gitbeaker. */
export function gitlabForge(config: GitlabConfig): Forge {
  const client = gitlabClient(config)
  return { ...gitlabReader(client), ...gitlabPublisher(client), ...gitlabKeys(client), ...gitlabWebhooks(client) }
}
