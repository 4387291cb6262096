import { PLANNER } from '../../core/plan.ts'
import type { CommandSpec } from '../command.ts'
import { slipwayVersion } from '../version.ts'

export const version: CommandSpec<unknown> = {
  name: 'version',
  summary: 'print the version of this release',
  output: '{ slipway: string, planner: number, node: string }',
  exits: { 0: 'always' },
  async run({ say, json }) {
    const found = { slipway: slipwayVersion(), planner: PLANNER, node: process.version }
    say(`slipway ${found.slipway}, planning rules ${found.planner}, Node ${found.node}\n`)
    json(found)
    return 0
  },
}
