import { defineConfig } from 'vitest/config'

/**
 * `unit`: everything that needs only what `npm ci` installs. `parts`: builds or starts other programs (OpenSSH server,
 * Go tools). `real`: real machines, see `lab/`.
 */
export default defineConfig({
  test: {
    // Most tests wait for simulated machines rather than compute, so one more than two processors have is right.
    maxWorkers: 3,
    projects: [
      {
        test: {
          name: 'unit',
          include: ['test/**/*.test.ts'],
          exclude: ['test/parts/**', 'test/real/**'],
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
      {
        test: {
          name: 'parts',
          include: ['test/parts/**/*.test.ts'],
          testTimeout: 600_000,
          hookTimeout: 900_000,
          fileParallelism: false,
        },
      },
      {
        test: {
          name: 'real',
          include: ['test/real/**/*.test.ts'],
          testTimeout: 1_800_000,
          hookTimeout: 1_800_000,
          fileParallelism: false,
        },
      },
    ],
  },
})
