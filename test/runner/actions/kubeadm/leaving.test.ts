import { expect, test } from 'vitest'
import type { Plan } from '../../../../src/core/plan.ts'
import type { PlannedStep, Step } from '../../../../src/core/step.ts'
import { bareSite, only } from '../bare-site.ts'

const planned = (step: Step, id: string): PlannedStep => ({
  id,
  step,
  after: [],
  impact: 'drain',
  summary: '',
  uses: [],
})

test('a worker is drained, leaves, and is gone when asked again', { timeout: 60_000 }, async () => {
  await using site = await bareSite()
  const plan = site.firstPlan()
  await site.run(plan, only('await-host', 'prepare-host', 'init-control-plane', 'join-node'))
  const target = plan.steps.flatMap(({ id, step }) =>
    id === 'join-node/w-1' && step.kind === 'join-node' ? [step.target] : [],
  )[0]
  if (target === undefined) throw new Error('the plan has no join of w-1')
  const leaving: Plan = {
    ...plan,
    steps: [
      planned({ kind: 'drain-node', cluster: 'home', node: 'w-1', timeoutSeconds: 60 }, 'drain-node/w-1'),
      {
        ...planned({ kind: 'remove-node', cluster: 'home', node: 'w-1', role: 'worker', target }, 'remove-node/w-1'),
        after: ['drain-node/w-1'],
      },
    ],
  }
  expect((await site.run(leaving)).done).toEqual(['drain-node/w-1 applied', 'remove-node/w-1 applied'])
  const nodes = await (await site.lan.kube()).list('v1', 'Node')
  expect(nodes.map(({ metadata }) => metadata.name)).toEqual(['cp-1'])
  expect(site.world.hosts.readFile('w-1', '/etc/kubernetes/kubelet.conf')).toBeUndefined()
  expect((await site.run(leaving)).done).toEqual(['drain-node/w-1 already', 'remove-node/w-1 already'])
})
