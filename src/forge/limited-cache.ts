/**
 * Keeps what a commit or blob id stands for: ids name content, so an entry is never stale, only forgotten. Two callers
 * that ask for one id share one request; a failed request is not kept.
 */
export class LimitedCache<T> {
  readonly #entries = new Map<string, Promise<T>>()
  readonly #limit: number

  constructor(limit: number) {
    this.#limit = limit
  }

  get(id: string, make: () => Promise<T>): Promise<T> {
    const known = this.#entries.get(id)
    if (known !== undefined) return known
    const made = make()
    this.#entries.set(id, made)
    made.catch(() => this.#entries.delete(id))
    const oldest = this.#entries.keys().next()
    if (this.#entries.size > this.#limit && oldest.done !== true) this.#entries.delete(oldest.value)
    return made
  }
}
