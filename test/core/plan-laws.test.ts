import * as fc from 'fast-check'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { blueprint } from '../../src/blueprint/blueprint.ts'
import { factsAfter } from '../../src/core/apply-step.ts'
import { canonical } from '../../src/core/canonical.ts'
import { noFacts, type Facts } from '../../src/core/facts.ts'
import { planCluster } from '../../src/core/plan-cluster.ts'
import type { Plan } from '../../src/core/plan.ts'
import { addedRisk } from '../../src/core/risk.ts'
import type { Cni, ClusterSpec, EngineName, Machine, Taint } from '../../src/core/spec/cluster-spec.ts'
import { applied, homeSpec, host, planOf, vm } from './plan-spec.ts'

const labels = fc.dictionary(
  fc.constantFrom('home/disk', 'home/zone', 'example.com/tier', 'constructor'),
  fc.constantFrom('a', 'b', ''),
)
const taints: fc.Arbitrary<readonly Taint[]> = fc.uniqueArray(
  fc.record({
    key: fc.constantFrom('home/gpu', 'nvidia.com/gpu', 'home/noisy'),
    value: fc.constantFrom('yes', 'present'),
    effect: fc.constantFrom('NoSchedule' as const, 'NoExecute' as const, 'PreferNoSchedule' as const),
  }),
  { maxLength: 2, selector: ({ key, effect }) => `${key}:${effect}` },
)

function machines(): fc.Arbitrary<readonly Machine[]> {
  const worker = fc.record({
    existing: fc.boolean(),
    labels,
    taints,
    optional: fc.boolean(),
    cores: fc.constantFrom(2, 4),
    memoryMiB: fc.constantFrom(4096, 8192),
    diskGiB: fc.constantFrom(20, 40),
    node: fc.constantFrom('pve1', 'pve2'),
  })
  return fc
    .tuple(fc.constantFrom(1, 3), fc.array(worker, { maxLength: 5 }), labels)
    .map(([controlPlanes, workers, own]) => [
      ...Array.from({ length: controlPlanes }, (_, at) =>
        vm(`cp-${at + 1}`, { role: 'control-plane', vmid: 401 + at, address: `10.4.0.${11 + at}`, labels: own }),
      ),
      ...workers.map(({ existing, node, cores, memoryMiB, diskGiB, ...shared }, at) =>
        existing
          ? host(`w-${at}`, { address: `10.4.0.${40 + at}`, ...shared })
          : vm(`w-${at}`, { vmid: 410 + at, address: `10.4.0.${20 + at}`, node, cores, memoryMiB, diskGiB, ...shared }),
      ),
    ])
}

const cni: fc.Arbitrary<Cni> = fc.constantFrom<Cni>(
  { kind: 'flannel', version: '0.28.4', backend: 'vxlan' },
  {
    kind: 'cilium',
    version: '1.20.0',
    encryption: 'wireguard',
    routing: 'tunnel',
    gatewayApi: true,
    ingress: false,
    hubble: { relay: true, ui: false },
    loadBalancer: { announce: 'l2', addresses: [{ from: '10.4.0.200', to: '10.4.0.210' }], interfaces: [] },
  },
)

const specs: fc.Arbitrary<ClusterSpec> = fc
  .record({
    machines: machines(),
    cni,
    engine: fc.constantFrom<EngineName>('flux', 'argocd', 'fleet'),
    firewall: fc.constantFrom('none' as const, 'managed' as const),
    mirrored: fc.boolean(),
  })
  .map(({ machines: list, cni: network, engine, firewall, mirrored }) => {
    const base = homeSpec()
    return homeSpec({
      machines: list,
      network: { ...base.network, cni: network },
      kubernetes: { ...base.kubernetes, firewall } as ClusterSpec['kubernetes'],
      gitops: { ...base.gitops, engine, version: { flux: '2.9.4', argocd: '3.4.4', fleet: '0.15.6' }[engine] },
      mirrors: { ...base.mirrors, containerImages: mirrored ? { 'docker.io': 'http://10.4.0.5:5000' } : {} },
    })
  })

/** The same cluster with machines resized, relabelled, added or taken out: what a pull request does. */
const pairs: fc.Arbitrary<readonly [before: ClusterSpec, after: ClusterSpec]> = fc
  .tuple(specs, machines(), fc.boolean())
  .map(([before, others, keepMachines]) => {
    const byName = new Map(others.map((machine) => [machine.name, machine]))
    const kept = before.machines.map((machine) => {
      const other = byName.get(machine.name)
      if (machine.kind !== 'vm' || other?.kind !== 'vm') return machine
      const { labels: l, taints: t, cores, memoryMiB } = other
      return { ...machine, labels: l, taints: t, cores, memoryMiB, diskGiB: Math.max(machine.diskGiB, other.diskGiB) }
    })
    const added = others.filter(({ name, role }) => role === 'worker' && !before.machines.some((m) => m.name === name))
    const stays = (machine: Machine) => keepMachines || machine.role === 'control-plane' || byName.has(machine.name)
    return [before, { ...before, machines: [...kept.filter(stays), ...added] }] as const
  })

/** What would be seen of a cluster whose spec no longer has some machines: their VMs are strays. */
function seenFor(spec: ClusterSpec, facts: Facts): Facts {
  const wanted = new Set(spec.machines.map(({ name }) => name))
  return {
    ...facts,
    machines: Object.fromEntries(Object.entries(facts.machines).filter(([name]) => wanted.has(name))),
    strays: Object.entries(facts.machines).flatMap(([name, { vm: seen }]) =>
      wanted.has(name) || seen === undefined
        ? []
        : [{ connection: 'lab', node: seen.node, vmid: seen.vmid, name, disks: seen.disks }],
    ),
  }
}

/** Facts after some of the plan's steps ran, none before those it waits for: where a crash can leave a cluster. */
function partly(plan: Plan, facts: Facts, choices: readonly boolean[]): Facts {
  const done = new Set<string>()
  let seen = facts
  plan.steps.forEach(({ id, step, after }, at) => {
    if (choices[at % choices.length] !== true || !after.every((other) => done.has(other))) return
    done.add(id)
    seen = factsAfter(step, seen)
  })
  return seen
}

const choices = fc.array(fc.boolean(), { minLength: 1, maxLength: 40 })
const RUNS = { numRuns: 60 }

describe('laws of planning', () => {
  test('a plan that was applied leaves nothing to plan, from wherever it began', () => {
    fc.assert(
      fc.property(pairs, choices, choices, ([before, after], first, second) => {
        const begun = partly(planOf(before), noFacts('home'), first)
        const member = applied(planOf(before, begun), begun)
        expect(planOf(before, member).steps).toEqual([])
        const seen = seenFor(after, member)
        const stopped = partly(planOf(after, seen), seen, second)
        const end = applied(planOf(after, stopped), stopped)
        expect(planOf(after, end).steps).toEqual([])
      }),
      RUNS,
    )
  })

  test('what is left of a plan that was cut off is no worse than the whole of it', () => {
    fc.assert(
      fc.property(pairs, ([before, after]) => {
        const seen = seenFor(after, applied(planOf(before), noFacts('home')))
        for (const [spec, from] of [[before, noFacts('home')] as const, [after, seen] as const]) {
          const reviewed = planOf(spec, from)
          let now = from
          for (const { step } of reviewed.steps) {
            now = factsAfter(step, now)
            expect(addedRisk(reviewed, planOf(spec, now))).toEqual([])
          }
        }
      }),
      { numRuns: 10 },
    )
  })

  test('every step waits only for earlier ones, ids are unique, and everything has an end in await-cluster', () => {
    fc.assert(
      fc.property(pairs, choices, ([before, after], stop) => {
        const facts = seenFor(after, partly(planOf(before), noFacts('home'), stop))
        const { plan } = planCluster(after, blueprint(after), facts)
        const earlier = new Set<string>()
        for (const { id, after: waits } of plan?.steps ?? []) {
          expect(earlier.has(id)).toBe(false)
          for (const wait of waits) expect(earlier).toContain(wait)
          earlier.add(id)
        }
        const waited = new Set(plan?.steps.flatMap(({ after: waits }) => waits))
        const ends = plan?.steps.filter(({ id }) => !waited.has(id)).map(({ id }) => id) ?? []
        expect(ends).toEqual(plan?.steps.length === 0 || plan === undefined ? [] : ['await-cluster/home'])
      }),
      RUNS,
    )
  })

  test('the order of keys does not matter, and facts that no step depends on leave the digest alone', () => {
    fc.assert(
      fc.property(specs, choices, (spec, stop) => {
        const facts = partly(planOf(spec), noFacts('home'), stop)
        const plan = planOf(spec, facts)
        expect(canonical(planOf(reversed(spec), reversed(facts)))).toBe(canonical(plan))
        const other = {
          ...facts,
          takenAt: '2026-11-21T12:00:00.000Z',
          runner: 'closet',
          images: { ...facts.images, 'lab/pve9/local': ['other.qcow2'] },
          artifacts: { 'https://example.com/a.yaml': '0'.repeat(64) },
        }
        expect(planOf(spec, other).digest).toBe(plan.digest)
      }),
      RUNS,
    )
  })

  afterEach(() => {
    vi.unstubAllEnvs()
    vi.restoreAllMocks()
  })

  test('time zone and locale do not matter', () => {
    const plan = canonical(planOf(homeSpec()))
    vi.stubEnv('TZ', 'Pacific/Chatham')
    vi.spyOn(String.prototype, 'localeCompare').mockReturnValue(-1)
    expect(canonical(planOf(homeSpec()))).toBe(plan)
  })
})

/** The same value with the members of every object in reverse order. */
function reversed<T>(value: T): T {
  if (Array.isArray(value)) return value.map((item: unknown) => reversed(item)) as T
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value)
      .reverse()
      .map(([key, member]) => [key, reversed(member as unknown)]),
  ) as T
}
