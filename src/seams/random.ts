/** Unpredictable bytes, and ids made of them. */
export interface Random {
  bytes(length: number): Uint8Array
  /** URL-safe, at least 120 bits. */
  id(): string
}
