import type { SimClock } from '../clock.ts'
import type { KubeApi } from './api.ts'

/** Passes over all controllers before a loop that never settles is taken for a bug. */
const MAX_PASSES = 200

/**
 * Runs the simulated controllers after every change until nothing changes any more. Each is a function that looks at
 * the whole store and writes what it would write; what takes time asks {@link Controllers.after} for a later look.
 */
export class Controllers {
  readonly #api: KubeApi
  readonly #clock: SimClock
  readonly #reconcilers: (() => void)[] = []
  #scheduled: ReturnType<typeof setImmediate> | undefined
  #running = false
  #stopped = false

  constructor(api: KubeApi, clock: SimClock) {
    this.#api = api
    this.#clock = clock
    api.store.subscribe(() => this.poke())
  }

  add(reconcile: () => void): void {
    this.#reconcilers.push(reconcile)
  }

  poke(): void {
    if (this.#running || this.#stopped) return
    this.#scheduled ??= setImmediate(() => {
      this.#scheduled = undefined
      this.run()
    })
  }

  run(): void {
    if (this.#stopped || this.#running) return
    this.#running = true
    try {
      for (let pass = 0; ; pass++) {
        if (pass === MAX_PASSES) throw new Error('the simulated controllers of Kubernetes do not settle')
        const before = this.#api.store.revision
        for (const reconcile of this.#reconcilers) reconcile()
        if (this.#api.store.revision === before) return
      }
    } finally {
      this.#running = false
    }
  }

  /** Calls back after simulated time, unless the cluster has been closed by then. */
  after(ms: number, action: () => void): void {
    void this.#clock.sleep(ms).then(() => {
      if (this.#stopped) return
      action()
      this.poke()
    })
  }

  get stopped(): boolean {
    return this.#stopped
  }

  stop(): void {
    this.#stopped = true
    if (this.#scheduled !== undefined) clearImmediate(this.#scheduled)
  }
}
