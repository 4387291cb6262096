import type { Account } from './account.ts'
import type { Repository } from './hosted-repository.ts'

export interface Comment {
  readonly id: number
  readonly author: Account
  body: string
  readonly createdAt: string
  updatedAt: string
}

export interface Review {
  readonly id: number
  readonly author: Account
  readonly state: 'APPROVED' | 'CHANGES_REQUESTED' | 'COMMENTED'
  readonly body: string
  readonly commit: string
  readonly at: string
}

/** Head, base and their merge base at one push, as GitLab's versions list them. */
interface PullVersion {
  readonly id: number
  readonly head: string
  readonly base: string
  readonly start: string
  readonly at: string
}

export interface Pull {
  readonly id: number
  readonly number: number
  readonly repository: Repository
  readonly author: Account
  title: string
  body: string | null
  headRepository: Repository | undefined
  readonly headBranch: string
  headSha: string
  baseBranch: string
  /** The base branch's commit when the pull was opened or merged. */
  baseSha: string
  state: 'open' | 'closed' | 'merged'
  merge: { readonly sha: string; readonly by: Account; readonly at: string } | undefined
  closedBy: Account | undefined
  closedAt: string | undefined
  readonly createdAt: string
  updatedAt: string
  comments: Comment[]
  reviews: Review[]
  versions: PullVersion[]
}
