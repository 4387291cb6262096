import { describe, expect, test } from 'vitest'
import { type ClusterDocument, type JobDocument, keys, type PullDocument } from '../../src/app/documents.ts'
import { type Harness, harness, homeSpec } from './harness.ts'

const SPEC = 'clusters/home/cluster.yaml'

async function jobOf({ app, forge }: Harness, cluster = 'home'): Promise<JobDocument['job'] | undefined> {
  const document = await app.store.get<ClusterDocument>(keys.cluster(forge.repo, cluster))
  const id = document?.value.job
  return id === undefined ? undefined : (await app.store.get<JobDocument>(keys.job(id)))?.value.job
}

async function pulled(h: Harness, spec = homeSpec()): Promise<number> {
  h.forge.push('add-home', { [SPEC]: spec })
  const number = h.forge.open('add-home')
  await h.hint({ kind: 'pull-changed', number })
  return number
}

describe('a pull that adds a cluster', () => {
  test('gets a plan, a check and the bundle as a commit on its branch', async () => {
    const h = await harness()
    const number = await pulled(h)
    expect(h.logged.filter((line) => !line.startsWith('info'))).toEqual([])
    const head = h.forge.head('add-home')
    expect(h.forge.writes.filter((write) => write.startsWith('commit'))).toEqual(['commit add-home'])
    expect(h.forge.comments.get(`${number}/plan`)).toContain('home')
    expect(h.forge.checks.get(head)).toMatchObject({ state: 'success', annotations: [] })
    expect(h.forge.text(head, 'clusters/home/gitops/kustomization.yaml') ?? [...h.forge.checks.keys()]).toBeDefined()
    const document = (await h.app.store.get<PullDocument>(keys.pull(h.forge.repo, number)))?.value
    expect(document?.reviews['home']?.digest).toMatch(/^[0-9a-f]{64}$/)
    expect(await jobOf(h)).toBeUndefined()
  })

  test('is queued once it is merged, with the reviewed digest and the commit of the default branch', async () => {
    const h = await harness()
    const number = await pulled(h)
    const reviewed = (await h.app.store.get<PullDocument>(keys.pull(h.forge.repo, number)))?.value.reviews['home']
    const commit = h.forge.merge(number)
    await h.hint({ kind: 'pull-changed', number })
    expect(await jobOf(h)).toMatchObject({
      state: 'queued',
      order: { cluster: 'home', commit, pull: number, planDigest: reviewed?.digest, repository: '4711' },
    })
  })
})
