import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { appClient, enrollAtApp } from '../../runner/app-client.ts'
import { systemClock } from '../../runner/system-clock.ts'
import { scaledClock } from '../../sim/clock.ts'
import type { SimForge } from '../../sim/forge.ts'
import { simGithub } from '../../sim/github/server.ts'
import { simGitlab } from '../../sim/gitlab/server.ts'
import { createToken } from '../../src/app/enroll-runner.ts'
import type { JobOrder } from '../../src/core/job.ts'
import { readConfig, secretsOf } from '../../src/entry/config.ts'
import { jsonLog } from '../../src/entry/log.ts'
import { serve, type Serving } from '../../src/entry/node.ts'
import { newSigningKey, signerFrom } from '../../src/secrets/signing.ts'
import { newSshKey } from '../../src/secrets/ssh-key.ts'
import { numbered } from './fake-runner.ts'
import { homeSpec } from './harness.ts'

const folder = mkdtempSync(join(tmpdir(), 'slipway-forges-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const FULL = 'home/lab'
const SPEC = 'clusters/home/cluster.yaml'

/** The whole app as it ships, on a forge that speaks the real protocol. */
async function started(sim: SimForge): Promise<{ serving: Serving; lines: string[]; url: string }> {
  const credentials = await sim.credentials()
  const config = readConfig({
    SLIPWAY_SIGNING_KEY: await newSigningKey(),
    SLIPWAY_DATABASE: join(folder, `${sim.kind}.db`),
    SLIPWAY_PUBLIC_URL: 'https://slipway.test',
    SLIPWAY_LISTEN: '127.0.0.1:0',
    ...(credentials.kind === 'github'
      ? {
          SLIPWAY_GITHUB_APP_ID: String(credentials.appId),
          SLIPWAY_GITHUB_PRIVATE_KEY: credentials.privateKeyPem,
          SLIPWAY_GITHUB_WEBHOOK_SECRET: credentials.webhookSecret,
          SLIPWAY_GITHUB_API_URL: credentials.apiUrl,
          SLIPWAY_GITHUB_KNOWN_HOSTS: sim.knownHosts,
        }
      : {
          SLIPWAY_GITLAB_URL: credentials.url,
          SLIPWAY_GITLAB_TOKEN: credentials.token,
          SLIPWAY_GITLAB_WEBHOOK_SECRET: credentials.webhookSecret,
          SLIPWAY_GITLAB_KNOWN_HOSTS: sim.knownHosts,
        }),
  })
  const lines: string[] = []
  const serving = await serve(
    config,
    jsonLog((line) => lines.push(line), secretsOf(config)),
  )
  const url = `http://127.0.0.1:${serving.address.port}`
  await sim.setWebhook(`${url}/webhooks/${sim.kind}`, credentials.webhookSecret)
  return { serving, lines, url }
}

/** Looks until something is there; the test's own time limit ends a wait in vain. */
async function until<T>(look: () => Promise<T | undefined>): Promise<T> {
  for (;;) {
    const found = await look()
    if (found !== undefined) return found
    await systemClock.sleep(50)
  }
}

describe.each([
  { name: 'github', start: () => simGithub({ seed: 1, clock: scaledClock(1) }) },
  { name: 'gitlab', start: () => simGitlab({ seed: 1, clock: scaledClock(1) }) },
])('on $name', ({ start }) => {
  test('a pull is planned, merged, run by an enrolled runner and reported', async () => {
    await using sim = await start()
    await sim.createUser('ada')
    await sim.createRepo(FULL, { 'README.md': '# lab\n' })
    await sim.grant(FULL, 'ada', 'admin')
    const { serving, lines, url } = await started(sim)
    try {
      const [repo] = await serving.app.forges.get(sim.kind)!.repositories()
      const { number } = await sim.openPull(FULL, {
        branch: 'add-home',
        files: { [SPEC]: homeSpec() },
        title: 'Add home',
        author: 'ada',
      })
      const said = (text: string) =>
        until(async () => (await sim.comments(FULL, number)).find(({ body }) => body.includes(text)))
      await said('merge to run it')
      const { headSha: head } = await until(async () => {
        const pull = await sim.pull(FULL, number)
        const checks = await sim.checks(FULL, pull.headSha)
        return checks.length > 0 ? pull : undefined
      })
      expect(await sim.readFile(FULL, head, 'clusters/home/gitops/flux-system/gotk-sync.yaml')).toBeDefined()
      await sim.webhooksSettled()
      await sim.merge(FULL, number, 'ada')
      await said('queued')

      const key = await newSigningKey()
      const { token } = await createToken(serving.app, [repo!])
      const identity = await enrollAtApp(url, token, {
        wire: 1,
        name: 'closet',
        signingKey: (await signerFrom(key)).publicKey,
        gitKey: (await newSshKey('slipway runner closet')).publicKey,
      })
      expect(identity.repositories).toMatchObject([{ fullName: FULL, branch: 'main' }])
      const client = await appClient({ app: url, runner: 'closet', appKey: identity.appKey }, key, systemClock)
      const { job } = await until(async () => {
        const answer = await client.poll({ wire: 1, version: '1', planners: [1], idle: true, facts: {} })
        return answer.job && answer
      })
      const order = JSON.parse(job!.order) as JobOrder
      expect(order).toMatchObject({ cluster: 'home', pull: number })
      const events = numbered([
        { kind: 'started', runner: 'closet', steps: 1 },
        { kind: 'finished', outcome: 'succeeded', notes: ['three nodes are ready'] },
      ])
      const answer = await client.events(order.id, { fence: job!.fence, events: [...events] as never })
      expect(answer).toMatchObject({ lease: 'held', acknowledged: 2 })
      await said('three nodes are ready')
      const comments = await sim.comments(FULL, number)
      expect(comments.filter(({ body }) => body.includes('`home`'))).toHaveLength(2)
      const deployed = await until(async () => {
        const newest = (await sim.deployments(FULL)).at(-1)
        return newest?.state === 'success' ? newest : undefined
      })
      expect(deployed.environment).toBe('slipway/home')
      expect(lines.filter((line) => line.includes('"level":"error"'))).toEqual([])
    } finally {
      await serving.stop()
    }
  })
})
