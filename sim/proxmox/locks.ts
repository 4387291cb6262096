import type { SimClock } from '../clock.ts'

/** How long qemu-server waits for the lock of a VM's config before a clone of it. */
export const CLONE_SOURCE_LOCK_WAIT_MS = 1_000
/** How long it waits for the config lock otherwise, and pve-storage for the lock of a storage. */
export const LOCK_WAIT_MS = 10_000

export const configLock = (vmid: number) => `/var/lock/qemu-server/lock-${vmid}.conf`
export const storageLock = (storage: string) => `/var/lock/pve-manager/pve-storage-${storage}`

/** Lock files: one holder at a time, in order of arrival, with the waiting times and the text of the real ones. */
export class Locks {
  readonly #clock: SimClock
  readonly #strikes: (file: string) => boolean
  readonly #tails = new Map<string, Promise<void>>()

  constructor(clock: SimClock, strikes: (file: string) => boolean) {
    this.#clock = clock
    this.#strikes = strikes
  }

  async hold<T>(file: string, waitMs: number, work: () => Promise<T> | T): Promise<T> {
    const timeout = () => new Error(`can't lock file '${file}' - got timeout`)
    if (this.#strikes(file)) {
      await this.#clock.sleep(waitMs)
      throw timeout()
    }
    const before = this.#tails.get(file)
    const turn = Promise.withResolvers<void>()
    const tail = (before ?? Promise.resolve()).then(() => turn.promise)
    this.#tails.set(file, tail)
    void tail.then(() => {
      if (this.#tails.get(file) === tail) this.#tails.delete(file)
    })
    try {
      if (before !== undefined) {
        const mine = await Promise.race([before.then(() => true), this.#clock.sleep(waitMs).then(() => false)])
        if (!mine) throw timeout()
      }
      return await work()
    } finally {
      turn.resolve()
    }
  }
}
