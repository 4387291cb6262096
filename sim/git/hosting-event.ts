import type { Account } from './account.ts'
import type { Repository } from './hosted-repository.ts'
import type { Comment, Pull } from './pull.ts'
import type { RefUpdate } from './ssh-server.ts'

/** What happened, for the forge to put into webhooks of its own shape. */
export type HostingEvent =
  | {
      readonly kind: 'push'
      readonly repository: Repository
      readonly actor: Account
      readonly update: RefUpdate
      readonly forced: boolean
    }
  | {
      readonly kind: 'pull'
      readonly action: 'opened' | 'synchronize' | 'edited' | 'closed' | 'reopened' | 'merged' | 'approved'
      readonly pull: Pull
      readonly actor: Account
      /** Head before a push, or the title and text before an edit. */
      readonly before?: { readonly headSha?: string; readonly title?: string; readonly body?: string | null }
    }
  | {
      readonly kind: 'comment'
      readonly action: 'created' | 'edited' | 'deleted'
      readonly pull: Pull
      readonly comment: Comment
      readonly actor: Account
      readonly before?: string
    }
