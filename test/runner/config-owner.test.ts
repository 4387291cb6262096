import { chownSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { readRunnerConfig } from '../../runner/config.ts'

const folder = mkdtempSync(join(tmpdir(), 'slipway-owner-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

// Giving a file away takes root.
describe.skipIf(process.getuid?.() !== 0)('runner.yaml', () => {
  test('of another user is not read: its owner could change what this runner may do', () => {
    const file = join(folder, 'runner.yaml')
    writeFileSync(file, 'clusters: [home]\n', { mode: 0o600 })
    expect(readRunnerConfig(file).clusters).toEqual(['home'])
    chownSync(file, 12_345, 12_345)
    expect(() => readRunnerConfig(file)).toThrow(expect.objectContaining({ code: 'runner.config-owner' }))
  })
})
