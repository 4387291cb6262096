import { describe, expect, test } from 'vitest'
import { blueprint } from '../../src/blueprint/blueprint.ts'
import { bundle, bundleChanges } from '../../src/core/bundle.ts'
import { noFacts, type Facts } from '../../src/core/facts.ts'
import { planTitle, reportPlan, type ClusterPlanReport, type PlanReport } from '../../src/core/report/plan.ts'
import { reportProblems } from '../../src/core/report/problem.ts'
import type { ClusterSpec } from '../../src/core/spec/cluster-spec.ts'
import { applied, homeSpec, planOf, vm } from './plan-spec.ts'

const NOW = Date.parse('2026-11-21T12:00:40.000Z')
const SEEN = { takenAt: '2026-11-21T12:00:00.000Z', runner: 'closet' }

function section(spec: ClusterSpec, facts: Facts, before?: ClusterSpec): ClusterPlanReport {
  const wanted = blueprint(spec).bundle
  return {
    cluster: spec.name,
    plan: planOf(spec, facts),
    problems: [],
    ...(facts.runner === '' ? {} : { facts: SEEN }),
    bundle: {
      engine: spec.gitops.engine,
      changes: bundleChanges(before === undefined ? bundle({}) : blueprint(before).bundle, wanted),
      files: wanted,
    },
    next: { kind: 'merge' },
  }
}

function report(clusters: readonly ClusterPlanReport[], change: Partial<PlanReport> = {}): string {
  return reportPlan({
    clusters,
    commit: '1f3e9ab0000000000000000000000000000000aa',
    now: NOW,
    docsUrl: 'https://slipway.example/docs/reference/words',
    limit: 60_000,
    ...change,
  })
}

const spec = homeSpec()
const running: Facts = { ...applied(planOf(spec), noFacts('home')), ...SEEN }
const grown = homeSpec({
  machines: [...spec.machines, vm('w-3', { node: 'pve2', vmid: 413, address: '10.4.0.23' })],
})

describe('the plan comment', () => {
  test('of a new cluster', async () => {
    await expect(report([section(spec, noFacts('home'))])).toMatchFileSnapshot('../golden/plan/new-cluster.md')
  })

  test('of two workers that join, a label and a reboot', async () => {
    const next = homeSpec({
      machines: [
        ...spec.machines.map((m) =>
          m.kind === 'vm' && m.name === 'w-1'
            ? { ...m, memoryMiB: 16_384 }
            : m.name === 'w-2'
              ? { ...m, labels: { 'home/disk': 'ssd' } }
              : m,
        ),
        vm('w-3', { node: 'pve2', vmid: 413, address: '10.4.0.23' }),
        vm('w-4', { node: 'pve2', vmid: 414, address: '10.4.0.24' }),
      ],
    })
    await expect(report([section(next, running, spec)])).toMatchFileSnapshot('../golden/plan/join-and-reboot.md')
  })

  test('of a worker that leaves: what is lost comes first', async () => {
    const full = { ...applied(planOf(grown), noFacts('home')), ...SEEN }
    const disks = [{ volume: 'local-zfs:vm-413-disk-0', sizeGiB: 100 }]
    const { 'w-3': _, ...machines } = full.machines
    const facts = { ...full, machines, strays: [{ connection: 'lab', node: 'pve2', vmid: 413, name: 'w-3', disks }] }
    const text = report([
      {
        ...section(spec, facts, grown),
        next: { kind: 'merge-then-apply', why: 'the policy asks for a word before data is lost' },
      },
    ])
    await expect(text).toMatchFileSnapshot('../golden/plan/leave.md')
    expect(text.indexOf('Destroys')).toBeLessThan(text.indexOf('About'))
  })

  test('of nothing to change', async () => {
    await expect(report([section(spec, running, spec)])).toMatchFileSnapshot('../golden/plan/nothing.md')
  })

  test('from a fork tells nothing of the machines', async () => {
    const text = report([{ ...section(spec, noFacts('home')), next: { kind: 'fork' } }])
    expect(text).toContain('planned from its text alone')
    expect(text).not.toContain('runner `')
  })

  test('of problems: all of them, with place and remedy', async () => {
    const problems = [
      {
        code: 'spec.address-taken',
        what: 'worker "w-2" uses 10.4.0.21, already the address of "w-1"',
        file: 'clusters/home/cluster.yaml',
        line: 14,
        column: 22,
        remedy: 'Give each machine its own address; 10.4.0.24 is free.',
        retry: 'never' as const,
      },
      {
        code: 'plan.vm-not-ours',
        what: 'id 412 is taken on pve2 by "nas", which does not carry our mark',
        where: 'w-2',
        remedy: 'Give "w-2" an id that is free.',
        retry: 'later' as const,
      },
    ]
    const text = report([{ cluster: 'home', problems, next: { kind: 'merge' } }])
    await expect(text).toMatchFileSnapshot('../golden/plan/problems.md')
  })

  test('problems alone make the summary of a check, bounded in number and length', () => {
    const problem = {
      code: 'spec.x',
      what: 'a "b" @admin',
      where: 'w-1',
      remedy: 'Write `c`.',
      retry: 'never' as const,
    }
    expect(reportProblems({ problems: [problem], limit: 1000 })).toBe(
      '1 problem. Nothing was changed.\n\n- `w-1`: a "b" @\u2060admin (`spec.x`)<br>→ Write `c`.\n',
    )
    const many = Array.from({ length: 200 }, () => problem)
    expect(reportProblems({ problems: many, limit: 60_000 })).toContain('… and 150 more problems')
    const short = reportProblems({ problems: many, limit: 500 })
    expect(short.length).toBeLessThanOrEqual(500)
    expect(short).toMatch(/^200 problems.*did not fit/s)
    expect(reportProblems({ problems: [], limit: 500 })).toBe('No problems.')
  })

  test('has a section for each cluster, and says when one is given up', () => {
    const text = report([
      section(spec, running, spec),
      { cluster: 'old', problems: [], removed: true, next: { kind: 'merge' } },
    ])
    expect(text).toContain('### `home`: nothing to change')
    expect(text).toContain('### `old`: its file goes, its machines stay')
  })

  test('has a title without markup for checks', () => {
    expect(planTitle(section(grown, running))).toBe('home: 1 machine joins, nothing is destroyed')
  })
})

describe('the limit of the forge', () => {
  const big = homeSpec({
    machines: [
      ...spec.machines,
      ...Array.from({ length: 120 }, (_, at) =>
        vm(`n-${at}`, { vmid: 500 + at, address: `10.4.1.${at}`, cores: 1 + at }),
      ),
    ],
  })
  const section1 = section(big, noFacts('home'))

  test.each([40_000, 16_000, 8_000, 3_000, 600])('%i characters are kept, and the text stays whole', (limit) => {
    const text = report([section1, { ...section1, cluster: 'other' }], { limit })
    expect(text.length).toBeLessThanOrEqual(limit)
    expect(text).toMatch(/^### `home`: a new cluster of 123 machines, nothing is destroyed/)
    expect(text.match(/<details>/g)?.length ?? 0).toBe(text.match(/<\/details>/g)?.length ?? 0)
    expect((text.match(/^`{3,}/gm)?.length ?? 0) % 2).toBe(0)
    expect(text).toMatch(/Left out to fit|did not fit/)
  })
})
