import { expect, test } from 'vitest'
import { noFacts } from '../../src/core/facts.ts'
import { addedRisk } from '../../src/core/risk.ts'
import { applied, homeSpec, planOf, vm } from './plan-spec.ts'

const spec = homeSpec()
const grown = homeSpec({ machines: [...spec.machines, vm('w-3', { vmid: 413, address: '10.4.0.23' })] })
const larger = homeSpec({
  machines: grown.machines.map((m) => (m.kind === 'vm' && m.name === 'w-1' ? { ...m, memoryMiB: 16_384 } : m)),
})
const running = applied(planOf(spec), noFacts('home'))

test('the same plan, or one with less to do, is no risk', () => {
  const reviewed = planOf(grown, running)
  expect(addedRisk(reviewed, reviewed)).toEqual([])
  const first = reviewed.steps
    .slice(0, 2)
    .reduce((seen, step) => applied({ ...reviewed, steps: [step] }, seen), running)
  const later = planOf(grown, first)
  expect(later.digest).not.toBe(reviewed.digest)
  expect(addedRisk(reviewed, later)).toEqual([])
})

test('a second machine under a name that was to go, or one with other disks, is named', () => {
  const old = { connection: 'lab', node: 'pve1', vmid: 413, name: 'w-3', disks: [{ volume: 'a', sizeGiB: 40 }] }
  const restored = { ...old, vmid: 499, disks: [{ volume: 'b', sizeGiB: 900 }] }
  const reviewed = planOf(spec, { ...running, strays: [old] })
  expect(addedRisk(reviewed, reviewed)).toEqual([])
  expect(addedRisk(reviewed, planOf(spec, { ...running, strays: [old, restored] }))).toEqual([
    'machine w-3 would be destroyed: VM 499 on pve1 with its disk b (900 GiB)',
  ])
  expect(addedRisk(reviewed, planOf(spec, { ...running, strays: [restored] }))).toHaveLength(1)
})

test('a machine that reboots, leaves or is destroyed where nobody reviewed that is named', () => {
  expect(addedRisk(planOf(grown, running), planOf(larger, running))).toEqual([
    'w-1: nothing was reviewed, reboot is needed now',
  ])
  const member = applied(planOf(grown, running), running)
  const { 'w-3': _, ...machines } = member.machines
  const stray = { connection: 'lab', node: 'pve1', vmid: 413, name: 'w-3', disks: [] }
  const leaving = planOf(spec, { ...member, machines, strays: [stray] })
  expect(addedRisk(planOf(spec, running), leaving)).toEqual([
    'machine w-3 would be destroyed: VM 413 on pve1',
    'w-3: nothing was reviewed, data-loss is needed now',
    'w-3 would leave the cluster',
  ])
})
