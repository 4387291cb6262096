import type { SimClock } from '../../clock.ts'
import type { KubeApi } from '../api.ts'

export interface KubectlSeams {
  readonly api: KubeApi
  readonly clock: SimClock
  /** Of the API server, `v1.36.3`. */
  readonly version: string
}

export interface Answer {
  readonly exit: number
  readonly stdout: string
  readonly stderr: string
}

/** What kubectl itself refuses: `error: …`, exit 1. */
export class UsageError extends Error {}
