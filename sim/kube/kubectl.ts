import type { SimClock } from '../clock.ts'
import type { KubeApi } from './api.ts'
import type { Controllers } from './controllers.ts'
export interface KubectlSeams {
  readonly api: KubeApi
  readonly controllers: Controllers
  readonly clock: SimClock
  readonly version: string
}
export function runKubectl(_seams: KubectlSeams, argv: readonly string[], _stdin: string) {
  return Promise.resolve({ exit: 1, stdout: '', stderr: `error: unknown command "${argv[0]}" for "kubectl"\n` })
}
