import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { readRunnerConfig, type RunnerConfig } from '../../runner/config.ts'
import { Problem } from '../core/problem.ts'
import type { Globals } from './command.ts'
import type { Terminal } from './terminal.ts'

/** Where a runner's settings are looked for in a repository. */
export const RUNNER_FILE = 'runner.yaml'

/** The `runner.yaml` that was named, or the one at the root; `undefined` when neither is there. */
export function findRunnerConfig(root: string, globals: Globals, terminal: Terminal): RunnerConfig | undefined {
  if (globals.config !== undefined) return readRunnerConfig(resolve(terminal.folder, globals.config))
  const usual = join(root, RUNNER_FILE)
  return existsSync(usual) ? readRunnerConfig(usual) : undefined
}

/** @throws Problem `runner.no-config` */
export function needRunnerConfig(root: string, globals: Globals, terminal: Terminal): RunnerConfig {
  const config = findRunnerConfig(root, globals, terminal)
  if (config !== undefined) return config
  throw new Problem({
    code: 'runner.no-config',
    what: `there is no ${RUNNER_FILE} in ${root}: it says how this machine reaches your network, and what it may do there`,
    remedy:
      'Copy runner.example.yaml, which `slipway init` writes, to runner.yaml and fill it in; or name one: --config FILE',
    retry: 'never',
  })
}
