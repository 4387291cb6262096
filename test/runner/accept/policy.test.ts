import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { siteProblems } from '../../../runner/accept/policy.ts'
import { readRunnerConfig } from '../../../runner/config.ts'
import { homeSpec, host } from '../../core/plan-spec.ts'

const folder = mkdtempSync(join(tmpdir(), 'slipway-policy-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

function problems(text: string, spec = homeSpec()): readonly string[] {
  const file = join(folder, 'runner.yaml')
  writeFileSync(file, text, { mode: 0o600 })
  return siteProblems(spec, 'jane/homelab', readRunnerConfig(file)).map(({ what }) => what)
}

const GIVEN = 'repositories: [jane/homelab]\nclusters: [home]\nallow: { hosts: [10.4.0.0/24] }\n'

test('machines are looked at only where runner.yaml allows it', () => {
  expect(problems(GIVEN)).toEqual([])
  expect(problems(GIVEN.replace('home]', 'other]')).join()).toContain('"home" is not in `clusters`')
  expect(problems(GIVEN.replace('jane', 'mallory')).join()).toContain('"jane/homelab" is not in `repositories`')
  const elsewhere = homeSpec({ machines: [...homeSpec().machines, host('nas', { address: '192.168.1.5' })] })
  expect(problems(GIVEN, elsewhere).join()).toContain('nas: 192.168.1.5 is not in `allow.hosts`')
})
