import { describe, expect, test } from 'vitest'
import { DEFAULT_POLICY, mayApply, parsePolicy, type Policy, whyMergeWaits } from '../../src/core/policy.ts'
import type { Impact } from '../../src/core/step.ts'
import { starterPolicy } from '../../templates/starters/repository.ts'

const FILE = 'slipway.policy.yaml'
const policy = (spec: string) => parsePolicy(`apiVersion: slipway.dev/v1alpha1\nkind: Policy\nspec:\n${spec}\n`, FILE)
const parsed = (spec: string): Policy => {
  const { policy: found, problems } = policy(spec)
  if (found === undefined) throw new Error(problems.map(({ what }) => what).join('; '))
  return found
}
const plan = (impact: Impact, destroys: readonly { kind: 'machine'; name: string; detail: string }[] = []) => ({
  cluster: 'home',
  machines: [{ machine: 'w-1', impact, change: 'changes' as const, summary: '' }],
  steps: [],
  destroys,
})

test('without a file the defaults hold, and the starter says just those', () => {
  expect(parsePolicy(undefined, FILE)).toEqual({ policy: DEFAULT_POLICY, problems: [] })
  expect(parsePolicy(starterPolicy(), FILE)).toEqual({ policy: DEFAULT_POLICY, problems: [] })
})

describe('a policy with a mistake is no policy: never the defaults instead', () => {
  test.each([
    ['an unknown field', '  aply: {}', 'spec.unknown-field', 4],
    ['an unknown impact', '  apply: { onMerge: explode }', 'spec.unknown-value', 4],
    ['losing data on merge', '  apply: { onMerge: data-loss }', 'spec.unknown-value', 4],
    ['a number as name', '  apply:\n    people: [7]', 'spec.wrong-type', 5],
  ])('%s', (_name, spec, code, line) => {
    expect(policy(spec)).toMatchObject({ problems: [{ code, line, file: FILE }] })
    expect(policy(spec).policy).toBeUndefined()
  })

  test('an empty file', () => {
    expect(parsePolicy('', FILE)).toMatchObject({ problems: [{ code: 'spec.empty-file' }] })
  })
})

describe('what merging alone may run', () => {
  test.each(['nothing', 'live', 'restart', 'drain', 'reboot'] as const)('by default: %s', (impact) => {
    expect(whyMergeWaits(DEFAULT_POLICY, plan(impact))).toBeUndefined()
  })

  test.each(['replace', 'data-loss'] as const)('by default not: %s', (impact) => {
    expect(whyMergeWaits(DEFAULT_POLICY, plan(impact))).toContain(impact)
  })

  test('never a plan that destroys', () => {
    const all = parsed('  apply: { onMerge: replace }')
    expect(whyMergeWaits(all, plan('live', [{ kind: 'machine', name: 'w-9', detail: '' }]))).toBe(
      'it destroys something',
    )
  })

  test('nothing where the policy says so, and nothing on protected clusters', () => {
    expect(whyMergeWaits(parsed('  apply: { onMerge: never }'), plan('nothing'))).toBeDefined()
    expect(whyMergeWaits(parsed('  apply: { protectedClusters: [home] }'), plan('nothing'))).toContain('protects home')
    expect(whyMergeWaits(parsed('  apply: { protectedClusters: [prod] }'), plan('nothing'))).toBeUndefined()
  })

  test('the impact of a step counts even when its machine says less', () => {
    const step = { id: 'x/y', step: { kind: 'x' }, after: [], impact: 'replace', summary: '', uses: [] }
    const with_ = { ...plan('live'), steps: [step] } as unknown as Parameters<typeof whyMergeWaits>[1]
    expect(whyMergeWaits(DEFAULT_POLICY, with_)).toContain('replace')
  })
})

describe('who may ask for a run', () => {
  test('by default everybody who may write', () => {
    expect(['none', 'read', 'write', 'admin'].map((level) => mayApply(DEFAULT_POLICY, 'ann', level as 'read'))).toEqual(
      [false, false, true, true],
    )
  })

  test('only the people named, and they need the permission too', () => {
    const few = parsed('  apply: { people: [Ann], permission: admin }')
    expect(mayApply(few, 'ann', 'admin')).toBe(true)
    expect(mayApply(few, 'ann', 'write')).toBe(false)
    expect(mayApply(few, 'bob', 'admin')).toBe(false)
  })
})
