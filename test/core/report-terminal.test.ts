import { expect, test } from 'vitest'
import { noFacts } from '../../src/core/facts.ts'
import { terminalPlan, terminalProblems } from '../../src/core/report/terminal.ts'
import { applied, homeSpec, planOf, vm } from './plan-spec.ts'

const spec = homeSpec()
const file = 'clusters/home/cluster.yaml'

test('a plan in the terminal', async () => {
  const facts = applied(planOf(spec), noFacts('home'))
  const next = homeSpec({
    machines: [
      ...spec.machines.map((m) => (m.kind === 'vm' && m.name === 'w-1' ? { ...m, memoryMiB: 16_384 } : m)),
      vm('worker-with-a-long-name', { node: 'pve2', vmid: 413, address: '10.4.0.23' }),
    ],
  })
  await expect(terminalPlan(planOf(next, facts), { steps: true })).toMatchFileSnapshot('../golden/terminal/plan.txt')
  await expect(terminalPlan(planOf(spec), { steps: false })).toMatchFileSnapshot('../golden/terminal/new-cluster.txt')
  expect(terminalPlan(planOf(spec, facts), { steps: true })).toBe('home: nothing to change\n')
})

test('problems in the terminal: all at once, each with place, code and remedy', async () => {
  const text = terminalProblems([
    {
      file,
      line: 14,
      column: 22,
      code: 'spec.address-taken',
      what: 'worker "w-2" uses 10.0.4.21, already the address of "w-1"',
      remedy: 'give each machine its own address; 10.0.4.24 is free',
      retry: 'never',
    },
    {
      file,
      line: 31,
      column: 5,
      code: 'spec.unknown-field',
      what: 'unknown field "lables" in machine "gpu-1"; did you mean "labels"?',
      retry: 'never',
    },
    { code: 'plan.host-not-ours', where: 'gpu-1', what: '"gpu-1" is a node of another cluster', retry: 'later' },
  ])
  await expect(text).toMatchFileSnapshot('../golden/terminal/problems.txt')
})
