/** Time as a simulator sees it: milliseconds since the epoch, and a way to wait. */
export interface SimClock {
  now(): number
  sleep(ms: number): Promise<void>
}

/**
 * Real time, with waits divided by `speed`: at 60 a simulated minute of boot or install lasts a second.
 * Only the simulated world's own durations are shortened; nobody's time stamps are changed.
 */
export function scaledClock(speed = 1): SimClock {
  return {
    now: () => Date.now(),
    sleep: (ms) => new Promise((resolve) => setTimeout(resolve, ms / speed)),
  }
}
