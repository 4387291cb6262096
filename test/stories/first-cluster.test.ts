import { expect, test } from 'vitest'
import { FILE, REPOSITORY, storySite } from './site.ts'

test('a pull adds a cluster, and after the merge it is there', async () => {
  await using site = await storySite()
  site.startRunner()
  const pull = await site.openPull({ [FILE]: site.spec })
  const plan = await site.plan(pull)
  expect(plan).toContain('a new cluster of 3 machines')
  await site.forge.merge(REPOSITORY, pull.number, 'ada')
  const run = await site.run(pull)
  expect(run).toContain(': done')
  const cluster = site.world.kube.clusterAt('10.4.0.11:6443')!
  const nodes = await cluster.kubectl(['get', 'nodes', '-o', 'name'], '')
  expect(nodes.stdout.trim().split('\n')).toEqual(['node/cp-1', 'node/w-1', 'node/w-2'])
})
