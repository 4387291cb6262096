/** A stored document with the version that a later write must name. Versions are opaque and never reused for a key. */
export interface Stored<T> {
  readonly key: string
  readonly value: T
  readonly version: string
}

/**
 * Versioned JSON documents under `/`-separated keys. Linearizable per key: what a write returned, every later read
 * sees. No transactions across keys; callers order their writes so that a crash between two is repaired by the sweep.
 */
export interface Store {
  get<T>(key: string): Promise<Stored<T> | undefined>
  /**
   * Writes when the stored version is the expected one (`undefined`: when there is no document) and returns the new
   * version; returns `undefined` without effect when somebody else was first.
   */
  put(
    key: string,
    value: unknown,
    expected: string | undefined,
    options?: { readonly expiresAt?: string },
  ): Promise<string | undefined>
  /** Deletes when the version is the expected one; says whether it did. */
  delete(key: string, expected: string): Promise<boolean>
  /** Documents whose key starts with `prefix`, in key order, at most `limit` (1 to 1,000), after key `after`. */
  list<T>(prefix: string, options?: { readonly limit?: number; readonly after?: string }): Promise<readonly Stored<T>[]>
  /** The store's own clock, UTC ISO 8601 with milliseconds: the one that leases and expiry use. */
  now(): Promise<string>
}
