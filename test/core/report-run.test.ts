import { describe, expect, test } from 'vitest'
import { noFacts, type Facts } from '../../src/core/facts.ts'
import { advance, noProgress, type Job, type JobOrder, type Progress } from '../../src/core/job.ts'
import type { Plan } from '../../src/core/plan.ts'
import { reportRun, type ClusterRunReport } from '../../src/core/report/run.ts'
import { applied, homeSpec, planOf } from './plan-spec.ts'

const spec = homeSpec()
const plan = planOf(spec)
const START = Date.parse('2026-11-21T14:00:00.000Z')
const at = (seconds: number) => new Date(START + seconds * 1000).toISOString()

const order: JobOrder = {
  id: 'job-1',
  repository: '42',
  cluster: 'home',
  commit: '1f3e9ab0000000000000000000000000000000aa',
  planner: 1,
  planDigest: plan.digest,
  createdAt: at(0),
  expiresAt: at(86_400),
}

/** Progress after the first steps are done, 20 seconds each, and one more has begun. */
function progress(done: number, of: Plan = plan): Progress {
  let now = noProgress
  let seq = 0
  const say = (event: Parameters<typeof advance>[1]): void => void (now = advance(now, event))
  say({ seq: ++seq, at: at(0), kind: 'started', runner: 'closet', steps: of.steps.length })
  of.steps.slice(0, done).forEach(({ id }, index) => {
    say({ seq: ++seq, at: at(index * 20), kind: 'step-started', step: id })
    say({
      seq: ++seq,
      at: at(index * 20 + 20),
      kind: 'step-done',
      step: id,
      outcome: index === 0 ? 'already' : 'applied',
      tookMs: 20_000,
    })
  })
  const next = of.steps[done]
  if (next !== undefined) {
    say({ seq: ++seq, at: at(done * 20), kind: 'step-started', step: next.id })
    say({ seq: ++seq, at: at(done * 20 + 3), kind: 'step-progress', step: next.id, text: 'kubelet 1.36.3 | apt-get' })
  }
  return now
}

function comment(job: Job, change: Partial<ClusterRunReport> = {}, seconds = 200): string {
  return reportRun({
    runs: [
      {
        cluster: 'home',
        job,
        steps: plan.steps,
        runners: 1,
        runnerSeen: at(seconds - 5),
        logUrl: 'https://slipway.example/runs/x',
        ...change,
      },
    ],
    now: START + seconds * 1000,
    limit: 60_000,
  })
}

describe('the run comment', () => {
  test('while it runs', async () => {
    const job: Job = {
      order,
      state: 'running',
      runner: 'closet',
      fence: 1,
      leaseUntil: at(300),
      progress: progress(9),
      cancelAsked: false,
    }
    await expect(comment(job)).toMatchFileSnapshot('../golden/run/running.md')
  })

  test('when a step failed: what stopped, what stands, how to go on', async () => {
    const problem = {
      code: 'kubeadm.swap-on',
      what: 'joining "w-1": kubeadm preflight: swap is on (`/dev/sda3`)',
      where: 'w-1',
      remedy: 'Run `swapoff -a` on "w-1".',
      retry: 'later' as const,
    }
    const running = progress(16)
    const failed = advance(running, {
      seq: running.lastSeq + 1,
      at: at(400),
      kind: 'step-failed',
      step: 'join-node/w-1',
      problem,
      tookMs: 4000,
    })
    await expect(comment({ order, state: 'stopped', problem, progress: failed })).toMatchFileSnapshot(
      '../golden/run/stopped.md',
    )
  })

  test('when it is done: what exists now', async () => {
    const seen = applied(plan, noFacts('home'))
    const facts: Facts = {
      ...seen,
      gitops: {
        ...seen.gitops!,
        deployKey: { fingerprint: 'SHA256:uNiVztksCsDhcc0u9e8BrrJXVGDYbyd7pHn3bXcQq2w', registered: true },
        recipient: 'age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p',
        status: { state: 'ready', commit: order.commit },
      },
    }
    const end = advance(progress(plan.steps.length), {
      seq: 1000,
      at: at(780),
      kind: 'finished',
      outcome: 'succeeded',
      notes: [],
    })
    await expect(comment({ order, state: 'succeeded', progress: end, notes: [] }, { facts })).toMatchFileSnapshot(
      '../golden/run/done.md',
    )
  })

  test('says why nothing moves', () => {
    const queued: Job = { order, state: 'queued' }
    expect(comment(queued, { runnerSeen: at(120) })).toContain('### `home`: queued: no runner seen since 14:02 UTC')
    expect(comment(queued, { runnerSeen: at(195) })).toContain('The next free runner takes it.')
    expect(comment(queued, { runners: 0 })).toContain('slipway runner enroll')
    const why = { code: 'plan.moved', what: 'the plan moved: w-1 reboots', retry: 'later' as const }
    expect(comment({ order, state: 'waiting', why })).toMatch(/the plan moved: w-1 reboots\.[^]*\/slipway apply/)
  })

  test('after a cancel, and when a newer plan took over', () => {
    expect(comment({ order, state: 'cancelled', by: 'ann', progress: progress(3) })).toContain(
      'cancelled after 3 of 22 steps',
    )
    expect(comment({ order, state: 'superseded', byJob: 'job-2' })).toContain('replaced by a newer plan')
  })

  test('keeps the limit with a thousand steps', () => {
    const steps = Array.from({ length: 1000 }, (_, n) => ({
      step: `prepare-host/n-${n}`,
      outcome: 'applied' as const,
      tookMs: 1000,
    }))
    const long = { ...noProgress, lastSeq: 1, total: 1000, done: steps }
    const text = reportRun({
      runs: [{ cluster: 'home', job: { order, state: 'cancelled', by: 'ann', progress: long }, runners: 1 }],
      now: START,
      limit: 4000,
    })
    expect(text.length).toBeLessThanOrEqual(4000)
    expect(text).toContain('cancelled after 1000 of 1000 steps')
  })
})
