import { expect, test } from 'vitest'
import { gatherFacts } from '../../runner/facts/gather.ts'
import { STEP_KINDS_WITHOUT_REPOSITORY, vmSite } from './vm-site.ts'

/** Some tens of thousands of simulated seconds on a busy machine. */
const PATIENCE = { timeout: 180_000 }

test('from an empty hypervisor to a node that is Ready, and a plan that has nothing left to do', PATIENCE, async () => {
  await using site = await vmSite()
  const { outcome } = await site.run(site.lan, site.plan(), STEP_KINDS_WITHOUT_REPOSITORY)
  expect(outcome).toEqual({ outcome: 'succeeded' })
  const facts = await gatherFacts(site.spec, site.lan)
  expect(facts.kubernetes?.nodes['cp-1']).toMatchObject({ ready: true, role: 'control-plane', address: '10.4.0.11' })
  expect(facts.machines['cp-1']?.host).toMatchObject({ reachable: true, kubeadm: 'this-cluster' })
  // What needs a repository that answers is all that a plan finds now.
  const left = site.plan(site.spec, facts).steps.map(({ step }) => step.kind)
  expect(left.filter((kind) => STEP_KINDS_WITHOUT_REPOSITORY.includes(kind) && kind !== 'await-cluster')).toEqual([])

  const machine = site.world.hosts.names()[0] ?? ''
  const before = site.world.hosts.mutations(machine).length
  expect((await site.run(site.lan, site.plan(), STEP_KINDS_WITHOUT_REPOSITORY)).outcome).toEqual({
    outcome: 'succeeded',
  })
  expect(site.world.hosts.mutations(machine)).toHaveLength(before)
})
